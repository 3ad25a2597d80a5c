// Package record defines the values that all of Sluice uses: a Kafka record, the
// offset at which reading continues in a partition, the position in a topic, the
// cursor that carries positions as text, and the gap that names records which
// will not be delivered.
//
// The package imports no other package of Sluice, starts no goroutines and keeps
// no state.
//
// # Files
//
// A file uses the files listed after it.
//
//	cursor.go    a position as text, and what a client has seen since
//	position.go  TopicID, Topic, PartitionOffset, Position
//	record.go    Record, Header
//	gap.go       Gap, and the reasons for gaps
package record
