package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"sluice/bench/stack"
)

// TestChaos is about promises 1 to 9, 12, 13 and 17: for a minute all servers are
// killed, paused and stopped, under load. CHAOS_SEED repeats a run.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	c := config{
		whole: time.Minute, seed: rand.Uint64N(1_000_000) + 1, clients: 200, rate: 300, bootstrap: bootstrapOne,
		say: t.Logf, logs: filepath.Join(os.TempDir(), "sluice-chaos"),
	}
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		c.seed = seed
	}
	stack.Check(t, run(t.Context(), c))
}

// TestPlanIsTheSeeds: a seed must determine the plan, and a minute must include
// every kind of the first round.
func TestPlanIsTheSeeds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		faults := plan(seed, time.Minute)
		if !reflect.DeepEqual(faults, plan(seed, time.Minute)) {
			t.Fatalf("seed %d gives two plans", seed)
		}
		last := make(map[lane]time.Duration)
		struck := make(map[lane]map[kind]bool)
		for _, f := range faults {
			if struck[f.lane] == nil {
				struck[f.lane] = make(map[kind]bool)
			}
			struck[f.lane][f.kind] = true
			if f.at < last[f.lane] || f.at >= time.Minute {
				t.Errorf("seed %d: %v is out of its time", seed, f)
			}
			last[f.lane] = f.at + f.lasts
			if f.lane == laneInstances && f.target >= instances {
				t.Errorf("seed %d: %v strikes nobody", seed, f)
			}
		}
		for _, d := range decks {
			if got := len(struck[d.lane]); got == 0 {
				t.Errorf("seed %d: nothing strikes %s", seed, d.lane)
			}
		}
	}
	if reflect.DeepEqual(plan(1, time.Minute), plan(2, time.Minute)) {
		t.Error("two seeds give one plan")
	}
}
