package transport_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub/record"
	"sluice/transport"
)

// TestSlowReadersOfPages: what pages take that clients do not receive is bounded, for each
// client and in all; others are answered meanwhile, and all memory is given back.
func TestSlowReadersOfPages(t *testing.T) {
	t.Parallel()
	const page = 256 << 10
	in := start(t, options{limits: func(l *transport.Limits) {
		l.PageBytes, l.PageMemory, l.SendBuffer, l.WriteProgress = page, 16*page, 8<<10, never
		l.SessionsPerPrincipal = 0
	}})
	for range 40 {
		in.topics.Append("orders", record.Record{Key: []byte("k"), Value: []byte(`"` + strings.Repeat("x", 16<<10) + `"`)})
	}
	target := "/v1/streams/orders/records?from=earliest&limit=1000"
	held := make(map[string][]net.Conn)
	ask := func(subject string) (status string) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: sluice\r\nAuthorization: Bearer %s\r\n\r\n", target, token(t, subject, "live", time.Hour))
		line, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if held[subject] = append(held[subject], conn); strings.Contains(line, "429") {
			return "rate limited"
		}
		return strings.TrimSpace(line[len("HTTP/1.1 "):])
	}
	defer func() {
		for _, all := range held {
			for _, conn := range all {
				_ = conn.Close()
			}
		}
	}()
	// Two shares of an eighth are two pages; in all, there are a bit fewer than sixteen.
	var answers []string
	for n := range 8 {
		for range 3 {
			answers = append(answers, ask(fmt.Sprint("slow", n)))
		}
	}
	taken, refused, full := 0, 0, 0
	for _, a := range answers {
		switch {
		case a == "200 OK":
			taken++
		case a == "rate limited":
			refused++
		case strings.HasPrefix(a, "503"):
			full++
		default:
			t.Errorf("answered %q", a)
		}
	}
	if bytes := in.metric("sluice_page_bytes"); taken < 8 || taken > 16 || refused < 7 || bytes > 16*page || bytes < 8*page {
		t.Errorf("%d taken, %d refused, %d when full, %v bytes", taken, refused, full, bytes)
	}
	// A client that has nothing is not refused because of one that has its share.
	for subject, conns := range held {
		if subject != "slow0" {
			for _, conn := range conns {
				_ = conn.Close()
			}
		}
	}
	in.eventually("others are cut", func() bool { return in.metric("sluice_page_bytes") <= 2*page+page/2 })
	if p := in.page("orders", "from=earliest&limit=1000", token(t, "quick", "live", time.Hour)); len(p.Records) == 0 || len(p.Records) > 17 || p.CaughtUp {
		t.Errorf("%d records", len(p.Records))
	}
	for _, conn := range held["slow0"] {
		_ = conn.Close()
	}
	in.eventually("all is given back", func() bool { return in.metric("sluice_page_bytes") == 0 })
}

// TestALargeRecordIsAPage: a page has one record at least, whatever its size.
func TestALargeRecordIsAPage(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.PageBytes, l.PageMemory = 64<<10, 1<<20 }})
	for range 3 {
		in.topics.Append("orders", record.Record{Value: []byte(`"` + strings.Repeat("x", 900<<10) + `"`)})
	}
	tok, query := token(t, "u42", "live", time.Hour), "from=earliest"
	for n := range 3 {
		p := in.page("orders", query, tok)
		if len(p.Records) != 1 || p.CaughtUp != (n == 2) {
			t.Fatalf("page %d: %d records, caught up: %v", n, len(p.Records), p.CaughtUp)
		}
		query = "from=" + p.Cursor
	}
}

// TestPagesReadNothingOfOperators: a page whose name was made to resolve to the admin
// listener is of its origin, and is shown nothing but whether the instance is alive.
func TestPagesReadNothingOfOperators(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.AdminHosts = []string{"ops.example"} }})
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/streams", "/revocations", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/heap", "/elsewhere"} {
		for _, host := range []string{"evil.example", "evil.example:8081", "ops.example.evil.example", "", "ops.example", "127.0.0.1:8081", "[::1]", "sluice"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.admin+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if request.Host = host; host == "" {
				continue // the client would send the address
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			secret := path != "/livez" && path != "/readyz"
			if refused := answer.StatusCode == http.StatusForbidden; refused != (secret && strings.Contains(host, "evil")) {
				t.Errorf("%s of %s: %d", path, host, answer.StatusCode)
			}
			if answer.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s of %s may be stored", path, host)
			}
		}
	}
}
