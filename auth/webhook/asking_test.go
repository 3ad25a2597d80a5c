package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth"
	"sluice/auth/webhook"
)

// TestAnswersAreCached: yes and no for the configured time, an identity not beyond its
// end, and failures not at all.
func TestAnswersAreCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			answer func(*http.Request) (reply, error)
			cache  time.Duration
			kept   time.Duration
		}{
			"yes":          {says(200, `{"subject":"u"}`), 10 * time.Second, 10 * time.Second},
			"no":           {says(401, ``), 10 * time.Second, 10 * time.Second},
			"ends before":  {endsIn(3 * time.Second), 10 * time.Second, 3 * time.Second},
			"has ended":    {says(200, `{"subject":"u","expires_at":1}`), 10 * time.Second, 0},
			"failure":      {says(500, ``), 10 * time.Second, 0},
			"bad answer":   {says(200, `{}`), 10 * time.Second, 0},
			"without":      {says(200, `{"subject":"u"}`), 0, 0},
			"no, no cache": {says(403, ``), 0, 0},
		} {
			s := &service{answer: c.answer}
			begun := time.Now()
			h := hook(t, s, func(config *webhook.Config) { config.CacheFor = c.cache })
			ask := func() { _, _ = h.Verify(t.Context(), auth.Bearer("t")) }
			ask()
			if c.kept > 0 {
				time.Sleep(c.kept - time.Millisecond)
				ask()
				if n := s.count(); n != 1 {
					t.Errorf("%s: %d requests within %v", name, n, time.Since(begun))
				}
				time.Sleep(time.Millisecond)
			}
			ask()
			if n := s.count(); n != 2 {
				t.Errorf("%s: %d requests after %v", name, n, time.Since(begun))
			}
		}
	})
}

// endsIn answers with an identity that ends so long after the request.
func endsIn(d time.Duration) func(*http.Request) (reply, error) {
	return func(r *http.Request) (reply, error) {
		return says(200, fmt.Sprintf(`{"subject":"u","expires_at":%d}`, time.Now().Add(d).UnixMilli()))(r)
	}
}

// TestEveryPartOfAQuestionCounts: an answer is used for the same question only.
func TestEveryPartOfAQuestionCounts(t *testing.T) {
	t.Parallel()
	s := &service{answer: says(200, `{"allow":true}`)}
	h := hook(t, s)
	base := webhook.Question{Principal: principal(t, "u", `{"sub":"u","role":"a"}`), Action: auth.Subscribe, Stream: "orders"}
	for i, change := range []func(*webhook.Question){
		func(*webhook.Question) {},
		func(q *webhook.Question) { q.Action = auth.Publish },
		func(q *webhook.Question) { q.Stream = "other" },
		func(q *webhook.Question) { q.From = "earliest" },
		func(q *webhook.Question) { q.From = "offset:0:1" },
		func(q *webhook.Question) { q.From = "offset:0:2" },
		func(q *webhook.Question) { q.CursorName = "n" },
		func(q *webhook.Question) { q.CursorName = "m" },
		func(q *webhook.Question) { q.Reset = true },
		func(q *webhook.Question) { q.Keys = []string{"a"} },
		func(q *webhook.Question) { q.Keys = []string{"b"} },
		func(q *webhook.Question) { q.KeyPrefix = "a" },
		func(q *webhook.Question) { q.Headers = [][2]string{{"a", "b"}} },
		func(q *webhook.Question) { q.Headers = [][2]string{{"a", "c"}} },
		func(q *webhook.Question) { q.Filter = "true" },
		func(q *webhook.Question) { q.Principal = principal(t, "v", `{"sub":"u","role":"a"}`) },
		func(q *webhook.Question) { q.Principal = principal(t, "u", `{"sub":"u","role":"b"}`) },
	} {
		asked := base
		change(&asked)
		for range 2 {
			if err := h.Approve(t.Context(), asked); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.count(); n != i+1 {
			t.Errorf("question %d: %d requests", i, n)
		}
	}
	s.set(says(200, `{"subject":"u"}`))
	before := s.count()
	credential := auth.Bearer("t")
	for i, change := range []func(*auth.Credential){
		func(*auth.Credential) {},
		func(c *auth.Credential) { c.Token = auth.NewSecret("t2") },
		func(c *auth.Credential) { c.Scheme = auth.SchemeAPIKey },
		func(c *auth.Credential) { c.Proof.Address = "192.0.2.1" },
		func(c *auth.Credential) { c.Proof.Headers = http.Header{"X-Tenant": {"a"}} },
	} {
		asked := credential
		change(&asked)
		for range 2 {
			if _, err := h.Verify(t.Context(), asked); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.count() - before; n != i+1 {
			t.Errorf("credential %d: %d requests", i, n)
		}
	}
}

// TestMadeUpCredentialsDisplaceNobody: the cache is bounded, and a flood of refused
// credentials leaves the accepted ones in it.
func TestMadeUpCredentialsDisplaceNobody(t *testing.T) {
	t.Parallel()
	s := &service{}
	h := hook(t, s, func(c *webhook.Config) { c.CacheEntries, c.CacheFor = 20, time.Hour })
	s.set(says(200, `{"subject":"u"}`))
	good := func() {
		for i := range 10 {
			if _, err := h.Verify(t.Context(), auth.Bearer(fmt.Sprint("good", i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	good()
	s.set(says(401, ``))
	for i := range 1000 {
		if _, err := h.Verify(t.Context(), auth.Bearer(fmt.Sprint("made up", i))); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Fatal(err)
		}
	}
	if yes, no := h.Cached(); yes != 10 || no > 20 || no < 10 {
		t.Errorf("%d and %d answers are cached", yes, no)
	}
	s.set(fails(errors.New("down")))
	good()
}

// TestOneRequestPerQuestion: equal questions share a request, which outlives the
// client that caused it; others are bounded.
func TestOneRequestPerQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		s.set(func(r *http.Request) (reply, error) {
			select {
			case <-time.After(500 * time.Millisecond):
				return says(200, `{"subject":"u"}`)(r)
			case <-r.Context().Done():
				return reply{}, r.Context().Err()
			}
		})
		h := hook(t, s, func(c *webhook.Config) { c.Concurrency = 3 })
		var clients sync.WaitGroup
		ask := func(token string, patience time.Duration, want error) {
			clients.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if _, err := h.Verify(ctx, auth.Bearer(token)); !errors.Is(err, want) {
					t.Errorf("%s: got %v, want %v", token, err, want)
				}
			})
			synctest.Wait()
		}
		ask("a", 100*time.Millisecond, nil) // asks, and so sees it through
		for range 20 {
			ask("a", time.Second, nil)
		}
		ask("a", 100*time.Millisecond, context.DeadlineExceeded)
		ask("b", time.Second, nil)
		ask("c", time.Second, nil)
		ask("d", time.Second, auth.ErrVerifierUnavailable)
		clients.Wait()
		if n := s.count(); n != 3 {
			t.Errorf("%d requests", n)
		}
		ask("d", time.Second, nil)
		clients.Wait()
	})
}

// TestServiceThatHangs: a client waits for the timeout at most.
func TestServiceThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(r *http.Request) (reply, error) {
			<-r.Context().Done()
			return reply{}, r.Context().Err()
		}}
		h := hook(t, s)
		begun := time.Now()
		if _, err := h.Verify(t.Context(), auth.Bearer("t")); !errors.Is(err, auth.ErrVerifierUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestBreaker: a service that fails is asked every other second only, refuses
// everything that is not cached, and never allows.
func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := principal(t, "u", `{"sub":"u"}`)
		s := &service{answer: says(200, `{"allow":true}`)}
		h := hook(t, s, func(c *webhook.Config) { c.CacheFor = time.Minute })
		ask := func(stream string) error {
			return h.Approve(t.Context(), webhook.Question{Principal: p, Action: auth.Subscribe, Stream: stream})
		}
		if err := ask("cached"); err != nil {
			t.Fatal(err)
		}
		// What is wrong with one answer does not count as a failure of the service.
		for i, answer := range []func(*http.Request) (reply, error){says(404, ``), says(200, `{}`), says(302, ``), says(400, ``), says(418, ``), says(200, `x`)} {
			s.set(answer)
			_ = ask(fmt.Sprint("odd", i))
		}
		if err := h.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.set(says(503, ``))
		before, begun := s.count(), time.Now()
		for i := range 1000 {
			if err := ask(fmt.Sprint("s", i)); !errors.Is(err, auth.ErrRightsUnavailable) {
				t.Fatalf("got %v", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if n, most := s.count()-before, webhook.TripAfter+int(time.Since(begun)/webhook.ProbeEvery); n > most || n < 10 {
			t.Errorf("%d requests in %v", n, time.Since(begun))
		}
		if err := h.Check(t.Context()); err == nil {
			t.Error("the check passes")
		}
		if err := ask("cached"); err != nil {
			t.Errorf("a cached answer: %v", err)
		}
		s.set(says(200, `{"allow":true}`))
		time.Sleep(webhook.ProbeEvery + time.Millisecond)
		if err := ask("again"); err != nil {
			t.Errorf("after the service is back: %v", err)
		}
		if err := h.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestPanicEndsTheFlight: those who wait are not stuck.
func TestPanicEndsTheFlight(t *testing.T) {
	t.Parallel()
	s := &service{answer: func(*http.Request) (reply, error) { panic("a bug") }}
	h := hook(t, s)
	func() {
		defer func() { _ = recover() }()
		_, _ = h.Verify(t.Context(), auth.Bearer("t"))
	}()
	s.set(says(200, `{"subject":"u"}`))
	if _, err := h.Verify(t.Context(), auth.Bearer("t")); err != nil {
		t.Error(err)
	}
}

// TestOutcomes: what came of each question is told, with the time that requests took.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told := make(map[string]int)
		note := func(e webhook.Event, o webhook.Outcome, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			told[fmt.Sprint(e, " ", o, " ", took)]++
		}
		slow := func(answer func(*http.Request) (reply, error)) func(*http.Request) (reply, error) {
			return func(r *http.Request) (reply, error) {
				time.Sleep(10 * time.Millisecond)
				return answer(r)
			}
		}
		s := &service{answer: slow(says(200, `{"subject":"u"}`))}
		h := hook(t, s, func(c *webhook.Config) { c.Observe, c.Concurrency = note, 1 })
		ask := func(token string) { _, _ = h.Verify(t.Context(), auth.Bearer(token)) }
		answers := func(a func(*http.Request) (reply, error)) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.answer = slow(a)
		}
		var asking sync.WaitGroup
		asking.Go(func() { ask("a") })
		synctest.Wait()
		asking.Go(func() { ask("a") })
		synctest.Wait()
		ask("b")
		asking.Wait()
		ask("a")
		answers(says(401, ""))
		ask("c")
		answers(says(200, "{}"))
		ask("d")
		answers(says(500, ""))
		for i := range webhook.TripAfter + 1 {
			ask(fmt.Sprint("e", i))
		}
		if !h.Open() {
			t.Error("the breaker is not open")
		}
		answers(says(200, `{"allow":true}`))
		time.Sleep(webhook.ProbeEvery + time.Millisecond)
		_ = h.Approve(t.Context(), webhook.Question{Principal: principal(t, "u", ""), Action: auth.Publish, Stream: "s"})
		want := map[string]int{
			"connect yes 10ms": 1, "connect shared 0s": 1, "connect busy 0s": 1, "connect cached 0s": 1, "connect no 10ms": 1,
			"connect invalid 10ms": 1, "connect away 10ms": webhook.TripAfter, "connect broken 0s": 1, "publish yes 10ms": 1,
		}
		if fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", told, want)
		}
	})
}

// TestForgottenAnswers: after Forget the service is asked again, also about what was being
// asked, and what was asked before is not cached.
func TestForgottenAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		s.answer = func(r *http.Request) (reply, error) {
			time.Sleep(100 * time.Millisecond)
			return says(200, `{"subject":"u"}`)(r)
		}
		h := hook(t, s)
		ask := func() { _, _ = h.Verify(t.Context(), auth.Bearer("t")) }
		ask()
		ask()
		h.Forget()
		var asking sync.WaitGroup
		asking.Go(ask) // the second request
		synctest.Wait()
		h.Forget()
		ask() // the third
		asking.Wait()
		ask()
		if n := s.count(); n != 3 {
			t.Errorf("%d requests", n)
		}
		if yes, no := h.Cached(); yes != 1 || no != 0 {
			t.Errorf("cached %d and %d", yes, no)
		}
	})
}
