package transport_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/transport"
)

func caching(l *transport.Limits) { l.PageCache = time.Minute }

// TestWhichPagesCachesMayStore: only a full page of history, without gaps, from a place
// that is the same for everybody at any time, to a client without any credential.
func TestWhichPagesCachesMayStore(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}, limits: caching})
	in.publish("open", 0, 0, 30)
	in.publish("public.news", 0, 0, 5)
	in.publish("public.news", 1, 0, 5)
	cursor := in.page("open", "from=earliest&limit=5", "").Cursor
	news := in.page("public.news", "from=-1m&limit=2", "").Cursor
	live := token(t, "u42", "live", time.Hour)
	const open = "/v1/streams/open/records?limit=5&from="
	for name, test := range map[string]struct {
		path, token string
		header      []string
		stored      bool
	}{
		"cursor":                        {open + cursor, "", nil, true},
		"cursor and what was seen":      {open + cursor + "~0:9", "", nil, true},
		"offsets":                       {open + "offset:0:3", "", nil, true},
		"with a filter":                 {open + "offset:0:3&key=k1", "", nil, true},
		"waiting":                       {open + cursor + "&wait=1s", "", nil, true},
		"failing at gaps":               {open + cursor + "&on_gap=fail", "", nil, true},
		"a cookie of somebody else":     {open + cursor, "", []string{"Cookie", "theme=dark"}, true},
		"within the resume window":      {"/v1/streams/public.news/records?limit=2&from=" + news, "", nil, true},
		"a token":                       {open + cursor, live, nil, false},
		"earliest":                      {open + "earliest", "", nil, false},
		"the last":                      {open + "last:20", "", nil, false},
		"a time":                        {open + "2020-01-01T00:00:00Z", "", nil, false},
		"ago":                           {open + "-1h", "", nil, false},
		"the default":                   {"/v1/streams/open/records?limit=5", "", nil, false},
		"Last-Event-ID":                 {open + "earliest", "", []string{"Last-Event-ID", cursor}, false},
		"Last-Event-ID beside a cursor": {open + cursor, "", []string{"Last-Event-ID", cursor}, false},
		"not full":                      {"/v1/streams/open/records?limit=50&from=" + cursor, "", nil, false},
		"full at the tip":               {"/v1/streams/open/records?limit=25&from=" + cursor, "", nil, false},
		"offsets of some partitions":    {"/v1/streams/public.news/records?limit=2&from=offset:0:0", "", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			status, head, body := in.do(http.MethodGet, test.path, test.token, "", test.header...)
			var p pageBody
			if status != http.StatusOK || json.Unmarshal([]byte(body), &p) != nil || len(p.Records) == 0 {
				t.Fatalf("got %d %s", status, body)
			}
			tag, control, vary := head.Get("ETag"), head.Get("Cache-Control"), head.Get("Vary")
			if !test.stored {
				if tag != "" || control != "no-store" {
					t.Errorf("may be stored: %s, %s", tag, control)
				}
				// A tag is of no use where there is none.
				if status, _, _ := in.do(http.MethodGet, test.path, test.token, "", append(slices.Clone(test.header), "If-None-Match", "*")...); status != http.StatusOK {
					t.Errorf("with a tag: %d", status)
				}
				return
			}
			if tag == "" || control != "public, max-age=60" {
				t.Errorf("may not be stored: %q, %q", tag, control)
			}
			for _, name := range append(auth.CredentialHeaders(), "Last-Event-ID", "Origin") {
				if len(head.Values("Vary")) != 1 || !strings.Contains(vary, name) {
					t.Errorf("Vary is %q, without %s", vary, name)
				}
			}
			for sent, want := range map[string]int{
				tag: http.StatusNotModified, strings.TrimPrefix(tag, "W/"): http.StatusNotModified, `"x", ` + tag: http.StatusNotModified,
				"*": http.StatusNotModified, `"x"`: http.StatusOK, tag[:8] + `"`: http.StatusOK, "": http.StatusOK,
			} {
				status, head, body := in.do(http.MethodGet, test.path, "", "", append(slices.Clone(test.header), "If-None-Match", sent)...)
				if status != want || head.Get("ETag") != tag || head.Get("Cache-Control") != control || (body == "") != (want == http.StatusNotModified) {
					t.Errorf("If-None-Match %q: %d %v %q", sent, status, head, body)
				}
			}
			status, headOnly, body := in.do(http.MethodHead, test.path, "", "", test.header...)
			if status != http.StatusOK || headOnly.Get("ETag") != tag || headOnly.Get("Cache-Control") != control || headOnly.Get("Content-Length") != head.Get("Content-Length") || body != "" {
				t.Errorf("HEAD: %d %v", status, headOnly)
			}
		})
	}
	// What changes in history is noticed, and so are gaps.
	_, head, _ := in.do(http.MethodGet, open+"offset:0:3", "", "")
	other := start(t, options{open: []string{"open"}, limits: caching, stream: func(s *hub.Stream) { s.Backfill = 0 }})
	other.publish("open", 0, 0, 30)
	if _, again, _ := other.do(http.MethodGet, open+"offset:0:3", "", ""); again.Get("ETag") == head.Get("ETag") || again.Get("ETag") == "" {
		t.Errorf("other records have the same tag %s", again.Get("ETag"))
	}
	other.topics.Expire("open", 0, 4)
	gone := start(t, options{open: []string{"open"}, limits: caching, stream: func(s *hub.Stream) { s.Source, s.Backfill = other.topics, 0 }})
	if status, head, body := gone.do(http.MethodGet, open+"offset:0:3", "", "", "If-None-Match", "*"); status != http.StatusOK || head.Get("Cache-Control") != "no-store" || !strings.Contains(body, "retention") {
		t.Errorf("with a gap: %d %v %s", status, head, body)
	}
	off := start(t, options{open: []string{"open"}})
	off.publish("open", 0, 0, 30)
	if _, head, _ := off.do(http.MethodGet, open+"offset:0:3", "", ""); head.Get("Cache-Control") != "no-store" || head.Get("ETag") != "" {
		t.Errorf("switched off: %v", head)
	}
}

// onlyKey gives everybody the rows with one key.
type onlyKey struct{ key string }

func (o onlyKey) Rows(*auth.Principal, string, time.Duration) (hub.Rows, error) {
	return hub.Rows{Filter: filter.Keys(o.key)}, nil
}

func (onlyKey) Publishes(*auth.Principal, string) (filter.Filter, error) { return filter.Filter{}, nil }

// TestRowsAreNotCached: what depends on who asks is never stored, even if everybody has
// no credential.
func TestRowsAreNotCached(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}, limits: caching, config: func(c *transport.Config) { c.Rights = onlyKey{"k1"} }})
	in.publish("open", 0, 0, 30)
	if status, head, _ := in.do(http.MethodGet, "/v1/streams/open/records?limit=5&from=offset:0:0", "", ""); status != http.StatusOK || head.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v", status, head)
	}
}

// TestPagesThroughACache: an nginx in front of the server answers with pages that it has
// stored, asks again when they are old, and hands nobody the page of another credential.
func TestPagesThroughACache(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Debian's package nginx is needed")
		}
		t.Skip("Debian's package nginx is not installed")
	}
	in := start(t, options{open: []string{"open"}, limits: func(l *transport.Limits) { l.PageCache = time.Second }})
	in.publish("open", 0, 0, 30)
	dir, front := t.TempDir(), listen(t)
	address := front.Addr().String()
	_ = front.Close()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error; worker_processes 1;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  proxy_cache_path %[1]s/cache keys_zone=pages:1m;
  server {
    listen %[2]s;
    location / {
      proxy_pass %[3]s;
      proxy_cache pages;
      proxy_cache_revalidate on;
      add_header X-Cache $upstream_cache_status always;
    }
  }
}
`, dir, address, in.url)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := exec.CommandContext(t.Context(), program, "-e", filepath.Join(dir, "error"), "-p", dir, "-c", path)
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nginx.Process.Kill(); _ = nginx.Wait() })
	in.eventually("nginx listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	get := func(query string, header ...string) (state, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v1/streams/open/records?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%d %s, %v", res.StatusCode, b, err)
		}
		return res.Header.Get("X-Cache"), string(b)
	}
	const page = "limit=5&from=offset:0:3"
	want := func(what, state, wantState string) {
		t.Helper()
		if state != wantState {
			t.Errorf("%s: the cache says %s, want %s", what, state, wantState)
		}
	}
	state, first := get(page)
	want("at first", state, "MISS")
	state, second := get(page)
	want("again", state, "HIT")
	if second != first {
		t.Errorf("got %s, want %s", second, first)
	}
	bearer := []string{"Authorization", "Bearer " + token(t, "u42", "live", time.Hour)}
	for range 2 {
		state, _ = get(page, bearer...)
		want("with a token", state, "MISS")
	}
	in.eventually("it is old", func() bool {
		state, second = get(page)
		return state == "REVALIDATED"
	})
	if second != first {
		t.Errorf("got %s, want %s", second, first)
	}
	for range 2 {
		state, _ = get("limit=5&from=earliest")
		want("from earliest", state, "MISS")
		state, _ = get("limit=50&from=offset:0:3")
		want("up to the tip", state, "MISS")
	}
}
