package hub_test

import (
	"sync/atomic"
	"testing"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// TestNothingIsFetchedWhileWorkersDeliver: records that arrive while the workers
// deliver are fetched together afterwards, and so need one write to each client.
func TestNothingIsFetchedWhileWorkersDeliver(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	var hold atomic.Bool
	delivering, delivered := make(chan struct{}), make(chan struct{})
	h := startHubWith(t, topics, nil, func(c *hub.Config) {
		c.Pace = func(*hub.Lane) {
			if hold.Load() {
				delivering <- struct{}{}
				<-delivered
			}
		}
	})
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	hold.Store(true)
	add := func() { topics.Append("orders.v1", record.Record{Timestamp: 1, Value: []byte(`1`)}) }
	add()
	<-delivering
	if got := r.collect(t, 1); len(got) != 1 {
		t.Fatalf("%d records are there while the workers deliver the first", len(got))
	}
	for range 3 {
		add()
	}
	delivered <- struct{}{}
	<-delivering
	if got := r.collect(t, 3); len(got) != 3 {
		t.Errorf("%d of the records that arrived meanwhile are there at once", len(got))
	}
	hold.Store(false)
	delivered <- struct{}{}
}
