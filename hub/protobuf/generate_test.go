package protobuf_test

import (
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// everything has every kind of field, in proto3.
const everything = `syntax = "proto3";
package test;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Color { RED = 0; GREEN = 1; BLUE = -5; }
message All {
  double a_double = 1; float a_float = 2; int32 an_int32 = 3; int64 an_int64 = 4; uint32 a_uint32 = 5; uint64 a_uint64 = 6;
  sint32 a_sint32 = 7; sint64 a_sint64 = 8; fixed32 a_fixed32 = 9; fixed64 a_fixed64 = 10; sfixed32 a_sfixed32 = 11; sfixed64 a_sfixed64 = 12;
  bool a_bool = 13; string a_string = 14; bytes some_bytes = 15; Color color = 16; All child = 17;
  optional int32 maybe_int32 = 18; optional string maybe_string = 19; optional Color maybe_color = 20;
  repeated int32 int32s = 21; repeated string strings = 22; repeated All children = 23; repeated bool bools = 24; repeated double doubles = 25;
  repeated Color colors = 26; repeated sint64 unpacked = 27 [packed = false]; repeated bytes byteses = 28;
  map<string, int32> by_string = 31; map<int32, string> by_int32 = 32; map<bool, All> by_bool = 33; map<uint64, Color> by_uint64 = 34; map<sint64, bytes> by_sint64 = 35;
  oneof choice { int32 one_int32 = 41; string one_string = 42; All one_child = 43; Color one_color = 44; google.protobuf.NullValue one_null = 45; google.protobuf.Value one_value = 46; }
  google.protobuf.Timestamp at = 51; google.protobuf.Duration took = 52; google.protobuf.FieldMask mask = 53; google.protobuf.Struct object = 54;
  google.protobuf.Value any_value = 55; google.protobuf.ListValue list_value = 56; google.protobuf.Empty empty = 57; google.protobuf.Any any = 58;
  google.protobuf.BoolValue w_bool = 61; google.protobuf.Int32Value w_int32 = 62; google.protobuf.Int64Value w_int64 = 63; google.protobuf.UInt32Value w_uint32 = 64;
  google.protobuf.UInt64Value w_uint64 = 65; google.protobuf.FloatValue w_float = 66; google.protobuf.DoubleValue w_double = 67; google.protobuf.StringValue w_string = 68; google.protobuf.BytesValue w_bytes = 69;
  repeated google.protobuf.Timestamp times = 71; repeated google.protobuf.Value values = 72; map<string, google.protobuf.Value> by_value = 73;
  google.protobuf.NullValue null = 74; repeated google.protobuf.StringValue w_strings = 75; string renamed = 76 [json_name = "other-name"]; int64 _odd_Name = 77;
}`

// older has what only proto2 has.
const older = `syntax = "proto2";
package test;
enum Size { SMALL = 1; LARGE = 2; }
message Old {
  required int32 id = 1;
  optional Size size = 2 [default = LARGE];
  optional group Inner = 3 { optional string text = 1; optional Old deeper = 2; }
  repeated group Many = 4 { required int64 n = 1; }
  repeated int32 unpacked = 5;
  repeated int32 packed = 6 [packed = true];
  optional string text = 7 [default = "x"];
  extensions 100 to 200;
  message Nested { extend Old { optional Old more = 101; } }
}
extend Old { optional string extra = 100; repeated Size sizes = 102; }`

// newer has what editions change.
const newer = `edition = "2023";
package test;
option features.field_presence = IMPLICIT;
enum Shape { option features.enum_type = CLOSED; ROUND = 0; FLAT = 1; }
message New {
  int32 implicit = 1;
  int32 explicit = 2 [features.field_presence = EXPLICIT];
  int32 required = 3 [features.field_presence = LEGACY_REQUIRED];
  New delimited = 4 [features.message_encoding = DELIMITED];
  repeated New many = 5 [features.message_encoding = DELIMITED];
  repeated int32 expanded = 6 [features.repeated_field_encoding = EXPANDED];
  repeated int32 packed = 7;
  map<string, New> by = 8;
}`

// random makes values of any kind.
type random struct {
	*rand.Rand
	p pair
}

func (r random) message(d protoreflect.MessageDescriptor, depth int) *dynamicpb.Message {
	m := dynamicpb.NewMessage(d)
	switch d.FullName() {
	case "google.protobuf.Timestamp":
		r.put(m, 1, protoreflect.ValueOfInt64(r.Int64N(315537897600)-62135596800))
		r.put(m, 2, protoreflect.ValueOfInt32([]int32{0, 1, 500_000_000, 999_999_999, 120_000}[r.IntN(5)]))
		return m
	case "google.protobuf.Duration":
		sign := int64(1 - 2*r.IntN(2))
		r.put(m, 1, protoreflect.ValueOfInt64(sign*r.Int64N(315576000000)*int64(r.IntN(2))))
		r.put(m, 2, protoreflect.ValueOfInt32(int32(sign)*[]int32{0, 1, 500_000_000, 999_999_999, 120_000}[r.IntN(5)]))
		return m
	case "google.protobuf.FieldMask":
		list := m.Mutable(d.Fields().ByNumber(1)).List()
		for range r.IntN(3) {
			list.Append(protoreflect.ValueOfString([]string{"a", "a_b.c", "foo_bar", "_x", "a1.b_c_d"}[r.IntN(5)]))
		}
		return m
	case "google.protobuf.Any":
		if r.IntN(4) == 0 {
			return m
		}
		for {
			name := []protoreflect.FullName{"test.All", "google.protobuf.Timestamp", "google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Empty", "google.protobuf.Int64Value"}[r.IntN(6)]
			of, err := r.p.types.FindMessageByName(name)
			if err != nil {
				continue
			}
			b, err := proto.Marshal(r.message(of.Descriptor(), depth+1))
			if err != nil {
				panic(err)
			}
			r.put(m, 1, protoreflect.ValueOfString("type.googleapis.com/"+string(name)))
			r.put(m, 2, protoreflect.ValueOfBytes(b))
			return m
		}
	case "google.protobuf.Value":
		if depth > 4 {
			r.put(m, 4, protoreflect.ValueOfBool(true))
			return m
		}
		f := d.Fields().Get(r.IntN(6))
		switch f.Number() {
		case 2:
			m.Set(f, protoreflect.ValueOfFloat64([]float64{0, -1.5, 1e300, 123456789, math.Copysign(0, -1)}[r.IntN(5)]))
		default:
			m.Set(f, r.value(f, depth))
		}
		return m
	}
	fields := d.Fields()
	some := 1 + fields.Len()/4
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Cardinality() != protoreflect.Required && (r.IntN(fields.Len()) > some || depth > 4 && f.Message() != nil) {
			continue
		}
		switch {
		case f.IsMap():
			to := m.Mutable(f).Map()
			for range r.IntN(4) {
				to.Set(r.value(f.MapKey(), depth).MapKey(), r.value(f.MapValue(), depth))
			}
		case f.IsList():
			to := m.Mutable(f).List()
			for range r.IntN(4) {
				to.Append(r.value(f, depth))
			}
		default:
			m.Set(f, r.value(f, depth))
		}
	}
	if d.FullName() == "test.Old" && depth < 3 {
		for _, name := range []protoreflect.FullName{"test.extra", "test.sizes", "test.Old.Nested.more"} {
			x, err := r.p.types.FindExtensionByName(name)
			if err != nil || r.IntN(2) == 0 {
				continue
			}
			if f := x.TypeDescriptor(); f.IsList() {
				m.Mutable(f).List().Append(r.value(f, depth))
			} else {
				m.Set(f, r.value(f, depth))
			}
		}
	}
	return m
}

func (r random) put(m *dynamicpb.Message, number protoreflect.FieldNumber, v protoreflect.Value) {
	m.Set(m.Descriptor().Fields().ByNumber(number), v)
}

func (r random) value(f protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	small := r.IntN(3) > 0
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		if f.Enum().FullName() == "test.Color" && r.IntN(5) == 0 {
			return protoreflect.ValueOfEnum(77)
		}
		return protoreflect.ValueOfEnum(values.Get(r.IntN(values.Len())).Number())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		if small {
			return protoreflect.ValueOfInt32(int32(r.IntN(5) - 2))
		}
		return protoreflect.ValueOfInt32(int32(r.Uint32()))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		if small {
			return protoreflect.ValueOfUint32(uint32(r.IntN(3)))
		}
		return protoreflect.ValueOfUint32(r.Uint32())
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		if small {
			return protoreflect.ValueOfInt64(int64(r.IntN(5) - 2))
		}
		return protoreflect.ValueOfInt64(int64(r.Uint64()))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		if small {
			return protoreflect.ValueOfUint64(uint64(r.IntN(3)))
		}
		return protoreflect.ValueOfUint64(r.Uint64())
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32([]float32{0, float32(math.Copysign(0, -1)), 1.5, float32(r.NormFloat64()), float32(math.Inf(1)), 1e-30, 3e38, float32(math.NaN())}[r.IntN(8)])
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64([]float64{0, math.Copysign(0, -1), 1.5, r.NormFloat64(), math.Inf(-1), 1e-300, 1e21, math.NaN()}[r.IntN(8)])
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "a", "é\"\\\n\u2028\x00", "a long text, longer than others are", "x/~y"}[r.IntN(5)])
	case protoreflect.BytesKind:
		b := make([]byte, r.IntN(5))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return protoreflect.ValueOfBytes(b)
	}
	return protoreflect.ValueOfMessage(r.message(f.Message(), depth+1))
}
