package kafkalog

import (
	"cmp"
	"errors"
	"slices"

	"sluice/hub/record"
)

// walk iterates over what a fetch brought from one partition, in rounds: each
// round prepares some batches, whose records can then be visited any number of
// times without an error. It reads committed: records of aborted transactions and
// control records are skipped.
type walk struct {
	rest     []byte
	position record.PartitionOffset // after what has been walked
	start    int64                  // log start offset, -1 if unknown
	stable   int64
	aborted  []abortedTransaction // by first offset, those that have not begun
	active   []int64              // producers whose records are being skipped

	// State of the round.
	batches []batch
	from    int64
	gap     record.Gap // only valid if its Reason is set
	bytes   int
	visible int
	record  record.Record
	// partial means that the data ended with an incomplete batch.
	partial bool
	// whole means that an apparently incomplete batch is a damaged one, because
	// more of it has been requested without success.
	whole bool
	// cause is the reason for the gap.
	cause error
}

// begin starts with the answer for a partition.
func (w *walk) begin(p *fetchedPartition, at record.PartitionOffset) {
	w.rest, w.position, w.start, w.stable = p.records, at, p.start, p.stable
	w.aborted = append(w.aborted[:0], p.aborted...)
	slices.SortFunc(w.aborted, func(a, b abortedTransaction) int { return cmp.Compare(a.first, b.first) })
	w.active = w.active[:0]
	w.partial, w.whole = false, false
	w.clear()
}

func (w *walk) clear() {
	clear(w.batches)
	w.batches, w.from = w.batches[:0], w.position.Offset
	w.gap, w.cause = record.Gap{}, nil
	w.bytes, w.visible = 0, 0
}

// next prepares a round of about budget bytes, and returns what is left of the
// budget. It stops before a gap that would lie between records.
func (w *walk) next(f *inflater, budget int) int {
	w.clear()
	for len(w.rest) > 0 && budget > 0 {
		size, magic, known := batchSize(w.rest)
		cut := !known || size > int64(len(w.rest))
		if cut && !w.whole && size <= maxAnswerBytes {
			// Brokers cut the last batch off where the answer is full.
			w.rest, w.partial = nil, true
			break
		}
		var before int
		var err error
		if cut || size < magicEnd {
			size, err = int64(len(w.rest)), errMalformed
		} else {
			before = w.bytes
			err = w.batch(w.rest[:size], magic, f)
		}
		if err != nil {
			if w.visible > 0 {
				break // the next round begins with this batch
			}
			w.skip(w.rest[:size], err)
		}
		w.rest = w.rest[size:]
		budget -= w.bytes - before
	}
	return budget
}

func (w *walk) batch(raw []byte, magic byte, f *inflater) error {
	switch {
	case magic < 2:
		return errOldFormat
	case magic > 2:
		return errMagic
	}
	h, err := parseHeader(raw)
	if err != nil {
		return err
	}
	if err := h.check(raw); err != nil {
		return err
	}
	if h.last() < w.from { // brokers answer from the batch that contains the offset
		return nil
	}
	if w.passedOver(&h, raw) {
		w.pass(h.last(), h.epoch)
		return nil
	}
	b, visible, err := h.open(raw, f, w.from)
	if err != nil {
		return err
	}
	w.add(b, visible)
	w.pass(h.last(), h.epoch)
	return nil
}

// passedOver reports whether readers must not see the batch: control records, and
// records of aborted transactions.
func (w *walk) passedOver(h *header, raw []byte) bool {
	for len(w.aborted) > 0 && w.aborted[0].first <= h.last() {
		if !slices.Contains(w.active, w.aborted[0].producer) {
			w.active = append(w.active, w.aborted[0].producer)
		}
		w.aborted = w.aborted[1:]
	}
	if h.control() {
		if abortMarker(raw[batchHeader:]) {
			w.active = slices.DeleteFunc(w.active, func(id int64) bool { return id == h.producer })
		}
		return true
	}
	return h.attributes&attrTransactional != 0 && slices.Contains(w.active, h.producer)
}

// abortMarker reports whether the record of a control batch aborts a transaction:
// its key is an int16 version and an int16 type, 0 for abort.
func abortMarker(data []byte) bool {
	varint(&data) // length
	if len(data) > 0 {
		data = data[1:] // attributes
	}
	varint(&data) // timestamp
	varint(&data) // offset
	key, ok := varbytes(&data)
	return ok && len(key) >= 4 && key[2] == 0 && key[3] == 0
}

func (w *walk) add(b batch, visible int) {
	if visible == 0 {
		return
	}
	w.batches = append(w.batches, b)
	w.visible += visible
	w.bytes += len(b.data)
}

func (w *walk) pass(last int64, epoch int32) {
	if last >= w.position.Offset {
		w.position.Offset, w.position.Epoch = last+1, epoch
	}
}

// skip replaces a batch that cannot be read by a gap.
func (w *walk) skip(raw []byte, cause error) {
	from, to := w.extent(raw)
	if to <= w.position.Offset {
		return
	}
	reason := record.GapUnreadable
	if errors.Is(cause, errInflatesTooLarge) {
		reason = record.GapTooLarge
	}
	if w.gap.Reason == "" {
		w.gap = record.Gap{Partition: w.position.Partition, From: from, Reason: reason}
	}
	w.gap.To = to
	w.cause = cause
	// The epoch of an earlier record would look like a truncated log.
	w.position.Offset, w.position.Epoch = to, -1
	w.from = to
}

// extent returns the offsets covered by a batch that cannot be trusted. The range
// always advances the position, unless the batch lies wholly before it, and never
// goes beyond the last stable offset.
func (w *walk) extent(raw []byte) (from, to int64) {
	sane := func(offset int64) bool {
		return offset > w.position.Offset && offset < maxOffset && (w.stable < 0 || offset <= w.stable)
	}
	from, to = w.position.Offset, w.position.Offset+1
	if h, err := parseHeader(raw); err == nil && raw[16] == 2 && h.lastDelta >= 0 {
		if h.last()+1 <= w.position.Offset && h.base >= 0 && h.check(raw) == nil {
			return from, from
		}
		if sane(h.last() + 1) {
			to = h.last() + 1
		}
	}
	old := len(raw) >= magicEnd && raw[16] < 2
	if old {
		// An old message set begins with the offset of its last message.
		last := (&scan{b: raw}).int64()
		if last >= 0 && last < from {
			return from, from
		}
		if sane(last + 1) {
			to = last + 1
		}
	}
	// The next batch begins after this one, whatever this one's header says.
	if behind := w.rest[len(raw):]; len(behind) >= magicEnd && behind[16] == 2 {
		if base := (&scan{b: behind}).int64(); sane(base) {
			to = base
		}
	}
	if base := (&scan{b: raw}).int64(); !old && base > from && base < to {
		from = base
	}
	return from, to
}

// each visits the records of the round.
func (w *walk) each(yield func(*record.Record) bool) {
	w.record.Partition = w.position.Partition
	for i := range w.batches {
		if !w.batches[i].each(w.from, &w.record, yield) {
			return
		}
	}
}
