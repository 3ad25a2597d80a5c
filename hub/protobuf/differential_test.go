package protobuf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"sluice/hub/jsonscan"
	"sluice/hub/protobuf"
	"sluice/hub/schema"
)

// pair is a message here, and for the other implementation.
type pair struct {
	schema  *protobuf.Schema
	message *protobuf.Message
	other   protoreflect.MessageDescriptor
	types   *dynamicpb.Types
}

func compilePair(t testing.TB, text, name string) pair {
	t.Helper()
	s, err := protobuf.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Message(name)
	if err != nil {
		t.Fatal(err)
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"a.proto": text})})}
	files, err := c.Compile(context.Background(), "a.proto")
	if err != nil {
		t.Fatal(err)
	}
	all := new(protoregistry.Files)
	register(t, all, files[0])
	d, err := all.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatal(err)
	}
	return pair{s, m, d.(protoreflect.MessageDescriptor), dynamicpb.NewTypes(all)}
}

func register(t testing.TB, all *protoregistry.Files, f protoreflect.FileDescriptor) {
	t.Helper()
	for i := range f.Imports().Len() {
		if _, err := all.FindFileByPath(f.Imports().Get(i).Path()); err != nil {
			register(t, all, f.Imports().Get(i).FileDescriptor)
		}
	}
	made, err := protodesc.NewFile(protodesc.ToFileDescriptorProto(f), all)
	if err != nil {
		t.Fatal(err)
	}
	if err := all.RegisterFile(made); err != nil {
		t.Fatal(err)
	}
}

// show returns the JSON that the other implementation shows.
func (p pair) show(binary []byte) (shown []byte, err error) {
	defer func() {
		if failed := recover(); failed != nil { // as it does for some entries of maps
			err = fmt.Errorf("panic: %v", failed)
		}
	}()
	m := dynamicpb.NewMessage(p.other)
	if err := (proto.UnmarshalOptions{Resolver: p.types, RecursionLimit: 101}).Unmarshal(binary, m); err != nil {
		return nil, err
	}
	return protojson.MarshalOptions{Resolver: p.types}.Marshal(m)
}

// read returns what the other implementation reads.
func (p pair) read(document []byte) (proto.Message, error) {
	m := dynamicpb.NewMessage(p.other)
	return m, protojson.UnmarshalOptions{Resolver: p.types}.Unmarshal(document, m)
}

// plain returns JSON without what does not matter: spaces and the order of members.
func plain(t testing.TB, document []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var limits = schema.Limits{Steps: 1 << 20, Violations: 20}

// pairs are the messages that are compared.
func pairs(t testing.TB) []pair {
	return []pair{compilePair(t, everything, "test.All"), compilePair(t, older, "test.Old"), compilePair(t, newer, "test.New")}
}

// TestAgrees: messages made at random are shown as the other implementation shows them; what it
// shows, and what is shown here, is encoded as the same message.
func TestAgrees(t *testing.T) {
	t.Parallel()
	for _, p := range pairs(t) {
		r := random{rand.New(rand.NewPCG(1, 2)), p}
		for range 80 {
			m := r.message(p.other, 0)
			binary, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			p.agree(t, binary)
			want, err := protojson.MarshalOptions{Resolver: p.types, UseProtoNames: r.IntN(2) == 0, UseEnumNumbers: r.IntN(2) == 0, Multiline: r.IntN(2) == 0, EmitUnpopulated: r.IntN(4) == 0}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			p.agreeJSON(t, want)
		}
	}
}

// agree compares what is shown of a binary, and reports whether it is a message.
func (p pair) agree(t testing.TB, binary []byte) bool {
	t.Helper()
	got, err := p.schema.AppendJSON(nil, append([]byte{0}, binary...), 1<<20)
	want, otherwise := p.show(binary)
	if (err == nil) != (otherwise == nil) {
		t.Fatalf("%x: shown as %s, %v; by the other implementation as %s, %v", binary, got, err, want, otherwise)
	}
	if err != nil {
		return false
	}
	if jsonscan.Check(got, 500) != nil || jsonscan.CheckNames(got, 0) != nil {
		t.Fatalf("%x: shown as %s", binary, got)
	}
	if plain(t, got) != plain(t, want) {
		t.Fatalf("%x: shown as\n%s\nand not\n%s", binary, plain(t, got), plain(t, want))
	}
	return p.agreeJSON(t, got)
}

// agreeJSON compares what a document is encoded as, and reports whether it is a message.
func (p pair) agreeJSON(t testing.TB, document []byte) bool {
	t.Helper()
	got, result := p.message.Encode(nil, document, limits)
	want, err := p.read(document)
	if len(result.Violations) > 0 && result.Violations[0].Keyword == "enum" && p.other.FullName() != "test.All" {
		return false // a number that a closed enumeration does not have is refused here only
	}
	if (len(result.Violations) == 0) != (err == nil) {
		t.Fatalf("%s: encoded as %x, %v; the other implementation: %v", document, got, result, err)
	}
	if err != nil {
		return false
	}
	m := dynamicpb.NewMessage(p.other)
	if got[0] != 0 {
		t.Fatalf("%s: encoded as %x", document, got)
	}
	if err := (proto.UnmarshalOptions{Resolver: p.types}).Unmarshal(got[1:], m); err != nil {
		t.Fatalf("%s: encoded as %x: %v", document, got, err)
	}
	if !proto.Equal(m, want) {
		// Equal does not look into an Any, where the order of fields is free.
		a, _ := protojson.MarshalOptions{Resolver: p.types}.Marshal(m)
		b, _ := protojson.MarshalOptions{Resolver: p.types}.Marshal(want)
		if plain(t, a) != plain(t, b) {
			t.Fatalf("%s: encoded as %x:\n%s\nand not\n%s", document, got, a, b)
		}
	}
	shown, err := p.schema.AppendJSON(nil, got, 1<<20)
	if err != nil {
		t.Fatalf("%s: encoded as %x, which is not shown: %v", document, got, err)
	}
	again, result := p.message.Encode(nil, shown, limits)
	if len(result.Violations) > 0 {
		t.Fatalf("%s: shown as %s: %v", document, shown, result)
	}
	if back, err := p.schema.AppendJSON(nil, again, 1<<20); err != nil || !bytes.Equal(back, shown) {
		t.Fatalf("%s: shown as %s, then as %s, %v", document, shown, back, err)
	}
	return true
}

// TestAgreesInParts: messages in parts, in any order and with parts replaced, are put together
// as the other implementation does it.
func TestAgreesInParts(t *testing.T) {
	t.Parallel()
	for _, p := range pairs(t) {
		r, good := random{rand.New(rand.NewPCG(3, 4)), p}, 0
		for range 300 {
			var parts []byte
			for range 1 + r.IntN(3) {
				b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(r.message(p.other, 2))
				if err != nil {
					t.Fatal(err)
				}
				parts = append(parts, b...)
			}
			if r.IntN(2) == 0 && len(parts) > 0 {
				for range 1 + r.IntN(3) {
					at := r.IntN(len(parts))
					switch r.IntN(3) {
					case 0:
						parts[at] = byte(r.Uint32())
					case 1:
						parts[at] += byte(r.IntN(3)) - 1
					default:
						parts = slices.Insert(parts, at, byte(r.IntN(4)))
					}
				}
			}
			if !p.comparable(parts) {
				continue
			}
			if p.agree(t, parts) {
				good++
			}
		}
		if good < 80 {
			t.Errorf("only %d messages of %s", good, p.other.FullName())
		}
	}
}

// comparable reports whether the implementations promise the same for a value: what is replaced
// by later parts is not looked into here, and a type that is not known is shown as its bytes.
func (p pair) comparable(binary []byte) bool {
	_, err := p.schema.AppendJSON(nil, append([]byte{0}, binary...), 1<<20)
	_, otherwise := p.show(binary)
	if err == nil && otherwise != nil {
		for _, why := range []string{"panic", "invalid UTF-8", "google.protobuf.Any", "unexpected EOF", "cannot parse", "variable length"} {
			if strings.Contains(otherwise.Error(), why) {
				return false
			}
		}
	}
	return true
}
