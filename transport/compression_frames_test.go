package transport_test

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

const rsv1 = 0x40

// deflated returns a message's payload under permessage-deflate.
func deflated(t testing.TB, messages ...string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if _, err := io.WriteString(w, m); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// dialDeflated opens a WebSocket that negotiates compression.
func (in *instance) dialDeflated(mode websocket.CompressionMode, token string) *socket {
	in.t.Helper()
	c, res, err := websocket.Dial(in.t.Context(), in.url+"/v1/ws", &websocket.DialOptions{ //nolint:bodyclose // the library has
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}, CompressionMode: mode, CompressionThreshold: 1,
	})
	if err != nil {
		in.t.Fatal(err)
	}
	c.SetReadLimit(-1)
	in.t.Cleanup(func() { _ = c.CloseNow() })
	if got := res.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate; client_no_context_takeover") {
		in.t.Fatalf("the extensions are %q", got)
	}
	return &socket{t: in.t, Conn: c}
}

// TestDeflatedWebSockets: clients that keep a window, that keep none and that do not
// compress connect one after another while records are published, at different
// positions of the shared window. Each receives every record once.
func TestDeflatedWebSockets(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing})
	tok := token(t, "u42", "live", time.Hour)
	const records = 2000
	in.publish("orders", 0, 0, 100)
	var clients sync.WaitGroup
	for n := range 12 {
		mode := []websocket.CompressionMode{
			websocket.CompressionContextTakeover, websocket.CompressionNoContextTakeover, websocket.CompressionDisabled,
		}[n%3]
		clients.Go(func() {
			time.Sleep(time.Duration(n) * 15 * time.Millisecond)
			var c *socket
			if mode == websocket.CompressionDisabled {
				c = in.dial("", tok)
			} else {
				c = in.dialDeflated(mode, tok)
			}
			c.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest"}`)
			c.send(`{"type":"subscribe","id":"b","stream":"public.news"}`)
			if n%2 == 0 {
				// A subscription whose events are not shared, between those that
				// are.
				c.send(`{"type":"subscribe","id":"c","stream":"orders","key":["k1"]}`)
			}
			for next := 0; next < records; {
				m := c.next()
				if m.str("type") != "event" || m.str("feed") != "" || m.str("stream") != "orders" {
					continue
				}
				if m["offset"] != float64(next) {
					t.Errorf("client %d: got %v, want offset %d", n, m, next)
					return
				}
				next++
			}
		})
	}
	for n := 100; n < records; {
		to := min(n+1+n%40, records)
		in.publish("orders", 0, n, to)
		in.publish("public.news", 0, n, n+1)
		n = to
		if n%3 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	clients.Wait()
}

// TestDeflatedShares: compressed output is much smaller, also one record at a time
// and for a client that connects midway.
func TestDeflatedShares(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing})
	tok := token(t, "u42", "live", time.Hour)
	first := in.dialDeflated(websocket.CompressionContextTakeover, tok)
	first.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
	first.until("caught_up")
	in.publish("orders", 0, 0, 20)
	for range 20 {
		first.until("event")
	}
	const content, compressed = `sluice_compressed_content_bytes_total{protocol="websocket"}`, `sluice_compressed_bytes_total{protocol="websocket"}`
	second := in.dialDeflated(websocket.CompressionContextTakeover, tok)
	second.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
	second.until("caught_up")
	in.eventually("all is counted", func() bool { return in.metric(content) > 0 })
	contentBefore, compressedBefore := in.metric(content), in.metric(compressed)
	for n := 20; n < 220; n++ {
		in.publish("orders", 0, n, n+1)
		first.until("event")
		second.until("event")
	}
	before, after := in.metric(content)-contentBefore, in.metric(compressed)-compressedBefore
	t.Logf("200 records one by one, for two: %.0f bytes, %.0f compressed", before, after)
	if before == 0 || after > before/2 {
		t.Errorf("%.0f bytes became %.0f", before, after)
	}
}

// TestDeflatedSlowReader is TestCompressedSlowReader for WebSockets.
func TestDeflatedSlowReader(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing, stream: func(s *hub.Stream) { s.LogBytes = 64 << 20 }})
	tok := token(t, "u42", "live", time.Hour)
	c := in.dialDeflated(websocket.CompressionContextTakeover, tok)
	c.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
	c.until("caught_up")
	other := in.events("/v1/streams/orders/events", tok)
	other.until("sluice.caught_up")
	const records = 1500
	noise := make([]byte, 3000)
	for range records {
		_, _ = rand.Read(noise)
		in.topics.Append("orders", record.Record{Value: bytes.Clone(noise), Timestamp: 1})
	}
	other.offsets(records) // everything has been delivered to clients that read
	if sent := in.metric(`sluice_sent_bytes_total{protocol="websocket"}`); sent >= records*3000 {
		t.Errorf("%.0f bytes were taken without a reader", sent)
	}
	for n := range records {
		if m := c.until("event"); m["offset"] != float64(n) {
			t.Fatalf("got offset %v, want %d", m["offset"], n)
		}
	}
}

func TestDeflateIsNegotiated(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing, limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 }})
	off := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	const plain = "permessage-deflate; client_no_context_takeover"
	many := strings.Repeat("x, ", 20) + "permessage-deflate"
	for offer, want := range map[string]string{
		"permessage-deflate; client_max_window_bits":                             plain,
		"permessage-deflate":                                                     plain,
		"x-other; a=b, permessage-deflate;client_max_window_bits=10":             plain,
		"permessage-deflate; server_no_context_takeover":                         plain + "; server_no_context_takeover",
		"permessage-deflate; server_max_window_bits=15":                          plain + "; server_max_window_bits=15",
		`permessage-deflate; server_max_window_bits="15"`:                        plain + "; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":      plain,
		"permessage-deflate; server_max_window_bits=10":                          "",
		"permessage-deflate; server_max_window_bits":                             "",
		"permessage-deflate; client_max_window_bits=16":                          "",
		"permessage-deflate; client_max_window_bits=08":                          "",
		"permessage-deflate; server_no_context_takeover=1":                       "",
		"permessage-deflate; client_no_context_takeover=":                        "",
		"permessage-deflate; client_max_window_bits; client_max_window_bits":     "",
		"permessage-deflate; more":                                               "",
		"permessage-deflate;":                                                    plain,
		"x-webkit-deflate-frame":                                                 "",
		"":                                                                       "",
		many:                                                                     "",
		"permessage-deflate; client_no_context_takeover; client_max_window_bits": plain,
	} {
		_, res := in.open(t, handshakeOf("", "Authorization", "Bearer "+tok, "Sec-WebSocket-Extensions", offer), false)
		if got := res.header.Get("Sec-WebSocket-Extensions"); res.status != http.StatusSwitchingProtocols || got != want {
			t.Errorf("%q is answered with %d, %q, want %q", offer, res.status, got, want)
		}
	}
	for name, o := range map[string]struct {
		in       *instance
		protocol string
	}{"switched off": {off, "sluice.v1.json"}, "lines": {in, "sluice.v1.lines"}} {
		_, res := o.in.open(t, handshakeOf("", "Authorization", "Bearer "+tok, "Sec-WebSocket-Protocol", o.protocol,
			"Sec-WebSocket-Extensions", "permessage-deflate"), false)
		if got := res.header.Values("Sec-WebSocket-Extensions"); res.status != http.StatusSwitchingProtocols || len(got) > 0 {
			t.Errorf("%s: answered with %d, %q", name, res.status, got)
		}
	}
}

// deflateHandshake returns a handshake that negotiates permessage-deflate.
func deflateHandshake(token string) string {
	return handshakeOf("", "Authorization", "Bearer "+token, "Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
}

// TestInflates: valid compressed messages are answered, and invalid ones close the
// session with their code.
func TestInflates(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing, limits: func(l *transport.Limits) { l.MessageBytes, l.SessionsPerPrincipal = 1024, 0 }})
	tok := token(t, "u42", "live", time.Hour)
	const ping = `{"type":"ping","id":"x"}`
	whole := deflated(t, ping)
	var final bytes.Buffer
	w, err := flate.NewWriter(&final, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, ping[:10])
	_ = w.Close()
	large := deflated(t, `{"type":"ping","id":"x"`+strings.Repeat(" ", 1024-len(ping))+"}")
	tooLarge := deflated(t, `{"type":"ping","id":"x"`+strings.Repeat(" ", 1025-len(ping))+"}")
	bomb := strings.Repeat(" ", 500_000)
	const lastBlock = "\x03\x00" // and empty
	for name, test := range map[string]struct {
		sent []byte
		code int // 0 if the answer is a pong
	}{
		"whole":               {frame(fin|rsv1|text, whole), 0},
		"in fragments":        {joined(frame(rsv1|text, whole[:3]), frame(fin|pingFrame, "p"), frame(continuation, whole[3:7]), frame(fin|continuation, whole[7:])), 0},
		"in two blocks":       {frame(fin|rsv1|text, deflated(t, ping[:7], ping[7:])), 0},
		"behind a last block": {frame(fin|rsv1|text, final.String()+deflated(t, ping[10:])), 0},
		"some last blocks":    {frame(fin|rsv1|text, strings.Repeat(lastBlock, 5)+whole), 0},
		"last blocks only":    {frame(fin|rsv1|text, strings.Repeat(lastBlock, 500)), 1002},
		"plain":               {frame(fin|text, ping), 0},
		"one after the other": {joined(frame(fin|rsv1|text, deflated(t, `{"type":"unknown"}`)), frame(fin|text, `{"type":"unknown"}`), frame(fin|rsv1|text, whole)), 0},
		"as large as may be":  {frame(fin|rsv1|text, large), 0},
		"stored, as large":    {frame(fin|rsv1|text, stored(t, ping[:len(ping)-1]+strings.Repeat(" ", 1024-len(ping))+"}")), 0},
		"stored, too large":   {frame(fin|rsv1|text, stored(t, strings.Repeat(" ", 1025))), 1009},
		"plain, too large":    {frame(fin|text, strings.Repeat(" ", 1025)), 1009},
		"a byte too much":     {frame(fin|rsv1|text, tooLarge), 1009},
		"a bomb":              {frame(fin|rsv1|text, deflated(t, bomb)), 1009},
		"a longer bomb":       {frame(fin|rsv1|text, deflated(t, bomb, bomb, bomb)), 1009},
		"cut short":           {frame(fin|rsv1|text, whole[:len(whole)/2]), 1002},
		"cut by a byte":       {frame(fin|rsv1|text, whole[:len(whole)-1]), 1002},
		"damaged":             {frame(fin|rsv1|text, "\x07\xff\xff"), 1002},
		"refers to nothing":   {frame(fin|rsv1|text, deflated(t, ping, ping)[len(whole)+4:]), 1002},
		"nothing":             {frame(fin|rsv1|text, ""), -1},
		"binary":              {frame(fin|rsv1|binaryFrame, whole), 1003},
		"invalid UTF-8":       {frame(fin|rsv1|text, deflated(t, "\xff\xfe")), 1007},
		"on a ping":           {frame(fin|rsv1|pingFrame, ""), 1002},
		"on a continuation":   {joined(frame(rsv1|text, whole[:3]), frame(fin|rsv1|continuation, whole[3:])), 1002},
		"another bit beside":  {frame(fin|rsv1|0x20|text, whole), 1002},
	} {
		c, _ := in.open(t, deflateHandshake(tok), false)
		c.until("welcome")
		c.put(test.sent)
		switch test.code {
		case 0:
			c.until("pong")
		case -1:
			c.until("error")
		default:
			if got := c.closes(); got != test.code {
				t.Errorf("%s is answered with %d, want %d", name, got, test.code)
			}
		}
	}
	without := in.raw(t, "", tok)
	without.put(frame(fin|rsv1|text, whole))
	if got := without.closes(); got != 1002 {
		t.Errorf("what was not agreed on is answered with %d", got)
	}
}

// TestInflatingTakesTurns: a client whose messages decompress to many bytes waits,
// however few bytes it has sent.
func TestInflatingTakesTurns(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing, limits: func(l *transport.Limits) { l.InflatedPerSecond = 100 << 10 }})
	c, _ := in.open(t, deflateHandshake(token(t, "u42", "live", time.Hour)), false)
	c.until("welcome")
	large := frame(fin|rsv1|text, deflated(t, `{"type":"ping","id":"x"`+strings.Repeat(" ", 60<<10)+"}"))
	began := time.Now()
	for range 3 {
		c.put(large)
	}
	c.until("pong")
	c.until("pong")
	c.until("pong")
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("180 KiB took %v, at 100 KiB a second", took)
	}
}

// FuzzInflate: whatever a compressed message contains, the server answers with
// frames and ends the session.
func FuzzInflate(f *testing.F) {
	for _, m := range []string{`{"type":"ping","id":"x"}`, `{"type":"subscribe","id":"a","stream":"orders"}`, strings.Repeat(" ", 100_000)} {
		f.Add([]byte(deflated(f, m)), true)
		f.Add([]byte(deflated(f, m[:5], m[5:])), false)
	}
	f.Add([]byte("\x07\xff\xff"), true)
	in := start(f, options{config: compressing, limits: func(l *transport.Limits) {
		l.SessionsPerPrincipal, l.MessageBytes, l.MessageAssembly = 0, 1024, 200*time.Millisecond
	}})
	handshake := deflateHandshake(token(f, "u", "live", time.Hour))
	f.Fuzz(func(t *testing.T, payload []byte, whole bool) {
		c, _ := in.open(t, handshake, false)
		_ = c.SetDeadline(time.Now().Add(patience))
		sent := frame(fin|rsv1|text, string(payload))
		if half := len(payload) / 2; !whole {
			sent = joined(frame(rsv1|text, string(payload[:half])), frame(fin|continuation, string(payload[half:])))
		}
		if _, err := c.Write(joined(sent, closeWith(1000, ""))); err != nil {
			t.Fatal(err)
		}
		c.readsToTheEnd(t, payload)
		_ = c.Close()
	})
}

// stored returns a message in blocks that are not compressed.
func stored(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	for len(text) > 0 {
		n := min(len(text), 500)
		if _, err := io.WriteString(w, text[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}
