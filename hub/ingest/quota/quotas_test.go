package quota_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"sluice/hub/ingest"
	"sluice/hub/ingest/quota"
	"sluice/hub/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that the test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// door is a pipeline whose only step are quotas. Its store holds what it is given while
// hold is set.
type door struct {
	quotas   *quota.Quotas
	pipeline *ingest.Pipeline
	hold     bool
	held     []func()
}

func (d *door) Publish(_ context.Context, _, _ string, messages []upstream.Message, done func([]upstream.Stored)) error {
	finish := func() { done(make([]upstream.Stored, len(messages))) }
	if d.hold {
		d.held = append(d.held, finish)
	} else {
		finish()
	}
	return nil
}

func newDoor(t testing.TB, now func() time.Time, config quota.Config) *door {
	t.Helper()
	config.Now, config.Logger = now, slog.New(slog.DiscardHandler)
	if config.Tracked == 0 {
		config.Tracked = 1000
	}
	q, err := quota.New(config)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{quotas: q}
	d.pipeline = ingest.New(d, []ingest.Step{q}, nil)
	return d
}

// publish publishes a batch of records of a size and returns why it is not admitted.
func (d *door) publish(by ingest.Publisher, stream string, records, size int) *ingest.QuotaError {
	messages := make([]ingest.Message, records)
	for i := range messages {
		messages[i].Value = make([]byte, size)
	}
	var refused *ingest.QuotaError
	d.pipeline.Publish(context.Background(), stream, by, messages, func(verdicts []ingest.Verdict) {
		for _, v := range verdicts {
			if v.Err != nil && !errors.As(v.Err, &refused) {
				panic(v.Err)
			}
		}
	})
	return refused
}

func user(name string) ingest.Publisher {
	return ingest.Publisher{Principal: "test:" + name, Subject: name, Address: "192.0.2.1"}
}

func from(address string) ingest.Publisher {
	return ingest.Publisher{Principal: address, Address: address}
}

func set(principal, address, stream *quota.Rule) quota.Config {
	return quota.Config{Rules: quota.Rules{Set: quota.Set{Principal: principal, Address: address, Stream: stream}}}
}

func TestAQuotaAdmitsItsRateAndBurst(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	d := newDoor(t, c.now, set(&quota.Rule{Records: 10, Burst: 2 * time.Second}, nil, nil))
	for range 20 {
		if refused := d.publish(user("a"), "orders", 1, 1); refused != nil {
			t.Fatal(refused)
		}
	}
	want := ingest.QuotaError{Scope: "principal", Unit: "records", Most: 20, RetryAfter: 100 * time.Millisecond}
	if refused := d.publish(user("a"), "orders", 1, 1); refused == nil || *refused != want {
		t.Fatalf("got %+v", refused)
	}
	if refused := d.publish(user("b"), "orders", 1, 1); refused != nil {
		t.Error("another principal is refused:", refused)
	}
	if refused := d.publish(ingest.Publisher{Principal: "test:a", Subject: "a", Tenant: "acme"}, "orders", 1, 1); refused != nil {
		t.Error("the principal of another tenant is refused:", refused)
	}
	if refused := d.publish(user("a"), "other", 1, 1); refused == nil {
		t.Error("another stream has a quota of its own")
	}
	c.pass(want.RetryAfter - time.Millisecond)
	if d.publish(user("a"), "orders", 1, 1) == nil {
		t.Error("admitted before the wait is over")
	}
	c.pass(time.Millisecond)
	if refused := d.publish(user("a"), "orders", 1, 1); refused != nil {
		t.Error("refused after the wait:", refused)
	}
}

func TestABatchIsAdmittedAsAWhole(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	d := newDoor(t, c.now, set(
		&quota.Rule{Records: 10, Bytes: 1000, Burst: time.Second}, &quota.Rule{Records: 100, Burst: time.Second}, nil))
	if refused := d.publish(user("a"), "orders", 11, 1); refused == nil || !refused.Never || !refused.Part || refused.Most != 10 {
		t.Errorf("a batch that never fits: %+v", refused)
	}
	if refused := d.publish(user("a"), "orders", 1, 1001); refused == nil || !refused.Never || refused.Part || refused.Unit != "bytes" {
		t.Errorf("a record that never fits: %+v", refused)
	}
	// Nothing of what was refused is used up, in any scope.
	if refused := d.publish(user("a"), "orders", 10, 100); refused != nil {
		t.Fatal("the whole quota:", refused)
	}
	refused := d.publish(user("a"), "orders", 5, 120)
	if refused == nil || refused.Unit != "bytes" || refused.RetryAfter != 600*time.Millisecond {
		t.Fatalf("of two waits it is the longer one: %+v", refused)
	}
	for n := range 9 {
		if refused := d.publish(user(fmt.Sprint(n)), "orders", 10, 1); refused != nil {
			t.Fatalf("principal %d of the address: %v", n, refused)
		}
	}
	if refused := d.publish(user("last"), "orders", 1, 1); refused == nil || refused.Scope != "address" {
		t.Errorf("the address: %+v", refused)
	}
}

func TestAddressesCountAsWhatOneClientHas(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	d := newDoor(t, c.now, set(&quota.Rule{Records: 1, Burst: time.Hour}, &quota.Rule{Records: 1, Burst: time.Second}, nil))
	for _, test := range []struct {
		address string
		refused bool
	}{
		{"2001:db8::1", false},
		{"2001:db8::2", true},
		{"2001:db8:0:0:ffff::", true},
		{"2001:db8:0:1::1", false},
		{"192.0.2.1", false},
		{"::ffff:192.0.2.1", true},
		{"192.0.2.2", false},
	} {
		if refused := d.publish(from(test.address), "orders", 1, 1); (refused != nil) != test.refused {
			t.Errorf("%s: %v", test.address, refused)
		}
	}
}

func TestAStreamsOwnRulesTakeThePlaceOfTheOthers(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	config := set(&quota.Rule{Records: 2, Burst: time.Second}, nil, &quota.Rule{Records: 3, Burst: time.Second})
	config.Rules.Streams = map[string]quota.Set{"iot": {Principal: &quota.Rule{Records: 5, Burst: time.Second}}}
	d := newDoor(t, c.now, config)
	if refused := d.publish(user("a"), "iot", 4, 1); refused == nil || refused.Scope != "stream" {
		t.Errorf("the rule of all streams: %+v", refused)
	}
	for _, stream := range []string{"orders", "iot"} {
		if refused := d.publish(user("a"), stream, 2, 1); refused != nil {
			t.Errorf("%s: %v", stream, refused)
		}
	}
	if refused := d.publish(user("b"), "iot", 2, 1); refused == nil || refused.Scope != "stream" {
		t.Errorf("the stream: %+v", refused)
	}
	if refused := d.publish(user("b"), "other", 2, 1); refused != nil {
		t.Error("another stream:", refused)
	}
}

// TestARightCanComeWithAQuota: it takes the place of all others for the principal, who has
// it for all streams together.
func TestARightCanComeWithAQuota(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	config := set(&quota.Rule{Records: 2, Burst: time.Second}, nil, nil)
	config.Rules.Streams = map[string]quota.Set{"iot": {Principal: &quota.Rule{Records: 3, Burst: time.Second}}}
	config.Rules.Granted = map[string]*quota.Rule{"large": {Records: 10, Burst: time.Second}}
	d := newDoor(t, c.now, config)
	large := user("a")
	large.Quota = "large"
	if refused := d.publish(large, "iot", 6, 1); refused != nil {
		t.Fatal(refused)
	}
	if refused := d.publish(large, "orders", 4, 1); refused != nil {
		t.Fatal(refused)
	}
	if refused := d.publish(large, "iot", 1, 1); refused == nil || refused.Most != 10 {
		t.Errorf("got %+v", refused)
	}
	// What does not come with the right is apart, and an unknown name is none.
	for stream, n := range map[string]int{"iot": 3, "orders": 2} {
		unknown := user("a")
		unknown.Quota = "unknown"
		if refused := d.publish(unknown, stream, n, 1); refused != nil {
			t.Errorf("%s: %v", stream, refused)
		}
	}
}

func TestPublishesAtOnce(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	d := newDoor(t, c.now, set(&quota.Rule{Concurrent: 2}, nil, nil))
	d.hold = true
	for n, refused := range []bool{false, false, true, true} {
		if got := d.publish(user("a"), "orders", 1, 1); (got != nil) != refused {
			t.Errorf("publish %d: %v", n, got)
		}
	}
	if refused := d.publish(user("b"), "orders", 1, 1); refused != nil {
		t.Error(refused)
	}
	d.held[0]()
	if refused := d.publish(user("a"), "orders", 1, 1); refused != nil {
		t.Error("after one was answered:", refused)
	}
	if refused := d.publish(user("a"), "orders", 1, 1); refused == nil || refused.Unit != "publishes" || refused.Most != 2 {
		t.Errorf("got %+v", refused)
	}
}

// failing is a step that panics.
type failing struct{}

func (failing) Check(context.Context, *ingest.Batch) { panic("a fault") }
func (failing) Settled(*ingest.Batch)                {}

// TestAFaultHoldsNoQuota: a publish that ended in a panic is in flight no more.
func TestAFaultHoldsNoQuota(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	d := newDoor(t, c.now, set(&quota.Rule{Concurrent: 1}, nil, nil))
	d.pipeline = ingest.New(d, []ingest.Step{d.quotas}, []ingest.Step{failing{}})
	for n := range 3 {
		func() {
			defer func() {
				if cause := recover(); cause != "a fault" {
					t.Errorf("publish %d ended with %v", n, cause)
				}
			}()
			if refused := d.publish(user("a"), "orders", 1, 1); refused != nil {
				t.Errorf("publish %d: %v", n, refused)
			}
		}()
	}
}

func TestRulesCanChange(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	d := newDoor(t, c.now, set(&quota.Rule{Records: 10, Burst: time.Second}, nil, nil))
	if refused := d.publish(user("a"), "orders", 8, 1); refused != nil {
		t.Fatal(refused)
	}
	d.quotas.SetRules(quota.Rules{Set: quota.Set{Principal: &quota.Rule{Records: 100, Burst: time.Second}}})
	// What is left of the former quota is there, and the rest flows in at the new rate.
	if refused := d.publish(user("a"), "orders", 12, 1); refused == nil || refused.RetryAfter != 100*time.Millisecond {
		t.Errorf("got %+v", refused)
	}
	d.quotas.SetRules(quota.Rules{})
	if refused := d.publish(user("a"), "orders", 1000, 1); refused != nil {
		t.Error("without rules:", refused)
	}
}

// TestNobodyGainsByHavingOthersForgotten: with more clients than are tracked, those who
// have used up their quota stay refused, and the others share what is left in a bounded
// number of quotas.
func TestNobodyGainsByHavingOthersForgotten(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	config := set(nil, &quota.Rule{Records: 1, Burst: 10 * time.Second}, nil)
	config.Tracked = 100
	d := newDoor(t, c.now, config)
	address := func(n int) ingest.Publisher { return from(fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)) }
	for n := range 100 {
		if refused := d.publish(address(n), "orders", 10, 1); refused != nil {
			t.Fatal(refused)
		}
	}
	admitted := 0
	for n := 100; n < 60_000; n++ {
		if d.publish(address(n), "orders", 10, 1) == nil {
			admitted++
		}
	}
	if admitted == 0 || admitted > 1024 {
		t.Errorf("%d newcomers were admitted a whole quota", admitted)
	}
	for n := range 100 {
		if d.publish(address(n), "orders", 1, 1) == nil {
			t.Fatalf("client %d has gained by it", n)
		}
	}
	// Once their quotas are whole again, they make room.
	c.pass(10 * time.Second)
	for n := range 100 {
		if refused := d.publish(address(1_000_000+n), "orders", 10, 1); refused != nil {
			t.Fatal("after a rest:", refused)
		}
	}
}

// TestCrowdsOfTenantsAreApart: a tenant with more clients than are tracked uses up no quota of another
// tenant's newcomers.
func TestCrowdsOfTenantsAreApart(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	config := set(nil, &quota.Rule{Records: 1, Burst: 10 * time.Second}, nil)
	config.Tracked = 100
	d := newDoor(t, c.now, config)
	for n := range 60_000 {
		by := from(fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255))
		by.Tenant = "hostile"
		_ = d.publish(by, "orders", 10, 1)
	}
	by := from("192.0.2.1")
	for _, tenant := range []string{"", "other", "another"} {
		by.Tenant = tenant
		if refused := d.publish(by, "orders", 10, 1); refused != nil {
			t.Errorf("the first publish of tenant %q is refused: %v", tenant, refused)
		}
	}
}

// TestQuotaProperty: whatever is published whenever, no window admits more than the rate
// and the burst, and a refused batch is admitted after its wait.
func TestQuotaProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := float64(rapid.IntRange(1, 1000).Draw(t, "rate"))
		burst := time.Duration(rapid.IntRange(1, 10_000).Draw(t, "burst")) * time.Millisecond
		c := &clock{at: time.Unix(1, 0)}
		q, err := quota.New(quota.Config{
			Tracked: 10, Now: c.now, Logger: slog.New(slog.DiscardHandler),
			Rules: quota.Rules{Set: quota.Set{Principal: &quota.Rule{Records: rate, Burst: burst}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		d := &door{quotas: q}
		d.pipeline = ingest.New(d, []ingest.Step{q}, nil)
		type taken struct {
			at time.Time
			n  int
		}
		var log []taken
		most := rate * burst.Seconds()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			c.pass(time.Duration(rapid.IntRange(0, 2_000_000_000).Draw(t, "passes")))
			n := rapid.IntRange(1, 200).Draw(t, "records")
			refused := d.publish(user("a"), "s", n, 1)
			if float64(n) > most != (refused != nil && refused.Never) {
				t.Fatalf("%d records, at most %v: %+v", n, most, refused)
			}
			if refused != nil && !refused.Never {
				c.pass(refused.RetryAfter)
				if again := d.publish(user("a"), "s", n, 1); again != nil {
					t.Fatalf("refused after the wait of %v: %+v", refused.RetryAfter, again)
				}
				refused = nil
			}
			if refused == nil {
				log = append(log, taken{c.at, n})
			}
		}
		for i := range log {
			sum := 0
			for _, one := range log[i:] {
				sum += one.n
				if window := one.at.Sub(log[i].at).Seconds(); float64(sum) > rate*window+most+0.01 {
					t.Fatalf("%d in %v s at %v a second and a burst of %v", sum, window, rate, most)
				}
			}
		}
	})
}

func TestLeft(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1, 0)}
	d := newDoor(t, c.now, set(&quota.Rule{Records: 10, Burst: 2 * time.Second}, nil, &quota.Rule{Records: 1, Burst: time.Minute}))
	by := user("a")
	if refused := d.publish(by, "orders", 5, 1); refused != nil {
		t.Fatal(refused)
	}
	left := d.quotas.Left("orders", &by)
	want := ingest.Allowance{Scope: "principal", Unit: "records", Most: 20, Window: 2 * time.Second, Left: 15, Full: 500 * time.Millisecond}
	if len(left) != 1 || left[0] != want {
		t.Errorf("got %+v", left)
	}
}

func BenchmarkQuotas(b *testing.B) {
	rule := &quota.Rule{Records: 1e12, Bytes: 1e15, Burst: time.Second, Concurrent: 1000}
	d := newDoor(b, time.Now, set(rule, rule, rule))
	plain := ingest.New(d, nil, nil)
	by := user("a")
	for name, p := range map[string]*ingest.Pipeline{"none": plain, "all": d.pipeline} {
		b.Run(name, func(b *testing.B) {
			messages := []ingest.Message{{Key: []byte("k"), Value: make([]byte, 200)}}
			b.ReportAllocs()
			for b.Loop() {
				p.Publish(context.Background(), "orders", by, messages, func(v []ingest.Verdict) {
					if v[0].Err != nil {
						b.Fatal(v[0].Err)
					}
				})
			}
		})
	}
}
