package transport

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/wire"
)

// The buffers of a WebSocket connection. What is read is enough for any control
// frame of a client, which has 131 bytes; larger payloads pass it by. What is
// written goes past the library, but for the close that it may send itself.
const (
	readBuffer  = 144
	writeBuffer = 64
)

// websocketVersion is that of RFC 6455.
const websocketVersion = "13"

// hijackWriter is the ResponseWriter of a handshake on a hijacked connection.
type hijackWriter struct {
	header     http.Header
	extensions string // that are agreed on
	input      *input
	head       bytes.Buffer
}

func (w *hijackWriter) Header() http.Header { return w.header }

func (w *hijackWriter) WriteHeader(status int) {
	if w.extensions != "" && status == http.StatusSwitchingProtocols {
		w.header.Set("Sec-WebSocket-Extensions", w.extensions)
	}
	fmt.Fprintf(&w.head, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = w.header.Write(&w.head)
	w.head.WriteString("\r\n")
}

func (w *hijackWriter) Write(p []byte) (int, error) { return w.head.Write(p) }

func (w *hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.input.frames = bufio.NewReaderSize(w.input, readBuffer)
	return w.input, bufio.NewReadWriter(w.input.frames, bufio.NewWriterSize(w.input, writeBuffer)), nil
}

// accept has the library take the connection over. Three things are asked of it
// beside what it documents, which tests of its own hold: that it reads through
// the buffer that Hijack gives it, as a bit is cleared there; that it writes a
// close frame by one Write, from which what it would say is read; and that
// without its finalizer a connection is collected with its session.
func (w *hijackWriter) accept(r *http.Request, options *websocket.AcceptOptions) (*websocket.Conn, error) {
	conn, err := websocket.Accept(w, r, options)
	if err != nil {
		return nil, err
	}
	// What has a finalizer and refers to itself is never collected, and it does,
	// through the session. Its connection is the session's to close.
	runtime.SetFinalizer(conn, nil)
	return conn, nil
}

// handleWebSocket serves GET /v1/ws.
func (s *Server) handleWebSocket(w http.ResponseWriter, r *http.Request) {
	if !s.checkHandshake(w, r) {
		return
	}
	c := s.admit(r)
	defer c.leave()
	query, fault := wire.ParseQuery(r.URL.RawQuery, wire.EndpointWS, "")
	if c.fault == nil {
		c.fault = fault
	}
	if c.fault == nil && !s.sameOrListed(r) {
		c.fault = wire.Errorf(wire.Forbidden, "pages of this origin may not connect: add it to the configured origins")
	}
	// Page scripts cannot see a status, only a close code.
	if c.fault != nil && r.Header.Get("Origin") == "" {
		s.refuse(w, r, c.fault)
		return
	}
	if err := s.openWebSocket(w, r, c, query); err != nil {
		s.logger.DebugContext(r.Context(), "websocket handshake failed", "error", err)
	}
}

// checkHandshake refuses what is no WebSocket handshake (RFC 6455, section 4.2),
// before it counts for anything.
func (s *Server) checkHandshake(w http.ResponseWriter, r *http.Request) bool {
	fault := handshakeFault(r)
	if fault == nil {
		return true
	}
	if fault.HTTPStatus == http.StatusUpgradeRequired {
		// RFC 9110, sections 7.8 and 15.5.22. The HTTP server would put close in
		// the place of upgrade.
		options := "Upgrade"
		if r.Close || !r.ProtoAtLeast(1, 1) {
			options += ", close"
		}
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", options)
		w.Header().Set("Sec-WebSocket-Version", websocketVersion)
	}
	s.refuse(w, r, fault)
	return false
}

func handshakeFault(r *http.Request) *wire.Error {
	var fault *wire.Error
	versions := r.Header.Values("Sec-WebSocket-Version")
	switch {
	case r.ProtoMajor > 1:
		// There is no Upgrade in HTTP/2 (RFC 9113, section 8.2.2).
		return wire.Errorf(wire.BadRequest, "a WebSocket is opened over HTTP/1.1 here, not over HTTP/2 (RFC 8441)")
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) ||
		!tokenIn(r.Header, "Connection", "upgrade") || !tokenIn(r.Header, "Upgrade", "websocket"):
		fault = wire.Errorf(wire.BadRequest, "this is a WebSocket endpoint: connect with a WebSocket client, which sends GET over HTTP/1.1")
		fault.HTTPStatus = http.StatusUpgradeRequired
		return fault
	case r.ContentLength != 0:
		return wire.Errorf(wire.BadRequest, "a WebSocket handshake has no body")
	case len(versions) > 1:
		return wire.Errorf(wire.BadRequest, "a WebSocket handshake has one Sec-WebSocket-Version")
	case len(versions) == 0 || strings.TrimSpace(versions[0]) != websocketVersion:
		fault = wire.Errorf(wire.BadRequest, "only version %s of the WebSocket protocol is spoken here", websocketVersion)
		fault.HTTPStatus = http.StatusUpgradeRequired
		return fault
	case !oneKey(r.Header.Values("Sec-WebSocket-Key")):
		return wire.Errorf(wire.BadRequest, "a WebSocket handshake has one Sec-WebSocket-Key of 16 bytes in base64")
	}
	return nil
}

func oneKey(keys []string) bool {
	if len(keys) != 1 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0]))
	return err == nil && len(key) == 16
}

// openWebSocket takes the connection from the HTTP server, accepts it, and
// starts its session.
func (s *Server) openWebSocket(w http.ResponseWriter, r *http.Request, c *client, query wire.Query) error {
	x := s.newSession(s.conversationFor(r.Header), c)
	defer x.releaseUnstarted()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("hijack connection: %w", err)
	}
	x.conn = conn
	_ = conn.SetDeadline(time.Time{})
	in := &input{budget: -1}
	if n := buffered.Reader.Buffered(); n > 0 {
		early, _ := buffered.Peek(n)
		in.early = bytes.Clone(early)
	}
	now := monotimeNow()
	ws := &webSocket{input: in, query: &query, pingEvery: s.config.Limits.PingEvery}
	if query.Ping > 0 {
		ws.pingEvery = query.Ping
	}
	x.ws = ws
	hijacked := &hijackWriter{header: make(http.Header), input: in}
	if deflate, ok := s.deflateFor(r.Header, x.dialect); ok {
		hijacked.extensions = deflate.String()
		ws.deflates = true
		x.shares = &sharing{codec: x.dialect.codec()}
		x.shares.window.Forgets = deflate.ServerForgets
	}
	in.headers.most = int64(ws.mostOnWire(s.config.Limits.MessageBytes))
	ws.conn, err = hijacked.accept(r, &websocket.AcceptOptions{
		Subprotocols: []string{x.dialect.name()},
		// Origins are checked before, exactly.
		InsecureSkipVerify: true,
		// Compression is none of its business either.
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  x.onPing,
		OnPongReceived:  x.onPong,
	})
	// Also what the client still has to read of earlier answers can fill the
	// connection.
	head := blockingWriter{conn}
	if writeErr := head.WriteAll(hijacked.head.Bytes(), s.config.Limits.WriteProgress, time.Time{}); err == nil {
		err = writeErr
	}
	if err != nil {
		return fmt.Errorf("accept websocket: %w", err)
	}
	x.attach(conn)
	in.readConn = x.conn
	ws.conn.SetReadLimit(-1) // bounded by read
	ws.nextPing = now.Add(jittered(ws.pingEvery))
	if c.principal == nil {
		ws.authBy = now.Add(s.config.Limits.FirstMessageAuth)
	}
	fault := c.fault
	s.start(x, c)
	s.tasks.Go(func() { x.open(fault) })
	return nil
}
