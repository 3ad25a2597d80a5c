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
	// Sum is the sum of the record. It must be unique, unless there is an ID.
	Sum uint64
	// ID is the message id, with what it is unique in; "" for none. Each time that a record is
	// sent under its ID is a Publish.
	ID string
	// Duplicate means that the answer says that the record was stored before.
	Duplicate bool
	Answer    Answer
	// Partition and Offset are those in the answer of a stored record.
	Partition int32
	Offset    int64
}

// place is where a record is stored.
type place struct {
	partition int32
	offset    int64
}

// Publishers compares answers with the log. The publishes of each session must be in
// the order in which they were sent, of those with an ID only the ones that were sent once.
func Publishers(log *Log, publishes []Publish) *Report {
	report := newReport()
	where := make(map[uint64][]place)
	for p, entries := range log.Visible {
		for _, entry := range entries {
			where[entry.Sum] = append(where[entry.Sum], place{int32(p), entry.Offset})
		}
	}
	ids := identified(publishes)
	for id, all := range ids {
		report.once(id, all, where)
	}
	type lane struct{ session, key string }
	last := make(map[lane]place)
	for _, sent := range publishes {
		report.Delivered++
		if len(ids[sent.ID]) > 1 {
			continue
		}
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
