package transport

// protocol is the transport that a session is counted as in the labels of metrics.
type protocol uint8

const (
	protocolWebSocket protocol = iota
	protocolEvents
	protocolLines
	protocolPage    // not a session: a single answer
	protocolPublish // a body whose records are published while it arrives, or one that waits for a reply
	protocols
)

func (p protocol) String() string {
	return [...]string{"websocket", "sse", "ndjson", "page", "publish"}[p]
}
