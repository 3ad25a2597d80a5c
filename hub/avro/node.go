package avro

// kind is what is special about a type.
type kind uint8

const (
	kindNull kind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes
	kindString
	kindEnum
	kindFixed
	kindArray
	kindMap
	kindRecord
	kindUnion
)

var primitives = map[string]kind{
	"null": kindNull, "boolean": kindBoolean, "int": kindInt, "long": kindLong,
	"float": kindFloat, "double": kindDouble, "bytes": kindBytes, "string": kindString,
}

// node is a type.
type node struct {
	kind    kind
	decimal bool // of bytes and fixed
	uuid    bool // of fixed
	scale   int
	size    int      // of fixed
	symbols [][]byte // of an enum, as JSON
	names   [][]byte // of the fields of a record, as JSON, with a colon
	of      []*node  // fields, branches, items or values
}
