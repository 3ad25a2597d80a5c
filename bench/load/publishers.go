package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// APIs for publishing to other servers.
const (
	apiHTTP    = "http" // the body is the message: nchan, and the plain hub
	apiMercure = "mercure"
	apiPushpin = "pushpin"
	apiNATS    = "nats"
)

// peerChannel is the channel that clients of other servers subscribe to.
const peerChannel = "load"

var errPublish = errors.New("publish refused")

func newPublisher(job bridgeJob) (publisher, error) {
	switch api, path, _ := strings.Cut(job.API, " "); api {
	case apiHTTP:
		return &httpPublisher{host: job.Address, path: path, kind: "application/json", body: func(dst []byte, r *kgo.Record) []byte {
			return append(dst, r.Value...)
		}}, nil
	case apiMercure:
		return &httpPublisher{
			host: job.Address, path: "/.well-known/mercure", kind: "application/x-www-form-urlencoded",
			fields: "Authorization: Bearer " + publisherToken(job.Secret) + "\r\n",
			body: func(dst []byte, r *kgo.Record) []byte {
				return append(dst, "topic="+peerChannel+"&data="+url.QueryEscape(string(r.Value))...)
			},
		}, nil
	case apiPushpin:
		return &pushpinPublisher{}, nil
	case apiNATS:
		return &natsPublisher{}, nil
	}
	return nil, fmt.Errorf("publish by %q: %w", job.API, errors.ErrUnsupported)
}

// publisherToken returns a JWT (RFC 7519) that permits publishing to a Mercure hub.
func publisherToken(secret string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(`{"mercure":{"publish":["*"]}}`))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// httpPublisher posts each record, pipelined (RFC 9112, section 9.3.2).
type httpPublisher struct {
	host, path, kind, fields string
	body                     func(dst []byte, r *kgo.Record) []byte
	buf                      []byte
}

func (p *httpPublisher) greeting() []byte { return nil }

func (p *httpPublisher) encode(dst []byte, records []*kgo.Record) ([]byte, int) {
	for _, r := range records {
		p.buf = p.body(p.buf[:0], r)
		dst = appendPost(dst, p.host, p.path, p.kind, p.fields, p.buf)
	}
	return dst, len(records)
}

func appendPost(dst []byte, host, path, kind, fields string, body []byte) []byte {
	dst = fmt.Appendf(dst, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n",
		path, host, kind, fields, len(body))
	return append(dst, body...)
}

func (p *httpPublisher) answer(r *bufio.Reader) error { return httpAnswer(r) }

func httpAnswer(r *bufio.Reader) error {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%w: %s: %.200s", errPublish, res.Status, said)
	}
	return res.Body.Close()
}

// pushpinPublisher pushes over ZeroMQ, which Pushpin's documentation advises for
// many messages, for both kinds of clients. Only the greeting is answered; when
// Pushpin does not keep up, the connection blocks.
type pushpinPublisher struct{}

func (p *pushpinPublisher) encode(dst []byte, records []*kgo.Record) ([]byte, int) {
	type format struct {
		Content string `json:"content"`
	}
	for _, r := range records {
		// Strings can always be marshalled.
		item, _ := json.Marshal(map[string]any{"channel": peerChannel, "formats": map[string]format{
			"ws-message":  {string(r.Value)},
			"http-stream": {"data: " + string(r.Value) + "\n\n"},
		}})
		// A frame with a long size (ZMTP 3.0); J marks JSON.
		dst = binary.BigEndian.AppendUint64(append(dst, 2), uint64(len(item)+1))
		dst = append(append(dst, 'J'), item...)
	}
	return dst, 0
}

// greeting is the greeting of a PUSH socket without security, and its handshake
// (ZMTP 3.0, RFC 23 of ZeroMQ). No message may be sent before the answer.
func (p *pushpinPublisher) greeting() []byte {
	greeting := [zmtpGreeting]byte{0: 0xff, 9: 0x7f, 10: 3, 12: 'N', 13: 'U', 14: 'L', 15: 'L'}
	ready := []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH")
	return append(append(greeting[:], 4, byte(len(ready))), ready...)
}

const zmtpGreeting = 64

// answer skips the greeting and the handshake of the server.
func (p *pushpinPublisher) answer(r *bufio.Reader) error {
	if _, err := r.Discard(zmtpGreeting); err != nil {
		return err
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	_, err := r.Discard(int(head[1]))
	return err
}

// natsPublisher implements NATS's client protocol. Its server answers a publish only
// on request, so a batch ends with a ping.
type natsPublisher struct{}

func (p *natsPublisher) greeting() []byte {
	return []byte("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n")
}

func (p *natsPublisher) encode(dst []byte, records []*kgo.Record) ([]byte, int) {
	for _, r := range records {
		dst = fmt.Appendf(dst, "PUB %s.%s %d\r\n", peerChannel, r.Key, len(r.Value))
		dst = append(append(dst, r.Value...), '\r', '\n')
	}
	return append(dst, "PING\r\n"...), 1
}

func (p *natsPublisher) answer(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(line, "PONG"):
			return nil
		case strings.HasPrefix(line, "-ERR"):
			return fmt.Errorf("%w: %s", errPublish, strings.TrimSpace(line))
		}
	}
}

// gripBackend tells Pushpin that every client may subscribe to the channel: for an
// event stream by headers of its response, for a WebSocket by the events of a POST.
func gripBackend(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/websocket-events" {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Grip-Hold", "stream")
		w.Header().Set("Grip-Channel", peerChannel)
		_, _ = io.WriteString(w, ": welcome\n\n")
		return
	}
	asked, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/websocket-events")
	w.Header().Set("Sec-WebSocket-Extensions", `grip; message-prefix=""`)
	if strings.HasPrefix(string(asked), "OPEN\r\n") {
		control := `c:{"type":"subscribe","channel":"` + peerChannel + `"}`
		fmt.Fprintf(w, "OPEN\r\nTEXT %x\r\n%s\r\n", len(control), control)
	}
}
