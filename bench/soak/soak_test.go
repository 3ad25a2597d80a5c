package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"sluice/bench/stack"
)

// TestSoak has clients of all kinds connect and disconnect, and nothing of them may
// be held afterwards. SOAK_SEED repeats the properties of the clients.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	c := config{whole: 36 * time.Second, round: 8 * time.Second, seed: rand.Uint64N(1_000_000) + 1, clients: 60, say: t.Logf}
	if text := os.Getenv("SOAK_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		c.seed = seed
	}
	stack.Check(t, run(t.Context(), c))
}
