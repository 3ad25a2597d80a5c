package filter_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/redact"
)

func redaction(t *testing.T, removed ...string) *redact.Redaction {
	t.Helper()
	r, err := redact.New(removed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// hasMember is a predicate on the names in a record's value.
type hasMember string

func (p hasMember) Canonical() string { return "has " + string(p) }

func (p hasMember) Passes(r *filter.Record) (bool, error) {
	_, ok := r.Field(string(p))
	return ok, nil
}

// TestRedactedFilters: which parts of a filter look at what remains, and which are as they
// were.
func TestRedactedFilters(t *testing.T) {
	t.Parallel()
	a := filter.String("a")
	for name, c := range map[string]struct {
		filter  filter.Filter
		removed string
		same    bool
	}{
		"nothing hidden":     {filter.In(filter.Data("a"), a), "", true},
		"all":                {filter.Filter{}, "/a", true},
		"nothing":            {filter.Keys(), "/a", true},
		"keys":               {filter.Keys("k"), "/a", true},
		"key prefix":         {filter.Where(filter.KeyPrefix("k")), "/a", true},
		"since":              {filter.Where(filter.Since(nil)), "/a", true},
		"field":              {filter.In(filter.Data("b"), a), "/a", true},
		"field beside":       {filter.In(filter.Data("a", "c"), a), "/a/b", true},
		"header":             {filter.In(filter.Header("a"), a), "/a", true},
		"header 2":           {filter.In(filter.Header("a"), a), "headers.b", true},
		"field, of a header": {filter.In(filter.Data("headers", "a"), a), "headers.a", true},
		"same field":         {filter.In(filter.Data("a"), a), "/a", false},
		"field above":        {filter.In(filter.Data("a"), a), "/a/b", false},
		"field below":        {filter.In(filter.Data("a", "b"), a), "/a", false},
		"star":               {filter.In(filter.Data("a", "b"), a), "/*/b", false},
		"below star":         {filter.In(filter.Data("a", "b"), a), "/*", false},
		"slash":              {filter.In(filter.Data("a/b"), a), "/a~1b", false},
		"whole value":        {filter.In(filter.Data(), a), "/a", false},
		"redacted header":    {filter.In(filter.Header("a"), a), "headers.a", false},
		"any header":         {filter.In(filter.Header("a"), a), "headers.*", false},
		"predicate":          {filter.Where(hasMember("b")), "/a", false},
	} {
		var r *redact.Redaction
		if c.removed != "" {
			r = redaction(t, c.removed)
		}
		got := filter.Redacted(c.filter, r)
		if got.Equal(&c.filter) != c.same || got.HasPredicates() != (c.filter.HasPredicates() || !c.same) || got.Keys() != c.filter.Keys() {
			t.Errorf("%s: same %v, want %v", name, !c.same, c.same)
		}
		again := filter.Redacted(c.filter, r)
		if !again.Equal(&got) {
			t.Errorf("%s: made twice it differs", name)
		}
		if r == nil {
			continue
		}
		more := "headers.x"
		if strings.HasPrefix(c.removed, "headers.") {
			more = "/x"
		}
		if other := filter.Redacted(c.filter, redaction(t, c.removed, more)); other.Equal(&got) != c.same {
			t.Errorf("%s: under two redactions: equal %v", name, !c.same)
		}
	}
	both := filter.Redacted(filter.In(filter.Data("a"), a).And(filter.In(filter.Data("b"), a)).And(filter.Keys("k")), redaction(t, "/a"))
	if len(both.FieldSets()) != 1 || both.Keys() != 1 || !both.HasPredicates() {
		t.Error("what is not hidden is not found by index any more")
	}
}

// TestAskedUnderManyRedactions: one predicate is asked about what remains of records under
// each of several redactions, and about whole records, with the same view and verdicts.
func TestAskedUnderManyRedactions(t *testing.T) {
	t.Parallel()
	const names = 20 // more than a record keeps
	var members []string
	for n := range names {
		members = append(members, fmt.Sprintf(`"m%02d":1`, n))
	}
	var run events
	for n := range 3 {
		run = append(run, eventOf(t, event.ContentAny, record.Record{Value: []byte("{" + strings.Join(members[n:], ",") + "}")}))
	}
	var verdicts filter.Verdicts
	var view filter.View
	for i := range run {
		for n := range names {
			for hidden := range names {
				f := filter.Redacted(filter.Where(hasMember(fmt.Sprintf("m%02d", n))), redaction(t, fmt.Sprintf("/m%02d", hidden)))
				want := filter.No
				if n >= i && n != hidden {
					want = filter.Yes
				}
				if got := f.Ask(&verdicts, &run, i, &view); got != want {
					t.Fatalf("record %d has m%02d without m%02d: %v, want %v", i, n, hidden, got, want)
				}
			}
			whole := filter.Where(hasMember(fmt.Sprintf("m%02d", n)))
			if got := whole.Ask(&verdicts, &run, i, &view); (got == filter.Yes) != (n >= i) {
				t.Fatalf("record %d has m%02d: %v", i, n, got)
			}
		}
	}
}
