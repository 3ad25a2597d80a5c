package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/hub/registry"
)

// registrySet are schema registries by name.
type registrySet map[string]*registry.Registry

// registries are the schema registries in force, which are exchanged while they are asked. It
// is a prometheus.Collector.
type registries struct {
	logger  *slog.Logger
	inForce atomic.Pointer[registrySet]
	changed chan struct{} // has room for one

	mu      sync.Mutex
	leaving []*registry.Registry // no longer in force, still asked
}

func newRegistries(c *config.Config, logger *slog.Logger) (*registries, error) {
	r := &registries{logger: logger, changed: make(chan struct{}, 1)}
	r.inForce.Store(&registrySet{})
	next, err := r.prepare(c)
	if err != nil {
		return nil, err
	}
	r.inForce.Store(&next.set)
	return r, nil
}

// now returns the registries in force.
func (r *registries) now() registrySet { return *r.inForce.Load() }

// nextRegistries are registries that can be put in force.
type nextRegistries struct {
	set registrySet
	// added are those that were not in force before, with the timeouts of their requests.
	added map[*registry.Registry]time.Duration
	// renewed puts other settings of those in force that stay in force.
	renewed []func()
}

// prepare makes the registries of a configuration. One that has a URL in common with the one
// in force of the same name is the same registry, and keeps its schemas.
func (r *registries) prepare(c *config.Config) (*nextRegistries, error) {
	next := &nextRegistries{set: registrySet{}, added: map[*registry.Registry]time.Duration{}}
	for name, of := range c.Registries {
		settings, err := r.settings(name, of)
		if err != nil {
			return nil, err
		}
		if was := r.now()[name]; was != nil && was.Reaches(of.URLs) {
			renew, err := was.Prepare(settings)
			if err != nil {
				return nil, fmt.Errorf("registries/%s: %w", name, err)
			}
			next.set[name], next.renewed = was, append(next.renewed, renew)
			continue
		}
		made, err := registry.New(settings)
		if err != nil {
			return nil, fmt.Errorf("registries/%s: %w", name, err)
		}
		next.set[name], next.added[made] = made, of.Timeout
	}
	return next, nil
}

func (r *registries) settings(name string, of config.Registry) (registry.Config, error) {
	secured, err := renewingTLS(of.TLS)
	if err != nil {
		return registry.Config{}, fmt.Errorf("registries/%s/tls: %w", name, err)
	}
	return registry.Config{
		URLs: of.URLs, Username: of.Username, Secret: of.Secret(), TLS: secured, Timeout: of.Timeout, Refresh: of.Refresh, Wait: of.Wait,
		Bounds: registry.Bounds{Schemas: of.Schemas, Bytes: int(of.Memory), Awaited: of.Awaited},
		Logger: r.logger.With("component", "registry", "registry", name),
	}, nil
}

// ask asks those that are new for the subjects that streams name, for the time that a request
// may take, so that their schemas are known when the streams come into force.
func (n *nextRegistries) ask() {
	var asking sync.WaitGroup
	for one, timeout := range n.added {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			_ = one.Start(ctx) // a registry that is away is asked again later
		})
	}
	asking.Wait()
}

// use puts registries in force. Those that were in force are asked until retire is called.
func (r *registries) use(next *nextRegistries) {
	for _, renew := range next.renewed {
		renew()
	}
	r.mu.Lock()
	kept := slices.Collect(maps.Values(next.set))
	leaving := slices.Concat(r.leaving, slices.Collect(maps.Values(r.now())))
	r.leaving = slices.DeleteFunc(leaving, func(one *registry.Registry) bool { return slices.Contains(kept, one) })
	r.inForce.Store(&next.set)
	r.mu.Unlock()
	r.wake()
}

// retire ends the asking of registries that are no longer in force, and the following of all
// subjects but those of some schemas.
func (r *registries) retire(of *schemas) {
	r.mu.Lock()
	r.leaving = nil
	r.mu.Unlock()
	r.wake()
	list := slices.Collect(maps.Values(of.subjects))
	for _, one := range r.now() {
		one.Keep(list)
	}
}

func (r *registries) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// parts returns the registries as a part of a server.
func (r *registries) parts() []part {
	return []part{{name: "schema registries", start: r.start, run: r.run}}
}

// start asks all registries once. A server starts while one is away, as it can do without.
func (r *registries) start(ctx context.Context) error {
	var asking sync.WaitGroup
	for _, one := range r.now() {
		asking.Go(func() { _ = one.Start(ctx) })
	}
	asking.Wait()
	return ctx.Err()
}

// run has the registries asked that are in force, until the context ends.
func (r *registries) run(ctx context.Context) error {
	running := map[*registry.Registry]func(){}
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		wanted := r.wanted()
		for _, one := range wanted {
			if running[one] == nil {
				running[one] = runRegistry(ctx, one)
			}
		}
		for one, stop := range running {
			if !slices.Contains(wanted, one) {
				stop()
				delete(running, one)
			}
		}
		select {
		case <-r.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// wanted returns the registries that are to be asked.
func (r *registries) wanted() []*registry.Registry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.AppendSeq(slices.Clone(r.leaving), maps.Values(r.now()))
}

// runRegistry runs a registry until stop is called, which waits for its end.
func runRegistry(ctx context.Context, one *registry.Registry) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = one.Run(ctx) // which ends with the context, without an error
	}()
	return func() {
		cancel()
		<-ended
	}
}
