package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/bench/check"
	"sluice/bench/clients"
	"sluice/bench/stack"
)

// bearerKafka is a broker that accepts the tokens of a provider, and logs when clients
// authenticate again and when it ends a connection because they did not.
func bearerKafka(t *testing.T, p *stack.Provider, session time.Duration) *stack.Stack {
	t.Helper()
	started, err := stack.Start(t.Context(), stack.Options{
		Brokers:   1,
		Bearer:    &stack.BearerOptions{KeysURL: p.KeysURL(), Issuer: p.Issuer, Audience: stack.ProviderAudience, Session: session},
		BrokerLog: map[string]string{"kafka.network.Processor": "trace"},
	})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := started.Close(); err != nil {
			t.Error(err)
		}
	})
	return started
}

// brokerSaid counts the lines of a broker's log with a text.
func brokerSaid(t *testing.T, broker *stack.Broker, text string) int {
	t.Helper()
	log, err := os.ReadFile(broker.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(log, []byte(text))
}

// What a broker says when a client authenticates again on a connection, and when a
// request arrives on a connection whose session is over (KIP-368).
const (
	saidAgain   = "Begin re-authentication"
	saidExpired = "Disconnecting expired channel"
)

// tokenProvider starts a provider with short tokens.
func tokenProvider(t *testing.T, lifetime time.Duration) *stack.Provider {
	t.Helper()
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	p, err := stack.NewProvider(within(t, time.Minute), t.TempDir(), stack.ProviderOptions{Lifetime: lifetime})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	if err := p.Start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestKafkaWithBearerTokens: while tokens and sessions of some seconds end many times,
// nothing is lost, refused or late, and the broker ends no connection. Then the provider
// is away: its last token serves until it ends, and what is wrong is told.
func TestKafkaWithBearerTokens(t *testing.T) {
	t.Parallel()
	const (
		lifetime   = 8 * time.Second
		session    = 5 * time.Second
		partitions = 3
	)
	p := tokenProvider(t, lifetime)
	kafka := bearerKafka(t, p, session)
	broker := kafka.Brokers[0]
	for _, name := range []string{"bearer", "quiet"} {
		if err := kafka.CreateTopic(t.Context(), name, partitions, nil); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, p.ClientSecret)
	i := sluice(t, setup{
		kafka: fmt.Sprintf("kafka: {brokers: [%q], sasl: {mechanism: OAUTHBEARER, oauth: {token_url: %q, client_id: %s, client_secret_file: %q, scope: live, parameters: {resource: %q}, timeout: 1s}}}",
			broker.BearerAddr, p.TokenURL(), p.ClientID, secret, stack.ProviderJWT),
		streams: map[string]string{"bearer": "bearer", "quiet": "quiet"},
	})
	ctx := within(t, 2*time.Minute)

	// A broker that has just started does not give out producer ids at once.
	for {
		if status, _ := post(ctx, t, i, "bearer", token(t, "first", "writer"), `{"data":{"session":"first"}}`); status == http.StatusOK {
			break
		}
		if !pause(ctx, 100*time.Millisecond) {
			t.Fatal("it does not store the first record")
		}
	}
	var longest time.Duration
	var last time.Time
	reader := clients.NewSubscriber("reader", clients.OverWS, clients.ByCursor, "bearer", partitions)
	reader.Addrs, reader.Token = addrs(i), token(t, reader.Name, "reader")
	enough := make(chan struct{})
	reader.Watch = func(*clients.Message) {
		select {
		case <-enough:
			return
		default:
		}
		if now := time.Now(); last.IsZero() {
			last = now
		} else {
			longest, last = max(longest, now.Sub(last)), now
		}
	}
	quiet := clients.NewSubscriber("quiet", clients.OverSSE, clients.ByCursor, "quiet", partitions)
	quiet.Addrs, quiet.Token = addrs(i), token(t, quiet.Name, "reader")
	var reading, writing sync.WaitGroup
	for _, s := range []*clients.Subscriber{reader, quiet} {
		reading.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	publishers := []*clients.Publisher{
		{Session: "ws", Every: 20 * time.Millisecond},
		{Session: "http", Every: 0},
		{Session: "seldom", Every: 2 * session}, // its connection is idle when its session ends
	}
	for _, publisher := range publishers {
		publisher.Stream, publisher.Addr, publisher.Token, publisher.Until = "bearer", i.addr, token(t, publisher.Session, "writer"), enough
		writing.Go(func() {
			over := publisher.OverWebSocket
			if publisher.Session == "http" {
				over = publisher.OverHTTP
			}
			if err := over(ctx, 1_000_000); err != nil {
				t.Error(err)
			}
		})
	}
	if !pause(ctx, 4*lifetime) {
		t.Fatal("too slow")
	}
	close(enough)
	writing.Wait()
	for _, name := range []string{"bearer", "quiet"} {
		if err := clients.WriteEnds(ctx, kafka.Bootstrap(), name, partitions); err != nil {
			t.Fatal(err)
		}
	}
	reading.Wait()

	contents, err := clients.ReadLog(ctx, kafka.Bootstrap(), "bearer", partitions)
	if err != nil {
		t.Fatal(err)
	}
	var sent []check.Publish
	for _, publisher := range publishers {
		for _, publish := range publisher.Sent() {
			if sent = append(sent, publish); publish.Answer != check.Stored {
				t.Errorf("%s: a record was not answered as stored", publisher.Session)
			}
		}
	}
	if err := check.Publishers(contents.Log, sent).Err(); err != nil {
		t.Error(err)
	}
	judge(t, contents.Log, []*clients.Subscriber{reader})
	again := brokerSaid(t, broker, saidAgain)
	t.Logf("%d published, %d re-authentications, the longest time without an event was %v", len(sent), again, longest)
	if again < 10 {
		t.Errorf("clients authenticated again %d times", again)
	}
	if n := brokerSaid(t, broker, saidExpired); n > 0 {
		t.Errorf("the broker ended %d connections because their sessions were over", n)
	}
	if longest > 3*time.Second {
		t.Errorf("nothing was delivered for %v", longest)
	}
	theProviderIsAway(ctx, t, i, p, secret)
}

// theProviderIsAway: the provider accepts connections and answers nothing.
func theProviderIsAway(ctx context.Context, t *testing.T, i *instance, p *stack.Provider, secret string) {
	t.Helper()
	writer := token(t, "away", "writer")
	publish := func() bool {
		status, _ := post(ctx, t, i, "bearer", writer, `{"data":{"session":"away"}}`)
		return status == http.StatusOK
	}
	if !publish() {
		t.Fatal("the record before is not stored")
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	degraded := false
	for stored, began := 0, time.Now(); ; {
		body, err := i.ask(ctx, "/readyz")
		if err == nil && strings.Contains(body, "renewal of the token for kafka default") {
			degraded = true
			if publish() {
				stored++
			}
		}
		if err != nil && strings.Contains(err.Error(), "there is no valid token") {
			t.Logf("%d were stored with a token that could not be renewed, and after %v there was none", stored, time.Since(began))
			if stored == 0 {
				t.Error("the last token was not used until its end")
			}
			break
		}
		if !pause(ctx, 100*time.Millisecond) {
			t.Fatalf("readyz does not tell that there is no token: %s %v", body, err)
		}
	}
	if !degraded {
		t.Error("readyz did not tell that the token could not be renewed")
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	for !publish() {
		if !pause(ctx, 100*time.Millisecond) {
			t.Fatal("it does not recover")
		}
	}
	log, err := os.ReadFile(i.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte("cannot renew the token for Kafka")) || bytes.Contains(log, []byte(p.ClientSecret)) || bytes.Contains(log, []byte("eyJ")) {
		t.Errorf("the log does not tell why, or has the secret of %s, or a token", secret)
	}
}
