package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/segmentio/kafka-go"

	"sluice/auth"
	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
	"sluice/transport/client"
)

// operations is a server that is operated by its console, in Chromium.
type operations struct {
	t       *testing.T
	ctx     context.Context
	address string
	broker  string
	secret  string
}

func newOperations(t *testing.T) *operations {
	t.Helper()
	chromium := program(t, "chromium")
	servers, err := embedded.Start(embedded.Config{
		PartitionBytes: 1 << 20, Topics: []embedded.Topic{{Name: "orders", Partitions: 1}}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	o := &operations{t: t, broker: servers.Brokers[0], secret: strings.Repeat("k", 32)}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.key"), []byte(o.secret), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
redis: {url: "redis://%s/0"}
auth: {issuers: [{issuer: fleet, audience: sluice, algorithms: [HS256], secret_file: fleet.key}]}
grants:
  - {when: {scope: live}, subscribe: [orders], replay: unlimited}
  - {when: {scope: operate}, admin: true}
streams: {orders: {topic: orders, content: json}}
drain: {timeout: 2s, spread: 0s}
`, servers.Brokers[0], servers.RedisAddr), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{File: file, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	listening := make(chan net.Addr, 1)
	a, err := app.New(c, app.Options{Version: "v0.0.0-test", Listening: func(at net.Addr) { listening <- at }})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(run) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	o.address = (<-listening).String()
	o.ctx = startChromium(t, chromium)
	return o
}

// token returns one for a subject with a scope.
func (o *operations) token(subject, scope string) string {
	o.t.Helper()
	token, err := auth.Mint(auth.NewSecret(o.secret), auth.TokenClaims{
		Issuer: "fleet", Audience: "sluice", Subject: subject, ValidFor: time.Hour, More: map[string]any{"scope": scope},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return token
}

// open shows a view of the console to a principal.
func (o *operations) open(hash, token string) {
	o.t.Helper()
	if err := chromedp.Do(o.ctx, chromedp.Navigate("about:blank"), chromedp.Navigate("http://"+o.address+"/"+hash)); err != nil {
		o.t.Fatal(err)
	}
	o.until(`document.getElementById("view").childElementCount > 0`)
	if token == "" {
		return
	}
	o.do(fmt.Sprintf(`import(document.querySelector("link[rel=icon]").href.replace("icon.svg", "shared/server.js")).then((m) => m.server.use(%q))`, token))
}

func (o *operations) do(script string) {
	o.t.Helper()
	if _, err := chromedp.Run(o.ctx, chromedp.Evaluate[any]("{"+script+"}; 0")); err != nil {
		o.t.Fatalf("%v in %s", err, script)
	}
}

func (o *operations) until(expression string) {
	o.t.Helper()
	for deadline := time.Now().Add(soon); ; time.Sleep(50 * time.Millisecond) {
		is, err := chromedp.Run(o.ctx, chromedp.Evaluate[bool](expression))
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) {
			seen, _ := chromedp.Run(o.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			o.t.Fatalf("never came true: %s (%v)\n%.2000s", expression, err, seen)
		}
	}
}

// confirm clicks, and says yes in the dialog that follows.
func (o *operations) confirm(click string) {
	o.t.Helper()
	o.do(click)
	o.until(`document.querySelector("dialog[open]") !== null && document.activeElement.textContent === "Cancel"`)
	o.do(`document.querySelector("dialog .choices button:last-child").click()`)
	o.until(`document.querySelector("dialog") === null`)
}

// produce writes the records from to to - 1 to Kafka.
func (o *operations) produce(from, to int) {
	o.t.Helper()
	values := make([]string, 0, to-from)
	for n := from; n < to; n++ {
		values = append(values, fmt.Sprintf(`{"n":%d}`, n))
	}
	o.write(values...)
}

// write writes values to Kafka.
func (o *operations) write(values ...string) {
	o.t.Helper()
	writer := &kafka.Writer{Addr: kafka.TCP(o.broker), Topic: "orders", RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	defer func() { _ = writer.Close() }()
	messages := make([]kafka.Message, 0, len(values))
	for _, value := range values {
		messages = append(messages, kafka.Message{Key: []byte("k"), Value: []byte(value)})
	}
	if err := writer.WriteMessages(o.t.Context(), messages...); err != nil {
		o.t.Fatal(err)
	}
}

// metrics returns the sum of a metric, as the server tells it.
func (o *operations) metrics(token, prefix string) (sum float64) {
	o.t.Helper()
	request, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, "http://"+o.address+"/v1/admin/metrics", http.NoBody)
	if err != nil {
		o.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		o.t.Fatalf("metrics are answered %s %s (%v)", answer.Status, body, err)
	}
	found := false
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		var value float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):], &value); err != nil {
			o.t.Fatalf("%q: %v", line, err)
		}
		sum, found = sum+value, true
	}
	if !found {
		o.t.Fatalf("there is no metric %s", prefix)
	}
	return sum
}

// follower reads orders with the Go client under a name, and acks what it has.
type follower struct {
	mu      sync.Mutex
	offsets []int64
	lost    int // connections
	ended   chan error
}

func (o *operations) follow(ctx context.Context, token, from string) *follower {
	o.t.Helper()
	c, err := client.New(client.Config{
		URL: "http://" + o.address, MinBackoff: 10 * time.Millisecond, Token: func(context.Context) (string, error) { return token, nil },
	})
	if err != nil {
		o.t.Fatal(err)
	}
	f := &follower{ended: make(chan error, 1)}
	subscription := c.NewSubscription(client.Request{Stream: "orders", From: from, CursorName: "web-7"})
	go func() {
		var last error
		for event, err := range subscription.Events(ctx) {
			if err != nil {
				last = err
				break
			}
			f.mu.Lock()
			switch event := event.(type) {
			case client.Record:
				f.offsets = append(f.offsets, event.Offset)
				_ = subscription.Ack(ctx)
			case client.Disconnected:
				f.lost++
			}
			f.mu.Unlock()
		}
		f.ended <- last
	}()
	return f
}

// until waits until the follower has so many records, and returns their offsets.
func (f *follower) until(t *testing.T, records int) (offsets []int64) {
	t.Helper()
	f.wait(t, fmt.Sprintf("the client has %d records", records), func() bool {
		offsets = append([]int64(nil), f.offsets...)
		return len(offsets) >= records
	})
	return offsets
}

// untilLost waits until the follower has lost its connection.
func (f *follower) untilLost(t *testing.T) {
	t.Helper()
	f.wait(t, "the client has lost its connection", func() bool { return f.lost > 0 })
}

func (f *follower) wait(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) {
		f.mu.Lock()
		is := met()
		f.mu.Unlock()
		if is {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
	}
}
