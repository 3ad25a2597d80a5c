package check

import (
	"slices"
	"time"
)

// Position is the next offset wanted of each partition, by partition.
type Position []int64

// Clone returns a copy.
func (p Position) Clone() Position { return slices.Clone(p) }

// Gap is a range of offsets that a server said it would not deliver.
type Gap struct {
	Partition int32
	From, To  int64
	Reason    string
	// After is how many records of the partition the connection had received.
	After int
}

// Connection is what a subscriber received between two cuts.
type Connection struct {
	// Where says what it was connected to, for reports.
	Where string
	// Low and High bound the position that the connection resumed from. They
	// are equal where the subscriber knows it; where it resumed under a name
	// and the answer to its last ack was lost, either may be stored.
	Low, High Position
	// Got holds what was received, by partition, in order of arrival.
	Got [][]Entry
	// Gaps are the gaps that the server announced.
	Gaps []Gap
	// RightEnds is from when on nothing may be sent, as the right to it has ended;
	// zero is never. Late counts what was sent after that.
	RightEnds time.Time
	Late      int
}

// readLate is how long what was sent may wait for a client that has no processor.
const readLate = 30 * time.Second

// Receive takes down a record that was written at a time. It was sent after that,
// and before it is received, which on a busy machine can be much later.
func (c *Connection) Receive(partition int32, entry Entry, written time.Time) {
	c.Got[partition] = append(c.Got[partition], entry)
	if !c.RightEnds.IsZero() && (written.After(c.RightEnds) || time.Since(c.RightEnds) > readLate) {
		c.Late++
	}
}

// Journal is what one subscriber received.
type Journal struct {
	// Subscriber names it in reports.
	Subscriber string
	// Forbidden is set where the subscriber has no right to anything: to be let
	// in is a fault, and nothing is missing.
	Forbidden   bool
	Connections []*Connection
}

// Connect begins a connection that resumes between the two positions.
func (j *Journal) Connect(where string, low, high Position) *Connection {
	c := &Connection{Where: where, Low: low.Clone(), High: high.Clone(), Got: make([][]Entry, len(low))}
	j.Connections = append(j.Connections, c)
	return c
}

// Received is the number of records received, duplicates too.
func (j *Journal) Received() int {
	n := 0
	for _, c := range j.Connections {
		for _, entries := range c.Got {
			n += len(entries)
		}
	}
	return n
}
