package check

import (
	"slices"
	"time"
)

// Position is the next offset wanted, by partition.
type Position []int64

// Clone returns a copy.
func (p Position) Clone() Position { return slices.Clone(p) }

// Gap is a reported gap: a range of offsets that the server will not deliver.
type Gap struct {
	Partition int32
	From, To  int64
	Reason    string
	// After is how many records of the partition the connection had received.
	After int
}

// Connection is what a subscriber received between two cuts.
type Connection struct {
	// Where describes the server of the connection, for reports.
	Where string
	// From describes the cursor that the connection resumed from, and Began is when, for
	// reports.
	From  string
	Began time.Time
	// Low and High bound the position that the connection resumed from. They are
	// equal if the subscriber knows it; if it resumed by name and the answer to its
	// last ack was lost, either may be stored.
	Low, High Position
	// Got holds the records received, by partition, in order of arrival.
	Got [][]Entry
	// Gaps are the gaps that the server reported.
	Gaps []Gap
	// RightEnds is the time from which nothing may be sent, because the right to it
	// has ended; zero means never. Late counts what was sent after it.
	RightEnds time.Time
	Late      int
}

// readLate is how long a sent record may wait for a client that gets no CPU time.
const readLate = 30 * time.Second

// Receive records a record that was written at a time. It was sent after that time
// and before it is received, which on a busy machine can be much later.
func (c *Connection) Receive(partition int32, entry Entry, written time.Time) {
	c.Got[partition] = append(c.Got[partition], entry)
	if !c.RightEnds.IsZero() && (written.After(c.RightEnds) || time.Since(c.RightEnds) > readLate) {
		c.Late++
	}
}

// Journal is what one subscriber received.
type Journal struct {
	// Subscriber is the name in reports.
	Subscriber string
	// Forbidden is set if the subscriber has no right at all: a successful
	// connection is a fault, and nothing is missing.
	Forbidden   bool
	Connections []*Connection
}

// Connect begins a connection that resumes between the two positions.
func (j *Journal) Connect(where string, low, high Position) *Connection {
	c := &Connection{Where: where, Began: time.Now(), Low: low.Clone(), High: high.Clone(), Got: make([][]Entry, len(low))}
	j.Connections = append(j.Connections, c)
	return c
}

// Received returns the number of records received, including duplicates.
func (j *Journal) Received() int {
	n := 0
	for _, c := range j.Connections {
		for _, entries := range c.Got {
			n += len(entries)
		}
	}
	return n
}
