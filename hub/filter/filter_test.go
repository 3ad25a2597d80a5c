package filter_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/hub/filter"
)

// says is a predicate that is identified by a text.
type says struct {
	text   string
	passes func(*filter.Record) (bool, error)
	asked  *atomic.Int64
}

func (s says) Canonical() string { return s.text }

func (s says) Passes(r *filter.Record) (bool, error) {
	if s.asked != nil {
		s.asked.Add(1)
	}
	return s.passes(r)
}

func constant(text string, passes bool) says {
	return says{text: text, passes: func(*filter.Record) (bool, error) { return passes, nil }, asked: new(atomic.Int64)}
}

// events is a run of records.
type events []string

func (e *events) Room() int { return len(*e) }

func (e *events) Load(i int, r *filter.Record) { r.Set([]byte((*e)[i]), 3, int64(i), 1000) }

func hasKey(f filter.Filter, key string) bool {
	return f.AnyKey() || f.HasKey(filter.Hash([]byte(key)), fmt.Appendf(nil, "%q", key))
}

func canonicalOf(f filter.Filter) string { return string(f.Canonical()) }

func TestIdentity(t *testing.T) {
	t.Parallel()
	p, q := constant("p", true), constant("q", true)
	user, u, v := filter.Data("user"), filter.String("u"), filter.String("v")
	different := map[string]filter.Filter{
		"all":          {},
		"nothing":      filter.Keys(),
		"a":            filter.Keys("a"),
		"a, b":         filter.Keys("a", "b"),
		"ab":           filter.Keys("ab"),
		"no text":      filter.Keys("\xff"),
		"no text, a":   filter.Keys("\xff", "a"),
		"p":            filter.Where(p),
		"q":            filter.Where(q),
		"p, q":         filter.Where(p).And(filter.Where(q)),
		"q, p":         filter.Where(q).And(filter.Where(p)),
		"a and p":      filter.Keys("a").And(filter.Where(p)),
		"a and p, q":   filter.Keys("a").And(filter.Where(p)).And(filter.Where(q)),
		"like two":     filter.Where(constant("p\x01\x01q", true)),
		"like a key":   filter.Where(constant(`"a"`, true)),
		"like nothing": filter.Where(constant("\x00", true)),
		"empty":        filter.Where(constant("", true)),
		"user u":       filter.In(user, u),
		"user v":       filter.In(user, v),
		"user u or v":  filter.In(user, u, v),
		"user uv":      filter.In(user, filter.String("u\x02v")),
		"name u":       filter.In(filter.Data("name"), u),
		"header u":     filter.In(filter.Header("user"), u),
		"value u":      filter.In(filter.Data(), u),
		"path u":       filter.In(filter.Data("us", "er"), u),
		"path, dot":    filter.In(filter.Data("us.er"), u),
		"user, name":   filter.In(user, u).And(filter.In(filter.Data("name"), v)),
		"name, user":   filter.In(user, v).And(filter.In(filter.Data("name"), u)),
		"user u, a":    filter.Keys("a").And(filter.In(user, u)),
		"user u, p":    filter.In(user, u).And(filter.Where(p)),
		"like user":    filter.Where(constant(canonicalOf(filter.In(user, u)), true)),
		"null":         filter.In(user, filter.Null()),
		"text null":    filter.In(user, filter.String("null")),
		"true":         filter.In(user, filter.Bool(true)),
		"false":        filter.In(user, filter.Bool(false)),
		"number":       filter.In(user, filter.Number(1)),
		"text number":  filter.In(user, filter.String("1")),
	}
	seen := make(map[string]string)
	for name, f := range different {
		canonical := string(f.Canonical())
		if other, twice := seen[canonical]; twice {
			t.Errorf("%s and %s are both %q", name, other, canonical)
		}
		seen[canonical] = name
		for other, g := range different {
			if f.Equal(&g) != (name == other) {
				t.Errorf("%s equals %s: %v", name, other, f.Equal(&g))
			}
		}
		if (f.Digest(secret) == "") != (name == "all") {
			t.Errorf("the digest of %s is %q", name, f.Digest(secret))
		}
	}
	for name, pair := range map[string][2]filter.Filter{
		"order of keys":   {filter.Keys("a", "b"), filter.Keys("b", "a", "b")},
		"twice":           {filter.Where(p).And(filter.Where(constant("p", true))), filter.Where(p)},
		"keys, predicate": {filter.Keys("a").And(filter.Where(p)), filter.Where(p).And(filter.Keys("a"))},
		"intersection":    {filter.Keys("a", "b").And(filter.Keys("b", "c")), filter.Keys("b")},
		"disjoint":        {filter.Keys("a").And(filter.Keys("b")).And(filter.Where(p)), filter.Keys()},
		"all":             {filter.Filter{}.And(filter.Filter{}), filter.Filter{}},
		"order of values": {filter.In(user, u, v), filter.In(user, v, u, v)},
		"order of fields": {
			filter.In(user, u).And(filter.In(filter.Header("x"), v)).And(filter.In(filter.Data("a"), u)),
			filter.In(filter.Data("a"), u).And(filter.In(user, u)).And(filter.In(filter.Header("x"), v)),
		},
		"fields, predicate": {filter.Where(p).And(filter.In(user, u)), filter.In(user, u).And(filter.Where(p))},
		"common values":     {filter.In(user, u, v).And(filter.In(user, v, filter.Null())), filter.In(user, v)},
		"disjoint values":   {filter.In(user, u).And(filter.In(filter.Data("a"), u)).And(filter.In(user, v)), filter.Keys()},
		"no values":         {filter.In(user), filter.Keys()},
		"equal numbers":     {filter.In(user, filter.Number(0), filter.Number(1e15)), filter.In(user, filter.Number(math.Copysign(0, -1)), filter.Number(1_000_000_000_000_000))},
		"impossible values": {filter.In(user, filter.Number(math.NaN()), filter.Number(math.Inf(-1)), filter.String("\xff"), filter.Value{}), filter.Keys()},
		"impossible field":  {filter.In(filter.Data("a", "\xff"), u), filter.In(filter.Header("\xff"), u)},
		"zero field":        {filter.In(filter.Field{}, u), filter.Keys()},
	} {
		if !pair[0].Equal(&pair[1]) || string(pair[0].Canonical()) != string(pair[1].Canonical()) || pair[0].Digest(secret) != pair[1].Digest(secret) {
			t.Errorf("%s: %q differs from %q", name, pair[0].Canonical(), pair[1].Canonical())
		}
	}
}

var secret = []byte("of an instance")

// TestDigestsAreSecret: a digest is made with a secret, so that nobody finds out by trial which
// filter it is of.
func TestDigestsAreSecret(t *testing.T) {
	t.Parallel()
	f := filter.Keys(`b"`, "a")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(`"a""b\""`))
	if want := hex.EncodeToString(mac.Sum(nil)[:8]); f.Digest(secret) != want {
		t.Errorf("the digest is %s, want %s", f.Digest(secret), want)
	}
	if f.Digest(secret) == f.Digest([]byte("of another one")) {
		t.Error("the digest does not depend on the secret")
	}
}

func TestConjunctionOfKeys(t *testing.T) {
	t.Parallel()
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("k%d", i)
	}
	for _, c := range []struct {
		name string
		f    filter.Filter
		has  string // which of a to e, k7 and k99 it passes
	}{
		{"all", filter.Filter{}, "a b c d e k7 k99"},
		{"nothing", filter.Keys(), ""},
		{"no text", filter.Keys("\xff"), ""},
		{"two", filter.Keys("a", "b"), "a b"},
		{"all and two", filter.Filter{}.And(filter.Keys("a", "b")), "a b"},
		{"two and all", filter.Keys("a", "b").And(filter.Filter{}), "a b"},
		{"two and two", filter.Keys("a", "b").And(filter.Keys("c", "b")), "b"},
		{"disjoint", filter.Keys("a").And(filter.Keys("b")), ""},
		{"disjoint and all", filter.Keys("a").And(filter.Keys("b")).And(filter.Filter{}), ""},
		{"disjoint and two", filter.Keys("a").And(filter.Keys("b")).And(filter.Keys("a", "b")), ""},
		{"two and nothing", filter.Keys("a", "b").And(filter.Keys()), ""},
		{"many", filter.Keys(many...), "k7 k99"},
		{"many and some", filter.Keys(many...).And(filter.Keys("k7", "a")), "k7"},
		{"predicate and keys", filter.Where(constant("p", true)).And(filter.Keys("c")), "c"},
	} {
		var has []string
		for key := range strings.FieldsSeq("a b c d e k7 k99") {
			if hasKey(c.f, key) {
				has = append(has, key)
			}
		}
		if got := strings.Join(has, " "); got != c.has {
			t.Errorf("%s has %q, want %q", c.name, got, c.has)
		}
		if got := c.f.Nothing(); got != strings.Contains(c.name, "disjoint") && got != strings.Contains(c.name, "nothing") {
			t.Errorf("%s passes nothing: %v", c.name, got)
		}
	}
}

// TestAskedOnce: a predicate is asked once about a record, however many
// goroutines need the answer at once, and in whichever filters.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	records := make(events, 100)
	run := &records
	p, q := constant("p", true), constant("q", false)
	again := constant("p", true) // has the same canonical bytes
	filters := []filter.Filter{filter.Where(p), filter.Where(q), filter.Where(p).And(filter.Where(q)), filter.Where(again)}
	want := []filter.Verdict{filter.Yes, filter.No, filter.No, filter.Yes}
	var v filter.Verdicts
	if v.Size() != 0 {
		t.Error("verdicts take memory before there are any")
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range records {
				f := (i + n) % len(filters)
				if said := filters[f].Ask(&v, run, i, nil); said != want[f] {
					t.Errorf("filter %d says %v of record %d", f, said, i)
				}
			}
		})
	}
	all.Wait()
	if n := p.asked.Load() + again.asked.Load(); n != 100 || q.asked.Load() > 100 {
		t.Errorf("p was asked %d times, q %d times about 100 records", n, q.asked.Load())
	}
	if v.Size() < 2*100/4 || v.Size() > 1000 {
		t.Errorf("the verdicts take %d bytes", v.Size())
	}
}

// TestRightsComeFirst: a client's predicate is not asked about a record that the
// right refuses, so that its failure reveals nothing about that record.
func TestRightsComeFirst(t *testing.T) {
	t.Parallel()
	failing := says{text: "failing", passes: func(*filter.Record) (bool, error) { return false, errors.New("no number") }, asked: new(atomic.Int64)}
	refuses, allows := filter.Where(constant("refuses", false)), filter.Where(constant("allows", true))
	client := filter.Where(failing)
	var v filter.Verdicts
	refused := refuses.And(client)
	if said := refused.Ask(&v, &events{"{}"}, 0, nil); said != filter.No || failing.asked.Load() != 0 {
		t.Errorf("what the right refuses is %v", said)
	}
	allowed := allows.And(client)
	if said := allowed.Ask(&v, &events{"{}"}, 0, nil); said != filter.Failed || failing.asked.Load() != 1 {
		t.Errorf("what the client's predicate fails on is %v", said)
	}
	if err := allowed.Fault(&v); err == nil || err.Error() != "no number" {
		t.Errorf("the fault is %v", err)
	}
	if err := refused.Fault(new(filter.Verdicts)); err != nil {
		t.Errorf("a fault of records that nobody has asked about: %v", err)
	}
}

func TestPanicIsAFailure(t *testing.T) {
	t.Parallel()
	f := filter.Where(says{text: "panics", passes: func(*filter.Record) (bool, error) { panic("out of bounds") }})
	var v filter.Verdicts
	for range 2 {
		if said := f.Ask(&v, &events{"{}"}, 0, nil); said != filter.Failed {
			t.Errorf("it is %v", said)
		}
	}
	if err := f.Fault(&v); !errors.Is(err, filter.ErrPanic) || !strings.Contains(err.Error(), "out of bounds") {
		t.Errorf("the fault is %v", err)
	}
}

// TestVerdictsAreBounded: ever new predicates do not fill the memory.
func TestVerdictsAreBounded(t *testing.T) {
	t.Parallel()
	records := make(events, 1000)
	var v filter.Verdicts
	most := 0
	for n := range 10_000 {
		f := filter.Where(constant(fmt.Sprint(n), n%2 == 0))
		if said := f.Ask(&v, &records, n%1000, nil); (said == filter.Yes) != (n%2 == 0) {
			t.Fatalf("predicate %d says %v", n, said)
		}
		most = max(most, v.Size())
	}
	if most > 1<<20 {
		t.Errorf("verdicts on 1,000 records take %d bytes", most)
	}
}

// TestParsedOnce: the parsed parts of a record are shared as long as a view stays
// at it.
func TestParsedOnce(t *testing.T) {
	t.Parallel()
	records := events{`{"type":"event","key":"a","data":{"a":1}}`, `{"type":"event","key":"b","data":{"a":2}}`}
	var views []*filter.Record
	look := func(text string) filter.Filter {
		return filter.Where(says{text: text, passes: func(r *filter.Record) (bool, error) {
			views = append(views, r)
			a, _ := r.Field("a")
			return string(a) == "1", nil
		}})
	}
	p, q := look("p"), look("q")
	var v filter.Verdicts
	var view filter.View
	for i := range records {
		for _, f := range []filter.Filter{p, q} {
			if said := f.Ask(&v, &records, i, &view); (said == filter.Yes) != (i == 0) {
				t.Errorf("record %d is %v", i, said)
			}
			if i == 0 {
				continue
			}
			// If the record were parsed again, this would be found.
			records[1] = `{"type":"event","key":"b","data":{"a":1}}`
		}
	}
	if len(views) != 4 {
		t.Errorf("it was looked at %d times", len(views))
	}
	view.Release()
}

func TestRecord(t *testing.T) {
	t.Parallel()
	record := func(event string) *filter.Record {
		r := new(filter.Record)
		r.Set([]byte(`{"type":"event","data":{"stale":1}}`), 0, 0, 0)
		r.Field("stale")
		r.Set([]byte(event), 3, 8, 1000)
		return r
	}
	r := record(`{"type":"event","stream":"s","partition":3,"offset":8,"ts":1000,"key":"a\"\u00e9","headers":[["x","1"],["x",null]],"data": {"a": {"b":[1, 2],"c":"d"},"twice":1,"twice":2,"\u0061b":true,"n":null}}`)
	if key, ok := r.Key(); !ok || key != `a"é` {
		t.Errorf("the key is %q", key)
	}
	if string(r.Headers()) != `[["x","1"],["x",null]]` || r.Partition != 3 || r.Offset != 8 || r.Time != 1000 || r.Encoding() != "" || r.Tombstone() {
		t.Errorf("the record is %+v", r)
	}
	for path, want := range map[string]string{
		"a.c": `"d"`, "a.b": `[1, 2]`, "a": `{"b":[1, 2],"c":"d"}`, "twice": "2", "ab": "true", "n": "null",
		"stale": "none", "a.d": "none", "a.b.c": "none", "n.a": "none", "key": "none", "": "none",
	} {
		got := "none"
		if value, ok := r.Field(strings.Split(path, ".")...); ok {
			got = string(value)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if whole, ok := r.Field(); !ok || !strings.HasPrefix(string(whole), `{"a": `) {
		t.Errorf("the value is %s", whole)
	}
	if r := record(`{"type":"event","key":null,"data":null,"tombstone":true}`); string(r.Data()) != "null" || !r.Tombstone() || r.Headers() != nil {
		t.Errorf("the tombstone is %+v", r)
	} else if _, ok := r.Key(); ok {
		t.Error("a null key is said to be text")
	}
	if r := record(`{"type":"event","key":"YQ==","key_encoding":"base64","data":"YQ==","encoding":"base64"}`); r.Encoding() != "base64" {
		t.Errorf("the encoding is %q", r.Encoding())
	} else if _, ok := r.Key(); ok {
		t.Error("a key that is not UTF-8 is said to be text")
	}
}
