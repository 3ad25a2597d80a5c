// Package record holds the values that all of Sluice speaks of: a Kafka record,
// the offset at which reading goes on in a partition, the position in a topic,
// the cursor that carries positions as text, and the gap that names records
// which will not be delivered.
//
// The package imports nothing of Sluice, starts nothing and keeps nothing.
//
// # Files
//
// A file uses those behind it.
//
//	cursor.go    a position as text, and what a client has seen since
//	position.go  TopicID, Topic, PartitionOffset, Position
//	record.go    Record, Header
//	gap.go       Gap, and the reasons for gaps
package record
