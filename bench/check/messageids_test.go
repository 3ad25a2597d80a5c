package check_test

import (
	"testing"

	"sluice/bench/check"
)

// TestPublishersWithIDs: the log has the offsets 0, 1, 2, 5, 6 and 9.
func TestPublishersWithIDs(t *testing.T) {
	t.Parallel()
	sent := func(id string, offset int64, answer check.Answer) check.Publish {
		return check.Publish{Session: "s", Key: "k", ID: id, Sum: sum(offset), Answer: answer, Offset: offset}
	}
	stored := func(id string, offset int64) check.Publish { return sent(id, offset, check.Stored) }
	again := func(id string, offset int64) check.Publish {
		p := sent(id, offset, check.Stored)
		p.Duplicate = true
		return p
	}
	unknown := func(id string, offset int64) check.Publish { return sent(id, offset, check.Unknown) }
	refused := func(id string, offset int64) check.Publish { return sent(id, offset, check.NotStored) }
	elsewhere := again("a", 1)
	elsewhere.Offset = 2
	for name, c := range map[string]struct {
		publishes []check.Publish
		faults    map[check.Fault]int
	}{
		"once":                        {[]check.Publish{stored("a", 1)}, nil},
		"again":                       {[]check.Publish{stored("a", 1), again("a", 1), again("a", 1)}, nil},
		"unknown, then there":         {[]check.Publish{unknown("a", 1), again("a", 1)}, nil},
		"unknown, then stored":        {[]check.Publish{unknown("a", 1), unknown("a", 1), stored("a", 1)}, nil},
		"not at first":                {[]check.Publish{refused("a", 1), stored("a", 1)}, nil},
		"never":                       {[]check.Publish{unknown("a", 4), refused("a", 4)}, nil},
		"stored first, told later":    {[]check.Publish{again("a", 1), stored("a", 1)}, nil},
		"another under the id":        {[]check.Publish{stored("a", 1), refused("a", 4)}, nil},
		"ids of their own":            {[]check.Publish{stored("a", 1), stored("b", 2)}, nil},
		"later than others":           {[]check.Publish{unknown("a", 5), stored("b", 1), stored("a", 5)}, nil},
		"once, out of order":          {[]check.Publish{stored("a", 5), stored("b", 1)}, map[check.Fault]int{check.PublishOrder: 1}},
		"never settled":               {[]check.Publish{unknown("a", 1)}, map[check.Fault]int{check.Unsettled: 1}},
		"never settled again":         {[]check.Publish{unknown("a", 4), unknown("a", 4)}, map[check.Fault]int{check.Unsettled: 1}},
		"two records":                 {[]check.Publish{stored("a", 1), stored("a", 2)}, map[check.Fault]int{check.IDStoredTwice: 1, check.NotTold: 1}},
		"the second nobody knew":      {[]check.Publish{stored("a", 1), unknown("a", 2), refused("a", 2)}, map[check.Fault]int{check.IDStoredTwice: 1}},
		"twice the first":             {[]check.Publish{stored("a", 1), stored("a", 1)}, map[check.Fault]int{check.NotTold: 1}},
		"missing":                     {[]check.Publish{unknown("a", 4), stored("a", 4)}, map[check.Fault]int{check.StoredMissing: 1}},
		"missing at once":             {[]check.Publish{stored("a", 4)}, map[check.Fault]int{check.StoredMissing: 1}},
		"at two places":               {[]check.Publish{stored("a", 1), elsewhere}, map[check.Fault]int{check.StoredMissing: 1}},
		"not stored, visible":         {[]check.Publish{refused("a", 1)}, map[check.Fault]int{check.RejectedVisible: 1}},
		"never stored, visible":       {[]check.Publish{refused("a", 1), refused("a", 1)}, map[check.Fault]int{check.RejectedVisible: 1}},
		"another is refused, visible": {[]check.Publish{unknown("a", 4), refused("a", 4), refused("a", 1)}, map[check.Fault]int{check.RejectedVisible: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judge(t, check.Publishers(sparse(t), c.publishes), c.faults)
		})
	}
}

// TestPublishersFindAnIDThatIsStoredTwice: the same record, under the same message id.
func TestPublishersFindAnIDThatIsStoredTwice(t *testing.T) {
	t.Parallel()
	log := sparse(t)
	if err := log.Add(0, check.Entry{Offset: 10, Sum: sum(9)}); err != nil {
		t.Fatal(err)
	}
	first := check.Publish{ID: "a", Sum: sum(9), Answer: check.Unknown}
	second := check.Publish{ID: "a", Sum: sum(9), Answer: check.Stored, Offset: 9}
	judge(t, check.Publishers(log, []check.Publish{first, second}), map[check.Fault]int{check.IDStoredTwice: 1})
	judge(t, check.Publishers(log, []check.Publish{second}), map[check.Fault]int{check.IDStoredTwice: 1, check.StoredTwice: 1})
}
