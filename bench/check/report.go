package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fault is a kind of broken promise.
type Fault string

// The faults.
const (
	// Lost: a visible record never reached a subscriber.
	Lost Fault = "lost"
	// SilentGap: a record arrived before an earlier record that the connection
	// should have received first, and no gap was reported.
	SilentGap Fault = "silent gap"
	// CursorAhead: a connection began after the position that it resumed from.
	CursorAhead Fault = "cursor ahead"
	// OutOfOrder: offsets fell, or repeated, within a connection.
	OutOfOrder Fault = "out of order"
	// Duplicate: a connection began before the position that it resumed from.
	Duplicate Fault = "duplicate outside the window"
	// AbortedDelivered: a record of an aborted transaction was delivered.
	AbortedDelivered Fault = "aborted delivered"
	// Foreign: the log has no such record at this offset, or has it with another key
	// or value.
	Foreign Fault = "foreign"
	// Announced: the server reported a gap over records that the log has.
	Announced Fault = "gap announced"
	// Untold: a record was delivered that Kafka lost later, and the loss was not
	// reported to the subscriber.
	Untold Fault = "lost by Kafka, and not told"
	// WithoutRight: something was delivered to a client that had no right to it, or
	// no longer had it.
	WithoutRight Fault = "delivered without a right"
	// StoredMissing: a publish was answered "stored", and the record is not in the
	// log.
	StoredMissing Fault = "answered stored, yet missing"
	// RejectedVisible: a publish was answered "not stored", and the record is in the
	// log.
	RejectedVisible Fault = "answered not stored, yet visible"
	// StoredTwice: a record published once is in the log more than once.
	StoredTwice Fault = "stored twice"
	// IDStoredTwice: more than one record is in the log under a message id.
	IDStoredTwice Fault = "message id stored twice"
	// NotTold: a publish was answered as if it was the first under its message id, and another
	// one was, too.
	NotTold Fault = "answered as stored first more than once"
	// Unsettled: a record with a message id was sent again until the end, and what has become of
	// it was not said.
	Unsettled Fault = "message id never settled"
	// PublishOrder: records of a session with the same key are stored in another
	// order than they were sent.
	PublishOrder Fault = "published out of order"
)

// examples is how many instances of a fault a report describes.
const examples = 5

// Report counts faults.
type Report struct {
	// Delivered is the number of deliveries, or of answers, that were compared.
	Delivered int
	// Repeated is how many of these were duplicates within the window.
	Repeated int
	// Reconnects is the number of connections after each journal's first.
	Reconnects int

	Faults   map[Fault]int
	examples map[Fault][]string
}

func newReport() *Report {
	return &Report{Faults: make(map[Fault]int), examples: make(map[Fault][]string)}
}

func (r *Report) add(fault Fault, n int, format string, args ...any) {
	r.Faults[fault] += n
	if len(r.examples[fault]) < examples {
		r.examples[fault] = append(r.examples[fault], fmt.Sprintf(format, args...))
	}
}

// Add adds the counts of another report.
func (r *Report) Add(other *Report) {
	r.Delivered += other.Delivered
	r.Repeated += other.Repeated
	r.Reconnects += other.Reconnects
	for fault, n := range other.Faults {
		r.Faults[fault] += n
		room := max(0, examples-len(r.examples[fault]))
		r.examples[fault] = append(r.examples[fault], other.examples[fault][:min(room, len(other.examples[fault]))]...)
	}
}

// Err returns nil if there are no faults. Otherwise the error lists each fault with
// its count and the first instances.
func (r *Report) Err() error {
	if len(r.Faults) == 0 {
		return nil
	}
	var lines []string
	for _, fault := range slices.Sorted(maps.Keys(r.Faults)) {
		lines = append(lines, fmt.Sprintf("%s: %d", fault, r.Faults[fault]))
		for _, example := range r.examples[fault] {
			lines = append(lines, "    "+example)
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// String summarizes what was compared.
func (r *Report) String() string {
	return fmt.Sprintf("%d compared, %d repeated within the window, %d reconnects, %d kinds of fault",
		r.Delivered, r.Repeated, r.Reconnects, len(r.Faults))
}
