package registry_test

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub/record"
	"sluice/hub/registry"
	"sluice/hub/upstream"
)

// TestOtherSettings: another credential, bounds and times are in force at once, while all
// schemas are kept, and what could not be had is asked for again.
func TestOtherSettings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.register(t, "s", first)
		f.SeedSchema("v", 1, 104, sr.Schema{Schema: `"int"`})
		var accepted atomic.Value
		accepted.Store("Bearer old")
		gate := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != accepted.Load() {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			f.Handler().ServeHTTP(w, r)
		})
		config := registry.Config{
			URLs: []string{"http://registry"}, Timeout: time.Second, Refresh: refresh, Wait: 5 * time.Second,
			Secret: func() (string, error) { return "old", nil },
			Bounds: registry.Bounds{Schemas: 10, Bytes: 1 << 20, Awaited: 1}, Logger: slog.New(slog.DiscardHandler),
		}
		r := open(t, gate, func(c *registry.Config) { *c = config })
		s := r.Subject("s", 0, registry.JSONSchema)
		run(t, r)
		inForce(t, r, s, first, "")
		from := &reads{batches: make(chan []*upstream.Fetched, 1)}
		read := func(ids ...uint32) time.Duration {
			from.batches <- fetched(ids...)
			began := time.Now()
			_ = r.Source(from).Read(t.Context(), record.Topic{}, nil, 0, func(*upstream.Fetched) {})
			return time.Since(began)
		}
		read(104)
		decoding := r.Decoding(registry.Avro, 100)
		knows := func(id uint32) bool {
			_, _, err := decoding.Decode(nil, framed(id, "\x02"))
			return err == nil
		}

		accepted.Store("Bearer new")
		f.register(t, "s", second)
		f.SeedSchema("v", 2, 205, sr.Schema{Schema: `"long"`})
		time.Sleep(2 * refresh)
		inForce(t, r, s, first, "status 401")
		if took := read(205); took != 5*time.Second || knows(205) || !knows(104) {
			t.Errorf("waited %s; known: %v, %v", took, knows(104), knows(205))
		}

		if err := r.Renew(registry.Config{}, gate); err == nil || !strings.Contains(err.Error(), "a URL") {
			t.Errorf("without settings: %v", err)
		}
		config.URLs, config.Refresh, config.Wait = []string{"http://registry", "http://other"}, time.Hour, time.Second
		config.Secret = func() (string, error) { return "new", nil }
		config.Bounds.Awaited = 2
		if err := r.Renew(config, gate); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if of, err := s.Definition(); err != nil || string(of.Text()) != second {
			t.Errorf("in force is %v, %v", of, err)
		}
		time.Sleep(10 * time.Second)
		inForce(t, r, s, second, "")
		if !knows(104) || !knows(205) || r.Decoding(registry.Avro, 100) != decoding {
			t.Errorf("known: %v, %v", knows(104), knows(205))
		}
		if took := read(99); took != 0 { // it is told at once that there is none
			t.Errorf("waited %s", took)
		}
		f.away()
		if took, awaited := read(306, 307), r.Stats().Awaited; took != time.Second || awaited != 2 {
			t.Errorf("waited %s for %d", took, awaited)
		}
		f.again()
		if !r.Reaches([]string{"http://a", "http://other"}) || r.Reaches([]string{"http://a"}) || r.Stats().Requests[0] < 4 {
			t.Errorf("%+v", r.Stats())
		}
		time.Sleep(10 * time.Second)
		const third = `{"properties": {"t": {"maximum": 30}}}`
		f.register(t, "s", third)
		if err := r.Renew(config, gate); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		inForce(t, r, s, third, "")
		asked := f.asked.Load()
		time.Sleep(10 * time.Minute)
		if n := f.asked.Load() - asked; n > 2 {
			t.Errorf("asked %d times in ten minutes", n)
		}
	})
}
