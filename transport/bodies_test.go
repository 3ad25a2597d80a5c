package transport_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sluice/transport"
)

// encoded returns a text in a content coding.
func encoded(t testing.TB, coding, text string) string {
	t.Helper()
	if coding == "zstd" {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(w.EncodeAll([]byte(text), nil))
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCompressedBodies: a compressed body is stored like one that is not, within the same
// limit.
func TestCompressedBodies(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.MessageBytes = 2000 }})
	live := token(t, "u42", "live", time.Hour)
	stored := 0
	for _, coding := range []string{"gzip", "zstd", "x-gzip", "GZIP", "identity, zstd"} {
		name := strings.ToLower(coding[strings.LastIndex(coding, " ")+1:])
		post := func(body, contentType string) (int, http.Header, string) {
			return in.do(http.MethodPost, publishPath, live, encoded(t, name, body), "Content-Type", contentType, "Content-Encoding", coding)
		}
		raw := strings.Repeat("a", 2000)
		for _, c := range []struct{ body, contentType string }{
			{`{"key":"k","data":"` + raw[:1900] + `"}`, "application/json"}, {raw, "text/plain"},
		} {
			if status, _, body := post(c.body, c.contentType); status != http.StatusOK {
				t.Errorf("%s of %s: got %d %s", coding, c.contentType, status, body)
			}
			stored++
		}
		records := in.page("orders", "from=earliest", live).Records
		if len(records) != stored || records[len(records)-1].str("data") != raw {
			t.Fatalf("%s: %d records are stored, of %d, the last one %v", coding, len(records), stored, records[len(records)-1])
		}
		for what, text := range map[string]string{"a byte over": raw + "a", "a bomb": strings.Repeat("a", 1<<20)} {
			status, head, body := post(text, "text/plain")
			if m := in.problem(t, status, head, body, http.StatusRequestEntityTooLarge, "too_large"); !strings.Contains(m.str("detail"), "2000") {
				t.Errorf("%s, %s: got %s", coding, what, body)
			}
		}
	}
	status, head, body := in.do(http.MethodPost, publishPath, live, "1", "Content-Encoding", "br")
	in.problem(t, status, head, body, http.StatusUnsupportedMediaType, "bad_request")
	if got := head.Get("Accept-Encoding"); got != "gzip, zstd" {
		t.Errorf("Accept-Encoding is %q", got)
	}
	status, head, body = in.do(http.MethodPut, "/v1/cursors/orders/a", live, encoded(t, "gzip", `{"cursor":"v1.x"}`), "Content-Encoding", "gzip")
	in.problem(t, status, head, body, http.StatusUnsupportedMediaType, "bad_request")
	if got := head.Get("Accept-Encoding"); got != "identity" {
		t.Errorf("of a cursor, Accept-Encoding is %q", got)
	}
}
