package record

// Header is one Kafka record header. Headers are ordered and names may repeat
// (KIP-82). A nil Value is a null value, which differs from an empty one.
type Header struct {
	Name  []byte
	Value []byte
}

// Record is a Kafka record.
//
// A nil Key is a null key and a nil Value a tombstone; both differ from empty
// ones. The slices of a record that a Source delivers alias the buffer of its
// fetch: they are valid until the function that was given the record returns.
type Record struct {
	Partition int32
	// Epoch is the leader epoch of the batch that contained the record, -1 if the
	// broker has none (KIP-101).
	Epoch  int32
	Offset int64
	// Timestamp is in Unix milliseconds, -1 for none.
	Timestamp int64
	Key       []byte
	Headers   []Header
	Value     []byte
	// Undecrypted are the paths of what was encrypted in the record and could not be
	// decrypted, which is null: a path into the value, headers.NAME, or WholeValue. It is
	// nil of records that a Source delivers.
	Undecrypted []string
}

// WholeValue is the path of the whole value of a record.
const WholeValue = "data"
