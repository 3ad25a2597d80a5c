package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/transport/client"
)

// answers is a server in the place of the network: the n-th request gets the n-th answer,
// a status and a body, and every further request the last. An empty answer is none.
type answers struct {
	all []string
	ids []string // of the records that were sent
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	var record struct {
		ID string `json:"message_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&record); err != nil {
		return nil, err
	}
	a.ids = append(a.ids, record.ID)
	answer := a.all[min(len(a.ids), len(a.all))-1]
	if answer == "" {
		return nil, errors.New("the connection is cut")
	}
	status, body, _ := strings.Cut(answer, " ")
	codes := map[string]int{"200": 200, "202": 202, "400": 400, "401": 401, "403": 403, "503": 503, "504": 504}
	return &http.Response{StatusCode: codes[status], Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestPublishOnce(t *testing.T) {
	t.Parallel()
	const (
		stored    = `200 {"partition":0,"offset":5,"ts":1}`
		unknown   = `504 {"code":"publish_unknown","retryable":true,"retry_after_ms":20}`
		later     = `503 {"code":"publish_unavailable","retryable":true}`
		forbidden = `403 {"code":"forbidden","retryable":false,"action":"stop"}`
		malformed = `400 {"code":"bad_request","retryable":false,"action":"stop"}`
	)
	for name, test := range map[string]struct {
		answers []string
		id      string
		sent    int
		outcome error
		code    string
	}{
		"stored":                      {answers: []string{stored}, sent: 1},
		"unknown, stored":             {answers: []string{unknown, "", stored}, sent: 3},
		"refused":                     {answers: []string{forbidden}, sent: 1, outcome: client.ErrNotStored, code: "forbidden"},
		"for now":                     {answers: []string{later, stored}, sent: 1, outcome: client.ErrNotStored, code: "publish_unavailable"},
		"unknown, refused":            {answers: []string{unknown, forbidden}, sent: 2, outcome: client.ErrMaybeStored, code: "forbidden"},
		"unknown, for now, stored":    {answers: []string{unknown, later, stored}, sent: 3},
		"unknown, malformed":          {answers: []string{"", malformed}, sent: 2, outcome: client.ErrMaybeStored, code: "bad_request"},
		"own id":                      {answers: []string{unknown, stored}, id: "mine", sent: 2},
		"own id, malformed":           {answers: []string{malformed}, id: "mine", sent: 1, outcome: client.ErrNotStored, code: "bad_request"},
		"no ids, unknown":             {answers: []string{malformed, unknown}, sent: 2, outcome: client.ErrMaybeStored, code: "publish_unknown"},
		"no ids, the record is wrong": {answers: []string{malformed}, sent: 2, outcome: client.ErrNotStored, code: "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &answers{all: test.answers}
				_, err := publisher(t, a, nil).PublishOnce(t.Context(), "s", client.Message{ID: test.id, Data: json.RawMessage("1")})
				var refused *client.Error
				if !errors.Is(err, test.outcome) || test.code != "" && (!errors.As(err, &refused) || refused.Code != test.code) {
					t.Errorf("ended with %v", err)
				}
				if len(a.ids) != test.sent {
					t.Errorf("sent %d times", len(a.ids))
				}
				for i, id := range a.ids {
					last := strings.HasPrefix(name, "no ids") && i == 1
					if (id == "") != last || test.id != "" && id != test.id || !last && id != a.ids[0] {
						t.Errorf("the ids are %q", a.ids)
					}
				}
			})
		})
	}
}

func TestPublishOnceAsksForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		a := &answers{all: []string{""}}
		c := publisher(t, a, nil)
		if _, err := c.PublishOnce(t.Context(), "s", client.Message{Data: json.RawMessage("1")}); !errors.Is(err, client.ErrMaybeStored) {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took > time.Minute || took < 10*time.Second || len(a.ids) < 3 {
			t.Errorf("asked %d times in %v", len(a.ids), took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began = time.Now()
		if _, err := c.PublishOnce(ctx, "s", client.Message{Data: json.RawMessage("1")}); !errors.Is(err, client.ErrMaybeStored) {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("asked for %v", took)
		}
	})
}

func TestPublishRemembersStreamsWithoutIDs(t *testing.T) {
	t.Parallel()
	a := &answers{all: []string{`400 {"code":"bad_request"}`, `200 {"partition":0,"offset":5}`}}
	c := publisher(t, a, nil)
	for range 2 {
		if _, err := c.PublishOnce(t.Context(), "s", client.Message{Data: json.RawMessage("1")}); err != nil {
			t.Error(err)
		}
	}
	if len(a.ids) != 3 || a.ids[0] == "" || a.ids[1] != "" || a.ids[2] != "" {
		t.Errorf("the ids are %q", a.ids)
	}
}

func TestATokenThatHasExpiredIsReplacedOnceInAPublish(t *testing.T) {
	t.Parallel()
	a := &answers{all: []string{`401 {"code":"token_expired","action":"reauthenticate"}`}}
	asked := 0
	c := publisher(t, a, func(context.Context) (string, error) {
		asked++
		return "t", nil
	})
	if _, err := c.Publish(t.Context(), "s", client.Message{Data: json.RawMessage("1")}); !errors.Is(err, client.ErrNotStored) {
		t.Errorf("ended with %v", err)
	}
	if asked != 2 || len(a.ids) != 2 {
		t.Errorf("asked for %d tokens, and sent %d times", asked, len(a.ids))
	}
}

func publisher(t *testing.T, a *answers, token func(context.Context) (string, error)) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: "http://sluice.test", Token: token, HTTPClient: &http.Client{Transport: a}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
