package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
)

// fakeStore is a RevocationStore.
type fakeStore struct {
	mu    sync.Mutex
	saved []auth.Revocation
	err   error
}

func (f *fakeStore) Save(_ context.Context, r auth.Revocation) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.saved = append(f.saved, r)
	return f.err
}

func (f *fakeStore) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

var errAway = fmt.Errorf("save: %w: %w", auth.ErrStoreUnavailable, errors.New("dial tcp 10.0.0.7"))

// operate sends a request to the admin listener; header "Host" sets the host.
func (in *instance) operate(method, path, body string, header ...string) (int, message, string) {
	in.t.Helper()
	req, err := http.NewRequestWithContext(in.t.Context(), method, in.admin+path, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	var m message
	_ = json.Unmarshal(b, &m)
	return res.StatusCode, m, strings.TrimSpace(string(b))
}

// TestOperatorsRevoke: what is revoked is in force at once, is shown, is passed on, and
// the answer says on which instances it is in force.
func TestOperatorsRevoke(t *testing.T) {
	t.Parallel()
	alone := start(t, options{})
	s := alone.dial("", token(t, "u42", "live", time.Hour))
	s.until("welcome")
	status, m, body := alone.operate(http.MethodPost, "/revocations", `{"issuer":"test","subject":"u42"}`)
	if status != http.StatusOK || m.str("scope") != "this_instance" {
		t.Errorf("without a store: %d %s", status, body)
	}
	s.closesWith("revoked", 4501)

	store := &fakeStore{}
	in := start(t, options{config: func(c *transport.Config) { c.Revocations = store }})
	now := time.Now()
	for _, c := range []struct {
		body, shown, scope string
		err                error
		status             int
		lasts              time.Duration
		before             bool
	}{
		{`{"subject":"a"}`, `"subject":"a"`, "all_instances", nil, 200, 24 * time.Hour, true},
		{`{"token_id":"j","for_ms":60000}`, `"token_id":"j"`, "all_instances", nil, 200, time.Minute, false},
		{`{"issuer":"test","session_id":"s"}`, `"issuer":"test","session_id":"s"`, "all_instances", nil, 200, 24 * time.Hour, false},
		{`{"tenant":"t","before_at":1700000000000}`, `"tenant":"t","before_at":1700000000000`, "all_instances", nil, 200, 24 * time.Hour, true},
		{`{"subject":"later"}`, `"subject":"later"`, "this_instance_until_redis_is_back", errAway, 202, 24 * time.Hour, true},
	} {
		store.fail(c.err)
		status, m, body := in.operate(http.MethodPost, "/revocations", c.body)
		if status != c.status || m.str("scope") != c.scope || !strings.Contains(body, c.shown) || strings.Contains(body, "10.0.0.7") {
			t.Errorf("%s: %d %s", c.body, status, body)
			continue
		}
		shown, _ := m["revocation"].(map[string]any)
		until, _ := shown["until_at"].(float64)
		if left := time.UnixMilli(int64(until)).Sub(now); left < c.lasts-time.Second || left > c.lasts+time.Minute {
			t.Errorf("%s: kept for %v", c.body, left)
		}
		if (shown["before_at"] != nil) != c.before {
			t.Errorf("%s: before is %v", c.body, shown["before_at"])
		}
	}
	if len(store.saved) != 5 || store.saved[1].TokenID != "j" {
		t.Errorf("saved %+v", store.saved)
	}
	store.fail(fmt.Errorf("save: %w", auth.ErrTooManyRevocations))
	if status, m, body := in.operate(http.MethodPost, "/revocations", `{"subject":"full"}`); status != 503 || m.str("code") != "overloaded" {
		t.Errorf("a full store: %d %s", status, body)
	}
	status, m, body = in.operate(http.MethodGet, "/revocations?limit=2", "")
	list, _ := m["revocations"].([]any)
	if status != http.StatusOK || len(list) != 2 || m["total"] != float64(6) {
		t.Errorf("listed %d %s", status, body)
	}
	for _, limit := range []string{"0", "-1", "1001", "x"} {
		if status, _, _ := in.operate(http.MethodGet, "/revocations?limit="+limit, ""); status != http.StatusBadRequest {
			t.Errorf("limit=%s: %d", limit, status)
		}
	}
	in.sampleBecomes("sluice_revocations", 6)
}

func TestRevocationBodiesAreStrict(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for _, body := range []string{
		`{}`, `{"issuer":"i"}`, `{"subject":"a","token_id":"b"}`, `{"subject":""}`, `{"subject":null}`, `{"subject":7}`, `{"subject":["a"]}`,
		`{"sub":"a"}`, `{"Subject":"a"}`, `{"subject":"a","subject":"b"}`, `{"subject":"a","for":"1h"}`, `{"subject":"a","for_ms":"1"}`,
		`{"subject":"a","for_ms":0}`, `{"subject":"a","for_ms":-1}`, `{"subject":"a","for_ms":1.5}`, `{"subject":"a","for_ms":9e99}`,
		`{"subject":"a","for_ms":9223372036854775807}`, `{"subject":"a","for_ms":31708800000000}`, `{"subject":"a","before_at":0}`,
		`{"subject":"a","before_at":true}`, `{"subject":"a"}x`, `[{"subject":"a"}]`, `"a"`, ` `, `{`, "{\"subject\":\"\xff\"}",
		`{"subject":"a\n"}`, `{"subject":"\ud800"}`, `{"subject":"` + strings.Repeat("a", 1025) + `"}`, `{"subject":"` + strings.Repeat("a", 20000) + `"}`,
	} {
		if status, m, got := in.operate(http.MethodPost, "/revocations", body); status != http.StatusBadRequest || m.str("code") != "bad_request" {
			t.Errorf("%.80s: %d %s", body, status, got)
		}
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""} {
		if status, _, got := in.operate(http.MethodPost, "/revocations", `{"subject":"a"}`, "Content-Type", kind); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", kind, status, got)
		}
	}
	if _, m, body := in.operate(http.MethodGet, "/revocations", ""); m["total"] != float64(0) || !strings.Contains(body, `"revocations":[]`) {
		t.Errorf("got %s", body)
	}
}

// TestPagesCannotOperate: no page in a browser can revoke, or read who is revoked,
// whichever its origin, and whatever its own name resolves to.
func TestPagesCannotOperate(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.AdminHosts = []string{"sluice-admin.example"} }})
	port := in.admin[strings.LastIndex(in.admin, ":"):]
	for _, c := range []struct {
		header  []string
		allowed bool
	}{
		{nil, true},
		{[]string{"Host", "localhost" + port}, true},
		{[]string{"Host", "LOCALHOST"}, true},
		{[]string{"Host", "sluice:8081"}, true},
		{[]string{"Host", "[::1]" + port}, true},
		{[]string{"Host", "10.1.2.3:8081"}, true},
		{[]string{"Host", "sluice-admin.example:8081"}, true},
		{[]string{"Host", "evil.example" + port}, false},
		{[]string{"Host", "evil.example"}, false},
		{[]string{"Host", "127.0.0.1.evil.example" + port}, false},
		{[]string{"Host", "localhost.evil.example" + port}, false},
		{[]string{"Host", "sluice-admin.example.evil.example"}, false},
		{[]string{"Origin", "https://evil.example"}, false},
		{[]string{"Origin", in.admin}, false},
		{[]string{"Origin", "null"}, false},
		{[]string{"Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"Sec-Fetch-Site", "same-origin"}, false},
		{[]string{"Sec-Fetch-Site", "none"}, false},
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			body := ""
			if method == http.MethodPost {
				body = `{"subject":"a"}`
			}
			status, m, got := in.operate(method, "/revocations", body, c.header...)
			switch {
			case c.allowed && status != http.StatusOK:
				t.Errorf("%s %v: %d %s", method, c.header, status, got)
			case !c.allowed && (status != http.StatusForbidden || m.str("code") != "forbidden"):
				t.Errorf("%s %v: %d %s", method, c.header, status, got)
			}
		}
	}
	if status, body := in.operator("/livez"); status != http.StatusOK {
		t.Errorf("livez: %d %s", status, body)
	}
}
