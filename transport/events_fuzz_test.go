package transport_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/transport"
	"sluice/transport/wire"
)

// FuzzEventsQuery: whatever a query and a Last-Event-ID contain, the answer has a
// status of the table of codes, and a fault in a stream has one of its codes.
func FuzzEventsQuery(f *testing.F) {
	in := start(f, options{limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 }})
	in.publish("orders", 0, 0, 5)
	key := token(f, "u", "live", time.Hour)
	cursor := in.page("orders", "", key).Cursor
	for _, query := range []string{
		"", "stream=orders", "stream=orders&stream=public.news&from=earliest", "stream=orders&from=last:3&key=k1&key=", "stream=orders&from=-5m",
		"stream=orders&from=2026-01-01T00:00:00%2B01:00&on_gap=fail", "stream=orders&from=" + cursor + "~0:1,1:2", "stream=hidden&errors=stream",
		"stream=orders&cursor_name=a&reset=true", "stream=orders&heartbeat=1s", "stream=orders&last_event_id=" + cursor, "errors=stream", "%zz",
		"stream=orders&filter=true", "stream=orders&ticket=a", "stream=orders&access_token=a", "stream=orders;from=earliest", "&&=&=",
		"stream=orders&from=offset:0:3,1:0", "stream=orders&from=offset:0:99,7:0", "stream=orders&from=offset:0:,", "stream=*&stream=o*s", "stream=o*&from=offset:0:1",
	} {
		f.Add(query, "")
		f.Add(query, cursor)
	}
	for _, id := range []string{"end", "v1.", "7", cursor + "~0:9007199254740993", cursor + "~orders/1:3", cursor + "~", cursor[:20], "\xff\x01"} {
		f.Add("stream=orders", id)
	}
	codes := wire.Codes()
	known := func(t *testing.T, m message) wire.Info {
		info, ok := codes[wire.Code(m.str("code"))]
		if !ok || m.str("code") == string(wire.Internal) {
			t.Fatalf("the code is %q", m.str("code"))
		}
		return info
	}
	one := strings.NewReplacer("\r", "", "\n", "", "\x00", "")
	f.Fuzz(func(t *testing.T, query, id string) {
		query = strings.Map(func(r rune) rune {
			if r <= ' ' || r == '\x7f' || r == '#' {
				return '+'
			}
			return r
		}, query)
		c, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // otherwise the ports run out
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		request := "GET /v1/events?" + query + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + key + "\r\n"
		if id = one.Replace(id); id != "" {
			request += "Last-Event-ID: " + id + "\r\n"
		}
		if _, err := io.WriteString(c, request+"\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		switch res.StatusCode {
		case http.StatusNoContent:
			return
		case http.StatusOK:
			e, ok := (&stream{t: t, res: res, lines: bufio.NewReader(res.Body)}).next()
			switch {
			case !ok:
				t.Fatal("the stream is empty")
			case e.name == "sluice.close":
				known(t, e.json(t))
			case e.name != "sluice.ready" || e.id == "":
				t.Fatalf("the stream begins with %+v", e)
			}
			return
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		var m message
		if err := json.Unmarshal(body, &m); err != nil {
			// The HTTP server itself refuses what is not HTTP.
			if res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Fatalf("%d %q", res.StatusCode, body)
			}
			return
		}
		if info := known(t, m); info.HTTP != res.StatusCode || m["status"] != float64(res.StatusCode) {
			t.Fatalf("%d beside %s", res.StatusCode, body)
		}
	})
}
