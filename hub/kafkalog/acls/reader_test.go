package acls_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog"
	"sluice/hub/kafkalog/acls"
)

const (
	refresh = 30 * time.Second
	maxAge  = 5 * time.Minute
)

var readOrders = acl{literal, "orders", "User:alice", "*", read, allow}

// running is a Reader that runs in a bubble of synctest.
type running struct {
	*acls.Reader
	t       *testing.T
	cluster *cluster
	changes atomic.Int32
}

func run(t *testing.T, c *cluster) *running {
	t.Helper()
	r := &running{t: t, cluster: c}
	var err error
	r.Reader, err = acls.New(acls.Config{Cluster: c, Refresh: refresh, MaxAge: maxAge, Changed: func() { r.changes.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// says checks the verdict on reading a topic by alice.
func (r *running) says(topic string, want acls.Verdict) {
	r.t.Helper()
	if got := r.Current().Judge("User:alice", topic, acls.Read); got != want {
		r.t.Errorf("%s: verdict %v, want %v", topic, got, want)
	}
}

// after lets time pass, and checks how often Changed was called since the beginning.
func (r *running) after(d time.Duration, changes int32) {
	r.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := r.changes.Load(); got != changes {
		r.t.Errorf("Changed was called %d times, want %d", got, changes)
	}
}

// TestChangesAreNoticed: within Refresh, and only changes are reported.
func TestChangesAreNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{acls: []acl{readOrders}}
		r := run(t, c)
		r.after(0, 1)
		r.says("orders", acls.Allowed)
		first := r.Current()
		r.after(10*refresh, 1)
		if r.Current() != first {
			t.Error("the snapshot was replaced by an equal one")
		}
		if n := c.requests(); n < 11 || n > 21 {
			t.Errorf("%d requests within ten times the refresh", n)
		}
		c.set()
		r.after(refresh, 2)
		r.says("orders", acls.None)
		c.set(readOrders, acl{literal, "orders", "User:alice", "*", read, deny})
		r.after(refresh, 3)
		r.says("orders", acls.Denied)
		c.set(acl{prefixed, "ord", "User:alice", "*", read, allow})
		r.after(refresh, 4)
		r.says("orders", acls.Allowed)
		c.set(acl{prefixed, "order.", "User:alice", "*", read, allow})
		r.after(refresh, 5)
		r.says("orders", acls.None)
		r.says("order.eu", acls.Allowed)
	})
}

// TestNothingIsAllowedBeforeTheFirstAnswer, nor is anything a mere silence.
func TestNothingIsAllowedBeforeTheFirstAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{acls: []acl{readOrders}, err: errAway}
		r := run(t, c)
		r.after(time.Hour, 0)
		r.says("orders", acls.Denied)
		r.says("others", acls.Denied)
		if r.Current().Complete() || !errors.Is(r.Check(), errAway) {
			t.Errorf("complete: %v, check: %v", r.Current().Complete(), r.Check())
		}
		if n := c.requests(); n < 120 || n > 300 {
			t.Errorf("%d requests within an hour", n)
		}
		c.fail(nil)
		r.after(refresh, 1)
		r.says("orders", acls.Allowed)
		r.says("others", acls.None)
		if !r.Current().Complete() || r.Check() != nil {
			t.Errorf("complete: %v, check: %v", r.Current().Complete(), r.Check())
		}
	})
}

// TestOldACLsAllowNothing: whether the cluster refuses to answer or only does not.
func TestOldACLsAllowNothing(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprint("hangs ", hangs), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &cluster{}
				c.set(readOrders, acl{literal, "secret", "User:alice", "*", read, deny})
				r := run(t, c)
				r.after(0, 1)
				c.mu.Lock()
				c.err, c.hang = errAway, hangs
				c.mu.Unlock()
				r.after(maxAge-time.Second, 1) // the last answer came at 0
				r.says("orders", acls.Allowed)
				r.after(time.Second, 2)
				r.says("orders", acls.None)
				r.says("secret", acls.Denied)
				if r.Current().Complete() {
					t.Error("complete")
				}
				r.after(10*maxAge, 2)
				c.set(readOrders)
				r.after(refresh+acls.RequestTimeout, 3)
				r.says("orders", acls.Allowed)
				r.says("secret", acls.None)
			})
		})
	}
}

// TestFirstRead: Run relies on a Read before it.
func TestFirstRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{acls: []acl{readOrders}}
		r, err := acls.New(acls.Config{Cluster: c, Refresh: refresh, MaxAge: maxAge})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), refresh/2-time.Second)
		defer cancel()
		if err := r.Run(ctx); err != nil || c.requests() != 1 {
			t.Errorf("%d requests, %v", c.requests(), err)
		}
	})
}

// TestRefusedAnswers: an answer that cannot be used changes nothing, and says why.
func TestRefusedAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cluster *cluster
		err     error
		text    string
	}{
		"not allowed":   {&cluster{code: int16(kafka.ClusterAuthorizationFailed)}, kafka.ClusterAuthorizationFailed, "DESCRIBE on the cluster"},
		"no authorizer": {&cluster{code: int16(kafka.SecurityDisabled)}, kafka.SecurityDisabled, "authorizer.class.name"},
		"another error": {&cluster{code: int16(kafka.NotController)}, kafka.NotController, ""},
		"away":          {&cluster{err: errAway}, errAway, ""},
		"too many":      {&cluster{acls: make([]acl, acls.MaxEntries+1)}, acls.ErrTooMany, "100000"},
		"a new pattern": {&cluster{acls: []acl{readOrders, {9, "x", "User:alice", "*", read, deny}}}, nil, "pattern type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "too many" {
				for i := range c.cluster.acls {
					c.cluster.acls[i] = readOrders
				}
			}
			var log bytes.Buffer
			r, err := acls.New(acls.Config{Cluster: c.cluster, Refresh: 1, MaxAge: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			err = r.Read(t.Context())
			if err == nil || c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) || !errors.Is(r.Check(), err) {
				t.Errorf("read: %v, check: %v", err, r.Check())
			}
			if r.Current().Judge("User:alice", "orders", acls.Read) != acls.Denied {
				t.Error("something is allowed")
			}
			if n := strings.Count(log.String(), "ACLs cannot be read"); n != 1 {
				t.Errorf("logged %d times: %s", n, log.String())
			}
			if err := r.Read(t.Context()); err == nil || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("the same failure is logged again: %s", log.String())
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]acls.Config{
		"no cluster":  {Refresh: 1, MaxAge: 1},
		"no refresh":  {Cluster: &cluster{}, MaxAge: 1},
		"short-lived": {Cluster: &cluster{}, Refresh: 2, MaxAge: 1},
	} {
		if _, err := acls.New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestOverTheNetwork reads ACLs from a broker.
func TestOverTheNetwork(t *testing.T) {
	t.Parallel()
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(k.ListenAddrs()...), Transport: transport}
	created, err := client.CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: "orders", ResourcePatternType: kafka.PatternTypeLiteral, Principal: "User:alice", Host: "*", Operation: kafka.ACLOperationTypeRead, PermissionType: kafka.ACLPermissionTypeAllow},
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: "orders.", ResourcePatternType: kafka.PatternTypePrefixed, Principal: "User:alice", Host: "*", Operation: kafka.ACLOperationTypeAll, PermissionType: kafka.ACLPermissionTypeAllow},
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: "*", ResourcePatternType: kafka.PatternTypeLiteral, Principal: "User:*", Host: "*", Operation: kafka.ACLOperationTypeWrite, PermissionType: kafka.ACLPermissionTypeDeny},
		{ResourceType: kafka.ResourceTypeGroup, ResourceName: "*", ResourcePatternType: kafka.PatternTypeLiteral, Principal: "User:alice", Host: "*", Operation: kafka.ACLOperationTypeRead, PermissionType: kafka.ACLPermissionTypeDeny},
	}})
	if err != nil || errors.Join(created.Errors...) != nil {
		t.Fatal(err, created)
	}
	c, err := kafkalog.NewCluster(kafkalog.Config{Brokers: k.ListenAddrs(), DialTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r, err := acls.New(acls.Config{Cluster: c, Refresh: refresh, MaxAge: maxAge})
	if err == nil {
		err = r.Read(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Current().Count(); n != 3 {
		t.Errorf("%d ACLs", n)
	}
	for topic, want := range map[string]acls.Verdict{"orders": acls.Allowed, "orders.eu": acls.Allowed, "other": acls.None} {
		if got := r.Current().Judge("User:alice", topic, acls.Read); got != want {
			t.Errorf("%s: %v, want %v", topic, got, want)
		}
		if got := r.Current().Judge("User:alice", topic, acls.Write); got != acls.Denied {
			t.Errorf("write %s: %v", topic, got)
		}
	}
}
