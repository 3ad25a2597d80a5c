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

// The buffers of a WebSocket connection. The read buffer holds any control frame of
// a client, which has at most 131 bytes; larger payloads bypass it. Writes bypass
// the library, except for the close frame that it may send itself.
const (
	readBuffer  = 144
	writeBuffer = 64
)

// websocketVersion is the version of RFC 6455.
const websocketVersion = "13"

// hijackWriter is the ResponseWriter of a handshake on a hijacked connection.
type hijackWriter struct {
	header     http.Header
	extensions string // the agreed extensions
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

// accept hands the connection to the library. It relies on three things that the
// library does not document, which tests of their own check: that the library reads
// through the buffer that Hijack returns, as a bit is cleared there; that it writes
// a close frame in one Write, from which its contents are read; and that without its
// finalizer a connection is garbage collected with its session.
func (w *hijackWriter) accept(r *http.Request, options *websocket.AcceptOptions) (*websocket.Conn, error) {
	conn, err := websocket.Accept(w, r, options)
	if err != nil {
		return nil, err
	}
	// An object that has a finalizer and refers to itself is never collected, and
	// this one does, through the session. The session closes the connection.
	runtime.SetFinalizer(conn, nil)
	return conn, nil
}

// handleWebSocket serves GET /v1/ws.
func (s *Server) handleWebSocket(w http.ResponseWriter, r *http.Request) {
	if !s.checkHandshake(w, r) {
		return
	}
	// This is refused at once to pages too, although their scripts cannot read why.
	if fault := s.opensTooFast(s.addressOf(r)); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	c := s.admit(r)
	defer c.leave()
	query, fault := wire.ParseQuery(r.URL.RawQuery, wire.EndpointWS, "")
	if c.fault == nil {
		c.fault = fault
	}
	if c.fault == nil {
		c.fault = s.originFault(r)
	}
	// Page scripts cannot read a status, only a close code.
	if c.fault != nil && r.Header.Get("Origin") == "" {
		s.refuse(w, r, c.fault)
		return
	}
	if err := s.openWebSocket(w, r, c, query); err != nil {
		s.logger.DebugContext(r.Context(), "websocket handshake failed", "error", err)
	}
}

// checkHandshake refuses a request that is no WebSocket handshake (RFC 6455, section
// 4.2), before it counts for anything.
func (s *Server) checkHandshake(w http.ResponseWriter, r *http.Request) bool {
	fault := handshakeFault(r)
	if fault == nil {
		return true
	}
	if fault.HTTPStatus == http.StatusUpgradeRequired {
		// RFC 9110, sections 7.8 and 15.5.22. The HTTP server would replace upgrade
		// by close.
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
		return wire.Errorf(wire.BadRequest, "WebSockets over HTTP/2 (RFC 8441) are not supported: use HTTP/1.1")
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) ||
		!tokenIn(r.Header, "Connection", "upgrade") || !tokenIn(r.Header, "Upgrade", "websocket"):
		fault = wire.Errorf(wire.BadRequest, "this is a WebSocket endpoint: connect with a WebSocket client, which sends GET over HTTP/1.1")
		fault.HTTPStatus = http.StatusUpgradeRequired
		return fault
	case r.ContentLength != 0:
		return wire.Errorf(wire.BadRequest, "a WebSocket handshake must not have a body")
	case len(versions) > 1:
		return wire.Errorf(wire.BadRequest, "a WebSocket handshake must have one Sec-WebSocket-Version")
	case len(versions) == 0 || strings.TrimSpace(versions[0]) != websocketVersion:
		fault = wire.Errorf(wire.BadRequest, "only version %s of the WebSocket protocol is supported", websocketVersion)
		fault.HTTPStatus = http.StatusUpgradeRequired
		return fault
	case !oneKey(r.Header.Values("Sec-WebSocket-Key")):
		return wire.Errorf(wire.BadRequest, "a WebSocket handshake must have one Sec-WebSocket-Key of 16 bytes in base64")
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

// openWebSocket takes the connection over from the HTTP server, accepts the
// handshake, and starts the session.
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
	ws := &webSocket{input: in, query: &query, certificate: c.certificate, headers: c.credential.Proof.Headers, tenant: c.tenant, pingEvery: s.limits().PingEvery}
	if query.Ping > 0 {
		ws.pingEvery = query.Ping
	}
	if len(query.Streams) > 0 && !wire.IsPattern(query.Streams[0]) {
		ws.stream = query.Streams[0]
	}
	x.ws = ws
	hijacked := &hijackWriter{header: make(http.Header), input: in}
	if deflate, ok := s.deflateFor(r.Header, x.dialect); ok {
		hijacked.extensions = deflate.String()
		ws.deflates = true
		x.shares = &sharing{codec: x.dialect.codec()}
		x.shares.window.Forgets = deflate.ServerForgets
	}
	in.headers.most = int64(ws.mostOnWire(s.limits().MessageBytes))
	ws.conn, err = hijacked.accept(r, &websocket.AcceptOptions{
		Subprotocols: []string{x.dialect.name()},
		// Origins have been checked before, exactly.
		InsecureSkipVerify: true,
		// Compression is done without the library.
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  x.onPing,
		OnPongReceived:  x.onPong,
	})
	// Earlier answers that the client still has to read can fill the connection.
	head := blockingWriter{conn}
	if writeErr := head.WriteAll(hijacked.head.Bytes(), s.limits().WriteProgress, time.Time{}); err == nil {
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
		ws.authBy = now.Add(s.limits().FirstMessageAuth)
	}
	fault := c.fault
	s.start(x, c)
	s.tasks.Go(func() { x.open(fault) })
	return nil
}
