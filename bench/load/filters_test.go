package main

import (
	"errors"
	"fmt"
	"testing"

	"sluice/bench/load/scenario"
	"sluice/hub/filter"
	"sluice/hub/filter/expr"
)

const (
	filterKeys    = 100
	filterClients = 250
	defaultCost   = 1000
)

func languageOf(t *testing.T, cost int) *expr.Language {
	t.Helper()
	language, err := expr.New(expr.Limits{Bytes: 4096, Cost: cost, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return language
}

func compiled(t *testing.T, language *expr.Language, text string) filter.Filter {
	t.Helper()
	f, err := language.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

func recordOf(slot int) *filter.Record {
	value := appendRecord(nil, stamp{at: 1_795_245_600_123_456_789, slot: int32(slot), n: 7}, 200)
	r := &filter.Record{}
	r.Set(fmt.Appendf(nil, `{"type":"event","key":%q,"data":%s}`, appendKey(nil, slot), value), 0, 0, 0)
	return r
}

func wishOf(kind string, client int) wish {
	w := wish{kind: scenario.WebSocket, client: client, key: -1}
	w.filterBy(kind, client, filterKeys)
	return w
}

// TestFiltersPassWhatIsExpected: a client's filter passes the records that its track
// expects, and no others.
func TestFiltersPassWhatIsExpected(t *testing.T) {
	t.Parallel()
	language := languageOf(t, defaultCost)
	for _, kind := range []string{scenario.FilterField, scenario.FilterCEL, scenario.FilterHostile} {
		for client := 0; client < filterClients; client += 49 {
			w := wishOf(kind, client)
			f := compiled(t, language, w.filter)
			for slot := range filterKeys {
				passes, err := f.Passes(recordOf(slot))
				if err != nil {
					t.Fatalf("%s: %v", w.filter, err)
				}
				_, ours := trackOf(kind, w, 1, filterKeys).seen(stamp{slot: int32(slot), n: 7})
				if passes != ours || ours != (kind != scenario.FilterHostile && slot == client%filterKeys) {
					t.Errorf("client %d with %s: slot %d passes: %v, expected: %v", client, w.filter, slot, passes, ours)
				}
			}
		}
	}
}

// TestFiltersAreOfTheirKind: an equality is found by index, the others are evaluated; a
// hostile one costs just under what is allowed.
func TestFiltersAreOfTheirKind(t *testing.T) {
	t.Parallel()
	language := languageOf(t, defaultCost)
	for kind, predicates := range map[string]bool{scenario.FilterField: false, scenario.FilterCEL: true, scenario.FilterHostile: true} {
		texts := map[string]bool{}
		for client := 0; client < filterKeys; client += 9 {
			w := wishOf(kind, client)
			texts[w.filter] = true
			if f := compiled(t, language, w.filter); f.HasPredicates() != predicates || (f.Indexed() > 0) == predicates {
				t.Fatalf("%s: predicates: %v, indexed: %d", w.filter, f.HasPredicates(), f.Indexed())
			}
		}
		if len(texts) != (filterKeys+8)/9 {
			t.Errorf("%s: the clients have %d filters", kind, len(texts))
		}
	}
	most := languageOf(t, defaultCost*97/100)
	for _, client := range []int{0, filterKeys, 999_999} {
		f := compiled(t, most, hostileFilter(client))
		if _, err := f.Passes(recordOf(1)); !errors.Is(err, expr.ErrCost) {
			t.Errorf("hostile client %d does not cost 97 %% of what is allowed: %v", client, err)
		}
	}
}
