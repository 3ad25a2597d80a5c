package main

import (
	"bufio"
	"bytes"
	"context"
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
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return answer
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
