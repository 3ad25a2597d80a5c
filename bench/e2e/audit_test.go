package e2e_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// audited is a record of the audit.
type audited struct {
	key, kind string
	headers   map[string]string
	data      map[string]any
}

// TestAuditIsReadByKcat: what clients do is in the audit's topic when the instance has
// ended, as CloudEvents by principal, and a flood of refusals is a few of them.
func TestAuditIsReadByKcat(t *testing.T) {
	t.Parallel()
	topic(t, "audit", 3)
	topic(t, "audited", 1)
	i := sluice(t, setup{
		streams: map[string]string{"audit": "audit", "audited": "audited"},
		more:    "audit: {stream: audit, log: true}\n",
	})
	ctx := within(t, time.Minute)
	send := func(method, path, token, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, "http://"+i.addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	writer, reader := token(t, "w", "writer"), token(t, "r", "reader")
	const records = "/v1/streams/audited/records"
	for range 20 {
		if status := send(http.MethodPost, records, writer, `{"data":1}`); status != http.StatusOK {
			t.Fatalf("publishing is answered with %d", status)
		}
	}
	for path, want := range map[string]int{records + "?from=earliest": http.StatusOK, "/v1/streams/audit/records": http.StatusNotFound} {
		if status := send(http.MethodGet, path, reader, ""); status != want {
			t.Errorf("%s is answered with %d", path, status)
		}
	}
	if status := send(http.MethodPost, "/v1/streams/audit/records", writer, `{"data":1}`); status != http.StatusNotFound {
		t.Errorf("writing the audit is answered with %d", status)
	}
	const flood = 2000
	began := time.Now()
	for range flood {
		send(http.MethodGet, records, "not.a.token", "")
	}
	mostTold := 3 + int(time.Since(began).Seconds())                                                                  // one a second
	conn, _, err := websocket.Dial(ctx, "ws://"+i.addr+"/v1/ws?stream=audited&from=earliest", &websocket.DialOptions{ //nolint:bodyclose // the library has
		HTTPHeader: http.Header{"Authorization": {"Bearer " + reader}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	for begun := false; !begun; {
		_, message, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		begun = strings.Contains(string(message), `"subscribed"`)
	}
	if err := i.Stop(); err != nil {
		t.Fatal(err)
	}

	cmd := exec.CommandContext(ctx, "kcat", "-C", "-b", servers(t).Brokers[0].Addr, "-t", "audit", "-o", "beginning", "-e", "-q", "-f", `%p\t%k\t%h\t%s\n`)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run kcat: %v", err)
	}
	var events []audited
	partitions, ids := map[string]string{}, map[string]bool{}
	for line := range strings.Lines(string(out)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 4)
		if len(fields) != 4 {
			t.Fatalf("kcat prints %q", line)
		}
		e := audited{key: fields[1], headers: map[string]string{}}
		for header := range strings.SplitSeq(fields[2], ",") {
			name, value, _ := strings.Cut(header, "=")
			e.headers[name] = value
		}
		if err := json.Unmarshal([]byte(fields[3]), &e.data); err != nil {
			t.Fatalf("kcat prints %q: %v", line, err)
		}
		e.kind = strings.TrimPrefix(e.headers["ce_type"], "sluice.audit.")
		if e.headers["ce_specversion"] != "1.0" || e.headers["content-type"] != "application/json" || e.headers["ce_source"] == "" || e.headers["ce_time"] == "" {
			t.Errorf("got the headers %v", e.headers)
		}
		if of, _ := e.data["principal"].(string); of != e.key {
			t.Errorf("%s of %q has the key %q", e.kind, of, e.key)
		}
		if at, ok := partitions[e.key]; e.key != "" && ok && at != fields[0] {
			t.Errorf("events of %s are in the partitions %s and %s", e.key, at, fields[0])
		}
		partitions[e.key], ids[e.headers["ce_id"]] = fields[0], true
		events = append(events, e)
	}
	if len(ids) != len(events) {
		t.Errorf("%d ids of %d events", len(ids), len(events))
	}
	var of []string // what the reader did
	refused, told := 0, 0
	for _, e := range events {
		switch {
		case e.key == "user:e2e:r":
			of = append(of, e.kind)
		case e.kind == "refused" && e.data["code"] == "unauthenticated":
			refused, told = refused+int(e.data["count"].(float64)), told+1
		case e.kind == "published" && (e.key != "user:e2e:w" || e.data["records"] != 20.0 || e.data["stream"] != "audited"):
			t.Errorf("got %+v", e)
		}
	}
	// The refusal is recorded when its second is over.
	of = slices.DeleteFunc(of, func(kind string) bool { return kind == "refused" })
	if got := strings.Join(of, " "); got != "page_read connected subscribed replay_started disconnected" {
		t.Errorf("the reader's events are %s", got)
	}
	if refused != flood || told > mostTold {
		t.Errorf("%d refusals in %d events", refused, told)
	}
	for _, kind := range []string{"started", "published", "stopped"} {
		if n := len(slices.DeleteFunc(slices.Clone(events), func(e audited) bool { return e.kind != kind })); n != 1 {
			t.Errorf("%d events %s", n, kind)
		}
	}
	t.Logf("%d events, %d of them tell of %d refusals", len(events), told, refused)
}
