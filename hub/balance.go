package hub

import (
	"cmp"
	"slices"
)

// balance keeps all logs together within LogMemory: it shrinks the logs of streams
// without subscribers that are not paused first, then the largest. It reports whether there was too
// much.
func (h *Hub) balance() bool {
	most := h.limits().LogMemory
	if most <= 0 {
		return false
	}
	type held struct {
		log  *log
		size int
		idle bool
	}
	var logs []held
	total := 0
	for _, st := range h.every() {
		if l := st.logNow(); l != nil {
			size := l.size()
			total += size
			st.mu.Lock()
			logs = append(logs, held{l, size, st.users <= int(l.paused.Load())})
			st.mu.Unlock()
		}
	}
	if total <= most {
		return false
	}
	slices.SortFunc(logs, func(a, b held) int {
		if a.idle != b.idle {
			if a.idle {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.size, a.size)
	})
	for _, l := range logs {
		if total <= most {
			break
		}
		total -= l.size
		total += l.log.shrink(max(0, most-total))
	}
	return true
}
