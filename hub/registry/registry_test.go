package registry_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sluice/hub/registry"
)

const (
	refresh = time.Minute
	first   = `{"properties": {"t": {"maximum": 10}}}`
	second  = `{"properties": {"t": {"maximum": 20}}}`
)

// fake is a registry, of which the requests are counted and which may be away.
type fake struct {
	*srfake.Registry
	asked atomic.Int64
	mu    sync.Mutex
	fails func(path string) int // the status of failures, 0 for none
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{Registry: srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatNone))}
	f.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		f.asked.Add(1)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.fails == nil {
			return false
		}
		status := f.fails(r.URL.Path)
		if status != 0 {
			w.WriteHeader(status)
		}
		return status != 0
	})
	return f
}

func (f *fake) fail(with func(path string) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = with
}

func (f *fake) away()  { f.fail(func(string) int { return http.StatusServiceUnavailable }) }
func (f *fake) again() { f.fail(nil) }

func (f *fake) register(t *testing.T, subject, text string, references ...sr.SchemaReference) {
	t.Helper()
	if _, _, err := f.RegisterSchema(subject, sr.Schema{Schema: text, Type: sr.TypeJSON, References: references}); err != nil {
		t.Fatal(err)
	}
}

// open returns a registry that a handler answers for.
func open(t *testing.T, h http.Handler, edit func(*registry.Config)) *registry.Registry {
	t.Helper()
	c := registry.Config{URLs: []string{"http://registry"}, Timeout: 5 * time.Second, Refresh: refresh, Bounds: registry.Bounds{Schemas: 2000, Bytes: 64 << 20, Awaited: 256}, Logger: slog.New(slog.DiscardHandler)}
	if edit != nil {
		edit(&c)
	}
	r, err := registry.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if h != nil {
		r.Answer(h)
	}
	return r
}

// run starts a registry and runs it until the test ends.
func run(t *testing.T, r *registry.Registry) {
	t.Helper()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// inForce checks which schema is in force, "" for none, and whether something is wrong.
func inForce(t *testing.T, r *registry.Registry, s *registry.Subject, text, wrong string) {
	t.Helper()
	got := ""
	if of, err := s.Definition(); err == nil {
		got = string(of.Text())
	}
	if got != text {
		t.Errorf("in force is %q, want %q", got, text)
	}
	switch err := r.Check(t.Context()); {
	case wrong == "" && err != nil:
		t.Errorf("something is wrong: %v", err)
	case wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)):
		t.Errorf("wrong is %v, want %s", err, wrong)
	}
}

// TestLatestIsFollowed: a new version is in force after at most the time to refresh. What
// cannot be used, and an outage, leave the one in force as it is.
func TestLatestIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.register(t, "s", first)
		r := open(t, f.Handler(), nil)
		s := r.Subject("s", 0, registry.JSONSchema)
		inForce(t, r, s, "", `subject "s" has no schema yet`)
		run(t, r)
		inForce(t, r, s, first, "")
		if r.Subject("s", 0, registry.JSONSchema) != s {
			t.Error("another subject for the same")
		}

		f.register(t, "s", second)
		inForce(t, r, s, first, "")
		time.Sleep(refresh + time.Second)
		inForce(t, r, s, second, "")
		if n := f.asked.Load(); n < 2 || n > 3 {
			t.Errorf("asked %d times", n)
		}

		f.register(t, "s", `{"pattern": "("}`)
		time.Sleep(refresh + time.Second)
		inForce(t, r, s, second, `subject "s" keeps the schema that it has: version 3 cannot be used: /pattern`)
		if _, _, err := f.RegisterSchema("s", sr.Schema{Schema: `"string"`}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * refresh)
		inForce(t, r, s, second, "version 4 cannot be used: it is not a JSON Schema")
		if now := r.Stats(); now.Current != 0 || now.Stale != 1 || now.Unknown != 0 {
			t.Errorf("got %+v", now)
		}

		f.away()
		time.Sleep(10 * refresh)
		inForce(t, r, s, second, "status 503")
		asked := f.asked.Load()
		time.Sleep(time.Hour)
		if n := f.asked.Load() - asked; n < 55 || n > 125 {
			t.Errorf("asked %d times in an hour without the registry", n)
		}
		const third = `{"properties": {"t": {"maximum": 30}}}`
		f.register(t, "s", third)
		f.again()
		time.Sleep(refresh + time.Second)
		inForce(t, r, s, third, "")
		if now := r.Stats(); now.Requests[0] == 0 || now.Requests[4] < 55 || now.Current != 1 {
			t.Errorf("got %+v", now)
		}
	})
}

// TestEmptiedRegistry: a registry that was emptied and filled again has another schema under the
// same id and version, which comes into force like a new version.
func TestEmptiedRegistry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before, after := newFake(t), newFake(t)
		before.register(t, "s", first)
		after.register(t, "s", second)
		var emptied atomic.Bool
		r := open(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if emptied.Load() {
				after.Handler().ServeHTTP(w, q)
				return
			}
			before.Handler().ServeHTTP(w, q)
		}), nil)
		s := r.Subject("s", 0, registry.JSONSchema)
		run(t, r)
		inForce(t, r, s, first, "")
		emptied.Store(true)
		time.Sleep(refresh + time.Second)
		inForce(t, r, s, second, "")
	})
}

// TestAwayAtStart: the server starts without the registry, and has the schema soon after it
// is there.
func TestAwayAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.register(t, "s", first)
		f.away()
		r := open(t, f.Handler(), nil)
		s := r.Subject("s", 0, registry.JSONSchema)
		run(t, r)
		inForce(t, r, s, "", `subject "s" has no schema: values cannot be published: the registry answered with status 503`)
		f.again()
		time.Sleep(2*time.Second + time.Millisecond) // the second wait, if the first is over already
		inForce(t, r, s, first, "")
	})
}

// TestPinned: a version that is named stays, and is asked for once. One that is not there yet
// is waited for.
func TestPinned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.register(t, "s", first)
		r := open(t, f.Handler(), nil)
		one := r.Subject("s", 1, registry.JSONSchema)
		run(t, r)
		f.register(t, "s", second)
		time.Sleep(time.Hour)
		inForce(t, r, one, first, "")
		if n := f.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		three := r.Subject("s", 3, registry.JSONSchema)
		time.Sleep(time.Minute)
		inForce(t, r, three, "", "status 404 and error code 40402: there is no such subject or version")
		f.register(t, "s", `{"title": "third"}`)
		time.Sleep(2 * refresh)
		inForce(t, r, three, `{"title": "third"}`, "")
	})
}

// TestOneSubjectDelaysNoOther: subjects that fail in whatever way are asked for last, and a
// subject that nobody uses any more is not asked for.
func TestOneSubjectDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.register(t, "z", first)
		f.fail(func(path string) int {
			for subject, status := range map[string]int{"a": 500, "b": 403, "c": 404, "d": 418} {
				if strings.HasPrefix(path, "/subjects/"+subject+"/") {
					return status
				}
			}
			return 0
		})
		r := open(t, f.Handler(), nil)
		for _, name := range []string{"a", "b", "c", "d"} {
			r.Subject(name, 0, registry.JSONSchema)
		}
		z := r.Subject("z", 0, registry.JSONSchema)
		run(t, r)
		time.Sleep(10 * time.Second)
		inForce(t, r, z, first, `subject "a" has no schema`)
		f.register(t, "z", second)
		time.Sleep(5 * refresh)
		inForce(t, r, z, second, `subject "a" has no schema`)
		r.Keep([]*registry.Subject{z})
		inForce(t, r, z, second, "")
		time.Sleep(refresh)
		f.fail(func(path string) int {
			if !strings.HasPrefix(path, "/subjects/z/") {
				t.Errorf("asked for %s", path)
			}
			return 0
		})
		time.Sleep(time.Hour)
	})
}

// TestNewSubjectIsAskedForAtOnce: as after a reload.
func TestNewSubjectIsAskedForAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.register(t, "s", first)
		r := open(t, f.Handler(), nil)
		run(t, r)
		s := r.Subject("s", 0, registry.JSONSchema)
		synctest.Wait()
		inForce(t, r, s, first, "")
	})
}

// TestStartIsBounded: a registry that answers slowly delays the start by little.
func TestStartIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(3 * time.Second)
			f.Handler().ServeHTTP(w, r)
		})
		r := open(t, slow, nil)
		for n := range 100 {
			name := fmt.Sprintf("s%03d", n)
			f.register(t, name, first)
			r.Subject(name, 0, registry.JSONSchema)
		}
		began := time.Now()
		run(t, r)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the start took %s", took)
		}
		time.Sleep(6 * time.Minute)
		if err := r.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAwayIsAskedLittle: while the registry is away, it is not asked for every subject.
func TestAwayIsAskedLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.away()
		r := open(t, f.Handler(), nil)
		for n := range 100 {
			r.Subject(fmt.Sprintf("s%03d", n), 0, registry.JSONSchema)
		}
		run(t, r)
		time.Sleep(time.Hour)
		if n := f.asked.Load(); n < 50 || n > 150 {
			t.Errorf("asked %d times in an hour", n)
		}
	})
}
