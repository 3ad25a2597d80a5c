package transport_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFromOffsets: offsets start a subscription alike in every interface, and what the
// stream does not have is refused alike.
func TestFromOffsets(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 10)
	in.publish("orders", 1, 0, 10)
	const from, n = "offset:1:8,0:9", 3
	want := []string{"0/9", "1/8", "1/9"}
	ways := map[string]func(t *testing.T, from string, n int) (got []string, code, text string){
		"page": func(t *testing.T, from string, _ int) (got []string, code, text string) {
			status, _, body := in.do(http.MethodGet, "/v1/streams/orders/records?from="+from, tok, "")
			var p pageBody
			if status != http.StatusOK {
				m := problemIn(t, body)
				return nil, m.str("code"), m.str("detail")
			}
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatal(err)
			}
			for _, m := range p.Records {
				got = append(got, place(m))
			}
			return got, "", ""
		},
		"subscribe": func(t *testing.T, from string, n int) (got []string, code, text string) {
			s := in.dial("", tok)
			s.send(`{"type":"subscribe","id":"a","stream":"orders","from":%q}`, from)
			return placesOf(t, s, n)
		},
		"query": func(t *testing.T, from string, n int) (got []string, code, text string) {
			return placesOf(t, in.dial("?stream=orders&from="+from, tok), n)
		},
		"events": func(t *testing.T, from string, n int) (got []string, code, text string) {
			status, _, body := in.do(http.MethodHead, "/v1/streams/orders/events?from="+from, tok, "")
			if status != http.StatusOK || body != "" {
				_, _, body = in.do(http.MethodGet, "/v1/streams/orders/events?from="+from, tok, "")
				m := problemIn(t, body)
				return nil, m.str("code"), m.str("detail")
			}
			s := in.reads("/v1/streams/orders/events?from="+from, tok)
			for len(got) < n {
				if e, _ := s.next(); e.name == "" {
					got = append(got, place(e.json(t)))
				}
			}
			return got, "", ""
		},
		"lines": func(t *testing.T, from string, n int) (got []string, code, text string) {
			s := in.events("/v1/streams/orders/events?from="+from, tok, "Accept", "application/x-ndjson")
			if s.res.StatusCode != http.StatusOK {
				var m message
				if err := json.NewDecoder(s.res.Body).Decode(&m); err != nil {
					t.Fatal(err)
				}
				return nil, m.str("code"), m.str("detail")
			}
			lines := bufio.NewScanner(s.res.Body)
			for len(got) < n && lines.Scan() {
				var m message
				if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
					t.Fatal(err)
				}
				if m["type"] == "event" {
					got = append(got, place(m))
				}
			}
			return got, "", ""
		},
	}
	for name, read := range ways {
		t.Run(name, func(t *testing.T) {
			got, code, text := read(t, from, n)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("got %v, %s %s, want %v", got, code, text, want)
			}
			for from, want := range map[string]string{
				"offset:0:11":     "partition 0 ends at offset 10",
				"offset:2:0":      "the stream has no partition 2: it has 2",
				"offset:0:1,0:2":  "names a partition twice",
				"offset:0":        "like offset:2:118273,5:77",
				"offset:0:1e3":    "like offset:2:118273,5:77",
				"offset:0:5,-1:5": "like offset:2:118273,5:77",
			} {
				if name == "query" && !strings.HasPrefix(want, "partition 0 ends") {
					continue // refused before there is a WebSocket
				}
				if got, code, text := read(t, from, 1); code != "bad_request" || !strings.Contains(text, want) {
					t.Errorf("%s: got %v, %s %q", from, got, code, text)
				}
			}
		})
	}
	status, head, body := in.do(http.MethodGet, "/v1/events?stream=orders&stream=public.news&from=offset:0:1", tok, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
}

func place(m message) string { return fmt.Sprintf("%v/%v", m["partition"], m["offset"]) }

func problemIn(t *testing.T, body string) (m message) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return m
}

// placesOf returns the next n events of a WebSocket, or the error or close that comes
// instead.
func placesOf(t *testing.T, s *socket, n int) (got []string, code, text string) {
	t.Helper()
	for len(got) < n {
		switch m := s.next(); m.str("type") {
		case "event":
			got = append(got, place(m))
		case "error":
			return nil, m.str("code"), m.str("message")
		}
	}
	return got, "", ""
}
