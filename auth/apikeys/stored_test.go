package apikeys_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth"
	"sluice/auth/apikeys"
)

// memory is a Store in memory.
type memory struct {
	mu      sync.Mutex
	entries map[string][]byte
	down    bool
	takes   time.Duration
	asked   atomic.Int64
	at      atomic.Int64 // calls in progress
	most    atomic.Int64
}

func (m *memory) Entry(ctx context.Context, id string) ([]byte, error) {
	m.asked.Add(1)
	m.most.Store(max(m.most.Load(), m.at.Add(1)))
	defer m.at.Add(-1)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(m.takes):
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, errors.New("down")
	}
	return m.entries[id], nil
}

func (m *memory) put(keys ...made) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = make(map[string][]byte)
	for _, k := range keys {
		m.entries[k.entry.ID] = must(k.entry.JSON())
	}
}

func (m *memory) set(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

func newStored(t *testing.T, store apikeys.Store, inFile ...made) *apikeys.Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, path, inFile...)
	return must(apikeys.New(apikeys.Config{
		Issuer: "keys", File: path, Store: store, StaleFor: 5 * time.Second, SlowChecks: 1, Logger: slog.New(slog.DiscardHandler),
	}))
}

func TestStoredKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared, later, local := create(t, "shared", time.Time{}), create(t, "later", time.Time{}), create(t, "local", time.Time{})
		store := &memory{}
		store.put(shared)
		keys := newStored(t, store, local)
		expect := func(what, key string, want error) *auth.Identity {
			t.Helper()
			id, err := keys.Verify(t.Context(), presented(key))
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", what, err, want)
			}
			return id
		}
		expect("in the file", local.key, nil)
		if n := store.asked.Load(); n != 0 {
			t.Errorf("the store is asked %d times for a key of the file", n)
		}
		first := expect("in the store", shared.key, nil)
		if first == nil || string(first.Claims) != `{"iss":"keys","n":7,"role":"reporter","sub":"shared"}` {
			t.Fatalf("got %+v", first)
		}
		for range 100 {
			expect("again", shared.key, nil)
			expect("wrong", shared.key+"x", auth.ErrUnauthenticated)
			expect("unknown", later.key, auth.ErrUnauthenticated)
		}
		if n := store.asked.Load(); n != 2 {
			t.Errorf("the store is asked %d times for two IDs", n)
		}
		time.Sleep(5 * time.Second)
		if again := expect("read again", shared.key, nil); again != first {
			t.Error("an entry that has not changed has another identity")
		}
		store.put(later)
		expect("removed, but not stale", shared.key, nil)
		time.Sleep(5 * time.Second)
		expect("removed", shared.key, auth.ErrUnauthenticated)
		expect("added", later.key, nil)

		store.set(true)
		time.Sleep(4 * time.Second)
		expect("down, not stale", later.key, nil)
		time.Sleep(time.Second)
		expect("down, stale", later.key, auth.ErrVerifierUnavailable)
		expect("down, in the file", local.key, nil)
		store.set(false)
		expect("back", later.key, nil)
	})
}

// What is stored under another ID, or cannot be parsed, is refused.
func TestStoredKeysThatAreDamaged(t *testing.T) {
	t.Parallel()
	k := create(t, "a", time.Time{})
	id := k.entry.ID
	for name, content := range map[string]string{
		"no JSON":       "x",
		"a list":        "[]",
		"unknown field": strings.Replace(string(must(k.entry.JSON())), `"hash"`, `"admin":true,"hash"`, 1),
		"another ID":    strings.Replace(string(must(k.entry.JSON())), id, "other", 1),
		"no hash":       `{"id":"` + id + `","subject":"a"}`,
	} {
		keys := newStored(t, &memory{entries: map[string][]byte{id: []byte(content)}})
		if _, err := keys.Verify(t.Context(), presented(k.key)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Unknown IDs, which anybody can make up, cost the store a bounded number of calls at
// once, and do not displace keys that are in use.
func TestUnknownIDsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := create(t, "a", time.Time{})
		store := &memory{}
		store.put(k)
		keys := newStored(t, store)
		must(keys.Verify(t.Context(), presented(k.key)))
		store.takes = 10 * time.Millisecond
		var flood sync.WaitGroup
		for i := range 5000 {
			flood.Go(func() {
				_, err := keys.Verify(t.Context(), presented(fmt.Sprintf("sluice_made-up-%d_x", i)))
				if !errors.Is(err, auth.ErrUnauthenticated) && !errors.Is(err, auth.ErrVerifierUnavailable) {
					t.Errorf("got %v", err)
				}
			})
		}
		flood.Wait()
		if n := store.most.Load(); n > 64 {
			t.Errorf("the store had %d calls at once", n)
		}
		asked := store.asked.Load()
		must(keys.Verify(t.Context(), presented(k.key)))
		if store.asked.Load() != asked {
			t.Error("a key in use was displaced")
		}

		// Many requests with one key ask once, and one that gives up does not fail the
		// others.
		time.Sleep(5 * time.Second)
		asked = store.asked.Load()
		ctx, cancel := context.WithCancel(t.Context())
		flood.Go(func() { _, _ = keys.Verify(ctx, presented(k.key)) })
		synctest.Wait()
		for range 100 {
			flood.Go(func() { must(keys.Verify(t.Context(), presented(k.key))) })
		}
		synctest.Wait()
		cancel()
		flood.Wait()
		if n := store.asked.Load() - asked; n != 1 {
			t.Errorf("the store is asked %d times", n)
		}
	})
}
