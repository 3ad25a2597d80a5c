package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestTenantsApart: 5,000 sessions of 100 tenants, each of which has a topic of its own
// under the same name, receive all records of their tenant and none of another's, and
// what one tenant has delivered changes the others' latency by less than a factor of two.
func TestTenantsApart(t *testing.T) {
	const (
		tenants    = 100
		each       = 50 // sessions of a tenant
		rate       = 1  // records a second of each tenant
		heavy      = 400
		window     = 6 * time.Second
		heavyBytes = 200
		// noise is a latency that a busy machine causes by itself.
		noise = 250 * time.Millisecond
	)
	ctx := within(t, 3*time.Minute)
	created := new(sync.WaitGroup)
	gate := make(chan struct{}, 8)
	for i := range tenants {
		created.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			topic(t, tenantTopic(i), 1)
		})
	}
	created.Wait()
	if t.Failed() {
		t.FailNow()
	}
	server := sluice(t, setup{
		streams: map[string]string{"orders": `"{tenant}.apart"`}, more: "tenants: {claim: tenant}\n",
		limits: fmt.Sprintf("sessions_per_principal: 0, sessions_per_tenant: %d", each+1),
	})

	var (
		sessions  sync.WaitGroup
		opened    atomic.Int32
		strangers atomic.Int64
		mu        sync.Mutex
		late      []time.Duration // of all tenants but the first
		received  [tenants]atomic.Int64
	)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	dialing := make(chan struct{}, 32)
	for i := range tenants * each {
		tenant := i % tenants
		sessions.Go(func() {
			dialing <- struct{}{}
			c, _, err := websocket.Dial(reading, "ws://"+server.addr+"/v1/ws?stream=orders", &websocket.DialOptions{ //nolint:bodyclose // the library has
				HTTPHeader: http.Header{"Authorization": {"Bearer " + tenantToken(t, fmt.Sprint("u", i), tenantID(tenant))}},
			})
			<-dialing
			if err != nil {
				t.Errorf("open a session: %v", err)
				return
			}
			defer func() { _ = c.CloseNow() }()
			c.SetReadLimit(-1)
			own := []byte(`"of":"` + tenantID(tenant) + `"`)
			for {
				_, text, err := c.Read(reading)
				if err != nil {
					return
				}
				now := time.Now()
				switch {
				case bytes.Contains(text, []byte(`"type":"subscribed"`)):
					opened.Add(1)
				case !bytes.HasPrefix(text, []byte(`{"type":"event"`)):
				case !bytes.Contains(text, own):
					strangers.Add(1)
				default:
					received[tenant].Add(1)
					if tenant == 0 {
						continue
					}
					_, made, _ := bytes.Cut(text, []byte(`"at":`))
					made, _, _ = bytes.Cut(made, []byte(`,`))
					at, err := strconv.ParseInt(string(made), 10, 64)
					if err != nil {
						t.Errorf("got %s", text)
						return
					}
					mu.Lock()
					late = append(late, now.Sub(time.Unix(0, at)))
					mu.Unlock()
				}
			}
		})
	}
	for opened.Load() < tenants*each && ctx.Err() == nil && !t.Failed() {
		time.Sleep(10 * time.Millisecond)
	}
	if t.Failed() {
		t.FailNow()
	}

	kafka, err := kgo.NewClient(kgo.SeedBrokers(servers(t).Bootstrap()...), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	var written [tenants]int64
	write := func(tenant int) {
		written[tenant]++
		value := fmt.Appendf(nil, `{"of":%q,"at":%d,"more":"%*d"}`, tenantID(tenant), time.Now().UnixNano(), heavyBytes, 0)
		kafka.Produce(ctx, &kgo.Record{Topic: tenantTopic(tenant), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("write: %v", err)
			}
		})
	}
	// measure writes records of all tenants, and more of the first, for a while, and
	// returns the latencies of the others.
	measure := func(perSecond int) []time.Duration {
		mu.Lock()
		late = nil
		mu.Unlock()
		began := time.Now()
		light, more := 0, 0
		for passed := time.Duration(0); passed < window; passed = time.Since(began) {
			for ; light < int(passed.Seconds()*tenants*rate); light++ {
				write(light % tenants)
			}
			for ; more < int(passed.Seconds()*float64(perSecond)); more++ {
				write(0)
			}
			time.Sleep(2 * time.Millisecond)
		}
		if err := kafka.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		for tenant := range tenants {
			for received[tenant].Load() < written[tenant]*each && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(late)
		return late
	}
	at := func(all []time.Duration, part float64) time.Duration {
		return all[int(float64(len(all)-1)*part)].Round(10 * time.Microsecond)
	}
	measure(0) // until all is warm
	// Something else may keep the machine busy for a while.
	for tries := 3; ; tries-- {
		alone := measure(0)
		beside := measure(heavy)
		again := measure(0)
		for name, all := range map[string][]time.Duration{"alone": alone, "beside": beside, "alone again": again} {
			t.Logf("%s: %d deliveries to 99 tenants, p50 %v, p99 %v, max %v", name, len(all), at(all, .5), at(all, .99), at(all, 1))
		}
		quiet := max(at(alone, .99), at(again, .99))
		if at(beside, .99) < max(2*quiet, noise) {
			break
		}
		told := fmt.Sprintf("p99 is %v beside a tenant with %d deliveries a second, and %v without", at(beside, .99), heavy*each, quiet)
		if tries == 1 {
			t.Error(told)
			break
		}
		t.Log(told)
	}
	stop()
	sessions.Wait()
	for tenant := range tenants {
		if got := received[tenant].Load(); got != written[tenant]*each {
			t.Errorf("tenant %d received %d records in all, want %d", tenant, got, written[tenant]*each)
		}
	}
	if n := strangers.Load(); n > 0 {
		t.Errorf("%d records came to another tenant", n)
	}
}

func tenantID(i int) string { return fmt.Sprint("t", i) }

func tenantTopic(i int) string { return tenantID(i) + ".apart" }

// tenantToken makes a token of a reader that belongs to a tenant.
func tenantToken(t *testing.T, subject, tenant string) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "e2e", "aud": "sluice", "sub": subject, "role": "reader", "tenant": tenant, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(signingKey))
	if err != nil {
		t.Error(err)
	}
	return signed
}
