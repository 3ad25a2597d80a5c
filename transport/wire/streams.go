package wire

import "sluice/hub/jsonscan"

// Member is a stream of a subscription by pattern. Feed marks its events; it is empty
// for an unfiltered subscription, whose feeds are the streams.
type Member struct {
	Stream string
	Feed   string
}

// Streams reports which streams have joined or left a subscription by pattern. It
// precedes the first event of a stream that has joined.
type Streams struct {
	// ID is empty outside WebSocket sessions, and then left out.
	ID      string
	Added   []Member
	Removed []string
	// Omitted is how many streams match and are left out because of a limit.
	Omitted int
	// Cursor is the position with the streams as they are now.
	Cursor string
}

// Append implements Message.
func (m *Streams) Append(dst []byte) []byte {
	o := openMessage(dst, "streams")
	o.textIf("id", m.ID)
	o.members("added", m.Added)
	o.texts("removed", m.Removed)
	if m.Omitted > 0 {
		o.number("omitted", int64(m.Omitted))
	}
	o.text("cursor", m.Cursor)
	return o.close()
}

// members appends the names of streams, and the feeds of those that have others.
func (o *object) members(name string, all []Member) {
	names := make([]string, len(all))
	labelled := false
	for i, m := range all {
		names[i] = m.Stream
		labelled = labelled || m.Feed != ""
	}
	o.texts(name, names)
	if !labelled {
		return
	}
	o.name("feeds")
	feeds := openObject(o.buf)
	for _, m := range all {
		if m.Feed != "" {
			feeds.key(m.Stream)
			feeds.buf = jsonscan.AppendString(feeds.buf, m.Feed)
		}
	}
	o.buf = feeds.close()
}

// key appends a name that is not a constant of the package.
func (o *object) key(name string) {
	if o.begun {
		o.buf = append(o.buf, ',')
	}
	o.begun = true
	o.buf = append(jsonscan.AppendString(o.buf, name), ':')
}
