package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"sluice/bench/load/scenario"
)

// Dialects are what servers say on their connections.
const (
	// dialectSluice is Sluice's protocol.
	dialectSluice = "sluice"
	// dialectPlain takes each message, or each data line of an event stream,
	// for a record if it has a stamp in it.
	dialectPlain = "plain"
	// dialectNATS is NATS's client protocol in WebSocket frames.
	dialectNATS = "nats"
	// dialectNone takes nothing for a record.
	dialectNone = "none"
)

// target is what clients connect to.
type target struct {
	// Address is an IPv4 address with a port.
	Address string `json:"address"`
	Dialect string `json:"dialect"`
	// Streams are the names that clients subscribe to.
	Streams []string `json:"streams"`
	// Path is the request's, with its query, and Send what a WebSocket sends
	// first, one message a line; {stream}, {key} and {client} in them are
	// filled in. Empty means the dialect's own.
	Path string `json:"path,omitempty"`
	Send string `json:"send,omitempty"`
	// Subprotocol is offered by WebSockets, where it is not empty.
	Subprotocol string `json:"subprotocol,omitempty"`
	// Token is sent as a bearer token, where it is not empty.
	Token string `json:"token,omitempty"`
	// Sources is over how many addresses from 127.0.0.2 on connections are
	// spread, as a server has at most some 28,000 ports for each.
	Sources int `json:"sources"`
}

// wish is what one client wants.
type wish struct {
	kind   string
	client int
	stream int
	// key is a slot, or -1 for all.
	key int
	// publishes leaves out the subscription.
	publishes bool
	// from is where to read on: a cursor of Sluice's, or empty.
	from string
}

// path is what a client asks for.
func (t target) path(w wish) string {
	path := t.Path
	if path == "" && t.Dialect == dialectSluice {
		path = "/v1/ws"
		if w.kind == scenario.SSE {
			path = "/v1/streams/{stream}/events"
			if w.key >= 0 {
				path += "?key={key}"
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

// first are the messages that a WebSocket begins with.
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

// lastEventID is the header of an event stream that comes back.
func (w wish) lastEventID() string {
	if w.kind != scenario.SSE || w.from == "" {
		return ""
	}
	return "Last-Event-ID: " + w.from + "\r\n"
}
