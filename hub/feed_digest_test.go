package hub_test

import (
	"testing"

	"sluice/hub"
	"sluice/hub/hubtest"
)

// TestFiltersWithOneDigest: different filters have separate feeds with different
// names, even if their digests are equal; equal filters share a feed, also after
// other feeds with the digest were removed.
func TestFiltersWithOneDigest(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, nil)
	h.OneDigest("0123456789abcdef")

	keys := [][]string{{"k0"}, {"k1"}, {"k0", "k1"}, {"\xff"}}
	var readers []*reader
	names := make(map[string]int)
	for i, of := range keys {
		r := subscribe(t, h, hub.Request{Keys: of})
		readers = append(readers, r)
		if before, twice := names[r.Feed().Name()]; twice {
			t.Errorf("the feeds of %q and %q are both called %s", keys[before], of, r.Feed().Name())
		}
		names[r.Feed().Name()] = i
		if got := r.Feed().Indexed(); got != len(of) {
			t.Errorf("the feed of %q has %d keys", of, got)
		}
	}
	defer func() {
		for _, r := range readers[1:] {
			r.Close()
		}
	}()
	all := subscribe(t, h, hub.Request{})
	defer all.Close()
	if got := all.Feed().Name(); got != "orders" {
		t.Errorf("the feed without a filter is called %s", got)
	}
	for n := range 6 {
		r := numbered(0, n)
		r.Key = []byte([]string{"k0", "k1", "k2"}[n%3])
		topics.Append("orders.v1", r)
	}
	for i, want := range []string{"03", "14", "0134", ""} {
		got := ""
		for _, e := range readers[i].collect(t, len(want)) {
			got += string(rune('0' + e.Offset))
		}
		if got != want {
			t.Errorf("the filter %q had the offsets %s, want %s", keys[i], got, want)
		}
	}

	// An earlier feed is removed; the others are still found, and its name is free
	// again.
	readers[0].Close()
	for i := 1; i < len(keys); i++ {
		again := subscribe(t, h, hub.Request{Keys: keys[i]})
		if again.Feed() != readers[i].Feed() {
			t.Errorf("the filter %q has a second feed, %s", keys[i], again.Feed().Name())
		}
		again.Close()
	}
	again := subscribe(t, h, hub.Request{Keys: keys[0]})
	defer again.Close()
	if got := again.Feed().Name(); got != "orders#0123456789abcdef" {
		t.Errorf("the feed is called %s", got)
	}
}

// TestNamesOfFeedsAreSecret: two instances give the feed of a filter different names, as each
// has a secret of its own.
func TestNamesOfFeedsAreSecret(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	var names []string
	for range 2 {
		h := startHub(t, topics, nil)
		for range 2 {
			r := subscribe(t, h, hub.Request{Keys: []string{"alice@example.com"}})
			defer r.Close()
			names = append(names, r.Feed().Name())
		}
	}
	if names[0] != names[1] || names[2] != names[3] || names[0] == names[2] {
		t.Errorf("the names are %q", names)
	}
}
