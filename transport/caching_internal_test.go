package transport

import (
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/transport/wire"
)

// TestOnlyWhatNobodyShowedACredentialForIsCached: an anonymous principal is not enough.
// Whatever a request carried to tell its sender from others, the page is not for all.
func TestOnlyWhatNobodyShowedACredentialForIsCached(t *testing.T) {
	t.Parallel()
	a, err := auth.New(auth.Config{Grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Anonymous("192.0.2.1", "")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{}
	s.inForce.Store(&Limits{PageCache: time.Minute})
	sub := &subscription{Subscription: &hub.Subscription{}}
	for _, bare := range []bool{true, false} {
		if got := s.cacheable(&client{principal: p, bare: bare}, sub, &wire.Page{}, true, true); got != bare {
			t.Errorf("bare %v: may be stored: %v", bare, got)
		}
	}
	// A page that ends early, as Kafka takes too long, is another one next time.
	if s.cacheable(&client{principal: p, bare: true}, sub, &wire.Page{}, true, false) {
		t.Error("a page that is not full may be stored")
	}
}
