package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/bench/stack"
)

const (
	// revocations is how many revocations are measured.
	revocations = 100
	// revokedWithin is the promise, and revokedTarget the aim while messages arrive.
	revokedWithin, revokedTarget = 30 * time.Second, time.Second
)

// TestRevocationReachesAllInstances is about promise 9: a revocation ends sessions on
// every instance within 30 seconds. It prints the time until the last of three
// instances has ended its session: with messages, and with polling only.
func TestRevocationReachesAllInstances(t *testing.T) {
	t.Parallel()
	own, err := stack.Start(within(t, time.Minute), stack.Options{Redis: stack.RedisOptions{Mode: stack.RedisSingle}})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	})
	options, err := redis.ParseURL(own.Redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	topic(t, "revoke", 1)
	var all []*instance
	for range 3 {
		all = append(all, sluice(t, setup{
			streams: map[string]string{"revoke": "revoke"}, redis: own.Redis, limits: "sessions_per_principal: 0",
		}))
	}

	var revoked string // a token
	report := func(name string, pause, most time.Duration) {
		t.Helper()
		var times []time.Duration
		times, revoked = revokeAll(t, all, name, pause)
		slices.Sort(times)
		t.Logf("%s: the last of %d instances ended the session after p50 %v, p99 %v, max %v (%d revocations)", name, len(all),
			times[len(times)/2].Round(time.Millisecond), times[len(times)*99/100-1].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond), len(times))
		if last := times[len(times)-1]; last > most {
			t.Errorf("%s: it took %v", name, last)
		}
	}
	report("with messages", 20*time.Millisecond, revokedTarget)

	// Nobody may use a channel from now on: no message is sent or received, and those
	// who listen are disconnected.
	if err := client.Do(t.Context(), "ACL", "SETUSER", "default", "resetchannels").Err(); err != nil {
		t.Fatal(err)
	}
	report("polling only", 100*time.Millisecond, revokedWithin)

	// An instance that starts has all of them before it accepts a client.
	if err := all[0].Restart(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	address := "http://" + all[0].addr + "/v1/streams"
	if _, err := get(t.Context(), address, revoked); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("after a restart: %v", err)
	}
}

// revokeAll opens a session of each subject on each instance, revokes the subjects one
// after the other, and returns the time until the last session of each had ended, and one of the tokens.
func revokeAll(t *testing.T, all []*instance, name string, pause time.Duration) (times []time.Duration, bearer string) {
	t.Helper()
	ctx := within(t, time.Minute)
	type ended struct {
		subject int
		at      time.Time
		err     error
	}
	var (
		opened  sync.WaitGroup
		ends    = make(chan ended, revocations*len(all))
		begun   = make([]time.Time, revocations)
		last    = make([]time.Time, revocations)
		subject = func(n int) string { return fmt.Sprintf("%s %d", name, n) }
		gate    = make(chan struct{}, 16)
	)
	for n := range revocations {
		bearer = token(t, subject(n), "reader")
		for _, i := range all {
			opened.Add(1)
			address, mine := "http://"+i.addr+"/v1/streams/revoke/events", bearer
			go func() {
				gate <- struct{}{}
				open := sync.OnceFunc(func() { <-gate; opened.Done() })
				defer open()
				err := untilRevoked(ctx, address, mine, open)
				ends <- ended{n, time.Now(), err}
			}()
		}
	}
	opened.Wait()
	for n := range revocations {
		begun[n] = time.Now()
		if err := all[n%len(all)].revoke(ctx, fmt.Sprintf(`{"issuer":"e2e","subject":%q}`, subject(n))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pause)
	}
	for range revocations * len(all) {
		e := <-ends
		if e.err != nil {
			t.Fatal(e.err)
		}
		if e.at.After(last[e.subject]) {
			last[e.subject] = e.at
		}
	}
	times = make([]time.Duration, revocations)
	for n := range times {
		times[n] = last[n].Sub(begun[n])
	}
	return times, bearer
}

// untilRevoked reads an event stream until it is closed with `revoked`.
func untilRevoked(ctx context.Context, address, bearer string, open func()) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var seen []string
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "event: sluice.ready") {
			open()
		}
		if strings.Contains(line, `"code":"revoked"`) {
			return nil
		}
		seen = append(seen, line)
	}
	return fmt.Errorf("the stream, with status %s, ended otherwise: %q", response.Status, seen)
}

// revoke revokes credentials, on all instances.
func (i *instance) revoke(ctx context.Context, what string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+i.admin+"/revocations", strings.NewReader(what))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct{ Scope string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || answer.Scope != "all_instances" {
		return fmt.Errorf("revoke %s: %s %+v", what, response.Status, answer)
	}
	return nil
}
