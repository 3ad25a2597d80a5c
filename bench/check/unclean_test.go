package check_test

import (
	"testing"
	"time"

	"sluice/bench/check"
)

// part is a range of records from one branch of a log: old records have other sums.
type part struct {
	from, to int64 // offsets, to excluded
	old      bool
	gap      *check.Gap // reported before the records
}

func TestUncleanly(t *testing.T) {
	t.Parallel()
	// The log is 0 to 19. Of its first branch 0 to 9 are left; 10 to 14 were lost.
	log := check.NewLog(1)
	for offset := range int64(20) {
		if err := log.Add(0, check.Entry{Offset: offset, Sum: sum(offset)}); err != nil {
			t.Fatal(err)
		}
	}
	cut := &check.Gap{From: 10, To: 15, Reason: check.TruncatedReason}
	for name, c := range map[string]struct {
		connections [][]part
		at          []int64 // where each resumes
		faults      map[check.Fault]int
		told        int
	}{
		"nothing lost was read": {[][]part{{{from: 0, to: 20}}}, []int64{0}, nil, 0},
		"told while live":       {[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}, {from: 10, to: 20, gap: cut}}}, []int64{0}, nil, 1},
		"told on coming back": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}}, {{from: 10, to: 20, gap: cut}}},
			[]int64{0, 15},
			nil, 1,
		},
		"told too much, not all of it lost": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}, {from: 8, to: 20, gap: &check.Gap{From: 8, To: 15, Reason: check.TruncatedReason}}}},
			[]int64{0},
			nil, 1,
		},
		"never told, from the end on": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}}, {{from: 15, to: 20}}},
			[]int64{0, 15},
			map[check.Fault]int{check.Lost: 5, check.Untold: 5},
			0,
		},
		"never told, from the cut on": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}, {from: 10, to: 20}}},
			[]int64{0},
			map[check.Fault]int{check.OutOfOrder: 1, check.Untold: 5},
			0,
		},
		"told, and some of the new skipped": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}, {from: 12, to: 20, gap: cut}}},
			[]int64{0},
			map[check.Fault]int{check.SilentGap: 2, check.Lost: 2},
			1,
		},
		"told of a cut behind what was read": {
			[][]part{{{from: 0, to: 8}, {from: 10, to: 20, gap: cut}}},
			[]int64{0},
			map[check.Fault]int{check.SilentGap: 2, check.Lost: 2},
			1,
		},
		"told of a loss that is none": {
			[][]part{{{from: 0, to: 15}, {from: 10, to: 20, gap: cut}}},
			[]int64{0},
			map[check.Fault]int{check.Announced: 1},
			1,
		},
		"told again, with a cursor from before": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}, {from: 10, to: 12, gap: cut}}, {{from: 10, to: 20, gap: cut}}},
			[]int64{0, 15},
			nil, 2,
		},
		"told again, with a cursor from behind the cut": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}, {from: 10, to: 12, gap: cut}}, {{from: 10, to: 20, gap: cut}}},
			[]int64{0, 12},
			map[check.Fault]int{check.Announced: 1},
			2,
		},
		"lost behind the cursor": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}}, {{from: 10, to: 20}}}, []int64{0, 10}, nil, 0,
		},
		"not told, of what the cursor passes too": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 15, old: true}}, {{from: 12, to: 20}}},
			[]int64{0, 12},
			map[check.Fault]int{check.Untold: 2, check.Lost: 2},
			0,
		},
		"told of another gap": {
			[][]part{{{from: 0, to: 10}, {from: 10, to: 20, gap: &check.Gap{From: 10, To: 15, Reason: "retention"}}}},
			[]int64{0},
			map[check.Fault]int{check.Announced: 1},
			0,
		},
		"skipped what was lost later": {
			[][]part{{{from: 0, to: 10}, {from: 12, to: 15, old: true}, {from: 10, to: 20, gap: cut}}},
			[]int64{0},
			map[check.Fault]int{check.SilentGap: 2},
			1,
		},
		"cursor ahead": {
			[][]part{{{from: 0, to: 10}}, {{from: 12, to: 20}}},
			[]int64{0, 10},
			map[check.Fault]int{check.CursorAhead: 2, check.Lost: 2},
			0,
		},
		"lost at the end": {[][]part{{{from: 0, to: 18}}}, []int64{0}, map[check.Fault]int{check.Lost: 2}, 0},
		"never connected": {nil, nil, map[check.Fault]int{check.Lost: 20}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journal := &check.Journal{Subscriber: name}
			for n, parts := range c.connections {
				conn := journal.Connect("here", check.Position{c.at[n]}, check.Position{c.at[n]})
				for _, part := range parts {
					if part.gap != nil {
						gap := *part.gap
						gap.After = len(conn.Got[0])
						conn.Gaps = append(conn.Gaps, gap)
					}
					for offset := part.from; offset < part.to; offset++ {
						of := sum(offset)
						if part.old {
							of++
						}
						conn.Receive(0, check.Entry{Offset: offset, Sum: of}, time.Time{})
					}
				}
			}
			report, told := check.Uncleanly(log, []*check.Journal{journal})
			judge(t, report, c.faults)
			if told != c.told {
				t.Errorf("told %d times, want %d", told, c.told)
			}
		})
	}
}
