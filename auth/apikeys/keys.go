package apikeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sluice/auth"
)

// Config configures which keys are valid. One of File and Store is required.
type Config struct {
	// Issuer is the issuer of the principals.
	Issuer string
	// File is a file with entries. Empty for none.
	File string
	// Store has entries that the file does not have. Nil for none.
	Store Store
	// StaleFor is how long an entry of the Store is used, and how long an ID that is
	// not in the Store is refused, before the Store is asked again.
	StaleFor time.Duration
	// SlowChecks is how many slow hashes are computed at the same time, 1 or more.
	SlowChecks int
	// Changed is called by Run when it has become known that keys were removed or
	// changed, so that Keys.Current says something else. Nil for nothing to be called.
	Changed func()
	// Logger logs when keys are read, and when they cannot be.
	Logger *slog.Logger
}

// Keys is an auth.Verifier of API keys. All methods are safe for concurrent use.
type Keys struct {
	issuer  string
	file    *file   // nil for none
	stored  *stored // nil for none
	slow    *slowChecks
	changed func()
	stale   chan struct{} // has room for one; Run then calls changed
}

var _ auth.Keeper = (*Keys)(nil)

var (
	errMalformed = fmt.Errorf("%w: the API key is damaged: a key is sluice_ID_SECRET", auth.ErrUnauthenticated)
	errScheme    = fmt.Errorf("%w: an API key cannot be presented with a proof of possession", auth.ErrUnauthenticated)
	errUnknown   = fmt.Errorf("%w: the API key does not exist", auth.ErrUnauthenticated)
	errSecret    = fmt.Errorf("%w: the secret of the API key is wrong", auth.ErrUnauthenticated)
)

// New returns the verifier. It reads the file.
func New(config Config) (*Keys, error) {
	switch {
	case config.Issuer == "":
		return nil, errors.New("new API keys: no issuer")
	case config.File == "" && config.Store == nil:
		return nil, errors.New("new API keys: neither a file nor a store")
	case config.Store != nil && config.StaleFor <= 0:
		return nil, errors.New("new API keys: no time after which entries are stale")
	case config.SlowChecks < 1:
		return nil, errors.New("new API keys: no slow check is allowed")
	case config.Logger == nil:
		return nil, errors.New("new API keys: no logger")
	}
	k := &Keys{
		issuer: config.Issuer, slow: newSlowChecks(config.SlowChecks), changed: config.Changed, stale: make(chan struct{}, 1),
	}
	if config.File != "" {
		var err error
		if k.file, err = newFile(config.File, config.Issuer, k.differ, config.Logger); err != nil {
			return nil, fmt.Errorf("new API keys: %w", err)
		}
	}
	if config.Store != nil {
		k.stored = newStored(config.Store, config.Issuer, config.StaleFor, k.differ, config.Logger)
	}
	return k, nil
}

// Run reads the file again when it has changed, until the context ends, and then
// returns nil.
func (k *Keys) Run(ctx context.Context) error {
	tick := time.NewTicker(fileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.Read()
		case <-k.stale:
			if k.changed != nil {
				k.changed()
			}
		}
	}
}

// Read reads the file at once, if it has changed.
func (k *Keys) Read() {
	if k.file != nil {
		k.file.readAgain()
	}
}

// differ has Run call what is to be called when keys were removed or changed.
func (k *Keys) differ() {
	select {
	case k.stale <- struct{}{}:
	default:
	}
}

// Current implements auth.Keeper. That a key of the Store was removed or changed is
// known once somebody has used the key since.
func (k *Keys) Current(id *auth.Identity) *auth.Identity {
	if id.Issuer != k.issuer {
		return id
	}
	if found := k.file.find(id.TokenID); found != nil {
		return found.now(id)
	}
	if k.stored != nil {
		return k.stored.current(id, k.file.removed(id.TokenID))
	}
	return nil
}

// Verify implements auth.Verifier.
func (k *Keys) Verify(ctx context.Context, c auth.Credential) (*auth.Identity, error) {
	switch {
	case !c.IsAPIKey():
		return nil, auth.ErrOtherCredential
	case c.Scheme != auth.SchemeAPIKey && c.Scheme != auth.SchemeBearer:
		return nil, errScheme
	}
	id, secret, ok := split(c.Token.Reveal())
	if !ok {
		return nil, errMalformed
	}
	found, err := k.find(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, errUnknown
	}
	if found.hash.slow == nil {
		ok = found.hash.is(secret)
	} else if ok, err = k.slow.is(ctx, found.hash, secret); err != nil {
		return nil, err
	}
	if !ok {
		return nil, errSecret
	}
	return found.identity, nil
}

func (k *Keys) find(ctx context.Context, id string) (*entry, error) {
	if found := k.file.find(id); found != nil || k.stored == nil {
		return found, nil
	}
	return k.stored.find(ctx, id)
}
