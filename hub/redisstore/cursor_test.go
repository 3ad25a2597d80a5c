package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

var (
	ctx  = context.Background()
	name = cursors.Key{Principal: "u42", Stream: "orders", Name: "web-7"}
	noon = time.UnixMilli(1795245600123)
)

const (
	oldTopic = 0x0a
	newTopic = 0x0b
)

// at returns a position from partition, offset, epoch triples.
func at(topic byte, places ...int64) record.Position {
	position := record.Position{Topic: record.TopicID{15: topic}}
	for i := 0; i < len(places); i += 3 {
		position.Offsets = append(position.Offsets, record.PartitionOffset{
			Partition: int32(places[i]), Offset: places[i+1], Epoch: int32(places[i+2]),
		})
	}
	return position
}

func commitOf(position record.Position) cursors.Commit {
	return cursors.Commit{Key: name, Ack: cursors.Ack{Position: position, At: noon}}
}

func (f fixture) mustCommit(t *testing.T, commits ...cursors.Commit) {
	t.Helper()
	for i, err := range errorsOf(f.Commit(ctx, commits)) {
		if err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
	}
}

func (f fixture) mustTake(t *testing.T) int64 {
	t.Helper()
	taken, err := f.Take(ctx, name)
	if err != nil && !errors.Is(err, cursors.ErrNoCursor) {
		t.Fatalf("take: %v", err)
	}
	if taken.Fence <= 0 {
		t.Fatalf("take: fence %d", taken.Fence)
	}
	return taken.Fence
}

func (f fixture) want(t *testing.T, name cursors.Key, want record.Position) {
	t.Helper()
	got, err := f.Load(ctx, name)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	if !reflect.DeepEqual(got.Position, want) {
		t.Fatalf("stored %+v, want %+v", got, want)
	}
}

func TestCommitsMoveOnlyUpwards(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		commits []cursors.Commit
		want    record.Position
	}{
		{
			name:    "first",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 10, 1, 2, 30, -1))},
			want:    at(oldTopic, 0, 10, 1, 2, 30, -1),
		},
		{
			name:    "each partition for itself",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 10, 1, 1, 20, 1)), commitOf(at(oldTopic, 0, 9, 1, 1, 21, 1))},
			want:    at(oldTopic, 0, 10, 1, 1, 21, 1),
		},
		{
			name:    "more digits are more, though the text sorts lower",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 99, 1)), commitOf(at(oldTopic, 0, 100, 1)), commitOf(at(oldTopic, 0, 11, 1))},
			want:    at(oldTopic, 0, 100, 1),
		},
		{
			name:    "beyond what a double can tell apart",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 1<<53+1, 1)), commitOf(at(oldTopic, 0, 1<<53, 1)), commitOf(at(oldTopic, 1, math.MaxInt64, 1)), commitOf(at(oldTopic, 1, math.MaxInt64-1, 1))},
			want:    at(oldTopic, 0, 1<<53+1, 1, 1, math.MaxInt64, 1),
		},
		{
			name:    "upwards beyond what a double can tell apart",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 1<<53, 1)), commitOf(at(oldTopic, 0, 1<<53+1, 1)), commitOf(at(oldTopic, 1, math.MaxInt64-1, 1)), commitOf(at(oldTopic, 1, math.MaxInt64, 1))},
			want:    at(oldTopic, 0, 1<<53+1, 1, 1, math.MaxInt64, 1),
		},
		{
			name:    "the same offset in a later epoch",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 7, 3)), commitOf(at(oldTopic, 0, 7, 12)), commitOf(at(oldTopic, 0, 7, -1))},
			want:    at(oldTopic, 0, 7, 12),
		},
		{
			name:    "partitions that are not named stay",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 1, 0, 1, 2, 0, 11, 3, 0)), commitOf(at(oldTopic, 11, 4, 0)), commitOf(at(oldTopic))},
			want:    at(oldTopic, 0, 1, 0, 1, 2, 0, 11, 4, 0),
		},
		{
			name:    "another topic replaces",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 100, 4, 1, 100, 4)), commitOf(at(newTopic, 0, 3, 0))},
			want:    at(newTopic, 0, 3, 0),
		},
		{
			name: "a late commit in the topic before does not",
			commits: []cursors.Commit{
				commitOf(at(newTopic, 0, 3, 0)),
				{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 100, 4), At: noon.Add(-time.Millisecond)}},
			},
			want: at(newTopic, 0, 3, 0),
		},
		{
			name:    "reset goes back",
			commits: []cursors.Commit{commitOf(at(oldTopic, 0, 100, 4, 1, 100, 4)), {Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 5, 1), At: noon}, Reset: true}},
			want:    at(oldTopic, 0, 5, 1),
		},
	}
	onEach(t, func(t *testing.T, f fixture) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				if err := f.Delete(ctx, name); err != nil {
					t.Fatal(err)
				}
				f.mustCommit(t, test.commits...)
				f.want(t, name, test.want)
			})
		}
	})
}

func TestLoadTellsWhenThePositionWasMade(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		late := commitOf(at(oldTopic, 0, 10, 1))
		early := commitOf(at(oldTopic, 0, 9, 1, 1, 1, 1))
		early.At = noon.Add(-time.Minute)
		f.mustCommit(t, late, early)
		if stored, err := f.Load(ctx, name); err != nil || !stored.At.Equal(noon) {
			t.Fatalf("made at %v, %v; want %v", stored.At, err, noon)
		}
		f.mustCommit(t, cursors.Commit{Key: name, Ack: cursors.Ack{Position: at(oldTopic)}, Reset: true})
		if stored, err := f.Load(ctx, name); err != nil || !stored.At.IsZero() {
			t.Fatalf("made at %v, %v; want no time", stored.At, err)
		}
	})
}

func TestNothingStored(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		if _, err := f.Load(ctx, name); !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatalf("load: %v, want ErrNoCursor", err)
		}
		if err := f.Delete(ctx, name); err != nil {
			t.Fatalf("delete: %v", err)
		}
		if taken, err := f.Take(ctx, name); !errors.Is(err, cursors.ErrNoCursor) || taken.Fence <= 0 {
			t.Fatalf("take: fence %d, %v; want a fence and ErrNoCursor", taken.Fence, err)
		}
		if _, err := f.Load(ctx, name); !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatalf("load of what was only taken: %v, want ErrNoCursor", err)
		}
	})
}

func TestDamagedPositionIsNone(t *testing.T) {
	t.Parallel()
	for field, value := range map[string]string{"topic": "zz", "at": "noon", "p0": "12", "p1": "-4:0", "p01": "4:0", "px": "1:1", "p2": "1:x", "fence": "f", "moved": "m"} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, redis.UniversalOptions{Addrs: []string{miniredis.RunT(t).Addr()}})
			f.mustCommit(t, commitOf(at(oldTopic, 0, 5, 0)))
			if err := f.plain.HSet(ctx, f.config.Prefix+"cursor:{u42/orders/web-7}", field, value).Err(); err != nil {
				t.Fatal(err)
			}
			if stored, err := f.Load(ctx, name); !errors.Is(err, cursors.ErrNoCursor) || stored.Position.Offsets != nil {
				t.Fatalf("%+v, %v; want ErrNoCursor", stored, err)
			}
		})
	}
}

func TestTakeSupersedes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		first := f.mustTake(t)
		f.mustCommit(t, cursors.Commit{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 10, 0), At: noon}, Fence: first})
		taken, err := f.Take(ctx, name)
		second := taken.Fence
		if err != nil || !reflect.DeepEqual(taken.Position, at(oldTopic, 0, 10, 0)) {
			t.Fatalf("take: %+v, %v", taken, err)
		}
		if second <= first {
			t.Fatalf("fence %d after %d", second, first)
		}
		results := f.Commit(ctx, []cursors.Commit{
			{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 99, 0), At: noon}, Fence: first},
			{Key: name, Ack: cursors.Ack{Position: at(newTopic, 0, 99, 0), At: noon}, Fence: first, Reset: true},
			{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 11, 0), At: noon}, Fence: second},
			{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 1, 5, 0), At: noon}},
		})
		for i, want := range []error{cursors.ErrSuperseded, cursors.ErrSuperseded, nil, nil} {
			if !errors.Is(results[i].Err, want) {
				t.Errorf("commit %d: %v, want %v", i, results[i].Err, want)
			}
		}
		f.want(t, name, at(oldTopic, 0, 11, 0, 1, 5, 0))
	})
}

func TestFenceRisesThroughDeleteAndExpiry(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	server.SetTime(noon)
	fences := []int64{f.mustTake(t), f.mustTake(t)} // in the same microsecond
	if err := f.Delete(ctx, name); err != nil {
		t.Fatal(err)
	}
	server.SetTime(noon.Add(-time.Hour))
	fences = append(fences, f.mustTake(t)) // deleted, and the clock set back
	server.FastForward(2 * f.config.TTL)
	if keys := server.Keys(); len(keys) != 0 {
		t.Fatalf("still there: %q", keys)
	}
	server.SetTime(noon.Add(2 * time.Hour))
	fences = append(fences, f.mustTake(t)) // expired
	for i := 1; i < len(fences); i++ {
		if fences[i] <= fences[i-1] {
			t.Fatalf("fences %d do not rise", fences)
		}
	}
	err := f.Commit(ctx, []cursors.Commit{{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 1, 0), At: noon}, Fence: fences[0]}})[0].Err
	if !errors.Is(err, cursors.ErrSuperseded) {
		t.Fatalf("commit with the first fence: %v, want ErrSuperseded", err)
	}
}

func TestFenceRisesOnRealClock(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		last := int64(0)
		for i := range 50 {
			fence := f.mustTake(t)
			if fence <= last {
				t.Fatalf("fence %d after %d", fence, last)
			}
			last = fence
			if i%7 == 0 {
				if err := f.Delete(ctx, name); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestCommitsGoOnAfterRedisLostEverything(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		stale := f.mustTake(t)
		owner := f.mustTake(t)
		f.forget(t)

		by := func(fence int64, position record.Position) error {
			return f.Commit(ctx, []cursors.Commit{{Key: name, Ack: cursors.Ack{Position: position, At: noon}, Fence: fence}})[0].Err
		}
		// A superseded subscription comes first: the store cannot know.
		if err := by(stale, at(oldTopic, 0, 500, 0)); err != nil {
			t.Fatalf("commit into nothing: %v", err)
		}
		// The owner's next ack corrects it, though it is lower.
		if err := by(owner, at(oldTopic, 0, 20, 0)); err != nil {
			t.Fatalf("the owner's commit: %v", err)
		}
		f.want(t, name, at(oldTopic, 0, 20, 0))
		if err := by(stale, at(oldTopic, 0, 600, 0)); !errors.Is(err, cursors.ErrSuperseded) {
			t.Fatalf("the superseded one's second commit: %v", err)
		}
		f.want(t, name, at(oldTopic, 0, 20, 0))
		// A new holder's fence is above both.
		if next := f.mustTake(t); next <= owner {
			t.Fatalf("fence %d after %d", next, owner)
		}
	})
}

// forget removes the name's data and the server's scripts, as a restart does.
func (f fixture) forget(t *testing.T) {
	t.Helper()
	if err := f.plain.Del(ctx, f.config.Prefix+"cursor:{u42/orders/web-7}").Err(); err != nil {
		t.Fatal(err)
	}
	if err := f.plain.ScriptFlush(ctx).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestScriptsFlushed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		f.mustCommit(t, commitOf(at(oldTopic, 0, 1, 0)))
		f.forget(t)
		f.mustCommit(t, manyNames(40)...)
		for _, c := range manyNames(40) {
			f.want(t, c.Key, c.Position)
		}
	})
}

func TestManyCommitsAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		commits := manyNames(1300)
		commits[700].Position.Offsets[0].Offset = -1
		for i, err := range errorsOf(f.Commit(ctx, commits)) {
			if (err != nil) != (i == 700) {
				t.Fatalf("commit %d: %v", i, err)
			}
		}
		for _, i := range []int{0, 511, 512, 1299} {
			f.want(t, commits[i].Key, commits[i].Position)
		}
		if _, err := f.Load(ctx, commits[700].Key); !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatalf("a negative offset was stored: %v", err)
		}
	})
}

func manyNames(n int) []cursors.Commit {
	commits := make([]cursors.Commit, n)
	for i := range commits {
		commits[i] = commitOf(at(oldTopic, 0, int64(i), 0))
		commits[i].Name = fmt.Sprint("name-", i)
	}
	return commits
}

func TestManyPartitions(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		var low, high []int64
		for p := range int64(3000) {
			low, high = append(low, p, p, 0), append(high, p, p+p%2, 0)
		}
		f.mustCommit(t, commitOf(at(oldTopic, low...)), commitOf(at(oldTopic, high...)))
		f.want(t, name, at(oldTopic, high...))
	})
}

// TestStoredFormStaysAsItIs: instances of different versions share one Redis.
func TestStoredFormStaysAsItIs(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		key := f.config.Prefix + "cursor:{u42/orders/web-7}"
		f.mustTake(t)
		f.mustCommit(t, commitOf(at(oldTopic, 0, 118273, 3, 5, 7, -1)))
		got, err := f.plain.HGetAll(ctx, key).Result()
		if got["fence"] == "" {
			t.Error("there is no fence")
		}
		delete(got, "fence") // it is derived from the time
		want := map[string]string{
			"topic": "0000000000000000000000000000000a", "at": "1795245600123", "p0": "118273:3", "p5": "7:-1",
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("stored is %#v (%v)", got, err)
		}
	})
}

func TestTimeToLive(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		key := f.config.Prefix + "cursor:{u42/orders/web-7}"
		for what, touch := range map[string]func(){
			"commit":                     func() { f.mustCommit(t, commitOf(at(oldTopic, 0, 1, 0))) },
			"commit that moves nothing":  func() { f.mustCommit(t, commitOf(at(oldTopic, 0, 0, 0))) },
			"take":                       func() { f.mustTake(t) },
			"delete that leaves a fence": func() { f.mustTake(t); _ = f.Delete(ctx, name) },
		} {
			f.mustCommit(t, commitOf(at(oldTopic, 0, 1, 0)))
			if err := f.plain.PExpire(ctx, key, time.Minute).Err(); err != nil {
				t.Fatal(err)
			}
			touch()
			if left := f.plain.PTTL(ctx, key).Val(); left < f.config.TTL-time.Minute || left > f.config.TTL {
				t.Errorf("after a %s: %v to live, want %v", what, left, f.config.TTL)
			}
		}
	})
}

func TestNamesCannotPoseAsOthers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		names := []cursors.Key{
			{Principal: "a", Stream: "b", Name: "c"},
			{Principal: "a/b", Stream: "", Name: "c"},
			{Principal: "a", Stream: "b/c", Name: ""},
			{Principal: "", Stream: "a/b", Name: "c"},
			{Principal: "a%2Fb", Stream: "", Name: "c"},
			{Principal: "}", Stream: "{", Name: ":"},
			{Principal: "{a}", Stream: "b", Name: "c"},
			{Principal: "a:b", Stream: "c", Name: "\r\nFLUSHALL\r\n"},
			{Principal: "a b", Stream: "b", Name: "c"},
			{Principal: "a+b", Stream: "b", Name: "c"},
			{Principal: "\x00\xff", Stream: "ü", Name: "*"},
		}
		for i, n := range names {
			f.mustCommit(t, cursors.Commit{Key: n, Ack: cursors.Ack{Position: at(oldTopic, 0, int64(i), 0), At: noon}})
		}
		for i, n := range names {
			f.want(t, n, at(oldTopic, 0, int64(i), 0))
		}
		if err := f.Delete(ctx, names[5]); err != nil {
			t.Fatal(err)
		}
		f.want(t, names[6], at(oldTopic, 0, 6, 0))
	})
}

func TestKeysKeepToTheirSlot(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	f.mustCommit(t, cursors.Commit{Key: cursors.Key{Principal: "a}{b", Stream: "s:1", Name: "n/2"}, Ack: cursors.Ack{Position: at(oldTopic), At: noon}})
	want := f.config.Prefix + "cursor:{a%7D%7Bb/s%3A1/n%2F2}"
	if keys := server.Keys(); len(keys) != 1 || keys[0] != want {
		t.Fatalf("keys %q, want %q", keys, want)
	}
}
