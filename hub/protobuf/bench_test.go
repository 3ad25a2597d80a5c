package protobuf_test

import (
	"testing"
)

// twenty is a message of twenty fields.
const twenty = `syntax = "proto3";
message Reading {
  string device = 1; int64 seq = 2; double temperature = 3; double humidity = 4; bool on = 5; string firmware = 6; int32 rssi = 7; uint32 uptime = 8;
  enum Mode { AUTO = 0; MANUAL = 1; } Mode mode = 9; message Position { double lat = 1; double lon = 2; } Position position = 10;
  repeated int32 samples = 11; repeated string tags = 12; map<string, string> labels = 13; bytes raw = 14; fixed64 serial = 15;
  float voltage = 16; sint32 offset = 17; string site = 18; string room = 19; string note = 20;
}`

const reading = `{"device":"eu-991","seq":"118273","temperature":21.5,"humidity":0.61,"on":true,"firmware":"1.2.3","rssi":-71,"uptime":86400,"mode":"MANUAL","position":{"lat":52.5,"lon":13.4},` +
	`"samples":[1,2,3],"tags":["a","b"],"labels":{"k":"v"},"raw":"AAECAw==","serial":"12345678901","voltage":3.3,"offset":-2,"site":"Berlin","room":"A-17","note":"leave it at the door"}`

func BenchmarkAppendJSON(b *testing.B) {
	s := compile(b, twenty)
	value, result := message(b, s, "").Encode(nil, []byte(reading), limits)
	dst, err := s.AppendJSON(nil, value, 5000)
	if err != nil || string(dst) != reading || len(result.Violations) > 0 {
		b.Fatal(string(dst), err, result)
	}
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AppendJSON(dst[:0], value, 5000); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m, document := message(b, compile(b, twenty), ""), []byte(reading)
	dst, _ := m.Encode(nil, document, limits)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if _, result := m.Encode(dst[:0], document, limits); len(result.Violations) > 0 {
			b.Fatal(result)
		}
	}
}

// BenchmarkOther is what the library takes for the same.
func BenchmarkOther(b *testing.B) {
	p := compilePair(b, twenty, "Reading")
	value, _ := p.message.Encode(nil, []byte(reading), limits)
	b.Run("show", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.show(value[1:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.read([]byte(reading)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
