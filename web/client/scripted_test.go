package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// object is a JSON object.
type object = map[string]any

// conformance is a case of the folder conformance, see its README.md.
type conformance struct {
	Name        string       `json:"name"`
	Transport   string       `json:"transport"`
	Tokens      []string     `json:"tokens"`
	Connections []connection `json:"connections"`
	Items       []any        `json:"items"`

	file string
	raw  json.RawMessage
}

type connection struct {
	Token     string   `json:"token"`
	Welcome   *bool    `json:"welcome"`
	ExpiresIn int      `json:"expires_in_ms"`
	Refuse    bool     `json:"refuse"`
	WebSocket []object `json:"websocket"`
	Events    []object `json:"events"`
	Request   object   `json:"request"`
	Status    int      `json:"status"`
	Answer    any      `json:"answer"`
}

// cases returns all cases.
func cases(t *testing.T) (all []conformance) {
	t.Helper()
	files, err := filepath.Glob("conformance/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %v: %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var raw []json.RawMessage
		if err := json.Unmarshal(text, &raw); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, r := range raw {
			c := conformance{file: filepath.Base(file), raw: r}
			if err := json.Unmarshal(r, &c); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all = append(all, c)
		}
	}
	return all
}

// scripted is a server that follows the dialogue of a case.
type scripted struct {
	*httptest.Server

	mu     sync.Mutex
	left   []connection
	talks  int            // WebSockets whose dialogue is not at its end
	bound  map[string]any // what stands for "$name" in requests
	faults []string
}

func newScripted(t *testing.T, c conformance) *scripted {
	t.Helper()
	s := &scripted{left: c.Connections, bound: map[string]any{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *scripted) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// done returns what went wrong, and how many connections the client has not made.
func (s *scripted) done() (faults []string, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults, len(s.left)
}

// isOver says whether all connections were made, and their dialogues are at their ends.
func (s *scripted) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.left) == 0 && s.talks == 0
}

// next takes the next connection, if it is of the kind of a request.
func (s *scripted) next(r *http.Request) (c connection, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.left) == 0 {
		return c, false
	}
	c = s.left[0]
	switch {
	case r.URL.Path == "/v1/ws":
		ok = c.WebSocket != nil
	case strings.HasSuffix(r.URL.Path, "/events") && c.Request == nil:
		ok = c.Events != nil
	default:
		ok = c.Request != nil
	}
	if ok {
		s.left = s.left[1:]
		if c.WebSocket != nil && !c.Refuse {
			s.talks++
		}
	}
	return c, ok
}

func (s *scripted) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Headers", "authorization, content-type")
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, PUT")
		return
	}
	for _, token := range []string{"t1", "t2"} {
		if strings.Contains(r.URL.String(), token) {
			s.fault("a token is in the URL %s", r.URL)
		}
	}
	c, ok := s.next(r)
	switch {
	case !ok:
		s.fault("unexpected: %s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusTeapot)
	case c.Refuse:
		if c.Request != nil {
			s.judge(r, c)
		}
		cut(w)
	case c.WebSocket != nil:
		s.converse(w, r, c)
	case c.Events != nil:
		s.stream(w, r, c)
	default:
		s.judge(r, c)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(c.Status)
		_ = json.NewEncoder(w).Encode(c.Answer)
	}
}

// cut ends the connection of a request.
func cut(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// judge compares a request with the one that a case expects.
func (s *scripted) judge(r *http.Request, c connection) {
	if c.Token != bearer(r) {
		s.fault("the token is %q, want %q", bearer(r), c.Token)
	}
	want := c.Request
	if want["method"] != r.Method || want["path"] != r.URL.Path {
		s.fault("%s %s, want %v", r.Method, r.URL.Path, want)
	}
	if query, ok := want["query"].(object); ok {
		s.judgeQuery(r, query)
	}
	if body, ok := want["body"].(object); ok {
		var got object
		text, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(text, &got); err != nil {
			s.fault("body %s: %v", text, err)
		}
		if fault := matches(body, got, s.bound); fault != "" {
			s.fault("body %s: %s", text, fault)
		}
	}
}

func (s *scripted) judgeQuery(r *http.Request, want object) {
	got := object{}
	for name, values := range r.URL.Query() {
		got[name] = values[0]
	}
	if fault := matches(want, got, s.bound); fault != "" {
		s.fault("query %s: %s", r.URL.RawQuery, fault)
	}
}

// matches says what of the wanted fields is different.
func matches(want, got object, bound map[string]any) string {
	for name, value := range want {
		is, there := got[name]
		if text, ok := value.(string); ok && strings.HasPrefix(text, "$") {
			if known, ok := bound[text]; ok {
				value = known
			} else if there {
				bound[text] = is
				continue
			}
		}
		if value == nil && !there {
			continue
		}
		if !there || !reflect.DeepEqual(value, is) {
			return fmt.Sprintf("%s is %v, want %v", name, is, value)
		}
	}
	return ""
}

// filled puts what is bound in the place of names.
func filled(m object, bound map[string]any) []byte {
	text, _ := json.Marshal(m)
	for name, value := range bound {
		if id, ok := value.(string); ok {
			text = []byte(strings.ReplaceAll(string(text), `"`+name+`"`, `"`+id+`"`))
		}
	}
	return text
}

// soon bounds how long a client may take for what it should do at once.
const soon = time.Minute

// converse follows the steps of a WebSocket.
func (s *scripted) converse(w http.ResponseWriter, r *http.Request, c connection) {
	atEnd := sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.talks--
	})
	defer atEnd()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}, InsecureSkipVerify: true})
	if err != nil {
		s.fault("handshake: %v", err)
		return
	}
	defer func() { _ = conn.CloseNow() }()
	ctx, cancel := context.WithTimeout(r.Context(), soon)
	defer cancel()
	send := func(text []byte) { _ = conn.Write(ctx, websocket.MessageText, text) }
	read := func() (m object, err error) {
		for {
			_, text, err := conn.Read(ctx)
			if err != nil {
				return nil, err
			}
			m = nil
			if err := json.Unmarshal(text, &m); err != nil {
				return nil, err
			}
			if m["type"] != "ping" {
				return m, nil
			}
			if id, ok := m["id"]; ok {
				send(filled(object{"type": "pong", "id": id}, nil))
			}
		}
	}
	if c.Token != "" && bearer(r) != c.Token {
		if m, err := read(); err != nil || m["type"] != "auth" || m["token"] != c.Token {
			s.fault("the first message is %v (%v), want the token %s", m, err, c.Token)
			return
		}
	}
	if c.Welcome == nil || *c.Welcome {
		welcome := object{"type": "welcome", "session": "s", "now": 1, "ping_ms": 25000, "limits": object{
			"message_bytes": 65536, "subscriptions_per_session": 100, "publishes_per_session": 64, "record_bytes": 1048576,
		}}
		if c.Token != "" {
			welcome["principal"], welcome["expires_in_ms"] = "u42", 3600000
		}
		if c.ExpiresIn > 0 {
			welcome["expires_in_ms"] = c.ExpiresIn
		}
		send(filled(welcome, nil))
	}
	bound := map[string]any{}
	for i, step := range c.WebSocket {
		switch {
		case step["client"] != nil:
			m, err := read()
			want, _ := step["client"].(object)
			// An end of a subscription that is followed by another needs no answer.
			for err == nil && m["type"] == "unsubscribe" && want["type"] != "unsubscribe" {
				m, err = read()
			}
			if err != nil {
				s.fault("step %d: %v", i, err)
				return
			}
			if fault := matches(want, m, bound); fault != "" {
				s.fault("step %d: %v: %s", i, m, fault)
				return
			}
		case step["server"] != nil:
			m, _ := step["server"].(object)
			send(filled(m, bound))
		case step["close"] != nil:
			code, _ := step["close"].(float64)
			_ = conn.Close(websocket.StatusCode(code), "")
			return
		case step["cut"] != nil:
			return
		case step["stay"] != nil:
			atEnd()
			for {
				if _, err := read(); err != nil {
					return
				}
			}
		}
	}
	if len(c.WebSocket) > 0 {
		s.fault("the steps have no end")
	}
}

// stream follows the steps of an event stream.
func (s *scripted) stream(w http.ResponseWriter, r *http.Request, c connection) {
	if c.Token != bearer(r) {
		s.fault("the token is %q, want %q", bearer(r), c.Token)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, step := range c.Events {
		switch {
		case step["query"] != nil:
			query, _ := step["query"].(object)
			s.judgeQuery(r, query)
		case step["server"] != nil:
			m, _ := step["server"].(object)
			kind, _ := m["type"].(string)
			names := map[string]string{"ready": "sluice.ready", "caught_up": "sluice.caught_up", "gap": "sluice.gap", "closing": "sluice.close"}
			if name := names[kind]; name != "" {
				_, _ = fmt.Fprintf(w, "event: %s\n", name)
			}
			cursor, _ := step["cursor"].(string)
			if kind == "ready" {
				cursor, _ = m["cursor"].(string)
			}
			if cursor != "" {
				_, _ = fmt.Fprintf(w, "id: %s\n", cursor)
			}
			_, _ = fmt.Fprintf(w, "data: %s\n\n", filled(m, nil))
			_ = http.NewResponseController(w).Flush()
		case step["stay"] != nil:
			<-r.Context().Done()
		}
	}
}

// TestScriptedServerIsStrict: a client that does something else is noticed.
func TestScriptedServerIsStrict(t *testing.T) {
	t.Parallel()
	bound := map[string]any{}
	for _, c := range []struct {
		want, got object
		ok        bool
	}{
		{object{"a": "x"}, object{"a": "x", "b": 1.0}, true},
		{object{"a": "x"}, object{"a": "y"}, false},
		{object{"a": "x"}, object{}, false},
		{object{"a": nil}, object{}, true},
		{object{"a": nil}, object{"a": "x"}, false},
		{object{"a": "$id"}, object{"a": "1"}, true},
		{object{"b": "$id"}, object{"b": "2"}, false},
		{object{"b": "$id"}, object{"b": "1"}, true},
		{object{"b": "$other"}, object{}, false},
		{object{"k": []any{"x"}}, object{"k": []any{"x"}}, true},
	} {
		if fault := matches(c.want, c.got, bound); (fault == "") != c.ok {
			t.Errorf("%v and %v: %q", c.want, c.got, fault)
		}
	}
	s := newScripted(t, conformance{Connections: []connection{{Request: object{"method": "GET", "path": "/v1/streams"}, Status: http.StatusOK}}})
	for _, path := range []string{"/v1/streams?x=t1", "/v1/streams"} {
		response, err := http.Get(s.URL + path) //nolint:noctx // a test's own server
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	if faults, left := s.done(); len(faults) != 2 || left != 0 {
		t.Errorf("faults %q, and %d left", faults, left)
	}
}
