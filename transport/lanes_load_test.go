package transport_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub/record"
)

// TestNothingIsMissedInLanes: sessions of many tenants come, read for a while and go, while
// records arrive. Each receives every record from where it began, soon.
func TestNothingIsMissedInLanes(t *testing.T) {
	t.Parallel()
	const tenantsOf, perTenant, rounds, reads = 6, 8, 6, 20
	in := startTenants(t, auth.Tenancy{Claim: "tenant"}, options{limits: unlimitedSessions})
	var writers, readers sync.WaitGroup
	var over atomic.Bool
	for n := range tenantsOf {
		tenant := fmt.Sprint("t", n)
		topic := tenant + ".orders"
		in.topics.Create(topic, 1)
		token := tenantToken(t, "u", tenant)
		writers.Go(func() {
			for !over.Load() {
				in.topics.Append(topic, record.Record{Key: []byte("k"), Value: []byte(`{"n":1}`)})
				time.Sleep(200 * time.Microsecond)
			}
		})
		for k := range perTenant {
			readers.Go(func() {
				for range rounds {
					s := in.dial("", token)
					s.send("%s", []string{
						`{"type":"subscribe","id":"1","stream":"orders"}`,
						`{"type":"subscribe","id":"1","stream":"orders","key":["k"]}`,
						`{"type":"subscribe","id":"1","stream":"ord*"}`,
						`{"type":"subscribe","id":"1","stream":"orders","from":"last:50"}`,
					}[k%4])
					next, until := -1.0, time.Now().Add(patience)
					for got := 0; got < reads; {
						m := s.next()
						switch m.str("type") {
						case "event":
							at, _ := m["offset"].(float64)
							if next >= 0 && at != next {
								t.Errorf("offset %v instead of %v", at, next)
							}
							next = at + 1
							got++
						case "error", "gap":
							t.Errorf("subscription %d: got %v", k, m)
							got = reads
						}
						if time.Now().After(until) {
							t.Errorf("subscription %d: %d records after %s", k, got, patience)
							got = reads
						}
					}
					_ = s.CloseNow()
				}
			})
		}
	}
	readers.Wait()
	over.Store(true)
	writers.Wait()
	in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, 0)
	in.sampleBecomes(`sluice_admissions{by="address"}`, 0)
	in.sampleBecomes(`sluice_subscriptions`, 0)
}
