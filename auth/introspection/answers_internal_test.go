package introspection

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"sluice/auth"
)

// What is remembered is bounded, and answers to tokens that are made up displace no
// valid one.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	a := newAnswers()
	of := func(n int) (d digest) {
		binary.BigEndian.PutUint64(d[:], uint64(n))
		return d
	}
	remember := func(n int, id *auth.Identity, err error, until time.Time) {
		_, _, q, mine := a.find(of(n), time.Now())
		if !mine {
			t.Fatalf("%d is awaited or known", n)
		}
		a.finish(of(n), q, id, err, until)
	}
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	remember(0, &auth.Identity{}, nil, soon)
	for n := range maxAnswers + 100 {
		remember(n+1, nil, errors.New("no"), soon)
	}
	if len(a.valid) != 1 || len(a.refused) != maxAnswers || len(a.awaited) != 0 {
		t.Errorf("%d valid, %d refused, %d awaited", len(a.valid), len(a.refused), len(a.awaited))
	}
	if known, ok, _, _ := a.find(of(0), time.Now()); !ok || known.identity == nil {
		t.Error("the valid token was displaced")
	}
	// What is over makes room first.
	for of := range a.refused {
		a.refused[of] = remembered{until: past}
	}
	remember(maxAnswers+1000, nil, errors.New("no"), soon)
	if _, ok := a.refused[of(maxAnswers+1000)]; !ok || len(a.refused) > maxAnswers {
		t.Errorf("%d refused", len(a.refused))
	}
	// An answer that says nothing is not remembered.
	remember(-1, nil, errors.New("away"), time.Time{})
	if _, ok, _, _ := a.find(of(-1), time.Now()); ok {
		t.Error("an outage is remembered")
	}
}
