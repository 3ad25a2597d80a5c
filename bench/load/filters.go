package main

import (
	"fmt"
	"strings"

	"sluice/bench/load/scenario"
)

// filterBy makes a client's request one for the records of a key, by the filter of its
// group.
func (w *wish) filterBy(filter string, client, keys int) {
	slot := slotBase + client%keys
	switch filter {
	case scenario.FilterKey:
		w.key = client % keys
	case scenario.FilterField:
		w.filter = fmt.Sprintf("data.s == %d", slot)
	case scenario.FilterCEL:
		// Two comparisons, of which a server's index knows nothing.
		w.filter = fmt.Sprintf("data.s > %d.5 && data.s < %d.5", slot-1, slot)
	case scenario.FilterHostile:
		w.filter = hostileFilter(client)
	}
}

// hostileLoops is the number of elements of a list for which a filter costs just under
// 1000, the default of limits/filter_cost. The cost does not depend on the machine.
const hostileLoops = 123

// hostileFilter returns an expression that looks at each element of a list, and is true
// for no record: times are positive. Each client has a list of its own.
func hostileFilter(client int) string {
	list := make([]string, hostileLoops)
	for i := range list {
		list[i] = fmt.Sprint(-1 - i - client*hostileLoops)
	}
	return "[" + strings.Join(list, ",") + "].exists(i, data.at == i)"
}

// trackOf returns the track of a client that has made a request.
func trackOf(filter string, w wish, streams, keys int) *track {
	switch filter {
	case scenario.FilterNone:
		return newTrack(w.stream, streams, keys, -1)
	case scenario.FilterHostile:
		return &track{stride: 1} // nothing is the client's
	}
	return newTrack(w.stream, streams, keys, w.client%keys)
}
