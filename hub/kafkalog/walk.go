package kafkalog

import (
	"cmp"
	"errors"
	"slices"

	"sluice/hub/record"
)

// walk goes through what a fetch brought from one partition, in rounds: each
// prepares some batches, whose records can then be visited any number of times
// without an error. It reads committed: records of aborted transactions and
// control records are passed over.
type walk struct {
	rest     []byte
	position record.PartitionOffset // behind what has been walked
	start    int64                  // log start offset, -1 when not known
	stable   int64
	aborted  []abortedTransaction // by first offset, those not yet begun
	active   []int64              // producers whose records are being passed over

	// Of the round.
	batches []batch
	from    int64
	gap     record.Gap // set when Reason is
	bytes   int
	visible int
	record  record.Record
	// partial: data was left over that is not a whole batch.
	partial bool
	// whole: what looks like a part of a batch is a damaged one, as it has
	// been asked for in vain.
	whole bool
	// cause is why there is a gap.
	cause error
}

// begin takes up what was fetched for a partition.
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

// next prepares a round of some budget bytes, and returns what is left of
// them. It stops before a gap that would stand between records.
func (w *walk) next(f *inflater, budget int) int {
	w.clear()
	for len(w.rest) > 0 && budget > 0 {
		size, magic, known := batchSize(w.rest)
		cut := !known || size > int64(len(w.rest))
		if cut && !w.whole && size <= maxAnswerBytes {
			// Brokers cut off the last batch wherever the answer is full.
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
				break // the next round begins with it
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
	if h.last() < w.from { // brokers answer from the batch that holds the offset
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

// passedOver reports whether the batch is not for readers: control records,
// and those of transactions that were aborted.
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

// abortMarker reports whether the record of a control batch ends a transaction
// that is void: its key is an int16 version and an int16 type, 0 for abort.
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

// skip makes a gap of a batch that cannot be read.
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
	// An epoch of before would look like a log that was cut short.
	w.position.Offset, w.position.Epoch = to, -1
	w.from = to
}

// extent is the offsets that a batch takes which cannot be trusted. It always
// moves on, and never past what is stable.
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
		// What it begins with is the offset of the last message in it.
		last := (&scan{b: raw}).int64()
		if last >= 0 && last < from {
			return from, from
		}
		if sane(last + 1) {
			to = last + 1
		}
	}
	// What follows begins behind the batch, whatever the batch says.
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
