package redisstore_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

// Whatever the order in which commits arrive, and however often, each partition
// ends at the highest of them: in the latest epoch, the highest offset.
func TestAnyOrderEndsAtTheHighest(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		offset := rapid.OneOf(
			rapid.Int64Range(0, 120),
			rapid.Int64Range(1<<53-3, 1<<53+3),
			rapid.Int64Range(math.MaxInt64-2, math.MaxInt64),
		)
		place := rapid.Custom(func(t *rapid.T) record.PartitionOffset {
			return record.PartitionOffset{
				Partition: rapid.Int32Range(0, 3).Draw(t, "partition"),
				Offset:    offset.Draw(t, "offset"),
				Epoch:     rapid.Int32Range(-1, 11).Draw(t, "epoch"),
			}
		})
		round := 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			who := cursors.Key{Principal: "rapid", Stream: "s", Name: fmt.Sprint(round)}
			highest := map[int32]record.PartitionOffset{}
			commits := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cursors.Commit {
				places := rapid.SliceOfNDistinct(place, 0, 4, func(p record.PartitionOffset) int32 { return p.Partition }).Draw(t, "places")
				return cursors.Commit{Key: who, Ack: cursors.Ack{Position: record.Position{Offsets: places}, At: noon}}
			}), 1, 8).Draw(t, "commits")
			for _, c := range commits {
				for _, p := range c.Position.Offsets {
					if had, ok := highest[p.Partition]; !ok || before(had, p) {
						highest[p.Partition] = p
					}
				}
			}
			repeated := rapid.Permutation(append(slices.Clone(commits), commits...)).Draw(t, "order")
			for _, err := range errorsOf(f.Commit(ctx, repeated)) {
				if err != nil {
					t.Fatal(err)
				}
			}
			stored, err := f.Load(ctx, who)
			got := stored.Position
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Offsets) != len(highest) {
				t.Fatalf("stored %v, want %v", got.Offsets, highest)
			}
			for _, p := range got.Offsets {
				if p != highest[p.Partition] {
					t.Fatalf("stored %v, want %v", got.Offsets, highest)
				}
			}
		})
	})
}

func before(a, b record.PartitionOffset) bool {
	return a.Epoch < b.Epoch || a.Epoch == b.Epoch && a.Offset < b.Offset
}

func TestTwoWritersAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		other := open(t, f.config)
		var writers sync.WaitGroup
		for i, store := range []cursors.Store{f.Store, other} {
			writers.Go(func() {
				for n := range int64(100) {
					// Each writer is ahead in a partition of its own, and both
					// move back and forth.
					offset := (n * 37) % 101
					lead := at(oldTopic, 0, offset, 0, int64(i+1), offset+1000, 0)
					for _, err := range errorsOf(store.Commit(ctx, []cursors.Commit{commitOf(lead)})) {
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		writers.Wait()
		stored, err := f.Load(ctx, name)
		got := stored.Position
		if want := at(oldTopic, 0, 100, 0, 1, 1100, 0, 2, 1100, 0); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("stored %+v, %v; want %+v", got, err, want)
		}
	})
}
