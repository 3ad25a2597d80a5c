package protobuf

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// maxDepth is how deep messages nest, entries of maps included, as in other implementations.
	maxDepth = 100
	// maxKept bounds the memory that is kept for the next value, in items.
	maxKept = 4096
)

// special is what the JSON mapping shows in a way of its own.
type special uint8

const (
	plain special = iota
	specialAny
	specialTimestamp
	specialDuration
	specialFieldMask
	specialStruct
	specialValue
	specialList
	specialWrapper
)

// specials are the messages of the standard's own files that are not shown as their fields.
var specials = map[protoreflect.FullName]special{
	"google.protobuf.Any":         specialAny,
	"google.protobuf.Timestamp":   specialTimestamp,
	"google.protobuf.Duration":    specialDuration,
	"google.protobuf.FieldMask":   specialFieldMask,
	"google.protobuf.Struct":      specialStruct,
	"google.protobuf.Value":       specialValue,
	"google.protobuf.ListValue":   specialList,
	"google.protobuf.BoolValue":   specialWrapper,
	"google.protobuf.Int32Value":  specialWrapper,
	"google.protobuf.Int64Value":  specialWrapper,
	"google.protobuf.UInt32Value": specialWrapper,
	"google.protobuf.UInt64Value": specialWrapper,
	"google.protobuf.FloatValue":  specialWrapper,
	"google.protobuf.DoubleValue": specialWrapper,
	"google.protobuf.StringValue": specialWrapper,
	"google.protobuf.BytesValue":  specialWrapper,
}

// Bounds of the standard's times: the years 1 to 9999, and 10,000 years.
const (
	minTimestamp = -62135596800
	maxTimestamp = 253402300799
	maxDuration  = 315576000000
	nanos        = 1_000_000_000
)

// The indexes of the fields of google.protobuf.Value.
const (
	valueNull = iota
	valueNumber
	valueString
	valueBool
	valueStruct
	valueList
)

// message is a type of messages.
type message struct {
	name     string
	special  special
	fields   []field        // by number, extensions too
	names    map[string]int // the fields by their JSON names, and by those of the file
	required []int          // fields
	oneofs   int            // how many sets of fields that exclude each other
	first    int            // the index of the first of these among all of the schema
	nested   []*message     // those that message indexes count
	indexes  []byte         // the message indexes of this one
}

// field is a field of a message.
type field struct {
	number   protowire.Number
	kind     protoreflect.Kind
	wire     protowire.Type // of one value
	name     string         // in JSON
	json     []byte         // that name as it is written, with a colon
	list     bool
	object   bool // a map
	packed   bool // how a list is written
	presence bool // the default value is shown and written
	oneof    int  // among those of the message, or noOneof
	message  *message
	enum     *enum
}

const noOneof = -1

// enum is a type of enumerated values.
type enum struct {
	null    bool // google.protobuf.NullValue
	closed  bool
	shown   map[protoreflect.EnumNumber][]byte // as JSON
	numbers map[string]protoreflect.EnumNumber
	must    string // in words, with the first few
}

// find returns the index of a field with a number, or -1. The hint is the index that was found
// before: most fields are written in their order.
func (m *message) find(number protowire.Number, hint int) int {
	for i := hint; i < min(hint+2, len(m.fields)); i++ {
		if m.fields[i].number == number {
			return i
		}
	}
	low, high := 0, len(m.fields)
	for low < high {
		if middle := int(uint(low+high) >> 1); m.fields[middle].number < number {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(m.fields) && m.fields[low].number == number {
		return low
	}
	return -1
}

// wireOf returns how one value of a kind is written.
func wireOf(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// isPath reports whether a path of a field mask consists of names with dots between them.
func isPath(path []byte) bool { return protoreflect.FullName(path).IsValid() }
