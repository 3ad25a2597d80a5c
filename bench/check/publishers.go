package check

// Answer is the outcome of a publish.
type Answer int

// The answers.
const (
	// Unknown: there was no answer, or one that says that the record may be stored.
	Unknown Answer = iota
	// Stored: stored at the partition and offset in the answer.
	Stored
	// NotStored: certainly not stored.
	NotStored
)

// Publish is one record that was sent, with the answer.
type Publish struct {
	// Session and Key are the scope within which order is kept.
	Session, Key string
	// Sum is the sum of the record. It must be unique.
	Sum    uint64
	Answer Answer
	// Partition and Offset are those in the answer of a stored record.
	Partition int32
	Offset    int64
}

// Publishers compares answers with the log. The publishes of each session must be in
// the order in which they were sent.
func Publishers(log *Log, publishes []Publish) *Report {
	type place struct {
		partition int32
		offset    int64
	}
	report := newReport()
	where := make(map[uint64][]place)
	for p, entries := range log.Visible {
		for _, entry := range entries {
			where[entry.Sum] = append(where[entry.Sum], place{int32(p), entry.Offset})
		}
	}
	type lane struct{ session, key string }
	last := make(map[lane]place)
	for _, sent := range publishes {
		report.Delivered++
		places := where[sent.Sum]
		if len(places) > 1 {
			report.add(StoredTwice, len(places)-1, "%s, key %q: %v", sent.Session, sent.Key, places)
		}
		switch sent.Answer {
		case Stored:
			if at := (place{sent.Partition, sent.Offset}); len(places) == 0 || places[0] != at {
				report.add(StoredMissing, 1, "%s, key %q: answered %v, found at %v", sent.Session, sent.Key, at, places)
			}
		case NotStored:
			if len(places) > 0 {
				report.add(RejectedVisible, 1, "%s, key %q: found at %v", sent.Session, sent.Key, places)
			}
		case Unknown:
		}
		if len(places) == 0 {
			continue
		}
		of := lane{sent.Session, sent.Key}
		if before, ok := last[of]; ok && (before.partition != places[0].partition || before.offset >= places[0].offset) {
			report.add(PublishOrder, 1, "%s, key %q: %v after %v", sent.Session, sent.Key, places[0], before)
		}
		last[of] = places[0]
	}
	return report
}
