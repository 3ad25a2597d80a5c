package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestHTTPPublishersPipeline(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		api, path, first string
	}{
		"body":    {apiHTTP + " /pub", "/pub", `{"a":"1&2"}`},
		"mercure": {apiMercure, "/.well-known/mercure", "topic=load&data=%7B%22a%22%3A%221%262%22%7D"},
	} {
		var mu sync.Mutex
		var got []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			got = append(got, r.URL.Path+" "+string(body))
			refused := len(got) == 3
			mu.Unlock()
			if refused {
				http.Error(w, "no more", http.StatusForbidden)
			}
		}))
		defer server.Close()
		address := server.Listener.Addr().String()
		made, err := newPublisher(bridgeJob{API: test.api, Address: address, Secret: "s"})
		if err != nil {
			t.Fatal(err)
		}
		conn := dialTest(t, address)
		out, answers := made.encode(nil, []*kgo.Record{{Value: []byte(`{"a":"1&2"}`)}, {Value: []byte("2")}, {Value: []byte("3")}})
		if _, err := conn.Write(out); err != nil || answers != 3 {
			t.Fatalf("%s: %d answers, %v", name, answers, err)
		}
		reader := bufio.NewReader(conn)
		for i := range answers {
			if err := made.answer(reader); (err != nil) != (i == 2) {
				t.Errorf("%s, answer %d: %v", name, i, err)
			}
		}
		if want := test.path + " " + test.first; got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got[0], want)
		}
	}
}

func TestNATSPublisher(t *testing.T) {
	t.Parallel()
	made, err := newPublisher(bridgeJob{API: apiNATS})
	if err != nil {
		t.Fatal(err)
	}
	out, answers := made.encode(nil, []*kgo.Record{{Key: []byte("k"), Value: []byte("abc")}})
	if want := "PUB load.k 3\r\nabc\r\nPING\r\n"; string(out) != want || answers != 1 {
		t.Errorf("got %q, %d answers", out, answers)
	}
	if err := made.answer(bufio.NewReader(strings.NewReader("INFO {}\r\nPONG\r\n"))); err != nil {
		t.Error(err)
	}
	if err := made.answer(bufio.NewReader(strings.NewReader("-ERR 'no'\r\n"))); err == nil {
		t.Error("a refusal is no error")
	}
}

func TestPushpinPublisher(t *testing.T) {
	t.Parallel()
	made, err := newPublisher(bridgeJob{API: apiPushpin})
	if err != nil {
		t.Fatal(err)
	}
	hello := made.greeting()
	if len(hello) != zmtpGreeting+2+int(hello[zmtpGreeting+1]) {
		t.Errorf("the greeting has %d bytes", len(hello))
	}
	rest := bufio.NewReader(strings.NewReader(string(hello) + "x"))
	if err := made.answer(rest); err != nil || rest.Buffered() != 1 {
		t.Errorf("a greeting was read: %v, %d bytes are left", err, rest.Buffered())
	}
	out, _ := made.encode(nil, []*kgo.Record{{Value: []byte(`{"a":1}`)}})
	var item struct {
		Channel string
		Formats map[string]struct{ Content string }
	}
	if err := json.Unmarshal(out[10:], &item); err != nil || out[9] != 'J' || item.Formats["ws-message"].Content != `{"a":1}` {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestPeersAreFoundByName(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]int{"all": len(peers), "nchan": 2, "nchan-ws,mercure": 2} {
		if got, err := findPeers(list); err != nil || len(got) != want {
			t.Errorf("%s: %d peers, %v", list, len(got), err)
		}
	}
	if _, err := findPeers("nchan,kafka"); err == nil {
		t.Error("a peer that nobody knows is no error")
	}
}
