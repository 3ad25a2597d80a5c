package hub_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
)

// TestUndecidedRecordsAreDenied: a record on which the filter of a right fails does not
// pass it, in every way of reading, and ends nothing; it is counted, and logged once a
// minute, without what is in it. A client's filter that fails on a record ends its
// subscription, also beside such a right.
func TestUndecidedRecordsAreDenied(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		for _, spans := range []bool{false, true} {
			t.Run(fmt.Sprint("late ", late, ", spans ", spans), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testUndecided(t, late, spans) })
			})
		}
	}
}

func testUndecided(t *testing.T, late, spans bool) {
	const records, each = 300, 10 // of ten records, one is bad
	var said bytes.Buffer
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHubWith(t, topics, func(s *hub.Stream) { s.Backfill = 0 }, func(c *hub.Config) { c.Logger = slog.New(slog.NewTextHandler(&said, nil)) })
	right := filter.Where(whereField("region", "eu"))
	rows := hub.Rows{Filter: right}
	if spans {
		rows.Spans = []hub.Span{{Filter: right, Replay: -1}}
	}
	write := func() {
		for n := range records {
			r := inRegion(n)
			if n%each == 3 {
				r.Value = []byte(`{"region":7,"secret":"hunter2"}`)
			}
			if n == 200 {
				r.Value = []byte(`{"region":"eu","pad":7}`)
			}
			topics.Append("orders.v1", r)
			if n%50 == 0 {
				time.Sleep(10 * time.Second)
			}
		}
	}
	var want []int64
	for n := range int64(records) {
		if n%each != 3 && n%3 == 0 || n == 200 {
			want = append(want, n)
		}
	}
	start := hub.Start{Kind: hub.StartLatest}
	if late {
		write()
		start.Kind = hub.StartEarliest
	}
	r := subscribe(t, h, hub.Request{Rows: rows, Start: start})
	defer r.Close()
	client := subscribe(t, h, hub.Request{Rows: rows, Start: start, Filter: filter.Where(whereField("pad", strings.Repeat("x", 200)))})
	defer client.Close()
	if !late {
		write()
	}
	if got := offsetsOf(r.collect(t, len(want))); !slices.Equal(got, want) || r.Ended() != "" || r.Feed().Fault() != nil {
		t.Errorf("it had %v, want %v, and ended with %q, %v", got, want, r.Ended(), r.Feed().Fault())
	}
	before := want[:slices.Index(want, 200)]
	if got := offsetsOf(client.collect(t, len(want))); !slices.Equal(got, before) || client.Ended() != hub.FilterFailed {
		t.Errorf("the client with a filter that fails had %v, want %v, and ended with %q", got, before, client.Ended())
	}
	newest := subscribe(t, h, hub.Request{Rows: rows, Start: hub.Start{Kind: hub.StartLast, Last: 5}})
	defer newest.Close()
	if got := offsetsOf(newest.collect(t, 5)); !slices.Equal(got, want[len(want)-5:]) {
		t.Errorf("the newest are %v, want %v", got, want[len(want)-5:])
	}
	if info, err := h.Stream("", "orders"); err != nil || info.Undecided < records/each {
		t.Errorf("%d are counted: %v", info.Undecided, err)
	}
	lines := strings.Count(said.String(), "the filter of a grant failed")
	if most := 1; !late && lines > most+1 || late && lines > most || lines == 0 || strings.Contains(said.String(), "hunter2") {
		t.Errorf("%d lines are logged: %s", lines, said.String())
	}
}
