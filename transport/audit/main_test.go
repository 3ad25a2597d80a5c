package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"sluice/hub/upstream"
	"sluice/transport/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is an event as a sink has it.
type kept struct {
	kind, id string
	at       time.Time
	attrs    map[string]any
	key      []byte
}

// book is a log and a store that keep events for the test. Its zero value takes
// everything.
type book struct {
	mu     sync.Mutex
	lines  []string // warnings and the like
	logged []kept
	stored []kept
	calls  int // of Publish
	sizes  []int

	// verdict is the outcome of an event in a call, from 1 on. Nil means stored.
	verdict func(call int, e kept) error
	// held blocks the log, and the answers of Publish, until it is closed. Nil does
	// not.
	held chan struct{}
	// refuse is returned by Publish itself.
	refuse func(call int) error
}

func (b *book) Publish(ctx context.Context, _, _ string, messages []upstream.Message, done func([]upstream.Stored)) error {
	b.mu.Lock()
	b.calls++
	call := b.calls
	b.sizes = append(b.sizes, len(messages))
	b.mu.Unlock()
	if b.refuse != nil {
		if err := b.refuse(call); err != nil {
			return err
		}
	}
	go func() {
		results := make([]upstream.Stored, len(messages))
		if b.held != nil {
			select {
			case <-b.held:
			case <-ctx.Done():
				for i := range results {
					results[i].Err = upstream.ErrPublishUnknown
				}
				done(results)
				return
			}
		}
		b.mu.Lock()
		for i, m := range messages {
			e := parse(m)
			if b.verdict != nil {
				results[i].Err = b.verdict(call, e)
			}
			if results[i].Err == nil || errors.Is(results[i].Err, upstream.ErrPublishUnknown) {
				b.stored = append(b.stored, e)
			}
		}
		b.mu.Unlock()
		done(results)
	}()
	return nil
}

func parse(m upstream.Message) kept {
	e := kept{key: m.Key, attrs: map[string]any{}}
	for _, h := range m.Headers {
		switch string(h.Name) {
		case "ce_type":
			e.kind = string(bytes.TrimPrefix(h.Value, []byte(audit.TypePrefix)))
		case "ce_id":
			e.id = string(h.Value)
		case "ce_time":
			e.at, _ = time.Parse(time.RFC3339Nano, string(h.Value))
		}
	}
	if err := json.Unmarshal(m.Value, &e.attrs); err != nil {
		e.attrs["invalid"] = err.Error()
	}
	return e
}

// handler is the log of a book.
type handler struct{ *book }

func (handler) Enabled(context.Context, slog.Level) bool { return true }
func (h handler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h handler) WithGroup(string) slog.Handler          { return h }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	e := kept{kind: r.Message, at: r.Time, attrs: map[string]any{}}
	r.Attrs(func(a slog.Attr) bool {
		if e.attrs[a.Key] != nil {
			e.attrs["twice"] = a.Key
		}
		if e.attrs[a.Key] = a.Value.Any(); a.Key == "id" {
			e.id = a.Value.String()
			delete(e.attrs, "id")
		}
		return true
	})
	if e.id != "" && h.held != nil {
		<-h.held
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.id == "" {
		h.lines = append(h.lines, r.Message)
		return nil
	}
	h.logged = append(h.logged, e)
	return nil
}

func (b *book) read(of *[]kept) []kept {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]kept(nil), *of...)
}

// config is a configuration with both sinks.
func config(b *book) audit.Config {
	return audit.Config{
		Log: true, Stream: "audit", Store: b, Source: "/sluice/test", PublishTimeout: 10 * time.Second, Version: "v1",
		Queue: 100, QueueBytes: 1 << 20, TokenIDs: audit.TokenIDsPlain, SumEvery: time.Minute, DrainTimeout: 3 * time.Second,
		Logger: slog.New(handler{b}), Now: time.Now,
	}
}

// run starts a Recorder. stop ends it and waits.
func run(t testing.TB, c audit.Config) (r *audit.Recorder, stop func()) {
	t.Helper()
	r, err := audit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

// counted returns the metric of a sink and result.
func counted(t testing.TB, r *audit.Recorder, sink, result string) int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(r)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	for _, f := range families {
		if f.GetName() != "sluice_audit_events_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["sink"] == sink && labels["result"] == result {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("no metric for %s, %s", sink, result)
	return 0
}

// only returns the events of a type.
func only(events []kept, kind audit.Type) (of []kept) {
	for _, e := range events {
		if e.kind == string(kind) {
			of = append(of, e)
		}
	}
	return of
}

// samples returns an event of each type, with all fields set.
func samples() map[audit.Type]audit.Event {
	all := make(map[audit.Type]audit.Event)
	for _, zero := range []audit.Event{
		audit.Connected{},
		audit.Renewed{},
		audit.Disconnected{},
		audit.Refused{},
		audit.Subscribed{},
		audit.ReplayStarted{},
		audit.Unsubscribed{},
		audit.PageRead{},
		audit.Published{},
		audit.CursorActed{Act: audit.TypeCursorRead},
		audit.CursorActed{Act: audit.TypeCursorMoved},
		audit.CursorActed{Act: audit.TypeCursorDeleted},
		audit.Administered{Operator: "some-Operator", Credential: "some-Credential", Target: &audit.Target{Session: "some-Target", Stream: "some-Stream", Name: "some-Name", To: "some-To", Principal: "some-Principal", Tenant: "some-Tenant"}, Revoked: &audit.Revoked{Issuer: "some-Issuer", Subject: "some-Subject", TokenID: "some-TokenID", SessionID: "some-SessionID", Tenant: "some-Tenant", Before: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}},
		audit.Reconfigured{},
		audit.Reloaded{},
		audit.Started{},
		audit.Stopped{},
		audit.EventsLost{},
	} {
		v := reflect.New(reflect.TypeOf(zero)).Elem()
		v.Set(reflect.ValueOf(zero))
		fill(v)
		all[zero.Type()] = v.Interface().(audit.Event)
	}
	return all
}

// fill sets every field that is zero.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case !f.IsZero():
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)))
		case f.Type() == reflect.TypeFor[time.Duration]():
			f.SetInt(int64(7 * time.Second))
		case f.Kind() == reflect.String:
			f.SetString("some-" + v.Type().Field(i).Name)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.Kind() == reflect.Struct:
			fill(f)
		default:
			f.SetInt(7)
		}
	}
}
