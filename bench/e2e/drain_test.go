package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/bench/clients"
)

// leaveInOrder stops an instance, and checks that it is not ready at once and exits
// in time with status 0.
func leaveInOrder(ctx context.Context, t *testing.T, leaves *instance) {
	t.Helper()
	began := time.Now()
	if err := leaves.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
		return
	}
	eventually(ctx, t, "readyz says that it goes", func() error {
		var status *clients.StatusError
		if err := leaves.ready(ctx); !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable {
			return fmt.Errorf("it answers %w, want 503", err)
		}
		return nil
	})
	state, err := leaves.Wait(ctx)
	if err != nil {
		t.Error(err)
		return
	}
	if !state.Success() {
		t.Errorf("it ends with %v", state)
	}
	t.Logf("it took %v to end", time.Since(began))
	// The process must be waited for before it can be started again.
	if err := leaves.Stop(); err != nil {
		t.Error(err)
	}
}

// TestDeploysAreQuiet is about promise 13: two instances are stopped one after the
// other, and the first is started again in between, under load. On SIGTERM an
// instance must be not ready at once, notify every session, and exit by itself with
// status 0; its clients must continue at the other instance, and receive everything.
func TestDeploysAreQuiet(t *testing.T) {
	t.Parallel()
	const partitions = 3
	work := writers{topic: "deploys", span: 8 * time.Second, perCodec: 1_000, kcat: 100, committed: 500, aborted: 500}
	topic(t, work.topic, partitions)
	config := setup{streams: map[string]string{"deploys": work.topic}}
	leaves, stays := sluice(t, config), sluice(t, config)
	ctx := within(t, 90*time.Second)

	var all []*clients.Subscriber
	for i := range 20 {
		over := []clients.Transport{clients.OverSSE, clients.OverWS}[i%2]
		s := clients.NewSubscriber(fmt.Sprintf("%s-%d", over, i), over, []clients.Resume{clients.ByCursor, clients.BySeen}[i/2%2], "deploys", partitions)
		s.Addrs, s.Token, s.Leaving = addrs(leaves, stays), token(t, s.Name, "reader"), true
		s.First = leaves.addr
		all = append(all, s)
	}
	var running sync.WaitGroup
	for _, s := range all {
		running.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	stopping := make(chan struct{})
	running.Go(func() {
		defer close(stopping)
		time.Sleep(2 * time.Second)
		leaveInOrder(ctx, t, leaves)
		if err := leaves.Start(ctx); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(time.Second)
		leaveInOrder(ctx, t, stays)
	})
	if err := work.run(ctx, t); err != nil {
		t.Fatal(err)
	}
	<-stopping
	writeEnds(ctx, t, work.topic, partitions)
	contents := readLog(ctx, t, work.topic, partitions)
	running.Wait()

	judge(t, contents.Log, all)
	twice := 0
	for _, s := range all {
		// A client that reconnected late may have reached the instance that was
		// started again.
		if s.Told == 2 {
			twice++
		} else if s.Told != 1 {
			t.Errorf("%s was told %d times that its instance leaves, want once or twice", s.Name, s.Told)
		}
		for _, status := range s.Left {
			if status != websocket.StatusServiceRestart {
				t.Errorf("%s: the connection is closed with %d, want %d", s.Name, status, websocket.StatusServiceRestart)
			}
		}
	}
	if twice < len(all)/2 {
		t.Errorf("only %d of %d were on both instances as these left", twice, len(all))
	}
}
