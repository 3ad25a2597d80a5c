package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/bench/load/scenario"
)

// stores is a small server that answers publishes as Sluice does. Of each request, it says of
// as many records as refuses that they are not stored.
type stores struct {
	refuses int
	records atomic.Int64
	faults  chan string
}

func (s *stores) fault(format string, args ...any) {
	select {
	case s.faults <- fmt.Sprintf(format, args...):
	default:
	}
}

// store checks a record, an object with a key and a reading.
func (s *stores) store(text []byte) {
	var got struct {
		Key  string
		Data map[string]any
	}
	if err := json.Unmarshal(text, &got); err != nil || len(got.Data) != 20 || !strings.HasPrefix(got.Key, "k100") {
		s.fault("%.300s: %v", text, err)
	}
	s.records.Add(1)
}

// batch stores the records of a batch and returns the fields of its answer.
func (s *stores) batch(records []json.RawMessage) string {
	results := make([]string, len(records))
	for i, r := range records {
		s.store(r)
		results[i] = `{"partition":1,"offset":7}`
		if i < s.refuses {
			results[i] = `{"code":"invalid","message":"no"}`
		}
	}
	return fmt.Sprintf(`"failed":%d,"results":[%s]`, min(s.refuses, len(records)), strings.Join(results, ","))
}

func (s *stores) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Type, ID, Stream string
		Records          []json.RawMessage
	}
	if got := r.Header.Get("Authorization"); got != "Bearer secret" {
		s.fault("authorization %q", got)
	}
	if r.Method == http.MethodPost {
		switch r.Header.Get("Content-Type") {
		case "application/json":
			if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
				s.fault("%v", err)
			}
			_, _ = io.WriteString(w, "{"+s.batch(message.Records)+"}")
		case "application/x-ndjson":
			for lines := bufio.NewScanner(r.Body); lines.Scan(); {
				s.store(lines.Bytes())
				_, _ = io.WriteString(w, `{"partition":1,"offset":7,"ts":1}`+"\n")
				w.(http.Flusher).Flush() // chunked
			}
		default:
			s.fault("content type %s", r.Header.Get("Content-Type"))
		}
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(1 << 20)
	for {
		_, text, err := c.Read(r.Context())
		if err != nil {
			return
		}
		message.Records = nil
		if err := json.Unmarshal(text, &message); err != nil {
			s.fault("%.300s: %v", text, err)
		}
		answer := `{"type":"welcome"}`
		switch {
		case message.Type == "ping":
		case message.Records != nil:
			answer = fmt.Sprintf(`{"type":"published","id":%q,%s}`, message.ID, s.batch(message.Records))
		default:
			s.store(text)
			answer = fmt.Sprintf(`{"type":"published","id":%q,"partition":1,"offset":2,"ts":3}`, message.ID)
		}
		if c.Write(r.Context(), websocket.MessageText, []byte(answer)) != nil {
			return
		}
	}
}

// TestMeasuresPublishing: clients of all kinds publish, beside a bare producer. What is
// answered as not stored is missing.
func TestMeasuresPublishing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind           string
		batch, refuses int
		missing        int64
	}{
		"one at a time": {scenario.WebSocket, 1, 0, 0},
		"batches":       {scenario.WebSocket, 10, 1, 20},
		"posts":         {scenario.HTTP, 10, 2, 40},
		"lines":         {scenario.Lines, 10, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(6, "t"))
			if err != nil {
				t.Fatal(err)
			}
			defer kafka.Close()
			handler := &stores{refuses: c.refuses, faults: make(chan string, 1)}
			server := httptest.NewServer(handler)
			defer server.Close()
			file := filepath.Join(t.TempDir(), "publish.yaml")
			text := fmt.Sprintf("publish: 400\nbatch: %d\nreading: true\nwarm_up: 200ms\nmeasure: 500ms\nclients: [{kind: %s, count: 6}]\ntargets: [\"ack_p99_ms <= bare * 1e6\", \"missing <= %d\"]\n", c.batch, c.kind, c.missing)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err = run(t.Context(), []string{
				"-url", server.URL, "-brokers", strings.Join(kafka.ListenAddrs(), ","), "-topic", "t", "-stream", "t",
				"-clients-per-process", "4", "-token", "secret", "-pid", fmt.Sprint(os.Getpid()), "-settle", "0s", "-json", file,
			}, nil, &out, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			select {
			case fault := <-handler.faults:
				t.Error(fault)
			default:
			}
			var rep report
			if err := json.Unmarshal(out.Bytes(), &rep); err != nil {
				t.Fatal(err)
			}
			got := rep.Results[0]
			if got.Produced != 200 || got.Missing != c.missing || got.Deliveries != 200-c.missing {
				t.Errorf("%d due, %d stored, %d missing: %v", got.Produced, got.Deliveries, got.Missing, got.Faults)
			}
			if c.missing == 0 && len(got.Faults) > 0 || c.missing > 0 && got.Faults["record not stored"] != int(c.missing) {
				t.Errorf("faults %v", got.Faults)
			}
			if want := int64(200 / c.batch); got.Latency.Count != want {
				t.Errorf("latencies of %d publishes, want %d", got.Latency.Count, want)
			}
			if n := handler.records.Load(); n < 200 {
				t.Errorf("the server had %d records", n)
			}
			if len(rep.Results) != 2 || rep.Results[1].Server != titleBare || rep.Results[1].Deliveries != 200 || got.OfBare == nil || got.OfBare.P99 <= 0 {
				t.Errorf("bare: %s", out.Bytes())
			}
			for _, v := range got.Verdicts {
				if !v.Met {
					t.Errorf("%s: %s", v.Target, verdictText(v))
				}
			}
		})
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, body string
		status   int
		rest     string
		bad      bool
	}{
		"sized":       {in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP", body: "{}", status: 200, rest: "HTTP"},
		"lower case":  {in: "HTTP/1.1 422 No\r\ncontent-length:0\r\n\r\n", status: 422},
		"chunked":     {in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n", body: "abc0123456789", status: 200},
		"no length":   {in: "HTTP/1.1 200 OK\r\n\r\n", bad: true},
		"negative":    {in: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", bad: true},
		"huge chunk":  {in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", bad: true},
		"not HTTP":    {in: "SSH-2.0-x 200 OK\r\n\r\n", bad: true},
		"bad status":  {in: "HTTP/1.1 abc OK\r\n\r\n", bad: true},
		"endless":     {in: strings.Repeat("x", maxResponseHead+1), bad: true},
		"short":       {in: "H\r\n\r\n", bad: true},
		"no response": {in: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body, used, err := nextResponse([]byte(c.in))
			if c.bad != (err != nil) {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				return
			}
			if status != c.status || string(body) != c.body || c.in[used:] != c.rest {
				t.Errorf("%d %q, then %q", status, body, c.in[used:])
			}
			// However the input is split, it is nothing until it is complete.
			for cut := range used {
				if _, _, used, err := nextResponse([]byte(c.in[:cut])); used != 0 || err != nil {
					t.Errorf("of %q: %d, %v", c.in[:cut], used, err)
				}
			}
		})
	}
}

func FuzzNextResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, body, used, err := nextResponse(b); used > len(b) || len(body) > used || err != nil && used > 0 {
			t.Errorf("%d of %d bytes used, a body of %d, %v", used, len(b), len(body), err)
		}
	})
}

// TestReadingsMatchTheirSchemas: a reading has 20 fields, and each schema has as many.
func TestReadingsMatchTheirSchemas(t *testing.T) {
	t.Parallel()
	var value map[string]any
	text := appendValue(nil, stamp{at: 1795245600123456789, slot: 3, n: 4}, readingSize)
	if err := json.Unmarshal(text, &value); err != nil || len(value) != 20 {
		t.Fatalf("%s: %d fields, %v", text, len(value), err)
	}
	for _, s := range scenario.Schemas {
		for name := range value {
			if s.Text != "" && !strings.Contains(s.Text, name) {
				t.Errorf("the schema %s lacks the field %s", s.Name, name)
			}
		}
	}
}

func TestStreamsWithSchemas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]string{
		"":              "streams:\n  \"a\": {topic: \"a\", content: json}\n",
		"json":          "streams:\n  \"a\": {topic: \"a\", content: json, schema: {json: \"" + dir + "/reading.schema.json\"}}\n",
		"registry-json": "registries: {load: {urls: [\"URL\"]}}\nstreams:\n  \"a\": {topic: \"a\", content: json_schema, schema: {registry: load}}\n",
	} {
		s := scenario.Scenario{Schema: name}
		url, stop, err := startRegistry(s, []string{"a"})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		got, err := streamsConfig(dir, []string{"a"}, s, url)
		if want = strings.ReplaceAll(want, "URL", url); err != nil || got != want {
			t.Errorf("%s: %s, want %s: %v", name, got, want, err)
		}
		if url == "" {
			continue
		}
		res, err := http.Get(url + "/subjects/a-value/versions/latest") //nolint:noctx // of this test
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("measured_at")) {
			t.Errorf("the registry has %d %s", res.StatusCode, body)
		}
	}
	if _, err := streamsConfig(dir, nil, scenario.Scenario{Schema: "other"}, ""); err == nil {
		t.Error("an unknown schema is taken")
	}
}
