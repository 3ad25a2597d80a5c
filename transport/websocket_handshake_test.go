package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/transport"
)

func TestHandshakeFaults(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	good := handshakeOf("")
	const (
		key     = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		version = "Sec-WebSocket-Version: 13\r\n"
	)
	for name, c := range map[string]struct {
		request string
		status  int
		header  [2]string
	}{
		"no key":        {strings.Replace(good, key, "", 1), 400, [2]string{}},
		"short key":     {strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 1), 400, [2]string{}},
		"key no base64": {strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "!", 1), 400, [2]string{}},
		"empty key":     {strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "", 1), 400, [2]string{}},
		"doubled key":   {strings.Replace(good, key, key+key, 1), 400, [2]string{}},
		"version 8":     {strings.Replace(good, "Version: 13", "Version: 8", 1), 426, [2]string{"Sec-WebSocket-Version", "13"}},
		"no version":    {strings.Replace(good, "Sec-WebSocket-Version: 13\r\n", "", 1), 426, [2]string{"Sec-WebSocket-Version", "13"}},
		"two versions":  {strings.Replace(good, version, version+version, 1), 400, [2]string{}},
		"body":          {strings.Replace(good, version, version+"Content-Length: 1\r\n", 1) + "x", 400, [2]string{}},
		"chunked body":  {strings.Replace(good, version, version+"Transfer-Encoding: chunked\r\n", 1) + "0\r\n\r\n", 400, [2]string{}},
		"HTTP/1.0":      {strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), 426, [2]string{"Upgrade", "websocket"}},
		"head":          {strings.Replace(good, "GET", "HEAD", 1), 426, [2]string{"Upgrade", "websocket"}},
		"no upgrade":    {strings.Replace(good, "Upgrade: websocket\r\n", "", 1), 426, [2]string{"Upgrade", "websocket"}},
		"no connection": {strings.Replace(good, "Connection: Upgrade", "Connection: close", 1), 426, [2]string{"Upgrade", "websocket"}},
		"post":          {strings.Replace(good, "GET", "POST", 1), 405, [2]string{"Allow", "GET, HEAD"}},
	} {
		_, res := in.open(t, c.request, false)
		if res.status != c.status {
			t.Errorf("%s: got status %d, want %d: %s", name, res.status, c.status, res.body)
		}
		// If the answer ends the connection, net/http reads the header and hides it.
		if options := res.header.Get("Connection"); c.status == http.StatusUpgradeRequired &&
			(res.header.Get("Upgrade") != "websocket" || !strings.HasPrefix(options, "Upgrade") && name != "no connection") {
			t.Errorf("%s: got %v", name, res.header)
		}
		if name == "head" {
			if res.body != "" {
				t.Errorf("%s: got a body: %q", name, res.body)
			}
			continue
		}
		if c.status != http.StatusMethodNotAllowed && (res.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(res.body, `"code":"bad_request"`)) {
			t.Errorf("%s: got %s: %s", name, res.header.Get("Content-Type"), res.body)
		}
		if c.header[0] != "" && res.header.Get(c.header[0]) != c.header[1] {
			t.Errorf("%s: got %v", name, res.header)
		}
	}
}

// TestHandshakeFaultsDoNotCountAsSessions: a handshake that fails releases what it
// counted for.
func TestHandshakeFaultsDoNotCountAsSessions(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.SessionsPerAddress = 2 }})
	short := strings.Replace(handshakeOf(""), "dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 1)
	for range 5 {
		if c, _ := in.open(t, short, false); c.status != 400 {
			t.Fatalf("got status %d", c.status)
		}
	}
	for range 5 {
		if c, _ := in.open(t, handshakeOf("?nonsense=1"), false); c.status != 400 {
			t.Fatalf("got status %d", c.status)
		}
	}
	in.raw(t, "", token(t, "u", "live", time.Hour))
}

func TestHandshakeSubprotocol(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for offered, want := range map[string]string{
		"": "", "sluice.v1.json": "sluice.v1.json", "other, sluice.v1.json": "sluice.v1.json", "other": "",
	} {
		var header []string
		if offered != "" {
			header = []string{"Sec-WebSocket-Protocol", offered}
		}
		_, res := in.open(t, handshakeOf("", header...), false)
		if got := res.header.Get("Sec-WebSocket-Protocol"); res.status != 101 || got != want {
			t.Errorf("offered %q: status %d, got %q, want %q", offered, res.status, got, want)
		}
		if extensions := res.header.Get("Sec-WebSocket-Extensions"); extensions != "" {
			t.Errorf("got extensions %q", extensions)
		}
	}
}
