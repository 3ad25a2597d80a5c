package hub

import (
	"slices"
	"time"

	"sluice/hub/record"
)

// Whereabouts are where a subscription was at a time. Any goroutine may ask how far behind
// that is, of what is in memory: it costs the one that delivers nothing.
type Whereabouts struct {
	log *log
	at  record.Position // unused at the tip
	tip *mark           // nil at the tip
}

// Lag is how far a subscription is behind the end of what was read of its stream.
type Lag struct {
	// Offsets is how many offsets lie between, in all partitions. They are as many records,
	// unless the topic is compacted or has transactions.
	Offsets int64
	// Since is the timestamp of the oldest record between, in Unix milliseconds, taking the
	// timestamps within a partition to rise. It is unset if there is none.
	Since int64
	// OffsetsKnown is unset if the topic was made again, and the subscription has not come to
	// it yet, SinceKnown also if a record that has to be looked at is not in memory, or has no
	// timestamp.
	OffsetsKnown, SinceKnown bool
}

// Whereabouts returns where the subscription is.
func (s *Subscription) Whereabouts() Whereabouts {
	tip := s.log.tip.Load()
	if s.own == nil && s.pending == nil && s.conflation == nil && s.index == tip.index {
		return Whereabouts{log: s.log}
	}
	return Whereabouts{s.log, s.Position(), tip}
}

// Offsets returns how many offsets the subscription was behind, as in Lag.
func (w Whereabouts) Offsets() (offsets int64, known bool) {
	if w.tip == nil {
		return 0, true
	}
	return behind(w.at, w.tip.at), w.at.Topic == w.tip.at.Topic
}

// Lag returns how far the subscription was behind.
func (w Whereabouts) Lag() (lag Lag) {
	if lag.Offsets, lag.OffsetsKnown = w.Offsets(); !lag.OffsetsKnown {
		return lag
	}
	if lag.Offsets == 0 {
		lag.SinceKnown = true
		return lag
	}
	lag.Since, lag.SinceKnown = w.oldest()
	return lag
}

// Age returns how old the oldest record is at a time, at least a millisecond if there is one.
func (l Lag) Age(now time.Time) time.Duration {
	if l.Offsets == 0 || l.Since == 0 {
		return 0
	}
	return max(now.Sub(time.UnixMilli(l.Since)), time.Millisecond)
}

// entriesToOldest bounds how many entries of the log are looked at for the oldest record. One
// that is further on is younger than those before it, as far as the order of reading tells.
const entriesToOldest = 1 << 14

// oldest returns the timestamp of the oldest record in front of the subscription, 0 for none.
func (w Whereabouts) oldest() (since int64, known bool) {
	var left []record.PartitionOffset // where records are still to be found
	for _, end := range w.tip.at.Offsets {
		if at, ok := w.at.Find(end.Partition); ok && at.Offset < end.Offset {
			left = append(left, at)
		}
	}
	from := record.Position{Topic: w.at.Topic, Offsets: slices.Clone(w.at.Offsets)}
	floor := w.log.floorPosition()
	if floor.Topic != w.at.Topic {
		return 0, false
	}
	cached, left, known := w.log.oldestBelow(floor, left)
	if !known {
		return 0, false
	}
	for _, begin := range floor.Offsets {
		if at, ok := from.Find(begin.Partition); !ok || at.Offset < begin.Offset {
			from.Set(begin)
		}
	}
	found, known := w.log.oldestIn(from, left)
	switch {
	case !known:
		return 0, false
	case found == 0 || cached != 0 && cached < found:
		return cached, true
	}
	return found, true
}

// oldestBelow returns the timestamp of the oldest of the next records below the log, which
// late subscriptions share, and the places that are within the log.
func (l *log) oldestBelow(floor record.Position, places []record.PartitionOffset) (since int64, within []record.PartitionOffset, known bool) {
	blocks := l.cache.stream.hub.blocks
	blocks.mu.Lock()
	defer blocks.mu.Unlock()
	for _, at := range places {
		if at.Offset >= floor.Offset(at.Partition, 0) {
			within = append(within, at)
			continue
		}
		part := l.cache.parts[at.Partition]
		if part == nil {
			return 0, nil, false
		}
		block, i := part.find(at.Offset)
		if block == nil {
			return 0, nil, false
		}
		n := block.len()
		for i < n && block.at(i).kind != entryRecord {
			i++
		}
		if i == n || block.at(i).time <= 0 {
			return 0, nil, false
		}
		since = older(since, block.at(i).time)
	}
	return since, within, true
}

// oldestIn returns the timestamp of the oldest of the next records of some partitions in the
// log, 0 if these have none.
func (l *log) oldestIn(from record.Position, places []record.PartitionOffset) (since int64, known bool) {
	c, i := l.covering(from)
	if c == nil {
		return 0, len(places) == 0
	}
	tip := l.tip.Load().index
	chunks := *l.chunks.Load()
	k := slices.Index(chunks, c)
	if k < 0 {
		return 0, false // it was removed meanwhile
	}
	looked := 0
	for ; k < len(chunks) && chunks[k].base <= tip; k, i = k+1, 0 {
		for n := min(chunks[k].len(), int(tip-chunks[k].base)); i < n; i++ {
			if len(places) == 0 || looked >= entriesToOldest {
				return since, len(places) == 0 || since != 0
			}
			looked++
			e := chunks[k].at(i)
			p := slices.IndexFunc(places, func(at record.PartitionOffset) bool { return at.Partition == e.partition })
			if e.kind != entryRecord || p < 0 || e.next <= places[p].Offset {
				continue
			}
			if e.time <= 0 {
				return 0, false
			}
			since = older(since, e.time)
			places = slices.Delete(places, p, p+1)
		}
	}
	return since, true
}

// older returns the lower of two timestamps, of which 0 is none.
func older(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// Behind is the same for a position in a tenant's stream. It asks nobody: the end is that of
// what is read of the stream, or else where its topic ended when the hub looked last.
func (h *Hub) Behind(tenant, stream string, at record.Position) (offsets int64, known bool) {
	st, ok := h.streams()[stream]
	if !ok || st.isTemplate() && tenant == "" {
		return 0, false
	}
	if st.isTemplate() {
		h.tenants.mu.RLock()
		st = h.tenants.all[tenantStream{st, tenant}]
		h.tenants.mu.RUnlock()
		if st == nil {
			return 0, false
		}
	}
	var end record.Position
	if l := st.logNow(); l != nil {
		end = l.tip.Load().at
	} else {
		end = st.tips.newest()
	}
	return behind(at, end), len(end.Offsets) > 0 && at.Topic == end.Topic
}

// behind returns how many offsets lie between a position and the tip of its topic.
func behind(from, tip record.Position) (offsets int64) {
	if from.Topic != tip.Topic {
		return 0
	}
	for _, at := range tip.Offsets {
		if was, ok := from.Find(at.Partition); ok {
			offsets += max(0, at.Offset-was.Offset)
		}
	}
	return offsets
}
