package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

// aclOf returns an ACL of a topic for a principal.
func aclOf(topic, principal string, operation kafka.ACLOperationType, permission kafka.ACLPermissionType) kafka.ACLEntry {
	return kafka.ACLEntry{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ResourcePatternType: kafka.PatternTypeLiteral,
		Principal: principal, Host: "*", Operation: operation, PermissionType: permission,
	}
}

// newKafka starts a cluster with ACLs.
func newKafka(t *testing.T, entries ...kafka.ACLEntry) string {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t1", "t2", "t3"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(k.ListenAddrs()...), Transport: transport}
	created, err := client.CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: entries})
	if err != nil || slices.ContainsFunc(created.Errors, func(err error) bool { return err != nil }) {
		t.Fatal(err, created)
	}
	return k.ListenAddrs()[0]
}

// newRights makes an authenticator with the ACLs of two clusters.
func newRights(t *testing.T, east, west string) (*kafkaACLs, *auth.Authenticator) {
	t.Helper()
	c, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(`
kafka: {clusters: {east: {brokers: [%q]}, west: {brokers: [%q]}}}
grants: [{anonymous: true, subscribe: [open, shut]}]
auth: {kafka_acls: {principal: "User:{sub}", refresh: 1s, replay: 24h, super_users: ["User:root"]}}
streams:
  open: {cluster: east, topic: t1}
  shut: {cluster: east, topic: t2}
  orders: {cluster: east, topic: t3}
  other: {cluster: west, topic: t3}
`, east, west)})
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := newClusters(c, discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range clusters {
		t.Cleanup(cluster.conn.Close)
	}
	acls, err := newKafkaACLs(c, clusters, discard)
	if err != nil {
		t.Fatal(err)
	}
	c.Auth.Issuers = []config.Issuer{{Issuer: "i", Audience: "a", Algorithms: []string{auth.HS256}, Secret: issuerSecret}}
	made, err := newAuthenticator(c, nil, newLanguage(t), &verifiers{}, &sharedAuth{}, acls, discard)
	if err != nil {
		t.Fatal(err)
	}
	return acls, made
}

var issuerSecret = auth.NewSecret(strings.Repeat("k", 32))

// rightsOf returns what a principal may do, such as "s:open p:orders".
func rightsOf(t *testing.T, by *auth.Authenticator, subject string) string {
	t.Helper()
	token, err := auth.Mint(issuerSecret, auth.TokenClaims{Issuer: "i", Audience: "a", Subject: subject, ValidFor: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	p, err := by.Authenticate(t.Context(), auth.Bearer(token))
	if err != nil {
		t.Fatal(err)
	}
	var has []string
	for _, stream := range []string{"open", "orders", "other", "shut", "unknown"} {
		if p.May(auth.Subscribe, stream) {
			has = append(has, "s:"+stream)
		}
		if p.May(auth.Publish, stream) {
			has = append(has, "p:"+stream)
		}
	}
	if p.Undecided() {
		has = append(has, "undecided")
	}
	return strings.Join(has, " ")
}

// TestRightsFromACLs: each stream has the ACLs of its own topic in its own cluster.
func TestRightsFromACLs(t *testing.T) {
	t.Parallel()
	const (
		allow, deny = kafka.ACLPermissionTypeAllow, kafka.ACLPermissionTypeDeny
		read, write = kafka.ACLOperationTypeRead, kafka.ACLOperationTypeWrite
	)
	east := newKafka(t,
		aclOf("t3", "User:ann", read, allow), aclOf("t3", "User:bob", write, allow), aclOf("t2", "User:ann", read, deny))
	west := newKafka(t,
		aclOf("t3", "User:bob", read, allow), aclOf("t1", "User:bob", read, deny), aclOf("orders", "User:carl", read, allow))
	acls, by := newRights(t, east, west)
	for _, subject := range []string{"ann", "root"} {
		if got, want := rightsOf(t, by, subject), map[string]string{"ann": "undecided", "root": "s:open p:open s:orders p:orders s:other p:other s:shut p:shut undecided"}[subject]; got != want {
			t.Errorf("%s before the ACLs are known: %q, want %q", subject, got, want)
		}
	}
	if err := acls.ready(t.Context()); err == nil || acls.degraded(t.Context()) != nil {
		t.Errorf("ready: %v, degraded: %v", err, acls.degraded(t.Context()))
	}
	if err := acls.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := acls.ready(t.Context()); err != nil {
		t.Error(err)
	}
	for subject, want := range map[string]string{
		"ann":  "s:open s:orders",
		"bob":  "s:open p:orders s:other s:shut",
		"carl": "s:open s:shut",
		"root": "s:open p:open s:orders p:orders s:other p:other s:shut p:shut",
	} {
		if got := rightsOf(t, by, subject); got != want {
			t.Errorf("%s: %q, want %q", subject, got, want)
		}
	}
}

// TestACLsOpenTheAuditByName: of all ACLs, only one for the topic of the audit stream lets
// a client read it: none for a prefix, for all topics, or for super users.
func TestACLsOpenTheAuditByName(t *testing.T) {
	t.Parallel()
	const allow, read = kafka.ACLPermissionTypeAllow, kafka.ACLOperationTypeRead
	prefix := aclOf("t", "User:ben", read, allow)
	prefix.ResourcePatternType = kafka.PatternTypePrefixed
	whole := aclOf("t1", "User:cat", read, allow)
	whole.ResourcePatternType = kafka.PatternTypePrefixed
	address := newKafka(t, aclOf("*", "User:ann", read, allow), prefix, whole, aclOf("t1", "User:dan", read, allow))
	c, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(`
kafka: {brokers: [%q]}
grants: [{anonymous: true, subscribe: ["*"]}]
auth: {kafka_acls: {principal: "User:{sub}", super_users: ["User:root"]}}
audit: {stream: audit}
streams: {audit: {topic: t1}, orders: {topic: t3}}
`, address)})
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := newClusters(c, discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range clusters {
		t.Cleanup(cluster.conn.Close)
	}
	acls, err := newKafkaACLs(c, clusters, discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := acls.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Auth.Issuers = []config.Issuer{{Issuer: "i", Audience: "a", Algorithms: []string{auth.HS256}, Secret: issuerSecret}}
	by, err := newAuthenticator(c, nil, newLanguage(t), &verifiers{}, &sharedAuth{}, acls, discard)
	if err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string]bool{"ann": false, "ben": false, "cat": false, "dan": true, "root": false} {
		token, err := auth.Mint(issuerSecret, auth.TokenClaims{Issuer: "i", Audience: "a", Subject: subject, ValidFor: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		p, err := by.Authenticate(t.Context(), auth.Bearer(token))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.May(auth.Subscribe, "audit"); got != want || !p.May(auth.Subscribe, "orders") {
			t.Errorf("%s: may read the audit is %v", subject, got)
		}
	}
}

// TestOneClusterIsAway: the streams of the other cluster have their rights.
func TestOneClusterIsAway(t *testing.T) {
	t.Parallel()
	east := newKafka(t, aclOf("t3", "User:ann", kafka.ACLOperationTypeRead, kafka.ACLPermissionTypeAllow))
	acls, by := newRights(t, east, "127.0.0.1:1")
	changes := make(chan struct{}, 10)
	acls.onChange(func() { changes <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	if err := acls.start(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- acls.run(ctx) }()
	<-changes // by start
	if got := rightsOf(t, by, "ann"); got != "s:open s:orders s:shut undecided" {
		t.Errorf("ann: %q", got)
	}
	if err := acls.ready(ctx); err == nil || !strings.Contains(err.Error(), "cluster west") || strings.Contains(err.Error(), "east") {
		t.Errorf("ready: %v", err)
	}
	cancel()
	if err := <-ended; err != nil || len(changes) > 0 {
		t.Errorf("%v, %d more changes", err, len(changes))
	}
}

// TestACLsFollowTheStreams: a stream that is mapped to another topic has its rights.
func TestACLsFollowTheStreams(t *testing.T) {
	t.Parallel()
	east := newKafka(t, aclOf("t3", "User:ann", kafka.ACLOperationTypeRead, kafka.ACLPermissionTypeAllow))
	acls, by := newRights(t, east, east)
	if err := acls.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rightsOf(t, by, "ann"); got != "s:open s:orders s:other s:shut" {
		t.Errorf("ann: %q", got)
	}
	acls.watch(map[string]config.Stream{"orders": {Cluster: "east", Topic: "t1"}, "unknown": {Cluster: "west", Topic: "t3"}})
	if got := rightsOf(t, by, "ann"); got != "s:open s:shut s:unknown" {
		t.Errorf("ann: %q", got)
	}
}

// TestReadersDoNotWait: telling of a change can take long, and tells of all changes in
// the meantime at once.
func TestReadersDoNotWait(t *testing.T) {
	t.Parallel()
	east := newKafka(t, aclOf("t3", "User:ann", kafka.ACLOperationTypeRead, kafka.ACLPermissionTypeAllow))
	acls, by := newRights(t, east, east)
	told, hold := make(chan struct{}, 10), make(chan struct{})
	acls.onChange(func() {
		told <- struct{}{}
		<-hold
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- acls.run(ctx) }()
	<-told
	acls.replace()
	acls.replace()
	if got := rightsOf(t, by, "ann"); got == "" {
		t.Error("no rights")
	}
	close(hold)
	<-told
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
