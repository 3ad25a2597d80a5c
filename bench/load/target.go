package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"sluice/bench/load/scenario"
)

// Dialects are the protocols on connections.
const (
	// dialectSluice is Sluice's protocol.
	dialectSluice = "sluice"
	// dialectPlain treats each message, or each data line of an event stream, as a
	// record if it contains a stamp.
	dialectPlain = "plain"
	// dialectNATS is NATS's client protocol in WebSocket frames.
	dialectNATS = "nats"
	// dialectNone treats nothing as a record.
	dialectNone = "none"
)

// target is what clients connect to.
type target struct {
	// Address is an IPv4 address with a port.
	Address string `json:"address"`
	Dialect string `json:"dialect"`
	// Streams are the names that clients subscribe to.
	Streams []string `json:"streams"`
	// Path is the path of the request, with its query, and Send what a WebSocket
	// sends first, one message per line; {stream}, {key} and {client} in them are
	// replaced. Empty means the dialect's default.
	Path string `json:"path,omitempty"`
	Send string `json:"send,omitempty"`
	// Subprotocol is offered by WebSockets, unless it is empty.
	Subprotocol string `json:"subprotocol,omitempty"`
	// Token is sent as a bearer token, unless it is empty.
	Token string `json:"token,omitempty"`
	// TLS is set if clients connect over TLS.
	TLS bool `json:"tls,omitempty"`
	// Sources is the number of addresses, from 127.0.0.2 on, over which connections
	// are distributed, because a server has at most some 28,000 ports for each.
	Sources int `json:"sources"`
}

// wish is what one client requests.
type wish struct {
	kind   string
	client int
	stream int
	// key is a slot to subscribe to by key, or -1 for none, and filter an expression,
	// or empty.
	key    int
	filter string
	// publishes omits the subscription.
	publishes bool
	// from is where to resume: a cursor of Sluice's, or empty.
	from string
}

// path returns the path that a client requests.
func (t target) path(w wish) string {
	path := t.Path
	if path == "" && t.Dialect == dialectSluice {
		path = "/v1/ws"
		if w.kind == scenario.SSE {
			path = "/v1/streams/{stream}/events"
			if w.key >= 0 {
				path += "?key={key}"
			} else if w.filter != "" {
				path += "?filter=" + url.QueryEscape(w.filter)
			}
		}
	}
	return t.fill(path, w)
}

func (t target) fill(text string, w wish) string {
	return strings.NewReplacer(
		"{stream}", t.Streams[w.stream],
		"{key}", string(appendKey(nil, max(w.key, 0))),
		"{client}", fmt.Sprint(w.client),
	).Replace(text)
}

// first returns the messages that a WebSocket sends first.
func (t target) first(w wish) ([]string, error) {
	switch {
	case t.Send != "":
		return strings.Split(t.fill(t.Send, w), "\n"), nil
	case t.Dialect == dialectNATS:
		return []string{
			"CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1}\r\nSUB " + t.natsSubject(w) + " 1\r\nPING\r\n",
		}, nil
	case t.Dialect != dialectSluice:
		return nil, nil
	case w.publishes:
		return []string{`{"type":"ping","id":"hello"}`}, nil
	}
	subscribe := map[string]any{"type": "subscribe", "id": "0", "stream": t.Streams[w.stream]}
	if w.key >= 0 {
		subscribe["key"] = []string{string(appendKey(nil, w.key))}
	}
	if w.filter != "" {
		subscribe["filter"] = w.filter
	}
	if w.from != "" {
		subscribe["from"] = w.from
	}
	message, err := json.Marshal(subscribe)
	if err != nil {
		return nil, fmt.Errorf("encode subscribe: %w", err)
	}
	return []string{string(message)}, nil
}

func (t target) natsSubject(w wish) string {
	if w.key >= 0 {
		return t.Streams[w.stream] + "." + string(appendKey(nil, w.key))
	}
	return t.Streams[w.stream] + ".>"
}

// lastEventID returns the header with which an event stream resumes.
func (w wish) lastEventID() string {
	if w.kind != scenario.SSE || w.from == "" {
		return ""
	}
	return "Last-Event-ID: " + w.from + "\r\n"
}
