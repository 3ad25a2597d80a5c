package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"sluice/hub/ingest/once"
)

const hourly = time.Hour

// claimOf returns a claim of the id "m" by an owner.
func claimOf(owner string, lease time.Duration) once.Claim {
	return once.Claim{Key: "m", Digest: "d", Fence: owner, Token: "token-" + owner, Since: noon, Lease: lease, Window: hourly}
}

func settlementOf(owner, token string, fate once.Fate) once.Settlement {
	return once.Settlement{Key: "m", Digest: "d", Fence: owner, Token: token, Fate: fate, Answer: `{"p":1,"o":"a b"}`, Window: hourly}
}

func (f fixture) claims(t *testing.T, c once.Claim, want once.Outcome) {
	t.Helper()
	got := f.Claim(ctx, []once.Claim{c})
	if len(got) != 1 || got[0].Err != nil {
		t.Fatalf("claim: %+v", got)
	}
	if want.Token != "" {
		want.Since = noon
	}
	if got[0].State != want.State || got[0].Token != want.Token || !got[0].Since.Equal(want.Since) || got[0].Answer != want.Answer {
		t.Errorf("claim by %s: got %+v, want %+v", c.Fence, got[0], want)
	}
	leased := want.State == once.Claimed || want.State == once.Undecided
	if leased != (got[0].Left > 0) || got[0].Left > c.Lease {
		t.Errorf("claim by %s: the lease goes on for %v, state %d", c.Fence, got[0].Left, want.State)
	}
}

func (f fixture) settles(t *testing.T, s once.Settlement) {
	t.Helper()
	if errs := f.Settle(ctx, []once.Settlement{s}); len(errs) != 1 || errs[0] != nil {
		t.Fatalf("settle: %v", errs)
	}
}

func TestTheLifeOfAMessageID(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		key := f.config.Prefix + "message:{m}"
		lives := func(least, most time.Duration) {
			t.Helper()
			if ttl, err := f.plain.PTTL(ctx, key).Result(); err != nil || ttl <= least || ttl > most {
				t.Errorf("it lives for %v (%v)", ttl, err)
			}
		}
		f.claims(t, claimOf("a", hourly), once.Outcome{State: once.Granted, Token: "token-a"})
		lives(hourly, 2*hourly)
		f.claims(t, claimOf("b", hourly), once.Outcome{State: once.Claimed, Token: "token-a"})
		other := claimOf("b", hourly)
		other.Digest = "e"
		f.claims(t, other, once.Outcome{State: once.Conflict})

		// Only its owner frees it, or gives it up.
		for _, fate := range []once.Fate{once.Free, once.Withdrawn, once.Lost, once.Back} {
			f.settles(t, settlementOf("b", "token-b", fate))
		}
		f.claims(t, claimOf("b", hourly), once.Outcome{State: once.Claimed, Token: "token-a"})
		f.settles(t, settlementOf("a", "token-a", once.Lost))
		f.claims(t, claimOf("b", hourly), once.Outcome{State: once.Undecided, Token: "token-a"})
		lives(hourly, 2*hourly)

		// Whoever finds the record settles it.
		f.settles(t, settlementOf("b", "token-a", once.Answered))
		f.claims(t, claimOf("c", hourly), once.Outcome{State: once.Settled, Answer: `{"p":1,"o":"a b"}`})
		lives(0, hourly)
		f.settles(t, settlementOf("a", "token-a", once.Answered))
		for _, fate := range []once.Fate{once.Free, once.Withdrawn, once.Lost, once.Back} {
			f.settles(t, settlementOf("a", "token-a", fate))
		}
		f.claims(t, claimOf("c", hourly), once.Outcome{State: once.Settled, Answer: `{"p":1,"o":"a b"}`})
		f.claims(t, other, once.Outcome{State: once.Conflict})

		// Lost by Redis, it is free; that it is stored is known again from who knows it.
		if err := f.plain.Del(ctx, key).Err(); err != nil {
			t.Fatal(err)
		}
		f.settles(t, settlementOf("a", "token-a", once.Lost))
		f.settles(t, settlementOf("a", "token-a", once.Answered))
		f.claims(t, claimOf("c", hourly), once.Outcome{State: once.Settled, Answer: `{"p":1,"o":"a b"}`})
	})
}

func TestAMessageIDIsTakenOverAfterItsLease(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		f.claims(t, claimOf("a", 0), once.Outcome{State: once.Granted, Token: "token-a"})
		f.claims(t, claimOf("b", 0), once.Outcome{State: once.Taken, Token: "token-a"})
		f.settles(t, settlementOf("a", "token-a", once.Free)) // too late
		f.claims(t, claimOf("c", hourly), once.Outcome{State: once.Taken, Token: "token-a"})
		f.claims(t, claimOf("d", hourly), once.Outcome{State: once.Claimed, Token: "token-a"})
		// Withdrawn, what the claim was taken from is not forgotten; nor is it sent back.
		f.settles(t, settlementOf("c", "token-c", once.Withdrawn))
		f.claims(t, claimOf("d", hourly), once.Outcome{State: once.Taken, Token: "token-a"})
		f.settles(t, settlementOf("d", "token-a", once.Back))
		f.claims(t, claimOf("e", hourly), once.Outcome{State: once.Taken, Token: "token-a"})
		f.settles(t, settlementOf("e", "token-a", once.Free))
		f.claims(t, claimOf("f", hourly), once.Outcome{State: once.Granted, Token: "token-f"})
		f.settles(t, settlementOf("f", "token-f", once.Withdrawn))
		f.claims(t, claimOf("g", hourly), once.Outcome{State: once.Granted, Token: "token-g"})
	})
}

// TestOneOfManyClaims: of all who claim an id at once, one is granted it; and a batch is larger
// than a round trip.
func TestOneOfManyClaims(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		const owners, ids = 8, 700
		var mu sync.Mutex
		granted := map[int]int{}
		var all sync.WaitGroup
		for owner := range owners {
			all.Go(func() {
				claims := make([]once.Claim, ids)
				for n := range claims {
					claims[n] = claimOf(fmt.Sprint("o", owner), hourly)
					claims[n].Key = fmt.Sprint("id", n)
				}
				mu.Lock()
				if owner == 3 {
					_ = f.plain.ScriptFlush(ctx).Err()
				}
				mu.Unlock()
				got := f.Claim(ctx, claims)
				mu.Lock()
				defer mu.Unlock()
				for n, o := range got {
					if o.Err != nil {
						t.Errorf("claim %d: %v", n, o.Err)
					}
					if o.State == once.Granted {
						granted[n]++
					} else if o.State != once.Claimed {
						t.Errorf("claim %d: %+v", n, o)
					}
				}
			})
		}
		all.Wait()
		for n := range ids {
			if granted[n] != 1 {
				t.Fatalf("id %d was granted to %d", n, granted[n])
			}
		}
		settlements := make([]once.Settlement, ids)
		for n := range settlements {
			settlements[n] = settlementOf("x", "token-o0", once.Answered)
			settlements[n].Key = fmt.Sprint("new", n)
		}
		for n, err := range f.Settle(ctx, settlements) {
			if err != nil {
				t.Fatalf("settlement %d: %v", n, err)
			}
		}
	})
}

// TestDamagedMessageIDs: one that cannot be read is nobody's, and others are not harmed.
func TestDamagedMessageIDs(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		for _, value := range []string{"", "claimed", "settled", "claimed a b c d e f", "settled d"} {
			if err := f.plain.Set(ctx, f.config.Prefix+"message:{m}", value, time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			good := claimOf("a", hourly)
			good.Key = "good" + value
			got := f.Claim(ctx, []once.Claim{claimOf("a", hourly), good})
			if got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "DAMAGED") || got[1].Err != nil || got[1].State != once.Granted {
				t.Errorf("%q: got %+v", value, got)
			}
			f.settles(t, settlementOf("a", "token-a", once.Free))
		}
		if err := f.plain.Del(ctx, f.config.Prefix+"message:{m}").Err(); err != nil {
			t.Fatal(err)
		}
		if err := f.plain.HSet(ctx, f.config.Prefix+"message:{m}", "a", "b").Err(); err != nil {
			t.Fatal(err)
		}
		if got := f.Claim(ctx, []once.Claim{claimOf("a", hourly)}); got[0].Err == nil {
			t.Errorf("of another type: %+v", got)
		}
		if errs := f.Settle(ctx, []once.Settlement{settlementOf("a", "token-a", once.Free)}); errs[0] == nil {
			t.Error("of another type: settled")
		}
	})
}

// TestMessageIDsWithoutRedis: every claim has an error.
func TestMessageIDsWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t, backends()[0].redis(t))
	_ = f.Close()
	got := f.Claim(ctx, []once.Claim{claimOf("a", hourly), claimOf("b", hourly)})
	errs := f.Settle(ctx, []once.Settlement{settlementOf("a", "token-a", once.Free)})
	if len(got) != 2 || got[0].Err == nil || got[1].Err == nil || len(errs) != 1 || errs[0] == nil || errors.Is(errs[0], ctx.Err()) {
		t.Errorf("got %+v, %v", got, errs)
	}
}

// idModel is what is known of an id, as package once describes it.
type idModel struct {
	state        once.State // Granted for an id that is claimed
	fence, token string
	digest       string
	over         bool // the lease
	taken        bool
	answer       string
}

// TestMessageIDsFollowTheModel compares Redis with a model, whatever is asked in whichever
// order.
func TestMessageIDsFollowTheModel(t *testing.T) {
	t.Parallel()
	f := newFixture(t, backends()[0].redis(t))
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		key := fmt.Sprint("round", round)
		var model *idModel
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			owner := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "owner")
			digest := rapid.SampledFrom([]string{"d", "d", "d", "e"}).Draw(t, "digest")
			if rapid.Bool().Draw(t, "claims") {
				lease := rapid.SampledFrom([]time.Duration{0, hourly}).Draw(t, "lease")
				c := claimOf(owner, lease)
				c.Key, c.Digest = key, digest
				want := model.claim(c, &model)
				if got := f.Claim(ctx, []once.Claim{c})[0]; got.Err != nil || got.State != want.State || got.Token != want.Token || got.Answer != want.Answer {
					t.Fatalf("claim %+v: got %+v, want %+v", c, got, want)
				}
				continue
			}
			token := rapid.SampledFrom([]string{"token-a", "token-b", "token-c"}).Draw(t, "token")
			s := settlementOf(owner, token, once.Fate(rapid.IntRange(0, 4).Draw(t, "fate")))
			s.Key, s.Digest, s.Answer = key, digest, "answer of "+owner
			model.settle(s, &model)
			if err := f.Settle(ctx, []once.Settlement{s})[0]; err != nil {
				t.Fatal(err)
			}
		}
	})
}

func (k *idModel) claim(c once.Claim, model **idModel) once.Outcome {
	switch {
	case k == nil:
		*model = &idModel{state: once.Claimed, fence: c.Fence, token: c.Token, digest: c.Digest, over: c.Lease == 0}
		return once.Outcome{State: once.Granted, Token: c.Token}
	case k.digest != c.Digest:
		return once.Outcome{State: once.Conflict}
	case k.state == once.Settled:
		return once.Outcome{State: once.Settled, Answer: k.answer}
	case !k.over:
		return once.Outcome{State: k.state, Token: k.token}
	}
	k.state, k.fence, k.over, k.taken = once.Claimed, c.Fence, c.Lease == 0, true
	return once.Outcome{State: once.Taken, Token: k.token}
}

func (k *idModel) settle(s once.Settlement, model **idModel) {
	switch {
	case s.Fate == once.Answered:
		*model = &idModel{state: once.Settled, digest: s.Digest, answer: s.Answer}
	case k == nil, k.state == once.Settled, k.fence != s.Fence:
	case s.Fate == once.Free, s.Fate == once.Withdrawn && !k.taken:
		*model = nil
	default:
		k.state = once.Undecided
		k.over = k.over || s.Fate != once.Lost
	}
}

// TestManyRepeatedMessageIDsWithSlowScripts: as long as a script is answered at all, what is
// asked about many ids is answered. A publisher that asks again asks for as many.
func TestManyRepeatedMessageIDsWithSlowScripts(t *testing.T) {
	t.Parallel()
	slow := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{slow.Addr()}})
	config := f.config
	config.Timeout = 8 * time.Second
	store := open(t, config)
	claims, lost := make([]once.Claim, 500), make([]once.Settlement, 500)
	for n := range claims {
		claims[n], lost[n] = claimOf("a", hourly), settlementOf("a", "token-a", once.Lost)
		claims[n].Key, lost[n].Key = fmt.Sprint("id", n), fmt.Sprint("id", n)
	}
	f.Claim(ctx, claims)
	slow.Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
		if strings.HasPrefix(command, "EVAL") {
			time.Sleep(20 * time.Millisecond) // 10 s for all; a busy machine adds its own time to each
		}
		return false
	})
	for n, o := range store.Claim(ctx, claims) {
		if o.Err != nil || o.State != once.Claimed {
			t.Fatalf("claim %d: %+v", n, o)
		}
	}
	for n, err := range store.Settle(ctx, lost) {
		if err != nil {
			t.Fatalf("settlement %d: %v", n, err)
		}
	}
}
