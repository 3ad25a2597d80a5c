package once_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/ingest/once"
	"sluice/hub/upstream"
)

// storm is a world in which instances die at every step, answers are lost, and appends are late.
type storm struct {
	*world
	random *rand.Rand

	mu        sync.Mutex
	calm      bool
	instances []*instance
	dead      map[*instance]bool
	answers   []answered
	struck    map[string]int
}

// answered is what a client was told.
type answered struct {
	value string
	says  string
}

func (s *storm) chance(percent int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.calm && s.random.IntN(100) < percent
}

func (s *storm) pick(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

func (s *storm) strikes(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.struck[what]++
}

// kill ends an instance, whose place another one takes.
func (s *storm) kill(i *instance, at string) {
	s.strikes("died " + at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead[i] {
		return
	}
	s.dead[i] = true
	for n, is := range s.instances {
		if is == i {
			s.instances[n] = s.begin()
		}
	}
}

func (s *storm) isDead(i *instance) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead[i]
}

// begin starts an instance.
func (s *storm) begin() *instance {
	policy := plain()
	policy.DeadLetters = "letters"
	return s.start(policy, func(i *instance) {
		i.claims = func(claims []once.Claim) []once.Outcome { return s.claim(i, claims) }
		i.settles = func(all []once.Settlement) []error { return s.settle(i, all) }
		i.produces = func(ctx context.Context, stream string, m []upstream.Message, done func([]upstream.Stored)) {
			go s.append(ctx, i, stream, m, done)
		}
	})
}

func (s *storm) claim(i *instance, claims []once.Claim) []once.Outcome {
	away := make([]once.Outcome, len(claims))
	for n := range away {
		away[n].Err = errAway
	}
	switch {
	case s.isDead(i):
		return away
	case s.chance(5):
		s.kill(i, "before the claim")
		return away
	case s.chance(5):
		s.strikes("claim away")
		return away
	}
	is := s.memory.Claim(context.Background(), claims)
	switch {
	case s.chance(5):
		s.kill(i, "after the claim")
		return away
	case s.chance(10):
		s.strikes("claim lost")
		return away
	}
	return is
}

func (s *storm) settle(i *instance, all []once.Settlement) []error {
	away := make([]error, len(all))
	for n := range away {
		away[n] = errAway
	}
	switch {
	case s.isDead(i):
		return away
	case s.chance(5):
		s.kill(i, "before the settlement")
		return away
	case s.chance(10):
		s.strikes("settlement away")
		return away
	}
	errs := s.memory.Settle(context.Background(), all)
	if s.chance(10) {
		s.strikes("settlement lost")
		return away
	}
	return errs
}

// append is Kafka: what it appends for an instance can come late, but within the lease of the
// claims, which are younger than the publish.
func (s *storm) append(ctx context.Context, i *instance, stream string, m []upstream.Message, done func([]upstream.Stored)) {
	deadline, _ := ctx.Deadline()
	latest := deadline.Add(lease - timeout - time.Millisecond)
	unknown := failed(len(m), upstream.ErrPublishUnknown)
	switch {
	case s.isDead(i):
		done(unknown)
	case s.chance(5):
		s.kill(i, "before the append")
		done(unknown)
	case s.chance(10):
		s.strikes("not stored")
		done(failed(len(m), upstream.ErrPublishUnavailable))
	case s.chance(10):
		s.strikes("lost, not appended")
		done(unknown)
	case s.chance(20):
		s.strikes("late append")
		if s.chance(50) {
			s.kill(i, "with a late append")
		}
		time.AfterFunc(time.Duration(s.pick(int(time.Until(latest)))), func() { s.produce(stream, m) })
		done(unknown)
	default:
		if s.chance(50) {
			time.Sleep(time.Duration(s.pick(int(3 * time.Second))))
		}
		stored := s.produce(stream, m)
		switch {
		case s.chance(10):
			s.kill(i, "after the append")
			done(unknown)
		case s.chance(10):
			s.strikes("lost, appended")
			done(unknown)
		default:
			done(stored)
		}
	}
}

// client publishes some records, again and again.
func (s *storm) client(until time.Time) {
	for time.Now().Before(until) {
		var batch []ingest.Message
		who := []string{"u1", "u2"}[s.pick(2)]
		for _, id := range []string{"a", "b", "c", "d"} {
			if s.pick(3) == 0 {
				batch = append(batch, s.record(who, id, s.pick(8)/7))
			}
		}
		s.mu.Lock()
		i := s.instances[s.random.IntN(len(s.instances))]
		s.mu.Unlock()
		for n, v := range i.publish(who, batch...) {
			if !s.isDead(i) {
				s.answer(batch[n], v)
			}
		}
		time.Sleep(time.Duration(s.pick(int(8 * time.Second))))
	}
}

func (s *storm) answer(m ingest.Message, v ingest.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answered{string(m.Value), says(v)})
}

// record returns a variant of the record of an id. Those of one id are invalid.
func (s *storm) record(who, id string, variant int) ingest.Message {
	value := fmt.Sprintf("%s/%s/%d", who, id, variant)
	if id == "d" {
		value = "bad/" + value
	}
	return message(id, value)
}

// TestAtMostOnceHoweverInstancesDie: whatever dies, is late or is lost, each id has one record,
// every answer that says where it is is true, and in the end each id can be settled.
func TestAtMostOnceHoweverInstancesDie(t *testing.T) {
	t.Parallel()
	rounds := uint64(60)
	if testing.Short() {
		rounds = 10
	}
	struck := map[string]int{}
	for seed := range rounds {
		synctest.Test(t, func(t *testing.T) {
			s := &storm{world: newWorld(t), random: rand.New(rand.NewPCG(seed, 7)), dead: map[*instance]bool{}, struck: map[string]int{}}
			s.rage()
			s.check(seed)
			for what, n := range s.struck {
				struck[what] += n
			}
		})
		if t.Failed() {
			return
		}
	}
	for _, what := range []string{
		"died before the claim", "died after the claim", "died before the append", "died after the append", "died with a late append",
		"died before the settlement", "claim lost", "claim away", "settlement lost", "settlement away", "late append",
		"lost, appended", "lost, not appended", "not stored",
	} {
		if struck[what] < int(rounds)/10 {
			t.Errorf("%s: it has struck %d times", what, struck[what])
		}
	}
}

// rage runs clients through the storm, and then settles all ids.
func (s *storm) rage() {
	for range 3 {
		s.instances = append(s.instances, s.begin())
	}
	var clients sync.WaitGroup
	until := time.Now().Add(2 * time.Minute)
	for range 5 {
		clients.Go(func() { s.client(until) })
	}
	clients.Go(func() {
		for time.Now().Before(until) {
			time.Sleep(time.Duration(s.pick(int(20 * time.Second))))
			s.topics.Away(true)
			time.Sleep(time.Duration(s.pick(int(3 * time.Second))))
			s.topics.Away(false)
		}
	})
	clients.Wait()
	s.mu.Lock()
	s.calm = true
	s.mu.Unlock()
	time.Sleep(lease + time.Second)
	for _, who := range []string{"u1", "u2"} {
		for _, id := range []string{"a", "b", "c", "d"} {
			for variant := range 2 {
				m := s.record(who, id, variant)
				v := s.instances[variant].publish(who, m)[0]
				if s.answer(m, v); says(v) != "conflict" {
					break
				}
			}
		}
	}
	s.mu.Lock()
	started := append([]*instance(nil), s.instances...)
	for i := range s.dead {
		started = append(started, i)
	}
	s.mu.Unlock()
	for _, i := range started {
		i.stop()
	}
}

// check compares the logs with what clients were told.
func (s *storm) check(seed uint64) {
	at := map[string][]string{} // where the values of an id are
	where := map[string]string{}
	for _, stream := range []string{"orders", "letters"} {
		for _, r := range s.all(stream) {
			value := string(r.Value)
			place := fmt.Sprintf("%d:%d", r.Partition, r.Offset)
			if stream == "letters" {
				place = "letter: is bad"
			}
			where[value] = place
			id := value[:strings.LastIndex(value, "/")]
			at[id] = append(at[id], value)
		}
	}
	for id, values := range at {
		if len(values) > 1 {
			s.t.Errorf("seed %d: %s is stored %d times: %q", seed, id, len(values), values)
		}
	}
	if len(at) != 8 {
		s.t.Errorf("seed %d: %d of 8 ids are stored in the end", seed, len(at))
	}
	for _, a := range s.answers {
		place := strings.TrimSuffix(a.says, " again")
		if strings.Contains(place, ":") && where[a.value] != place {
			s.t.Errorf("seed %d: %s was answered %s, and is at %q", seed, a.value, a.says, where[a.value])
		}
	}
}
