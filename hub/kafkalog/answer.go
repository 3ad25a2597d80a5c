package kafkalog

import (
	"fmt"

	"sluice/hub/record"
)

// answer is a broker's answer to a fetch. Its slices alias the body that it was
// parsed from.
type answer struct {
	partitions []fetchedPartition
	aborted    []abortedTransaction
}

// fetchedPartition is one partition in the answer to a fetch.
type fetchedPartition struct {
	topic string         // up to version 12
	id    record.TopicID // from version 13

	partition int32
	code      int16
	start     int64 // log start offset, -1 if unknown
	stable    int64 // last stable offset, -1 if unknown
	replica   int32 // preferred read replica (KIP-392), -1 for none
	records   []byte

	// If the log has diverged (KIP-595): the largest epoch, and its end offset,
	// after which the records are known to diverge. -1 if it has not.
	divergedEpoch int32
	divergedEnd   int64

	aborted []abortedTransaction
}

// abortedTransaction is an aborted transaction: the records of the producer from
// first up to its next control batch must not be delivered.
type abortedTransaction struct {
	producer int64
	first    int64
}

// parse reads the body of an answer to a fetch of version 4 to 13. It is written
// by hand because kmsg allocates for every partition, and there are many polls.
func (a *answer) parse(body []byte, version int16) error {
	a.partitions, a.aborted = a.partitions[:0], a.aborted[:0]
	s := scan{b: body}
	flexible := version >= 12
	s.int32() // throttle
	if version >= 7 {
		code := s.int16()
		s.int32() // session
		if err := kafkaError(code); err != nil {
			return err
		}
	}
	for topics := s.length(flexible, false); topics > 0 && !s.bad; topics-- {
		var topic string
		var id record.TopicID
		if version >= 13 {
			copy(id[:], s.take(len(id)))
		} else {
			topic = string(s.bytes(flexible, true))
		}
		for n := s.length(flexible, false); n > 0 && !s.bad; n-- {
			p := fetchedPartition{topic: topic, id: id}
			a.partition(&s, &p, version, flexible)
			if !s.bad {
				a.partitions = append(a.partitions, p)
			}
		}
		if flexible {
			s.tags()
		}
	}
	if s.bad {
		return fmt.Errorf("parse fetch response: %w", errShort)
	}
	return nil
}

func (a *answer) partition(s *scan, p *fetchedPartition, version int16, flexible bool) {
	p.partition = s.int32()
	p.code = s.int16()
	s.int64() // high watermark
	p.stable = s.int64()
	p.start = -1
	if version >= 5 {
		p.start = s.int64()
	}
	from := len(a.aborted)
	for n := s.length(flexible, false); n > 0 && !s.bad; n-- {
		a.aborted = append(a.aborted, abortedTransaction{producer: s.int64(), first: s.int64()})
		if flexible {
			s.tags()
		}
	}
	p.aborted = a.aborted[from:len(a.aborted):len(a.aborted)]
	p.replica = -1
	if version >= 11 {
		p.replica = s.int32()
	}
	p.records = s.bytes(flexible, false)
	p.divergedEpoch, p.divergedEnd = -1, -1
	if !flexible {
		return
	}
	s.eachTag(func(tag uint64, value scan) {
		if tag == 0 {
			p.divergedEpoch, p.divergedEnd = value.int32(), value.int64()
		}
	})
}
