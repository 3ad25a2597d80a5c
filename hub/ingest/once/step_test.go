package once_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/ingest/once"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

func TestARecordWithAnIDIsStoredOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(plain()), w.start(plain())
		defer a.stop()
		defer b.stop()
		a.want([]string{"1:0"}, "u1", message("m", "1"))
		a.want([]string{"1:0 again"}, "u1", message("m", "1"))
		b.want([]string{"1:0 again", "2:0"}, "u1", message("m", "1"), message("n", "2"))
		b.want([]string{"conflict"}, "u1", message("m", "2"))
		b.want([]string{"conflict"}, "u1", ingest.Message{ID: "m", Value: []byte("1"), Key: []byte{}})
		b.want([]string{"conflict"}, "u1", ingest.Message{ID: "m", Value: []byte("1"), Headers: []record.Header{{Name: []byte("a")}}})
		b.want([]string{"conflict"}, "u1", ingest.Message{ID: "m", Value: []byte("1"), Timestamp: 1})
		// How it was sent does not matter, and ids are those of a principal.
		a.want([]string{"1:0 again"}, "u1", ingest.Message{ID: "m", Value: []byte("1"), JSON: true})
		a.want([]string{"1:1"}, "u2", message("m", "1"))
		// Records without an id are not.
		a.want([]string{"1:2", "1:3"}, "u1", message("", "1"), message("", "1"))
		time.Sleep(window)
		a.want([]string{"1:4"}, "u1", message("m", "1"))
		for _, r := range w.all("orders") {
			marked := slices.ContainsFunc(r.Headers, func(h record.Header) bool {
				text := string(h.Value)
				return string(h.Name) == ingest.HeaderMessageID && len(text) == 22 && !strings.Contains(text, "u1")
			})
			if marked != (string(r.Value) != "1" || r.Offset < 2 || r.Offset == 4) {
				t.Errorf("record %d:%d has headers %q", r.Partition, r.Offset, r.Headers)
			}
		}
	})
}

// TestIDsOfTenants: tenants whose principals have the same keys have ids of their own.
func TestIDsOfTenants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.start(plain())
		defer i.stop()
		for _, again := range []bool{false, true} {
			for _, tenant := range []string{"", "acme", "globex"} {
				got := i.publishAs(ingest.Publisher{Tenant: tenant, Principal: "u1"}, message("m", "of "+tenant))
				synctest.Wait()
				if got[0].Err != nil || got[0].Duplicate != again {
					t.Errorf("tenant %q, again %v: %+v", tenant, again, got[0])
				}
			}
		}
	})
}

// TestIDsThatAreNotTaken: without a guard a record with an id is refused, and a stream may
// require one.
func TestIDsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		policy := plain()
		policy.Required = true
		i := w.start(policy)
		defer i.stop()
		i.want([]string{ingest.ErrMessageIDRequired.Error(), "0:0"}, "u1", message("", "1"), message("m", "3"))
		i.want([]string{"0:1", "conflict"}, "u1", message("n", "3"), message("n", "3"))
		i.pipeline.SetStreams(nil)
		i.want([]string{"1:0", ingest.ErrNoMessageIDs.Error()}, "u1", message("", "1"), message("m", "2"))
	})
}

// TestWhatIsNotStoredFreesItsID.
func TestWhatIsNotStoredFreesItsID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.start(plain())
		defer i.stop()
		i.want([]string{ingest.Invalid("is bad").Error(), "1:0"}, "u1", message("m", "bad 1"), message("n", "1"))
		i.want([]string{"2:0"}, "u1", message("m", "2"))
		i.produces = func(_ context.Context, _ string, m []upstream.Message, done func([]upstream.Stored)) {
			go done(failed(len(m), upstream.ErrPublishUnavailable))
		}
		i.want([]string{"unavailable"}, "u1", message("o", "1"))
		i.produces = nil
		i.want([]string{"0:0"}, "u1", message("o", "3"))
	})
}

// TestALostAnswerIsFoundInTheLog: at once if the record is there; else after the lease, and
// meanwhile nobody knows.
func TestALostAnswerIsFoundInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(plain()), w.start(plain())
		defer a.stop()
		defer b.stop()
		a.produces = a.lost(true)
		a.want([]string{"unknown"}, "u1", message("m", "1"))
		begun := time.Now()
		b.want([]string{"1:0 again"}, "u1", message("m", "1"))
		if took := time.Since(begun); took > 100*time.Millisecond {
			t.Errorf("what its owner has lost was waited for: %v", took)
		}
		a.produces = nil
		reads := w.topics.Reads()
		a.want([]string{"1:0 again"}, "u1", message("m", "1"))
		if w.topics.Reads() != reads {
			t.Error("what was found was not settled")
		}

		a.produces = a.lost(false)
		a.want([]string{"unknown"}, "u1", message("n", "2"))
		claimed := time.Now()
		for time.Since(claimed) < lease-time.Second {
			b.want([]string{"unsettled"}, "u1", message("n", "2"))
			b.want([]string{"conflict"}, "u1", message("n", "3"))
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Second)
		b.want([]string{"2:0"}, "u1", message("n", "2"))
		a.want([]string{"2:0 again"}, "u1", message("n", "2"))
		if got := w.values("orders"); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("stored %q", got)
		}
		if s := b.guard.Stats(); s.Found != 1 || s.Absent != 1 || s.Unknown == 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

// TestWhenAnUnsettledIDIsKnown: a publisher is told when to ask again, and then knows.
func TestWhenAnUnsettledIDIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(plain()), w.start(plain())
		defer a.stop()
		defer b.stop()
		after := func(i *instance, id string) time.Duration {
			v := i.publish("u1", message(id, "1"))[0]
			synctest.Wait()
			unsettled, ok := errors.AsType[*ingest.UnsettledError](v.Err)
			if !ok || !errors.Is(v.Err, upstream.ErrPublishUnknown) || errors.Is(v.Err, upstream.ErrPublishUnavailable) {
				t.Fatalf("%s: %+v", id, v)
			}
			return unsettled.RetryAfter
		}
		// The record may be there already.
		for id, appended := range map[string]bool{"m": true, "n": false} {
			a.produces = a.lost(appended)
			if got := after(a, id); got != wait {
				t.Errorf("%s: after %v", id, got)
			}
			a.produces = nil
		}
		b.want([]string{"1:0 again"}, "u1", message("m", "1"))
		// It is not: nobody knows before the end of the lease, unless it comes late.
		time.Sleep(lease / 2)
		left := after(b, "n")
		if left <= lease/2-5*time.Second || left > lease/2 {
			t.Errorf("after %v", left)
		}
		time.Sleep(left)
		b.want([]string{"1:1"}, "u1", message("n", "1"))
		// With Kafka away it can change at any time.
		a.produces = a.lost(false)
		after(a, "o")
		w.topics.Away(true)
		if got := after(b, "o"); got != wait {
			t.Errorf("with Kafka away after %v", got)
		}
		w.topics.Away(false)
		// The same holds for a record that another publisher is storing.
		a.produces = func(_ context.Context, stream string, m []upstream.Message, done func([]upstream.Stored)) {
			time.AfterFunc(timeout, func() { done(w.produce(stream, m)) })
		}
		go a.publish("u1", message("p", "1"))
		synctest.Wait()
		if got := after(b, "p"); got != wait {
			t.Errorf("while another publisher stores it, after %v", got)
		}
		time.Sleep(timeout)
	})
}

// TestARepeatedRequestHasTheCorrelationOfTheFirst: and so has the record, whichever publish of it
// is stored; a record whose reply is expected is another one than without.
func TestARepeatedRequestHasTheCorrelationOfTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(plain()), w.start(plain())
		defer a.stop()
		defer b.stop()
		asks := func(i *instance, correlation, id string) ingest.Verdict {
			v := i.publishAs(ingest.Publisher{Principal: "u1", Correlation: correlation}, message(id, "1"))[0]
			synctest.Wait()
			return v
		}
		is := func(v ingest.Verdict, says1, correlation string, since time.Time) {
			t.Helper()
			if says(v) != says1 || v.Correlation != correlation || v.Since.Sub(since.Add(-skew)).Abs() > time.Millisecond {
				t.Errorf("%s, correlation %q since %v; want %s, %q since %v", says(v), v.Correlation, v.Since, says1, correlation, since.Add(-skew))
			}
		}
		begun := time.Now()
		is(asks(a, "c1", "m"), "1:0", "c1", begun)
		time.Sleep(time.Minute)
		is(asks(b, "c2", "m"), "1:0 again", "c1", begun)
		b.want([]string{"conflict"}, "u1", message("m", "1"))
		a.want([]string{"1:1"}, "u1", message("n", "1"))
		if v := asks(b, "c3", "n"); says(v) != "conflict" {
			t.Errorf("with a reply after one without: %s", says(v))
		}

		// Kafka's answer is lost: the record is found, or it is stored as the first would have been.
		for id, appended := range map[string]bool{"found": true, "absent": false} {
			begun = time.Now()
			a.produces = a.lost(appended)
			if v := asks(a, id+"1", id); says(v) != "unknown" {
				t.Errorf("%s: %s", id, says(v))
			}
			a.produces = nil
			time.Sleep(lease)
			v := asks(b, id+"2", id)
			is(v, strings.TrimSuffix(says(v), " again")+map[bool]string{true: " again"}[appended], id+"1", begun)
			is(asks(a, id+"3", id), strings.TrimSuffix(says(v), " again")+" again", id+"1", begun)
		}
		for _, r := range w.all("orders") {
			marks := map[string]string{}
			for _, h := range r.Headers {
				marks[string(h.Name)] = string(h.Value)
			}
			if got := marks["correlation-id"]; got != "" && (got != marks[ingest.HeaderMessageID] || !strings.HasSuffix(got, "1")) || got == "" && r.Offset != 1 {
				t.Errorf("record %d has the headers %v", r.Offset, marks)
			}
		}
	})
}

// TestAnAppendThatComesLate: up to the end of the lease the record can still come, and what the
// lookback then finds is the answer.
func TestAnAppendThatComesLate(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{lease - time.Second, lease + 500*time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.start(plain()), w.start(plain())
			defer a.stop()
			defer b.stop()
			a.produces = func(_ context.Context, stream string, m []upstream.Message, done func([]upstream.Stored)) {
				go done(failed(len(m), upstream.ErrPublishUnknown))
				time.AfterFunc(late, func() { w.produce(stream, m) })
			}
			a.want([]string{"unknown"}, "u1", message("m", "1"))
			time.Sleep(lease)
			// Now the id is taken over. A leader that was stopped works off what it had
			// received after it has answered where its log ends.
			b.want([]string{"1:0 again"}, "u1", message("m", "1"))
			if got := w.values("orders"); len(got) != 1 {
				t.Errorf("appended after %v: stored %q", late, got)
			}
		})
	}
}

// TestTwoAtOnce: the second publisher waits for the first.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(plain()), w.start(plain())
		defer a.stop()
		defer b.stop()
		slow := func(d time.Duration) func(context.Context, string, []upstream.Message, func([]upstream.Stored)) {
			return func(_ context.Context, stream string, m []upstream.Message, done func([]upstream.Stored)) {
				time.AfterFunc(d, func() { done(w.produce(stream, m)) })
			}
		}
		a.produces = slow(time.Second)
		go a.publish("u1", message("m", "1"))
		synctest.Wait()
		b.want([]string{"1:0 again"}, "u1", message("m", "1"))

		a.produces = slow(5 * time.Second)
		go a.publish("u1", message("n", "1"))
		synctest.Wait()
		b.want([]string{"unsettled"}, "u1", message("n", "1"))
		time.Sleep(5 * time.Second)
		b.want([]string{"1:1 again"}, "u1", message("n", "1"))
	})
}

// TestTheLogDecidesOnlyIfItIsRead: Kafka away, too many records, or a hole leave the id as it
// is, and the next publisher looks again.
func TestTheLogDecidesOnlyIfItIsRead(t *testing.T) {
	t.Parallel()
	for name, strike := range map[string]struct{ strike, mend func(*world) }{
		"kafka away": {func(w *world) { w.topics.Away(true) }, func(w *world) { w.topics.Away(false) }},
		"too many records": {func(w *world) {
			for range 2000 {
				w.topics.Append("orders", record.Record{Timestamp: time.Now().UnixMilli(), Value: make([]byte, 1<<10)})
			}
		}, nil},
		"a hole": {func(w *world) { w.holes = true }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := w.start(plain()), w.start(plain())
				defer a.stop()
				defer b.stop()
				a.produces = a.lost(false)
				a.want([]string{"unknown"}, "u1", message("m", "2"))
				w.topics.Append("orders", record.Record{Partition: 1, Timestamp: time.Now().UnixMilli()})
				time.Sleep(lease)
				strike.strike(w)
				b.want([]string{"unsettled"}, "u1", message("m", "2"))
				if strike.mend == nil {
					// Nobody will know what was in this part of the log.
					time.Sleep(lease)
					a.want([]string{"unsettled"}, "u1", message("m", "2"))
					return
				}
				strike.mend(w)
				b.want([]string{"2:0"}, "u1", message("m", "2"))
			})
		})
	}
}

// TestWithoutTheStoreNothingIsStored: and an id that was claimed without an answer is given
// back.
func TestWithoutTheStoreNothingIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.start(plain())
		defer i.stop()
		away := func(effect bool) func([]once.Claim) []once.Outcome {
			return func(claims []once.Claim) []once.Outcome {
				if effect {
					w.memory.Claim(context.Background(), claims)
				}
				all := make([]once.Outcome, len(claims))
				for n := range all {
					all[n].Err = errAway
				}
				return all
			}
		}
		i.claims = away(false)
		i.want([]string{"no ids", "1:0"}, "u1", message("m", "2"), message("", "1"))
		i.claims = away(true)
		i.want([]string{"no ids"}, "u1", message("m", "2"))
		i.claims = nil
		i.want([]string{"2:0"}, "u1", message("m", "2"))

		// It was taken over from one whose record is in the log: that is not forgotten.
		i.produces = i.lost(true)
		i.want([]string{"unknown"}, "u1", message("n", "3"))
		i.produces = nil
		time.Sleep(lease)
		i.claims = away(true)
		i.want([]string{"no ids"}, "u1", message("n", "3"))
		i.claims = nil
		i.want([]string{"0:0 again"}, "u1", message("n", "3"))
	})
}

// TestWhatCannotBeSettledIsTriedAgain, and the end of an instance settles the rest.
func TestWhatCannotBeSettledIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var mended atomic.Bool
		a, b := w.start(plain(), func(i *instance) {
			i.settles = func(all []once.Settlement) []error {
				if mended.Load() {
					return w.memory.Settle(context.Background(), all)
				}
				return slices.Repeat([]error{errAway}, len(all))
			}
		}), w.start(plain())
		defer b.stop()
		a.want([]string{"1:0"}, "u1", message("m", "1"))
		if s := a.guard.Stats(); s.Waiting != 1 {
			t.Errorf("%+v", s)
		}
		b.want([]string{"1:0 again"}, "u1", message("m", "1"))
		time.Sleep(5 * time.Second)
		mended.Store(true)
		a.stop()
		if s := a.guard.Stats(); s.Waiting != 0 || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
		c := w.start(plain(), func(i *instance) {
			i.settles = func([]once.Settlement) []error { return []error{errAway} }
		})
		c.want([]string{"2:0"}, "u1", message("n", "2"))
		time.Sleep(lease + time.Second)
		if s := c.guard.Stats(); s.Waiting != 0 || s.Dropped != 1 {
			t.Errorf("what is of no use any more: %+v", s)
		}
		c.stop()
	})
}

// TestClaimsThatFailDropNoAnswers: however many claims fail while the store is away, what became of
// records that are stored is written when it is back.
func TestClaimsThatFailDropNoAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var away, mended atomic.Bool
		var a *instance
		var ids atomic.Int64
		flood := func(n int) {
			messages := make([]ingest.Message, n)
			for k := range messages {
				messages[k] = message(strconv.FormatInt(ids.Add(1), 10), "x")
			}
			a.publish("hostile", messages...)
		}
		a = w.start(plain(), func(i *instance) {
			i.claims = func(all []once.Claim) []once.Outcome {
				if !away.Load() {
					return w.memory.Claim(context.Background(), all)
				}
				return slices.Repeat([]once.Outcome{{Err: errAway}}, len(all))
			}
			i.settles = func(all []once.Settlement) []error {
				if mended.Load() {
					return w.memory.Settle(context.Background(), all)
				}
				flood(1000)
				return slices.Repeat([]error{errAway}, len(all))
			}
		})
		stored := says(a.publish("u1", message("m", "1"))[0])
		away.Store(true)
		flood(60_000)
		time.Sleep(5 * time.Second)
		mended.Store(true)
		time.Sleep(10 * time.Second)
		a.stop()
		b := w.start(plain())
		defer b.stop()
		b.want([]string{stored + " again"}, "u1", message("m", "1"))
		if s := b.guard.Stats(); s.Found != 0 {
			t.Error("the answer was dropped, and had to be found in the log")
		}
	})
}

// TestADeadLetterIsKeptOnce: also if its answer was lost, or its owner died.
func TestADeadLetterIsKeptOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		policy := plain()
		policy.DeadLetters = "letters"
		a, b := w.start(policy), w.start(policy)
		defer a.stop()
		defer b.stop()
		a.want([]string{"letter: is bad", "1:0"}, "u1", message("m", "bad"), message("n", "1"))
		b.want([]string{"letter: is bad again", "1:0 again"}, "u1", message("m", "bad"), message("n", "1"))
		a.produces = a.lost(true)
		a.want([]string{"unknown"}, "u1", message("o", "bad too"))
		b.want([]string{"letter: is bad again"}, "u1", message("o", "bad too"))
		a.produces = a.lost(false)
		a.want([]string{"unknown"}, "u1", message("p", "bad three"))
		time.Sleep(lease)
		a.produces = nil
		for _, stream := range []string{"orders", "letters"} {
			w.away = stream
			a.want([]string{"unsettled"}, "u1", message("p", "bad three"))
		}
		w.away = ""
		a.want([]string{"letter: is bad"}, "u1", message("p", "bad three"))
		if got := w.values("letters"); !slices.Equal(got, []string{"bad", "bad three", "bad too"}) {
			t.Errorf("kept %q", got)
		}
	})
}

// TestTheLogIsNotWaitedForLong: nor does a publisher who waits for another's lookback.
func TestTheLogIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.start(plain())
		defer i.stop()
		i.produces = i.lost(false)
		i.want([]string{"unknown", "unknown"}, "u1", message("m", "1"), message("n", "2"))
		w.topics.Append("orders", record.Record{Timestamp: time.Now().UnixMilli()})
		w.stuck = true
		begun := time.Now()
		second := make(chan string, 1)
		go func() {
			time.Sleep(time.Second)
			second <- says(i.publish("u1", message("n", "2"))[0])
		}()
		i.want([]string{"unsettled"}, "u1", message("m", "1"))
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		if got := <-second; got != "unsettled" || time.Since(begun) != 6*time.Second {
			t.Errorf("the second got %s after %v", got, time.Since(begun))
		}
	})
}

// TestWhoLeavesFailsNoOther: a client that leaves while it looks through the log for others, too,
// does not end their search.
func TestWhoLeavesFailsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.start(plain())
		defer i.stop()
		i.produces = i.lost(true)
		i.want([]string{"unknown"}, "u1", message("m", "1"))
		const hurried = 20
		i.produces = i.lost(false)
		for n := range hurried {
			i.want([]string{"unknown"}, "hurried", message(string(rune('a'+n)), "2"))
		}
		synctest.Wait()
		w.stuck, w.freed = true, make(chan struct{})
		var all sync.WaitGroup
		leaves := func(n int, after time.Duration) {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				done := make(chan struct{})
				i.pipeline.Publish(ctx, "orders", ingest.Publisher{Principal: "hurried"}, []ingest.Message{message(string(rune('a'+n)), "2")},
					func([]ingest.Verdict) { close(done) })
				<-done
			})
		}
		leaves(0, time.Second)
		synctest.Wait()
		all.Go(func() {
			if got := says(i.publish("u1", message("m", "1"))[0]); !strings.HasSuffix(got, ":0 again") {
				t.Errorf("who has stayed got %s", got)
			}
		})
		for n := 1; n < hurried; n++ {
			leaves(n, 2*time.Second)
		}
		time.Sleep(3 * time.Second)
		close(w.freed)
		all.Wait()
	})
}

// TestTheEarliestIsLookedFor: records of different times are looked for together.
func TestTheEarliestIsLookedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.start(plain())
		defer i.stop()
		i.produces = i.lost(true)
		i.want([]string{"unknown"}, "u1", message("m", "1"))
		time.Sleep(time.Minute)
		i.want([]string{"unknown"}, "u1", message("n", "2"))
		// A client's own time is before that of its publish.
		old := ingest.Message{ID: "o", Value: []byte("3"), Timestamp: time.Now().Add(-time.Hour).UnixMilli()}
		i.want([]string{"unknown"}, "u1", old)
		time.Sleep(time.Minute)
		i.want([]string{"2:0 again", "1:0 again", "0:0 again"}, "u1", message("n", "2"), message("m", "1"), old)
	})
}

// TestOldRecordsAreLookedForApart: a client that gives its record a time long ago makes the
// search for its own record costly, and not that for others.
func TestOldRecordsAreLookedForApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 2000 { // more than is looked through
			w.topics.Append("orders", record.Record{Timestamp: time.Now().UnixMilli(), Value: make([]byte, 1<<10)})
		}
		time.Sleep(time.Hour)
		a, b := w.start(plain()), w.start(plain())
		defer a.stop()
		defer b.stop()
		old := ingest.Message{ID: "old", Value: []byte("1"), Timestamp: 1}
		a.produces = a.lost(false)
		a.want([]string{"unknown"}, "hostile", old)
		a.want([]string{"unknown", "unknown"}, "u1", message("m", "2"), message("first", "1"))
		a.produces = a.lost(true)
		a.want([]string{"unknown"}, "u1", message("n", "3"))
		time.Sleep(lease)
		// While the log is looked through, the others come, and are looked for together.
		first, hostile := make(chan string, 1), make(chan string, 1)
		go func() { first <- says(b.publish("u1", message("first", "1"))[0]) }()
		synctest.Wait()
		go func() { hostile <- says(b.publish("hostile", old)[0]) }()
		synctest.Wait()
		b.want([]string{"2:0", "0:2000 again"}, "u1", message("m", "2"), message("n", "3"))
		if one, other := <-first, <-hostile; one != "1:0" || other != "unsettled" {
			t.Errorf("the first got %s, and the old one %s", one, other)
		}
	})
}

// TestManyLookTogether: the log is looked through once for many.
func TestManyLookTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(plain()), w.start(plain())
		defer a.stop()
		defer b.stop()
		const n = 200
		var messages []ingest.Message
		for i := range n {
			messages = append(messages, message(string(rune('A'+i)), strings.Repeat("x", i+1)))
		}
		a.produces = a.lost(false)
		a.publish("u1", messages...)
		synctest.Wait()
		time.Sleep(lease)
		begun, before := time.Now(), w.topics.Reads()
		done := make(chan string, n)
		for _, m := range messages {
			go func() { done <- says(b.publish("u1", m)[0]) }()
		}
		for range n {
			if got := <-done; strings.Contains(got, "again") || !strings.Contains(got, ":") {
				t.Errorf("got %s", got)
			}
		}
		// The first one looks alone, then all others together.
		if took, reads := time.Since(begun), w.topics.Reads()-before; took > 3*time.Second || reads > 50 {
			t.Errorf("took %v and %d reads", took, reads)
		}
		if got := w.values("orders"); len(got) != n {
			t.Errorf("%d are stored", len(got))
		}
	})
}

// TestTenantsLookBackInTurn: a tenant whose lookbacks take as long as they may keeps no other
// tenant's publisher from the answer, however many streams it has.
func TestTenantsLookBackInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.start(plain())
		defer i.stop()
		streams := map[string]ingest.Stream{"orders": {Once: i.guard.Step(plain())}}
		for n := range 8 {
			streams[fmt.Sprint("s", n)] = streams["orders"]
			w.topics.Create(fmt.Sprint("s", n), 1)
		}
		i.pipeline.SetStreams(streams)
		i.produces = i.lost(true)
		publish := func(by ingest.Publisher, stream string) string {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			done := make(chan []ingest.Verdict, 1)
			i.pipeline.Publish(ctx, stream, by, []ingest.Message{message("m", "1")}, func(v []ingest.Verdict) { done <- v })
			return says((<-done)[0])
		}
		greedy := func(n int) ingest.Publisher { return ingest.Publisher{Tenant: "greedy", Principal: fmt.Sprint("p", n)} }
		modest := ingest.Publisher{Tenant: "modest", Principal: "q"}
		for n := range 8 {
			publish(greedy(n), fmt.Sprint("s", n))
		}
		publish(modest, "orders")
		synctest.Wait()
		w.stuckTopics = func(name string) bool { return name != "orders" }
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() { publish(greedy(n), fmt.Sprint("s", n)) })
		}
		time.Sleep(time.Second) // they look through the log
		began := time.Now()
		if got := publish(modest, "orders"); got != "1:0 again" {
			t.Errorf("the other tenant got %s", got)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		all.Wait()
	})
}

// TestWhoWaitsForASlotKeepsNobodyFromTheLog: a principal that has as many slots as it may have keeps
// no other one from the log of a stream to which both publish.
func TestWhoWaitsForASlotKeepsNobodyFromTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.start(plain())
		defer i.stop()
		w.topics.Create("stuck", 1)
		orders := ingest.Stream{Once: i.guard.Step(plain())}
		i.pipeline.SetStreams(map[string]ingest.Stream{"orders": orders, "stuck": orders})
		i.produces = i.lost(true)
		publish := func(principal, stream string) string {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			done := make(chan []ingest.Verdict, 1)
			i.pipeline.Publish(ctx, stream, ingest.Publisher{Principal: principal}, []ingest.Message{message("m", "1")}, func(v []ingest.Verdict) { done <- v })
			return says((<-done)[0])
		}
		publish("greedy", "stuck")
		publish("greedy", "orders")
		publish("modest", "orders")
		synctest.Wait()
		w.stuckTopics = func(name string) bool { return name == "stuck" }
		var all sync.WaitGroup
		for _, stream := range []string{"stuck", "orders"} {
			all.Go(func() { publish("greedy", stream) })
			synctest.Wait()
		}
		began := time.Now()
		if got := publish("modest", "orders"); got != "1:1 again" {
			t.Errorf("the other principal got %s", got)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		all.Wait()
	})
}
