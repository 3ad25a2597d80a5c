package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/transport/client"
)

// TestViolationsAreToldOnce: the message of a fault is made of its first violation, which is not
// told again.
func TestViolationsAreToldOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  client.Error
		want string
	}{
		"one":     {client.Error{Code: "invalid", Message: "/temp_c must be a number", Violations: []client.Violation{{"/temp_c", "must be a number"}}}, "invalid: /temp_c must be a number"},
		"two":     {client.Error{Code: "invalid", Message: "/a must be a number (and 1 more)", Violations: []client.Violation{{"/a", "must be a number"}, {"/b", "must be a number"}}}, "invalid: /a must be a number (and 1 more): /b must be a number"},
		"a value": {client.Error{Code: "invalid", Message: "the record is not taken", Violations: []client.Violation{{"", "the value is not JSON"}}}, "invalid: the record is not taken: the value is not JSON"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		message client.Message
		body    string
	}{
		"json":   {client.Message{Key: []byte("k"), Data: []byte(`{"n": 9007199254740993, "h":"<&>"}`)}, `{"key":"k","data":{"n": 9007199254740993, "h":"<&>"}}`},
		"bytes":  {client.Message{Bytes: []byte{0, 1}}, `{"encoding":"base64","data":"AAE="}`},
		"empty":  {client.Message{Key: []byte{}, Bytes: []byte{}}, `{"key":"","encoding":"base64","data":""}`},
		"grave":  {client.Message{Key: []byte("k"), Tombstone: true}, `{"key":"k","tombstone":true}`},
		"bare":   {client.Message{Data: []byte(`null`)}, `{"data":null}`},
		"header": {client.Message{ID: "m", Headers: []client.Header{{"a", []byte("b")}, {"c", nil}, {"d", []byte{0xff}}}, Data: []byte(`1`)}, `{"headers":[["a","b"],["c",null],["d","/w==","base64"]],"message_id":"m","data":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || string(body) != test.body {
					t.Errorf("got %s, %v; want %s", body, err, test.body)
				}
				if r.URL.EscapedPath() != "/base/v1/streams/a%2Fb/records" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s with %s", r.URL.EscapedPath(), r.Header.Get("Content-Type"))
				}
				_, _ = io.WriteString(w, `{"partition":3,"offset":7,"ts":5,"duplicate":true}`)
			}), nil)
			got, err := c.Publish(t.Context(), "a/b", test.message)
			if want := (client.Stored{Partition: 3, Offset: 7, Time: time.UnixMilli(5), Duplicate: true}); err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestPublishErrorsTellWhetherTheRecordIsStored(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status    int
		body      string
		want      error
		retryable bool
	}{
		"invalid":         {422, `{"code":"invalid","errors":[{"pointer":"/a","message":"no"}]}`, client.ErrNotStored, false},
		"dead letter":     {202, `{"code":"dead_lettered","message":"m","retryable":false}`, client.ErrNotStored, false},
		"unavailable":     {503, `{"code":"publish_unavailable","retryable":true,"retry_after_ms":50}`, client.ErrNotStored, true},
		"unknown":         {504, `{"code":"publish_unknown"}`, client.ErrMaybeStored, false},
		"internal":        {500, `{"code":"internal"}`, client.ErrMaybeStored, false},
		"gateway":         {502, `<html>`, client.ErrMaybeStored, false},
		"proxy refuses":   {413, `<html>`, client.ErrNotStored, false},
		"answer is not":   {200, `hello`, client.ErrMaybeStored, false},
		"answer is short": {200, ``, client.ErrMaybeStored, false},
		// With an ID, nothing is stored twice.
		"id: unknown":      {504, `{"code":"publish_unknown","retryable":true,"action":"resume","retry_after_ms":50}`, client.ErrMaybeStored, true},
		"id: internal":     {500, `{"code":"internal"}`, client.ErrMaybeStored, true},
		"id: gateway":      {502, `<html>`, client.ErrMaybeStored, true},
		"id: cut":          {0, ``, client.ErrMaybeStored, true},
		"cut":              {0, ``, client.ErrMaybeStored, false},
		"id: answer is no": {200, `hello`, client.ErrMaybeStored, true},
		"id: conflict":     {409, `{"code":"idempotency_conflict"}`, client.ErrNotStored, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}), nil)
			m := client.Message{Data: []byte(`1`)}
			if strings.HasPrefix(name, "id: ") {
				m.ID = "m"
			}
			_, err := c.Publish(t.Context(), "s", m)
			var refused *client.Error
			if !errors.Is(err, test.want) || !errors.As(err, &refused) || refused.Retryable != test.retryable {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPublishWithoutAServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	c := dial(t, http.NotFoundHandler(), func(c *client.Config) { c.URL = "http://" + l.Addr().String() })
	if _, err := c.Publish(t.Context(), "s", client.Message{Data: []byte(`1`)}); !errors.Is(err, client.ErrNotStored) {
		t.Errorf("nobody listens: %v", err)
	}
	hangs := dial(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), nil)
	if _, err := hangs.Publish(t.Context(), "s", client.Message{Data: []byte(`1`)}); !errors.Is(err, client.ErrMaybeStored) {
		t.Errorf("answer is lost: %v", err)
	}
}

func TestPublishBatch(t *testing.T) {
	t.Parallel()
	c := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); !strings.HasPrefix(string(body), `{"records":[{`) || !strings.Contains(string(body), `"data":`) || !json.Valid(body) {
			t.Errorf("got %s", body)
		}
		w.WriteHeader(http.StatusMultiStatus)
		_, _ = io.WriteString(w, `{"failed":2,"results":[{"partition":1,"offset":5},{"code":"invalid","message":"no"},{"code":"publish_unknown"},{"code":"publish_unknown"}]}`)
	}), nil)
	messages := []client.Message{{Data: []byte(`1`)}, {Data: []byte(`2`)}, {Data: []byte(`3`)}, {ID: "m", Data: []byte(`4`)}}
	got, err := c.PublishBatch(t.Context(), "s", messages)
	if err != nil || len(got) != 4 {
		t.Fatal(got, err)
	}
	if got[0].Err != nil || got[0].Offset != 5 || !errors.Is(got[1].Err, client.ErrNotStored) || !errors.Is(got[2].Err, client.ErrMaybeStored) {
		t.Errorf("got %+v", got)
	}
	for i, want := range []bool{2: false, 3: true} {
		if refused, ok := errors.AsType[*client.Error](got[i].Err); i >= 2 && (!ok || refused.Retryable != want) {
			t.Errorf("record %d: %v", i, got[i].Err)
		}
	}
	for i, want := range []bool{false, true} {
		_, err := c.PublishBatch(t.Context(), "s", messages[2+i:3+i])
		if refused, ok := errors.AsType[*client.Error](err); !ok || !errors.Is(err, client.ErrMaybeStored) || refused.Retryable != want {
			t.Errorf("more results than records: %v", err)
		}
	}
}

func TestMessagesThatAreNotSent(t *testing.T) {
	t.Parallel()
	c := dial(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was sent") }), nil)
	for i, m := range []client.Message{
		{},
		{Data: []byte(`1`), Tombstone: true},
		{Data: []byte(`{`)},
		{Key: []byte{0xff}, Data: []byte(`1`)},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if _, err := c.Publish(t.Context(), "s", m); !errors.Is(err, client.ErrNotStored) {
				t.Errorf("got %v", err)
			}
			if _, err := c.PublishBatch(t.Context(), "s", []client.Message{m}); !errors.Is(err, client.ErrNotStored) {
				t.Errorf("in a batch: %v", err)
			}
		})
	}
}
