package once

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/backoff"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// scanRead is roughly how much one read asks for, over all partitions.
const scanRead = 1 << 20

// Errors of a scan that could not be completed.
var (
	errTooMuch = errors.New("the log has more records since then than are looked through")
	errHole    = errors.New("records of the log cannot be read")
)

// scan reads a topic from a time to the end of its log.
type scan struct {
	source upstream.Source
	topic  string
	since  time.Time
	bytes  int           // that are read at most
	pause  time.Duration // how long the log is given to grow before it is complete

	read    int
	at      map[int32]record.PartitionOffset
	stopped bool
	err     error
}

// run calls visit with the records until it returns false. It returns nil if that is so, or if
// all records were visited up to the end that the log has at the end of the scan.
func (s *scan) run(ctx context.Context, visit func(*record.Record) bool) error {
	topic, err := s.source.Topic(ctx, s.topic)
	if err != nil {
		return fmt.Errorf("describe topic: %w", err)
	}
	from, err := s.source.Offsets(ctx, topic, upstream.At(s.since))
	if err != nil {
		return fmt.Errorf("find offsets by time: %w", err)
	}
	s.at = make(map[int32]record.PartitionOffset, len(from))
	for _, p := range from {
		p.Epoch = -1 // where the time begins is no position that was read before
		s.at[p.Partition] = p
	}
	for _, pause := range []time.Duration{0, s.pause} {
		if pause > 0 && !backoff.Sleep(ctx, pause) {
			return fmt.Errorf("wait for the end of the log: %w", ctx.Err())
		}
		ends, err := s.source.Offsets(ctx, topic, upstream.LogEnd())
		if err != nil {
			return fmt.Errorf("find the end of the log: %w", err)
		}
		if err := s.to(ctx, topic, ends, visit); err != nil || s.stopped {
			return err
		}
		if s.pause == 0 {
			return nil
		}
	}
	return nil
}

// to reads on until all of the ends are reached. What is not on all in-sync replicas yet, or
// follows an open transaction, is waited for.
func (s *scan) to(ctx context.Context, topic record.Topic, ends []record.PartitionOffset, visit func(*record.Record) bool) error {
	retry := backoff.New()
	for {
		var pending []record.PartitionOffset
		for _, end := range ends {
			at, ok := s.at[end.Partition]
			if !ok { // added to the topic since
				at = record.PartitionOffset{Partition: end.Partition, Epoch: -1}
			}
			if at.Offset < end.Offset {
				pending = append(pending, at)
			}
		}
		if len(pending) == 0 {
			return nil
		}
		if s.read >= s.bytes {
			return errTooMuch
		}
		moved := false
		err := s.source.Read(ctx, topic, pending, scanRead, func(f *upstream.Fetched) {
			moved = s.visit(f, visit) || moved
		})
		switch {
		case s.stopped:
			return nil
		case s.err != nil:
			return s.err
		case err != nil:
			return fmt.Errorf("read the log: %w", err)
		case moved:
			retry.Reset()
		case !retry.Wait(ctx):
			return fmt.Errorf("read the log to its end: %w", ctx.Err())
		}
	}
}

// visit visits what was read of a partition, and reports whether that is anything.
func (s *scan) visit(f *upstream.Fetched, visit func(*record.Record) bool) (moved bool) {
	if s.stopped || s.err != nil {
		return false
	}
	at, known := s.at[f.Partition]
	if f.Gap != nil {
		s.err = fmt.Errorf("%w: %s", errHole, f.Gap.Reason)
		return false
	}
	s.read += f.Bytes
	if f.Each != nil {
		f.Each(func(r *record.Record) bool {
			s.stopped = !visit(r)
			return !s.stopped
		})
	}
	s.at[f.Partition] = f.Next
	return !known || f.Next.Offset != at.Offset
}
