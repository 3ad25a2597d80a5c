package filter_test

import (
	"errors"
	"testing"

	"sluice/hub/filter"
)

// deciding is a predicate with a fixed outcome.
type deciding struct {
	name   string
	passes bool
	err    error
	panics bool
}

func (d deciding) Canonical() string { return d.name }

func (d deciding) Passes(*filter.Record) (bool, error) {
	if d.panics {
		panic("this record is not foreseen")
	}
	return d.passes, d.err
}

// TestDenying: a filter that denies passes what the filter passes, does not pass what that
// cannot decide about, of which it reports the reason, and is another filter.
func TestDenying(t *testing.T) {
	t.Parallel()
	fault := errors.New("too costly")
	for _, c := range []struct {
		p        deciding
		passes   bool
		reported error
	}{
		{deciding{name: "yes", passes: true}, true, nil},
		{deciding{name: "no"}, false, nil},
		{deciding{name: "error", passes: true, err: fault}, false, fault},
		{deciding{name: "panic", panics: true}, false, filter.ErrPanic},
	} {
		var reported error
		f := filter.Where(c.p)
		denying := filter.Denying(f, func(err error) { reported = err })
		var r filter.Record
		r.Set([]byte(`{"key":"a","data":{"n":1}}`), 0, 0, 0)
		passes, err := denying.Passes(&r)
		if passes != c.passes || err != nil || !errors.Is(reported, c.reported) || c.reported == nil && reported != nil {
			t.Errorf("%s: %v, %v, and %v is reported", c.p.name, passes, err, reported)
		}
		if denying.Equal(&f) || !denying.HasPredicates() {
			t.Errorf("%s: it is the same filter", c.p.name)
		}
		// One of several rights that fails takes nothing from the others, and a client's
		// filter that fails still does.
		both := filter.Any(denying, filter.Keys("a"))
		if passes, err := both.Passes(&r); !passes || err != nil {
			t.Errorf("%s, or the key: %v, %v", c.p.name, passes, err)
		}
		if c.passes {
			client := denying.And(filter.Where(deciding{name: "client", err: fault}))
			if _, err := client.Passes(&r); !errors.Is(err, fault) {
				t.Errorf("%s, and a client's that fails: %v", c.p.name, err)
			}
		}
	}
	sets := filter.In(filter.Data("n"), filter.Number(1)).And(filter.Keys("a"))
	if denying := filter.Denying(sets, nil); !denying.Equal(&sets) {
		t.Error("a filter of sets, which cannot fail, is another one")
	}
	prefix := filter.Where(filter.KeyPrefix("a"))
	if denying := filter.Denying(prefix, nil); !denying.Equal(&prefix) {
		t.Error("a prefix, which cannot fail, is another filter")
	}
}
