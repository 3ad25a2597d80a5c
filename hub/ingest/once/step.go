package once

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/backoff"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
)

// step is the step of a stream: it claims the ids of records before anything else is done with
// these, and settles them when there are verdicts.
type step struct {
	guard  *Guard
	policy Policy
}

// held is a record with an id.
type held struct {
	index int
	claim Claim
	begun time.Time // before the claim
	is    Outcome
	// owned means that the id is this record's to settle.
	owned bool
}

// Step returns the step of a stream.
func (g *Guard) Step(p Policy) ingest.Step { return &step{guard: g, policy: p} }

// Check implements ingest.Step. It waits for the store, for another publisher of a record, and
// for the log.
func (s *step) Check(ctx context.Context, b *ingest.Batch) {
	all := s.begin(b)
	if len(all) == 0 {
		return
	}
	b.Keep(s, all)
	wait, stop := context.WithTimeout(ctx, s.guard.config.Wait)
	defer stop()
	retry := backoff.New()
	for asked := all; len(asked) > 0; {
		asked = s.claim(ctx, b, asked)
		if len(asked) > 0 && !retry.Wait(wait) {
			break
		}
	}
	s.lookBack(ctx, b, all)
}

// begin returns the records that have an id.
func (s *step) begin(b *ingest.Batch) (all []*held) {
	now := s.guard.config.Now()
	given := make(map[string]bool)
	for i := range b.Len() {
		if !b.Pending(i) {
			continue
		}
		m := b.Message(i)
		switch {
		case m.ID == "" && s.policy.Required:
			b.Settle(i, ingest.Rejected(ingest.ErrMessageIDRequired))
			continue
		case m.ID == "":
			continue
		case given[m.ID]:
			b.Settle(i, ingest.Rejected(fmt.Errorf("%w of the same request", ingest.ErrMessageIDConflict)))
			continue
		}
		given[m.ID] = true
		since := now
		if at := time.UnixMilli(m.Timestamp); m.Timestamp > 0 && at.Before(since) {
			since = at
		}
		h := &held{index: i, begun: now, claim: Claim{
			Key: keyOf(b, m.ID), Digest: contentOf(m, b.Correlation != ""), Fence: random(), Token: random(),
			Since: since, Lease: s.policy.Lease, Window: s.policy.Window,
		}}
		if b.Correlation != "" { // of a single record
			h.claim.Token = b.Correlation
		}
		all = append(all, h)
	}
	return all
}

// claim claims ids, and returns those whose record another publisher is storing.
func (s *step) claim(ctx context.Context, b *ingest.Batch, asked []*held) (again []*held) {
	claims := make([]Claim, len(asked))
	for n, h := range asked {
		claims[n] = h.claim
	}
	for n, is := range s.guard.config.Store.Claim(ctx, claims) {
		h := asked[n]
		if h.is = is; is.Err != nil {
			// It may be claimed all the same.
			s.settle(h, Withdrawn, "")
			b.Settle(h.index, ingest.Rejected(fmt.Errorf("%w: %s", ingest.ErrMessageIDsUnavailable, is.Err.Error())))
			continue
		}
		switch is.State {
		case Granted:
			s.own(b, h)
		case Taken, Undecided:
			// The log decides.
		case Claimed:
			again = append(again, h)
		case Settled:
			s.repeat(b, h, is.Answer)
		case Conflict:
			b.Settle(h.index, ingest.Rejected(ingest.ErrMessageIDConflict))
		}
	}
	return again
}

// own makes a record the one that is stored under its id.
func (s *step) own(b *ingest.Batch, h *held) {
	h.owned = true
	b.Message(h.index).Token = h.is.Token
	if b.Correlation != "" {
		b.Correlation = h.is.Token
	}
}

// correlated returns the verdict for a record that is stored with where its reply is found, if one
// is expected: the token of the first claim is what both have in common.
func (s *step) correlated(b *ingest.Batch, h *held, v ingest.Verdict) ingest.Verdict {
	if b.Correlation != "" && v.Err == nil {
		v.Correlation, v.Since = h.is.Token, h.is.Since.Add(-s.guard.config.Skew)
	}
	return v
}

// repeat answers a record as the first time.
func (s *step) repeat(b *ingest.Batch, h *held, answer string) {
	verdict, err := verdictOf(answer)
	if err != nil {
		s.guard.config.Logger.Warn("answer of a message id is damaged; answering that it is unknown", "stream", b.Stream, "error", err)
		verdict = ingest.Rejected(s.unsettled(Outcome{}, err))
	}
	b.Settle(h.index, verdict)
}

// lookBack looks in the log for the records that another publisher may have stored.
func (s *step) lookBack(ctx context.Context, b *ingest.Batch, all []*held) {
	var open []*held
	var looks []*look
	for _, h := range all {
		if b.Pending(h.index) && !h.owned {
			open = append(open, h)
			looks = append(looks, newLook(h.is.Token, h.is.Since, h.is.State == Taken))
		}
	}
	if len(open) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.guard.config.LookbackTime)
	defer cancel()
	s.guard.lookbacks.find(ctx, place{b.Tenant, b.Stream}, b.Principal, looks)
	letters := s.letters(ctx, b, looks)
	for n, h := range open {
		w := looks[n]
		if !w.found && letters != nil && letters[n] != nil {
			w = letters[n]
		}
		s.decide(b, h, w)
	}
}

// letters looks for records among the dead letters, and returns nil for those that are found in
// the stream.
func (s *step) letters(ctx context.Context, b *ingest.Batch, looks []*look) []*look {
	if s.policy.DeadLetters == "" {
		return nil
	}
	all := make([]*look, len(looks))
	var asked []*look
	for n, w := range looks {
		if !w.found {
			all[n] = newLook(w.token, w.since, w.certain)
			asked = append(asked, all[n])
		}
	}
	if len(asked) == 0 {
		return nil
	}
	s.guard.lookbacks.find(ctx, place{b.Tenant, s.policy.DeadLetters}, b.Principal, asked)
	next := 0
	for n := range all {
		if all[n] == nil {
			continue
		}
		w := asked[next] // find may have replaced it
		next++
		if w.found {
			w.at = ingest.Rejected(ingest.DeadLettered(w.header))
		} else if w.err == nil {
			w.err = looks[n].err // it must be in neither
		}
		all[n] = w
	}
	return all
}

// decide acts on what was found of a record.
func (s *step) decide(b *ingest.Batch, h *held, w *look) {
	switch {
	case w.found:
		s.guard.stats.found.Add(1)
		h.claim.Token = h.is.Token
		w.at = s.correlated(b, h, w.at)
		if answer, ok := answerOf(w.at); ok {
			s.settle(h, Answered, answer)
		}
		w.at.Duplicate = true
		b.Settle(h.index, w.at)
	case w.err == nil && h.is.State == Taken:
		s.guard.stats.absent.Add(1)
		s.own(b, h)
	default:
		s.guard.stats.unknown.Add(1)
		if h.is.State == Taken {
			s.settle(h, Back, "")
		}
		b.Settle(h.index, ingest.Rejected(s.unsettled(h.is, w.err)))
	}
}

// unsettled is the error of a record of which it is not known whether it is stored. If the
// log does not have the record, and its owner does not know either, the end of the lease decides;
// all else can change at any time.
func (s *step) unsettled(is Outcome, cause error) error {
	wait := s.guard.config.Wait
	if is.State == Undecided && cause == nil {
		wait = max(wait, is.Left)
	}
	return &ingest.UnsettledError{RetryAfter: wait, Cause: cause}
}

// Settled implements ingest.Step.
func (s *step) Settled(b *ingest.Batch) {
	all, _ := b.Kept(s).([]*held)
	var settled []Settlement
	for _, h := range all {
		if !h.owned {
			continue
		}
		h.claim.Token = h.is.Token
		v := s.correlated(b, h, b.Verdict(h.index))
		b.Explain(h.index, v)
		answer, final := answerOf(v)
		switch {
		case final:
			settled = append(settled, s.settlement(h, Answered, answer))
		case errors.Is(v.Err, upstream.ErrPublishUnknown):
			settled = append(settled, s.settlement(h, Lost, ""))
			v.Err = s.unsettled(Outcome{}, v.Err)
			b.Explain(h.index, v)
		default:
			settled = append(settled, s.settlement(h, Free, ""))
		}
	}
	if len(settled) > 0 {
		s.guard.settler.add(settled...)
	}
}

func (s *step) settle(h *held, fate Fate, answer string) {
	s.guard.settler.add(s.settlement(h, fate, answer))
}

func (s *step) settlement(h *held, fate Fate, answer string) Settlement {
	return Settlement{
		Key: h.claim.Key, Digest: h.claim.Digest, Fence: h.claim.Fence, Token: h.claim.Token, Fate: fate, Answer: answer,
		// Until then the id is not free for another record.
		Window: s.policy.Window, Until: h.begun.Add(min(s.policy.Lease, s.policy.Window)),
	}
}
