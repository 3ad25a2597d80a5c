package check_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"sluice/bench/check"
)

// sum is the sum of the record at an offset.
func sum(offset int64) uint64 { return uint64(offset) * 31 }

// sparse is a log of one partition with the offsets 0, 1, 2, 5, 6, 9; 3 and 8 were
// aborted.
func sparse(t *testing.T) *check.Log {
	t.Helper()
	log := check.NewLog(1)
	for _, offset := range []int64{0, 1, 2, 5, 6, 9} {
		if err := log.Add(0, check.Entry{Offset: offset, Sum: sum(offset)}); err != nil {
			t.Fatal(err)
		}
	}
	log.Aborted[0][3], log.Aborted[0][8] = true, true
	return log
}

type connection struct {
	low, high int64
	got       []int64
}

func TestSubscribers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connections []connection
		faults      map[check.Fault]int
		repeated    int
	}{
		"all":                         {[]connection{{0, 0, []int64{0, 1, 2, 5, 6, 9}}}, nil, 0},
		"from the middle":             {[]connection{{5, 5, []int64{5, 6, 9}}}, nil, 0},
		"from between records":        {[]connection{{3, 3, []int64{5, 6, 9}}}, nil, 0},
		"cut without duplicates":      {[]connection{{0, 0, []int64{0, 1}}, {2, 2, []int64{2, 5, 6, 9}}}, nil, 0},
		"cut with duplicates":         {[]connection{{0, 0, []int64{0, 1, 2, 5}}, {1, 1, []int64{1, 2, 5, 6, 9}}}, nil, 3},
		"cut before anything":         {[]connection{{0, 0, nil}, {0, 0, []int64{0, 1, 2, 5, 6, 9}}}, nil, 0},
		"either position":             {[]connection{{0, 0, []int64{0, 1, 2, 5}}, {1, 5, []int64{2, 5, 6, 9}}}, nil, 2},
		"never connected":             {nil, map[check.Fault]int{check.Lost: 6}, 0},
		"lost at the end":             {[]connection{{0, 0, []int64{0, 1, 2, 5}}}, map[check.Fault]int{check.Lost: 2}, 0},
		"lost in the middle":          {[]connection{{0, 0, []int64{0, 1, 5, 6, 9}}}, map[check.Fault]int{check.Lost: 1, check.SilentGap: 1}, 0},
		"silent gap, filled later":    {[]connection{{0, 0, []int64{0, 1, 5}}, {2, 2, []int64{2, 5, 6, 9}}}, map[check.Fault]int{check.SilentGap: 1}, 1},
		"cursor ahead":                {[]connection{{0, 0, []int64{0}}, {1, 1, []int64{2, 5, 6, 9}}}, map[check.Fault]int{check.CursorAhead: 1, check.Lost: 1}, 0},
		"cursor ahead of either":      {[]connection{{0, 0, []int64{0, 1, 2}}, {1, 3, []int64{6, 9}}}, map[check.Fault]int{check.CursorAhead: 1, check.Lost: 1}, 0},
		"out of order":                {[]connection{{0, 0, []int64{0, 2, 1, 5, 6, 9}}}, map[check.Fault]int{check.OutOfOrder: 1, check.SilentGap: 2}, 0},
		"twice in a connection":       {[]connection{{0, 0, []int64{0, 1, 1, 2, 5, 6, 9}}}, map[check.Fault]int{check.OutOfOrder: 1}, 1},
		"duplicate before the window": {[]connection{{0, 0, []int64{0, 1, 2}}, {2, 2, []int64{0, 1, 2, 5, 6, 9}}}, map[check.Fault]int{check.Duplicate: 2}, 3},
		"aborted":                     {[]connection{{0, 0, []int64{0, 1, 2, 3, 5, 6, 9}}}, map[check.Fault]int{check.AbortedDelivered: 1}, 0},
		"foreign":                     {[]connection{{0, 0, []int64{0, 1, 2, 4, 5, 6, 9}}}, map[check.Fault]int{check.Foreign: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journal := &check.Journal{Subscriber: name}
			for _, made := range c.connections {
				conn := journal.Connect("here", check.Position{made.low}, check.Position{made.high})
				for _, offset := range made.got {
					conn.Receive(0, check.Entry{Offset: offset, Sum: sum(offset)}, time.Time{})
				}
			}
			report := check.Subscribers(sparse(t), []*check.Journal{journal})
			judge(t, report, c.faults)
			if report.Repeated != c.repeated {
				t.Errorf("%d repeated, want %d", report.Repeated, c.repeated)
			}
		})
	}
}

func TestSubscribersCompareContent(t *testing.T) {
	t.Parallel()
	journal := &check.Journal{Subscriber: "a"}
	conn := journal.Connect("here", check.Position{9}, check.Position{9})
	conn.Receive(0, check.Entry{Offset: 9, Sum: 1}, time.Time{})
	judge(t, check.Subscribers(sparse(t), []*check.Journal{journal}), map[check.Fault]int{check.Foreign: 1})
}

func TestSubscribersTellAnnouncedGaps(t *testing.T) {
	t.Parallel()
	journal := &check.Journal{Subscriber: "a"}
	conn := journal.Connect("here", check.Position{9}, check.Position{9})
	conn.Receive(0, check.Entry{Offset: 9, Sum: sum(9)}, time.Time{})
	conn.Gaps = append(conn.Gaps, check.Gap{From: 9, To: 12, Reason: "retention"})
	judge(t, check.Subscribers(sparse(t), []*check.Journal{journal}), map[check.Fault]int{check.Announced: 1})
}

func TestRights(t *testing.T) {
	t.Parallel()
	entry := check.Entry{Offset: 9, Sum: sum(9)}
	late := &check.Journal{Subscriber: "late"}
	c := late.Connect("here", check.Position{9}, check.Position{9})
	c.RightEnds = time.Now().Add(-time.Second)
	c.Receive(0, entry, time.Now().Add(-2*time.Second)) // may have been sent in time
	c.Receive(0, entry, time.Now())
	old := &check.Journal{Subscriber: "old"}
	c = old.Connect("here", check.Position{9}, check.Position{9})
	c.RightEnds = time.Now().Add(-time.Minute)
	c.Receive(0, entry, time.Now().Add(-time.Hour))
	intime := &check.Journal{Subscriber: "in time"}
	c = intime.Connect("here", check.Position{9}, check.Position{9})
	c.RightEnds = time.Now().Add(time.Hour)
	c.Receive(0, entry, time.Now())
	refused := &check.Journal{Subscriber: "refused", Forbidden: true}
	let := &check.Journal{Subscriber: "let in", Forbidden: true}
	let.Connect("here", check.Position{9}, check.Position{9})
	for name, c := range map[string]struct {
		journal *check.Journal
		faults  map[check.Fault]int
	}{
		"after the token's end":  {late, map[check.Fault]int{check.WithoutRight: 1, check.OutOfOrder: 1}},
		"a minute after it":      {old, map[check.Fault]int{check.WithoutRight: 1}},
		"before it":              {intime, nil},
		"refused":                {refused, nil},
		"let in without a right": {let, map[check.Fault]int{check.WithoutRight: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judge(t, check.Subscribers(sparse(t), []*check.Journal{c.journal}), c.faults)
		})
	}
}

func TestReportsAdd(t *testing.T) {
	t.Parallel()
	journal := &check.Journal{Subscriber: "a"}
	journal.Connect("here", check.Position{9}, check.Position{9})
	both := check.Subscribers(sparse(t), []*check.Journal{journal})
	both.Add(check.Subscribers(sparse(t), []*check.Journal{journal}))
	judge(t, both, map[check.Fault]int{check.Lost: 2})
}

func TestPublishers(t *testing.T) {
	t.Parallel()
	stored := func(offset int64) check.Publish {
		return check.Publish{Session: "s", Key: "k", Sum: sum(offset), Answer: check.Stored, Offset: offset}
	}
	answered := func(p check.Publish, answer check.Answer) check.Publish {
		p.Answer = answer
		return p
	}
	for name, c := range map[string]struct {
		publishes []check.Publish
		faults    map[check.Fault]int
	}{
		"stored":                {[]check.Publish{stored(0), stored(1), stored(9)}, nil},
		"unknown, stored":       {[]check.Publish{answered(stored(2), check.Unknown)}, nil},
		"unknown, not stored":   {[]check.Publish{answered(stored(4), check.Unknown)}, nil},
		"not stored":            {[]check.Publish{answered(stored(4), check.NotStored)}, nil},
		"missing":               {[]check.Publish{stored(4)}, map[check.Fault]int{check.StoredMissing: 1}},
		"somewhere else":        {[]check.Publish{{Sum: sum(1), Answer: check.Stored, Offset: 0}}, map[check.Fault]int{check.StoredMissing: 1}},
		"not stored, visible":   {[]check.Publish{answered(stored(1), check.NotStored)}, map[check.Fault]int{check.RejectedVisible: 1}},
		"out of order":          {[]check.Publish{stored(1), stored(0)}, map[check.Fault]int{check.PublishOrder: 1}},
		"out of order, unknown": {[]check.Publish{stored(1), answered(stored(0), check.Unknown)}, map[check.Fault]int{check.PublishOrder: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judge(t, check.Publishers(sparse(t), c.publishes), c.faults)
		})
	}
}

func TestPublishersFindWhatIsStoredTwice(t *testing.T) {
	t.Parallel()
	log := sparse(t)
	if err := log.Add(0, check.Entry{Offset: 10, Sum: sum(9)}); err != nil {
		t.Fatal(err)
	}
	report := check.Publishers(log, []check.Publish{{Sum: sum(9), Answer: check.Stored, Offset: 9}})
	judge(t, report, map[check.Fault]int{check.StoredTwice: 1})
}

func TestLogRefusesFallingOffsets(t *testing.T) {
	t.Parallel()
	if err := sparse(t).Add(0, check.Entry{Offset: 9}); err == nil {
		t.Error("the log takes an offset twice")
	}
}

func TestSumTellsKeyFromValue(t *testing.T) {
	t.Parallel()
	sums := []uint64{
		check.Sum(nil, []byte("ab")),
		check.Sum([]byte{}, []byte("ab")),
		check.Sum([]byte("a"), []byte("b")),
		check.Sum([]byte("ab"), nil),
	}
	slices.Sort(sums)
	if len(slices.Compact(sums)) != 4 {
		t.Error("different records have one sum")
	}
	if again := check.Sum([]byte("ab"), nil); !slices.Contains(sums, again) {
		t.Error("one record has different sums")
	}
}

func judge(t *testing.T, report *check.Report, want map[check.Fault]int) {
	t.Helper()
	if want == nil {
		want = map[check.Fault]int{}
	}
	if !maps.Equal(report.Faults, want) {
		t.Errorf("faults are %v, want %v", report.Faults, want)
	}
	if (report.Err() != nil) != (len(want) > 0) {
		t.Errorf("Err is %v", report.Err())
	}
}
