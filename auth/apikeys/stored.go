package apikeys

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sluice/auth"
)

const (
	// maxKept bounds the entries that are kept, and maxAbsent the IDs that are known
	// not to exist: IDs that a client makes up do not displace entries.
	maxKept, maxAbsent = 10_000, 1_000
	// maxLoading bounds the entries that are loaded at the same time.
	maxLoading = 64
)

// Store has entries that several instances share.
type Store interface {
	// Entry returns the entry of an ID, as Entry.JSON makes it, or nil if there is none.
	// It is called by many goroutines at once, and bounds its own time and the size of
	// an entry.
	Entry(ctx context.Context, id string) ([]byte, error)
}

// stored are the entries of a Store.
type stored struct {
	store    Store
	issuer   string
	staleFor time.Duration
	differ   func() // called when it is known that an entry was removed or changed
	log      *slog.Logger

	mu      sync.Mutex
	kept    map[string]kept
	absent  map[string]time.Time // when it was looked up
	loading map[string]*load
}

type kept struct {
	entry   *entry
	content []byte
	at      time.Time
}

// load is one look into the Store, shared by all callers that wait for it.
type load struct {
	done  chan struct{}
	entry *entry // these are set before done is closed
	err   error
}

func newStored(store Store, issuer string, staleFor time.Duration, differ func(), log *slog.Logger) *stored {
	return &stored{
		store: store, issuer: issuer, staleFor: staleFor, differ: differ, log: log,
		kept: make(map[string]kept), absent: make(map[string]time.Time), loading: make(map[string]*load),
	}
}

// find returns the entry of an ID, or nil. Its error is auth.ErrVerifierUnavailable, or
// the context's.
func (s *stored) find(ctx context.Context, id string) (*entry, error) {
	s.mu.Lock()
	if found, ok := s.kept[id]; ok && time.Since(found.at) < s.staleFor {
		s.mu.Unlock()
		return found.entry, nil
	}
	if at, ok := s.absent[id]; ok && time.Since(at) < s.staleFor {
		s.mu.Unlock()
		return nil, nil
	}
	running, mine := s.loading[id], false
	if running == nil {
		if len(s.loading) >= maxLoading {
			s.mu.Unlock()
			return nil, fmt.Errorf("%w: too many API keys are being looked up", auth.ErrVerifierUnavailable)
		}
		running, mine = &load{done: make(chan struct{})}, true
		s.loading[id] = running
	}
	s.mu.Unlock()
	if mine {
		// Other callers wait for this too, so it does not end with the client that
		// started it.
		s.load(context.WithoutCancel(ctx), id, running)
	}
	select {
	case <-running.done:
		return running.entry, running.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for an API key: %w", ctx.Err())
	}
}

func (s *stored) load(ctx context.Context, id string, running *load) {
	defer close(running.done)
	at := time.Now() // what is read is not older than this
	content, err := s.store.Entry(ctx, id)

	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.loading, id)
	if err != nil {
		running.err = fmt.Errorf("%w: look up API key: %w", auth.ErrVerifierUnavailable, err)
		return
	}
	if content == nil {
		if _, had := s.kept[id]; had {
			defer s.differ()
		}
		delete(s.kept, id)
		makeRoom(s.absent, maxAbsent)
		s.absent[id] = at
		return
	}
	delete(s.absent, id)
	was, again := s.kept[id]
	if !again || !bytes.Equal(was.content, content) {
		if was.entry, err = parseStored(content, id, s.issuer); err != nil {
			// It is kept as an entry that does not exist, so that it is logged once.
			s.log.Error("API key is not valid in the store; refusing it", "id", id, "error", err)
		}
		was.content = content
		if again {
			defer s.differ()
		}
	}
	if !again {
		makeRoom(s.kept, maxKept)
	}
	s.kept[id] = kept{entry: was.entry, content: was.content, at: at}
	running.entry = was.entry
}

// current returns what an identity of a key is now, as far as it is known. Gone is set if
// the key was in the file and is not any more.
func (s *stored) current(id *auth.Identity, gone bool) *auth.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, known := s.kept[id.TokenID]
	_, absent := s.absent[id.TokenID]
	switch {
	case known:
		return found.entry.now(id)
	case gone || absent:
		return nil
	default:
		return id
	}
}
