package transport

// protocol is what sessions are counted as, in labels of metrics.
type protocol uint8

const (
	protocolWebSocket protocol = iota
	protocolEvents
	protocolLines
	protocolPage // no session: one answer
	protocols
)

func (p protocol) String() string {
	return [...]string{"websocket", "sse", "ndjson", "page"}[p]
}
