package redisstore

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed share.lua
var shareSource string

//go:embed instances.lua
var instancesSource string

var (
	shareScript     = redis.NewScript(shareSource)
	instancesScript = redis.NewScript(instancesSource)
)

// sharesPerRoundTrip bounds a pipeline, as commitsPerRoundTrip does.
const sharesPerRoundTrip = 512

// Shares divides quotas among the instances that use one Redis. It implements
// quota.Sharer.
type Shares struct {
	store    *Store
	instance string
}

// Shares returns the shares of an instance. No other instance may have its name.
func (s *Store) Shares(instance string) (*Shares, error) {
	if instance == "" || strings.ContainsAny(instance, " {}") {
		return nil, fmt.Errorf("share quotas: %q is not the name of an instance", instance)
	}
	return &Shares{store: s, instance: instance}, nil
}

// Share says how much of each quota the instance wants, as a part of the whole, 0 for no
// share any more. It returns the parts that the instance has until lease has passed, and
// how many instances there are. With a lease of 0 the instance is not counted any more.
func (h *Shares) Share(ctx context.Context, names []string, wants []float64, lease time.Duration) (shares []float64, instances int, err error) {
	if len(names) != len(wants) {
		return nil, 0, errors.New("share quotas: not as many wants as names")
	}
	counting := &scripted{script: instancesScript, keys: []string{h.store.prefix + "quota.instances"}, args: []any{h.instance, lease.Milliseconds()}}
	err = h.store.call(ctx, "count instances", func(ctx context.Context) error {
		return h.store.runAll(ctx, []*scripted{counting})
	})
	if err == nil {
		instances, err = counting.reply.Int()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("share quotas: %w", err)
	}
	shares = make([]float64, 0, len(names))
	for from := 0; from < len(names); from += sharesPerRoundTrip {
		to := min(from+sharesPerRoundTrip, len(names))
		if shares, err = h.share(ctx, shares, names[from:to], wants[from:to], lease); err != nil {
			return nil, 0, fmt.Errorf("share quotas: %w", err)
		}
	}
	return shares, instances, nil
}

// share appends the shares of some quotas, in one round trip.
func (h *Shares) share(ctx context.Context, shares []float64, names []string, wants []float64, lease time.Duration) ([]float64, error) {
	calls := make([]*scripted, len(names))
	for i, name := range names {
		calls[i] = &scripted{
			script: shareScript,
			keys:   []string{h.store.prefix + "quota:{" + braces.Replace(name) + "}"},
			args:   []any{h.instance, strconv.FormatFloat(wants[i], 'f', 6, 64), lease.Milliseconds()},
		}
	}
	if err := h.store.call(ctx, "renew shares", func(ctx context.Context) error {
		return h.store.runAll(ctx, calls)
	}); err != nil {
		return nil, err
	}
	for _, call := range calls {
		text, err := call.reply.Text()
		if err != nil {
			return nil, err
		}
		share, err := strconv.ParseFloat(text, 64)
		if err != nil || share < 0 || share > 1 {
			return nil, fmt.Errorf("the script returned %.20q as a share", text)
		}
		shares = append(shares, share)
	}
	return shares, nil
}

// braces keeps names from ending the hash tag of their key.
var braces = strings.NewReplacer("{", "%7B", "}", "%7D")
