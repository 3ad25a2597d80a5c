package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// The output of dev must work as printed: the addresses of two pages, and two
// commands.
func TestDev(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	printed, out := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- runDev(ctx, devFlags{
			listen: "127.0.0.1:0", admin: "127.0.0.1:0", kafkaListen: "127.0.0.1:0", level: "warn", seed: 1, streams: []string{"orders:3"},
		}, out, &errs)
		_ = out.Close()
	}()

	welcome := readUntil(t, printed, "Ctrl-C")
	for _, want := range []string{"for development only", "open to everybody on this machine", "no data is kept"} {
		if !strings.Contains(welcome, want) {
			t.Errorf("%q is missing in:\n%s", want, welcome)
		}
	}
	urls := regexp.MustCompile(`http://[^\s']+`).FindAllString(welcome, -1)
	if len(urls) != 5 || !strings.HasPrefix(welcome, "Starting") {
		t.Fatalf("got %d addresses in:\n%s", len(urls), welcome)
	}
	body := regexp.MustCompile(`-d '([^']+)'`).FindStringSubmatch(welcome)

	for _, url := range urls[:2] {
		page := get(ctx, t, url)
		_ = page.Body.Close()
		if page.StatusCode != http.StatusOK || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s is answered %s, %s", url, page.Status, page.Header.Get("Content-Type"))
		}
	}

	stream := get(ctx, t, urls[2])
	defer func() { _ = stream.Body.Close() }()
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("reading is answered %s", stream.Status)
	}
	readUntil(t, stream.Body, `"type":"event"`)

	stored, err := http.Post(urls[3], "application/json", strings.NewReader(body[1]))
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(stored.Body)
	_ = stored.Body.Close()
	if stored.StatusCode != http.StatusOK {
		t.Errorf("publishing is answered %s: %s", stored.Status, answer)
	}

	// A stream of one's own, and the Kafka to which other programs produce.
	broker := regexp.MustCompile(`kafka +(\S+)`).FindStringSubmatch(welcome)[1]
	writer := &kafka.Writer{Addr: kafka.TCP(broker), Topic: "orders"}
	if err := writer.WriteMessages(ctx, kafka.Message{Key: []byte("k"), Value: []byte(`{"n":1}`)}); err != nil {
		t.Error(err)
	}
	_ = writer.Close()
	own := get(ctx, t, urls[4]+"?from=earliest")
	readUntil(t, own.Body, `"data":{"n":1}`)
	_ = own.Body.Close()

	// Pages of another loopback port are let in, others are not, which is logged.
	for origin, allowed := range map[string]bool{"http://localhost:5173": true, "http://127.0.0.1:3000": true, "https://evil.example.com": false} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Replace(urls[3], "/chat.lobby/records", "", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", origin)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if got := answer.Header.Get("Access-Control-Allow-Origin"); (got == origin) != allowed {
			t.Errorf("%s: got Access-Control-Allow-Origin %q", origin, got)
		}
	}

	// Tokens that see less than everybody, and one that operates.
	root := urls[0]
	for _, c := range []struct {
		asked   string
		streams int
		admin   bool
	}{
		{`{"subscribe":["market.*"],"filter":"key == claims.sub","replay":"1h","claims":{"sub":"ada","level":3}}`, 1, false},
		{`{"claims":{"sub":"root"},"admin":true,"lifetime":"1m"}`, 0, true},
	} {
		made := mint(t, root, c.asked)
		var who struct {
			Principal   string
			Admin, Mint bool
		}
		getJSON(ctx, t, root+"v1/principal", made, &who)
		var seen struct {
			Streams []struct {
				Stream   string
				Filtered bool
			}
		}
		getJSON(ctx, t, root+"v1/streams", made, &seen)
		if who.Admin != c.admin || !who.Mint || len(seen.Streams) != c.streams || c.streams > 0 && !seen.Streams[0].Filtered {
			t.Errorf("%s is %+v, and sees %+v", c.asked, who, seen)
		}
		answer := request(ctx, t, root+"v1/admin/instance", made)
		_ = answer.Body.Close()
		if (answer.StatusCode == http.StatusOK) != c.admin {
			t.Errorf("%s: the instance is answered %s", c.asked, answer.Status)
		}
	}
	refused, err := http.Post(root+"v1/dev/tokens", "application/json", strings.NewReader(`{"subscribe":["orders"],"filter":"key =="}`))
	if err != nil {
		t.Fatal(err)
	}
	why, _ := io.ReadAll(refused.Body)
	_ = refused.Body.Close()
	if refused.StatusCode != http.StatusBadRequest || !strings.Contains(string(why), "line 1, column") {
		t.Errorf("a filter that is at fault is answered %s: %s", refused.Status, why)
	}
	open := request(ctx, t, root+"v1/admin/sessions", "")
	_ = open.Body.Close()
	if open.StatusCode != http.StatusOK {
		t.Errorf("everybody on this machine may operate, and is answered %s", open.Status)
	}

	// What is not JSON is kept apart.
	apart, err := http.Post(urls[3], "text/plain", strings.NewReader("not for everybody"))
	if err != nil {
		t.Fatal(err)
	}
	_ = apart.Body.Close()
	letters := get(ctx, t, strings.Replace(urls[3], "chat.lobby", "chat.rejected", 1)+"?from=earliest")
	kept, _ := io.ReadAll(letters.Body)
	_ = letters.Body.Close()
	if apart.StatusCode != http.StatusAccepted || !strings.Contains(string(kept), `"data":"not for everybody"`) {
		t.Errorf("a text is answered %s, and the dead letters are %s", apart.Status, kept)
	}

	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v; log:\n%s", err, errs.String())
		}
		if log := errs.String(); !strings.Contains(log, "evil.example.com") || strings.Contains(log, "localhost:5173") {
			t.Errorf("the log is %s", log)
		}
	case <-time.After(time.Minute):
		t.Fatal("it did not end")
	}
}

func get(ctx context.Context, t *testing.T, url string) *http.Response {
	t.Helper()
	return request(ctx, t, url, "")
}

// mint has dev make a token.
func mint(t *testing.T, root, asked string) string {
	t.Helper()
	answer, err := http.Post(root+"v1/dev/tokens", "application/json", strings.NewReader(asked))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var made struct {
		Token     string
		ExpiresAt int64 `json:"expires_at"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil || made.Token == "" || made.ExpiresAt < time.Now().UnixMilli() {
		t.Fatalf("%s is answered %s, %+v, %v", asked, answer.Status, made, err)
	}
	return made.Token
}

// request asks with a token, "" for none.
func request(ctx context.Context, t *testing.T, url, token string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func getJSON(ctx context.Context, t *testing.T, url, token string, to any) {
	t.Helper()
	answer := request(ctx, t, url, token)
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(to); err != nil {
		t.Fatal(err)
	}
}

// readUntil reads lines up to one that contains the text.
func readUntil(t *testing.T, r io.Reader, text string) string {
	t.Helper()
	var read strings.Builder
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		read.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), text) {
			return read.String()
		}
	}
	t.Fatalf("%q did not come, but:\n%s", text, read.String())
	return ""
}
