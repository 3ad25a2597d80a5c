package redisauth

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/auth"
)

//go:embed revoke.lua
var revokeSource string

var revokeScript = redis.NewScript(revokeSource)

const (
	// overlap is how far before the newest known revocation a poll begins.
	overlap = time.Minute
	// reloadEvery is how often everything is loaded again, to find what Redis has lost.
	reloadEvery = 10 * time.Minute
	// pageSize is how many revocations one call loads.
	pageSize = 1000
)

// RevocationsConfig configures how revocations are shared.
type RevocationsConfig struct {
	// Set is the set in force on this instance. What comes from Redis is added to it.
	Set *auth.Revocations
	// Poll is the interval at which Redis is asked for revocations.
	Poll time.Duration
}

// Revocations shares revocations with the other instances. All methods are safe for
// concurrent use; Run is called at most once.
type Revocations struct {
	connection *Connection
	set        *auth.Revocations
	poll       time.Duration
	now        chan struct{} // has room for one; Run then polls at once

	reload atomic.Bool // the next poll loads everything

	syncing sync.Mutex // held during a poll
	newest  float64    // the highest score that was seen; guarded by syncing
	loaded  time.Time  // when everything was last loaded; guarded by syncing

	mu       sync.Mutex
	err      error                      // of the last poll
	failing  bool                       // the log says so
	unsaved  map[string]auth.Revocation // by their encoding; at most Set.Max
	overfull bool                       // a revocation had no room in the set
}

// NewRevocations returns the revocations that are kept over a connection.
func NewRevocations(connection *Connection, config RevocationsConfig) (*Revocations, error) {
	if connection == nil || config.Set == nil || config.Poll <= 0 {
		return nil, errors.New("new revocations: a connection, a set and an interval are required")
	}
	return &Revocations{
		connection: connection, set: config.Set, poll: config.Poll,
		now: make(chan struct{}, 1), err: errNotLoaded, unsaved: make(map[string]auth.Revocation),
	}, nil
}

var errNotLoaded = fmt.Errorf("%w: the revocations have not been loaded yet", auth.ErrStoreUnavailable)

// Save makes every instance put a revocation in force, which auth.Revocations.Complete
// has checked. If the error is auth.ErrStoreUnavailable, Run tries again until it
// succeeds; auth.ErrTooManyRevocations means that there is no room.
func (r *Revocations) Save(ctx context.Context, revocation auth.Revocation) error {
	text, err := encodeRevocation(revocation)
	if err != nil {
		return fmt.Errorf("save revocation: %w", err)
	}
	if err = r.save(ctx, text, revocation); err != nil && !errors.Is(err, auth.ErrTooManyRevocations) {
		r.mu.Lock()
		if len(r.unsaved) < r.set.Max() {
			r.unsaved[text] = revocation
		}
		r.mu.Unlock()
	}
	return err
}

func (r *Revocations) save(ctx context.Context, text string, revocation auth.Revocation) error {
	var score string
	err := r.connection.call(ctx, "save revocation", func(ctx context.Context) (err error) {
		score, err = revokeScript.Run(ctx, r.connection.client, []string{r.added(), r.ends()},
			text, revocation.Until.UnixMilli(), r.set.Max()).Text()
		return err
	})
	switch {
	case err != nil:
		return err
	case score == "full":
		return fmt.Errorf("save revocation: %w", auth.ErrTooManyRevocations)
	}
	// Polling makes good what a message misses.
	if err := r.connection.call(ctx, "announce revocation", func(ctx context.Context) error {
		return r.connection.client.Publish(ctx, r.channel(), text).Err()
	}); err != nil {
		r.connection.log.Warn("a revocation is saved, but other instances could not be notified; they will find it", "within", r.poll, "error", err)
	}
	return nil
}

// Load loads all revocations. It is for the start, before clients are served.
func (r *Revocations) Load(ctx context.Context) error { return r.sync(ctx, true) }

// Check returns nil if the revocations are known as of the last poll.
func (r *Revocations) Check(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return fmt.Errorf("revocations of other instances are not known: %w", r.err)
	case len(r.unsaved) > 0:
		return fmt.Errorf("%d revocations are not known to the other instances", len(r.unsaved))
	case r.overfull:
		return auth.ErrTooManyRevocations
	}
	return nil
}

// Run keeps the set up to date until the context ends, and then returns nil.
func (r *Revocations) Run(ctx context.Context) error {
	var listening sync.WaitGroup
	defer listening.Wait()
	listening.Go(func() { r.listen(ctx) })
	tick := time.NewTicker(r.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.now:
		}
		_ = r.sync(ctx, false) // noted
	}
}

// pollSoon makes Run poll at once.
func (r *Revocations) pollSoon() {
	select {
	case r.now <- struct{}{}:
	default:
	}
}

// sync saves what is not saved yet, and adds what is in Redis to the set.
func (r *Revocations) sync(ctx context.Context, everything bool) error {
	r.syncing.Lock()
	defer r.syncing.Unlock()
	everything = r.reload.Swap(false) || everything || time.Since(r.loaded) >= reloadEvery
	err := r.saveAgain(ctx)
	if err == nil {
		err = r.load(ctx, everything)
	}
	if err != nil && everything {
		r.reload.Store(true)
	}
	if everything {
		r.set.Sweep()
	}
	if ctx.Err() == nil {
		r.note(err)
	}
	return err
}

// note records how a poll went, and logs changes.
func (r *Revocations) note(err error) {
	r.mu.Lock()
	r.err = err
	changed := r.failing != (err != nil)
	r.failing = err != nil
	r.mu.Unlock()
	switch {
	case changed && err != nil:
		r.connection.log.Warn("revocations of other instances are not known; retrying", "every", r.poll, "error", err)
	case changed:
		r.connection.log.Info("revocations of other instances are known again", "revocations", r.set.Len())
	}
}

// saveAgain saves the revocations that could not be saved.
func (r *Revocations) saveAgain(ctx context.Context) error {
	r.mu.Lock()
	unsaved := make(map[string]auth.Revocation, len(r.unsaved))
	for text, revocation := range r.unsaved {
		unsaved[text] = revocation
	}
	r.mu.Unlock()
	for text, revocation := range unsaved {
		if revocation.Until.After(time.Now()) {
			if err := r.save(ctx, text, revocation); err != nil {
				return err
			}
		}
		r.mu.Lock()
		delete(r.unsaved, text)
		r.mu.Unlock()
	}
	return nil
}

// load adds what is in Redis to the set: what was added lately, or everything.
func (r *Revocations) load(ctx context.Context, everything bool) error {
	var from float64
	if !everything {
		from = max(0, r.newest-float64(overlap.Microseconds()))
	}
	began := time.Now()
	seen := make(map[auth.Revocation]bool) // of everything
	newest, overfull, at := 0.0, false, strconv.FormatFloat(from, 'f', 0, 64)
	for {
		var page []redis.Z
		err := r.connection.call(ctx, "load revocations", func(ctx context.Context) (err error) {
			page, err = r.connection.client.ZRangeByScoreWithScores(ctx, r.added(), &redis.ZRangeBy{
				Min: at, Max: "+inf", Count: pageSize,
			}).Result()
			return err
		})
		if err != nil {
			return err
		}
		for _, entry := range page {
			newest = entry.Score
			text, _ := entry.Member.(string)
			revocation, full := r.receive(text)
			overfull = overfull || full
			if everything {
				revocation.Before, revocation.Until = revocation.Before.UTC(), time.Time{}
				seen[revocation] = true
			}
		}
		if len(page) < pageSize {
			break
		}
		at = "(" + strconv.FormatFloat(newest, 'f', 0, 64)
	}
	r.mu.Lock()
	r.overfull = overfull
	r.mu.Unlock()
	if newest > 0 || everything {
		r.newest = newest
	}
	if everything {
		r.loaded = began
		r.findLost(seen)
	}
	return nil
}

// findLost has what the set has and Redis has not saved again: Redis may have lost it.
func (r *Revocations) findLost(seen map[auth.Revocation]bool) {
	soon := time.Now().Add(overlap) // it may have ended for Redis
	lost := 0
	for revocation := range r.set.All() {
		key := revocation
		key.Before, key.Until = key.Before.UTC(), time.Time{}
		if seen[key] || revocation.Until.Before(soon) {
			continue
		}
		text, err := encodeRevocation(revocation)
		if err != nil {
			continue
		}
		r.mu.Lock()
		if len(r.unsaved) < r.set.Max() {
			r.unsaved[text] = revocation
			lost++
		}
		r.mu.Unlock()
	}
	if lost > 0 {
		r.connection.log.Warn("redis has lost revocations; saving them again", "revocations", lost)
		r.pollSoon()
	}
}

// receive adds one revocation to the set, and reports whether there was no room.
func (r *Revocations) receive(text string) (revocation auth.Revocation, full bool) {
	revocation, err := decodeRevocation(text)
	if err == nil {
		_, err = r.set.Add(revocation)
	}
	switch {
	case err == nil:
	case errors.Is(err, auth.ErrTooManyRevocations):
		return revocation, true
	default:
		r.connection.log.Warn("a revocation in redis is damaged; ignoring it", "bytes", len(text), "error", err)
	}
	return revocation, false
}

func (r *Revocations) added() string   { return r.connection.prefix + "{revocations}:added" }
func (r *Revocations) ends() string    { return r.connection.prefix + "{revocations}:ends" }
func (r *Revocations) channel() string { return r.connection.prefix + "revoked" }
