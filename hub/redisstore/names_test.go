package redisstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sluice/hub/cursors"
)

// limited opens another store on the same data, on which a principal has at most n names.
func (f fixture) limited(t *testing.T, n int) fixture {
	t.Helper()
	f.config.Names = n
	f.Store = open(t, f.config)
	return f
}

func named(principal string, n int) cursors.Key {
	return cursors.Key{Principal: principal, Stream: "orders", Name: fmt.Sprint("web-", n)}
}

// put moves a name without a lease.
func (f fixture) put(name cursors.Key) error {
	commit := commitOf(at(oldTopic, 0, 5, 1))
	commit.Key = name
	return f.Commit(ctx, []cursors.Commit{commit})[0].Err
}

// take takes a name.
func (f fixture) take(name cursors.Key) error {
	_, err := f.Take(ctx, name)
	if errors.Is(err, cursors.ErrNoCursor) {
		return nil
	}
	return err
}

// TestNamesOfAPrincipal: a principal has as many names as the limit says, however they
// are made, and what it has works while there is no room for others.
func TestNamesOfAPrincipal(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		f = f.limited(t, 4)
		ways := map[string]func(cursors.Key) error{"put": f.put, "take": f.take}
		for i, way := range []string{"put", "take", "put", "take"} {
			if err := ways[way](named("u", i)); err != nil {
				t.Fatalf("%s name %d of 4: %v", way, i, err)
			}
		}
		for way, do := range ways {
			if err := do(named("u", 9)); !errors.Is(err, cursors.ErrTooManyNames) {
				t.Errorf("%s a fifth name: %v", way, err)
			}
			if _, err := f.Load(ctx, named("u", 9)); !errors.Is(err, cursors.ErrNoCursor) {
				t.Errorf("the refused name is stored: %v", err)
			}
			for i := range 4 {
				if err := do(named("u", i)); err != nil {
					t.Errorf("%s name %d again: %v", way, i, err)
				}
			}
			if err := do(named("other", 9)); err != nil {
				t.Errorf("%s a name of another principal: %v", way, err)
			}
		}
		fences, err := f.Fences(ctx, []cursors.Key{named("u", 9)})
		if err != nil || fences[0].Fence != 0 {
			t.Errorf("the refused name has the fence %v, %v", fences, err)
		}
	})
}

// TestNamesInOneBatch: the commits of a batch are refused one by one, and none for the
// names of another principal.
func TestNamesInOneBatch(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		f = f.limited(t, 3)
		var commits []cursors.Commit
		for i := range 10 {
			for _, principal := range []string{"u", "v"} {
				if principal == "v" && i >= 3 {
					continue
				}
				commit := commitOf(at(oldTopic, 0, int64(i), 1))
				commit.Key = named(principal, i)
				commits = append(commits, commit)
			}
		}
		for i, err := range errorsOf(f.Commit(ctx, commits)) {
			var n int
			_, _ = fmt.Sscanf(commits[i].Name, "web-%d", &n)
			if full := errors.Is(err, cursors.ErrTooManyNames); full != (n >= 3) || err != nil && !full {
				t.Errorf("%s of %s: %v", commits[i].Name, commits[i].Principal, err)
			}
		}
	})
}

// TestNamesGoAway: names that are deleted or that expire make room, and one whose fence
// is kept does not.
func TestNamesGoAway(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		f.config.TTL = time.Second
		f = f.limited(t, 2)
		for _, err := range []error{f.put(named("u", 0)), f.take(named("u", 1)), f.Delete(ctx, named("u", 1))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := f.put(named("u", 2)); !errors.Is(err, cursors.ErrTooManyNames) {
			t.Errorf("the fence of a deleted name takes memory, and another name was made: %v", err)
		}
		if err := f.Delete(ctx, named("u", 0)); err != nil {
			t.Fatal(err)
		}
		if err := f.put(named("u", 2)); err != nil {
			t.Errorf("after a name was deleted: %v", err)
		}
		for i := 3; i < 5; i++ {
			err := f.take(named("u", i))
			for deadline := time.Now().Add(time.Minute); errors.Is(err, cursors.ErrTooManyNames); err = f.take(named("u", i)) {
				if time.Now().After(deadline) {
					t.Fatal("names that have expired still count")
				}
				time.Sleep(20 * time.Millisecond)
			}
			if err != nil {
				t.Errorf("after all had expired, name %d: %v", i, err)
			}
		}
	})
}

// TestNamesOfBefore: names that were stored before there was a limit keep working, and
// count once they are used.
func TestNamesOfBefore(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		for i := range 5 {
			if err := f.put(named("u", i)); err != nil {
				t.Fatal(err)
			}
		}
		f = f.limited(t, 3)
		for i := range 5 {
			if err := errors.Join(f.put(named("u", i)), f.take(named("u", i))); err != nil {
				t.Errorf("name %d: %v", i, err)
			}
		}
		if err := f.put(named("u", 5)); !errors.Is(err, cursors.ErrTooManyNames) {
			t.Errorf("a new name: %v", err)
		}
	})
}
