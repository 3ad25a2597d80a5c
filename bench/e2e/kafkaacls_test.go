package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	saslplain "github.com/twmb/franz-go/pkg/sasl/plain"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// aclRefresh is auth/kafka_acls/refresh in the test.
const aclRefresh = 3 * time.Second

// aclEffect is when a change must have taken effect: after the refresh, the request, and the
// broker's own delay.
const aclEffect = 3 * aclRefresh

// access is what a user may do with a topic.
type access struct{ read, write bool }

// right is an ACL of a topic; a name that ends with three dots is a prefix.
func right(topic, user string, operation kafka.ACLOperationType, permission kafka.ACLPermissionType) kafka.ACLEntry {
	entry := kafka.ACLEntry{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ResourcePatternType: kafka.PatternTypeLiteral,
		Principal: "User:" + user, Host: "*", Operation: operation, PermissionType: permission,
	}
	if prefix, ok := strings.CutSuffix(topic, "..."); ok {
		entry.ResourceName, entry.ResourcePatternType = prefix, kafka.PatternTypePrefixed
	}
	return entry
}

func from(host string, entry kafka.ACLEntry) kafka.ACLEntry {
	entry.Host = host
	return entry
}

// TestRightsFromKafkaACLs runs against a broker with Kafka's own authorizer. A user's
// rights in Sluice must be those that the broker itself says the user has, when the user
// connects to the broker; grants must not give what an ACL denies; changes must take
// effect within the refresh.
func TestRightsFromKafkaACLs(t *testing.T) {
	t.Parallel()
	ctx := within(t, 3*time.Minute)
	own, err := stack.Start(t.Context(), stack.Options{Brokers: 1, SASL: true, ACLs: true})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	})
	pool := &kafka.Transport{}
	defer pool.CloseIdleConnections()
	operator := &kafka.Client{Addr: kafka.TCP(own.Brokers[0].Addr), Transport: pool}
	create := func(entries ...kafka.ACLEntry) {
		t.Helper()
		answer, err := operator.CreateACLs(ctx, &kafka.CreateACLsRequest{ACLs: entries})
		if err == nil {
			err = errors.Join(answer.Errors...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	server, guest := own.Users[0], own.Users[1]
	const (
		allow, deny             = kafka.ACLPermissionTypeAllow, kafka.ACLPermissionTypeDeny
		read, write             = kafka.ACLOperationTypeRead, kafka.ACLOperationTypeWrite
		all, describe           = kafka.ACLOperationTypeAll, kafka.ACLOperationTypeDescribe
		elsewhere               = "198.51.100.7"
		deniedElsewhere, nobody = "denied-elsewhere", "denied-to-all"
	)
	want := map[string]access{
		"nothing":          {},
		"readable":         {read: true},
		"writable":         {write: true},
		"both":             {read: true, write: true},
		"prefix.one":       {read: true},
		"prefix.secret":    {},
		"prefix":           {},
		"denied":           {write: true},
		"everybody":        {read: true},
		nobody:             {write: true},
		"described":        {},
		"undescribed":      {},
		"of-another":       {},
		"from-elsewhere":   {},
		deniedElsewhere:    {},
		"Readable":         {},
		"readable.as-well": {},
	}
	create(
		right("readable", guest.Name, read, allow),
		right("writable", guest.Name, write, allow),
		right("both", guest.Name, all, allow),
		right("prefix....", guest.Name, read, allow),
		right("prefix.s...", guest.Name, all, deny),
		right("denied", guest.Name, all, allow), right("denied", guest.Name, read, deny),
		right("everybody", "*", read, allow),
		right(nobody, guest.Name, all, allow), right(nobody, "*", read, deny),
		right("described", guest.Name, describe, allow),
		right("undescribed", guest.Name, all, allow), right("undescribed", guest.Name, describe, deny),
		right("of-another", guest.Name+"2", all, allow),
		from(elsewhere, right("from-elsewhere", guest.Name, all, allow)),
		right(deniedElsewhere, guest.Name, all, allow), from(elsewhere, right(deniedElsewhere, guest.Name, all, deny)),
		right("*", server.Name, all, allow),
	)
	streams := make(map[string]string)
	for topic := range want {
		if err := own.CreateTopic(ctx, topic, 1, nil); err != nil {
			t.Fatal(err)
		}
		streams[topic] = topic
	}

	// The server's own user lacks the right to read ACLs, which must be told.
	file := t.TempDir() + "/password"
	if err := os.WriteFile(file, []byte(server.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	i := sluice(t, setup{
		kafka: fmt.Sprintf("kafka: {brokers: [%q], tls: {ca_file: %q}, sasl: {mechanism: PLAIN, username: %s, password_file: %q}}",
			own.Brokers[0].SASLAddr, own.CAFile, server.Name, file),
		streams: streams,
		auth:    fmt.Sprintf("  kafka_acls: {principal: \"User:{sub}\", refresh: %s, max_age: 15s, replay: 48h}\n", aclRefresh),
		unready: true,
	})
	reader := token(t, guest.Name, "reader") // the grants let it read everything
	eventually(ctx, t, "readiness tells why", func() error {
		var status *clients.StatusError
		if _, err := i.ask(ctx, "/readyz"); !errors.As(err, &status) || !strings.Contains(status.Body, "DESCRIBE on the cluster") {
			return fmt.Errorf("readyz: %w", err)
		}
		return nil
	})
	refused(ctx, t, i, reader, "readable", http.StatusServiceUnavailable, "overloaded")
	mayRead := kafka.ACLEntry{
		ResourceType: kafka.ResourceTypeCluster, ResourceName: "kafka-cluster", ResourcePatternType: kafka.PatternTypeLiteral,
		Principal: "User:" + server.Name, Host: "*", Operation: describe, PermissionType: allow,
	}
	create(mayRead)
	eventually(ctx, t, "the server is ready", func() error { return i.ready(ctx) })

	// The broker's own opinion.
	said := authorized(ctx, t, own, guest)
	plainly := token(t, guest.Name)
	shown := rightsIn(ctx, t, i, plainly)
	for topic, right := range want {
		if said[topic] != right && topic != deniedElsewhere {
			t.Errorf("%s: the broker allows %+v, and the test expects %+v", topic, said[topic], right)
		}
		if shown[topic] != right {
			t.Errorf("%s: Sluice allows %+v, want %+v", topic, shown[topic], right)
		}
	}
	if said[deniedElsewhere] != (access{true, true}) {
		t.Errorf("%s: the broker allows %+v", deniedElsewhere, said[deniedElsewhere])
	}

	// What is shown is what is done.
	for topic, right := range want {
		status, answer := post(ctx, t, i, topic, plainly, `{"data":{}}`)
		if ok := status == http.StatusOK; ok != right.write {
			t.Errorf("a publish to %s is answered %d %s", topic, status, answer)
		}
		_, err := get(ctx, "http://"+i.addr+"/v1/streams/"+topic+"/records", plainly)
		if (err == nil) != right.read && topic != nobody { // what is denied to everybody, the server cannot read
			t.Errorf("a read of %s: %v", topic, err)
		}
	}
	if replay := gjson.Get(streamOf(ctx, t, i, plainly, "readable"), "replay_ms").Int(); replay != 48*3600*1000 {
		t.Errorf("replay_ms is %d", replay)
	}

	// Grants add to ACLs, and do not give what an ACL denies.
	refused(ctx, t, i, reader, "denied", http.StatusForbidden, "forbidden")
	refused(ctx, t, i, reader, "prefix.secret", http.StatusNotFound, "unknown_stream")
	if _, err := get(ctx, "http://"+i.addr+"/v1/streams/nothing/records", reader); err != nil {
		t.Errorf("granted: %v", err)
	}
	// Nothing in a token is a pattern, or another user's name.
	for _, subject := range []string{"*", "guest*", strings.ToUpper(guest.Name), guest.Name + " "} {
		if got := rightsIn(ctx, t, i, token(t, subject)); len(got) > 1 || got["everybody"].write {
			t.Errorf("%q has the rights %v", subject, got)
		}
	}

	// Changes. A running stream of events ends with the right.
	events, err := clients.OpenEvents(ctx, clients.EventsRequest{Addr: i.addr, Stream: "readable", Token: plainly})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	ended := make(chan string, 1)
	go func() {
		for {
			event, err := events.Next()
			if err != nil || event.Name == "sluice.close" {
				ended <- fmt.Sprintf("%s %v", event.Data, err)
				return
			}
		}
	}()
	remove := func(entry kafka.ACLEntry) time.Time {
		t.Helper()
		answer, err := operator.DeleteACLs(ctx, &kafka.DeleteACLsRequest{Filters: []kafka.DeleteACLsFilter{{
			ResourceTypeFilter: entry.ResourceType, ResourceNameFilter: entry.ResourceName, ResourcePatternTypeFilter: entry.ResourcePatternType,
			PrincipalFilter: entry.Principal, HostFilter: entry.Host, Operation: entry.Operation, PermissionType: entry.PermissionType,
		}}})
		if err != nil || len(answer.Results) != 1 || len(answer.Results[0].MatchingACLs) != 1 {
			t.Fatalf("remove %+v: %+v, %v", entry, answer, err)
		}
		return time.Now()
	}
	becomes := func(since time.Time, topic string, want access) {
		t.Helper()
		eventually(ctx, t, topic+" has other rights", func() error {
			if got := rightsIn(ctx, t, i, plainly)[topic]; got != want {
				return fmt.Errorf("%s: %+v", topic, got)
			}
			return nil
		})
		took := time.Since(since)
		t.Logf("%s: %+v after %v", topic, want, took)
		if took > aclEffect {
			t.Errorf("%s changed only after %v", topic, took)
		}
	}
	becomes(remove(right("readable", guest.Name, read, allow)), "readable", access{})
	select {
	case told := <-ended:
		if !strings.Contains(told, `"forbidden"`) {
			t.Errorf("the stream of events ends with %s", told)
		}
	case <-time.After(aclEffect):
		t.Error("the stream of events goes on without a right")
	}
	becomes(remove(right("denied", guest.Name, read, deny)), "denied", access{read: true, write: true})
	create(right("both", guest.Name, write, deny))
	becomes(time.Now(), "both", access{read: true})

	// The server may no longer read ACLs: rights end with max_age, denies do not.
	remove(mayRead)
	eventually(ctx, t, "the rights have ended", func() error {
		if got := rightsIn(ctx, t, i, plainly); len(got) > 0 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	refused(ctx, t, i, plainly, "both", http.StatusServiceUnavailable, "overloaded")
	if _, err := get(ctx, "http://"+i.addr+"/v1/streams/both/records", reader); err != nil {
		t.Errorf("granted: %v", err)
	}
	refused(ctx, t, i, reader, "prefix.secret", http.StatusServiceUnavailable, "overloaded")
	create(mayRead)
	becomes(time.Now(), "both", access{read: true})
}

// authorized asks the broker, as a user, what the user may do.
func authorized(ctx context.Context, t *testing.T, own *stack.Stack, user stack.User) map[string]access {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(own.CA)
	client, err := kgo.NewClient(kgo.SeedBrokers(own.Brokers[0].SASLAddr), kgo.DialTLSConfig(&tls.Config{RootCAs: roots}),
		kgo.SASL(saslplain.Auth{User: user.Name, Pass: user.Password}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrMetadataRequest()
	request.IncludeTopicAuthorizedOperations = true
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]access)
	for _, topic := range answer.Topics {
		may := func(operation kmsg.ACLOperation) bool { return topic.AuthorizedOperations&(1<<operation) != 0 }
		found[*topic.Topic] = access{read: may(kmsg.ACLOperationRead), write: may(kmsg.ACLOperationWrite)}
	}
	return found
}

// rightsIn returns the streams that a client sees, and what it may do with them.
func rightsIn(ctx context.Context, t *testing.T, i *instance, token string) map[string]access {
	t.Helper()
	body, err := get(ctx, "http://"+i.addr+"/v1/streams", token)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]access)
	for _, stream := range gjson.Get(body, "streams").Array() {
		found[stream.Get("stream").Str] = access{read: stream.Get("subscribe").Bool(), write: stream.Get("publish").Bool()}
	}
	return found
}

func streamOf(ctx context.Context, t *testing.T, i *instance, token, stream string) string {
	t.Helper()
	body, err := get(ctx, "http://"+i.addr+"/v1/streams/"+stream, token)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// refused checks that a client may not read a stream.
func refused(ctx context.Context, t *testing.T, i *instance, token, stream string, status int, code string) {
	t.Helper()
	_, err := get(ctx, "http://"+i.addr+"/v1/streams/"+stream+"/records", token)
	var told *clients.StatusError
	if !errors.As(err, &told) || told.Status != status || gjson.Get(told.Body, "code").Str != code {
		t.Errorf("a read of %s: %v, want %d %s", stream, err, status, code)
	}
}
