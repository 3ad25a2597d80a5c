package wire

// Published answers a publish of a single record that is stored.
type Published struct {
	// ID is empty over HTTP.
	ID        string
	Partition int32
	Offset    int64
	// Timestamp is in Unix milliseconds, -1 for none.
	Timestamp int64
	// Duplicate means that the record was stored before, under the same message
	// id.
	Duplicate bool
}

// Append implements Message.
func (m *Published) Append(dst []byte) []byte {
	o := openMessage(dst, "published")
	o.textIf("id", m.ID)
	m.appendFields(&o)
	return o.close()
}

// AppendBody appends the body of the HTTP response.
func (m *Published) AppendBody(dst []byte) []byte {
	o := openObject(dst)
	m.appendFields(&o)
	return o.close()
}

func (m *Published) appendFields(o *object) {
	o.number("partition", int64(m.Partition))
	o.number("offset", m.Offset)
	o.timestamp("ts", m.Timestamp)
	o.flagIf("duplicate", m.Duplicate)
}

// DeadLetter answers a publish of a single record that was kept as a dead letter.
type DeadLetter struct {
	// ID is empty over HTTP.
	ID string
	// Why is what is wrong with the record. Its ID is not used.
	Why *Error
	// Duplicate means that it was kept before, under the same message id.
	Duplicate bool
}

// Append implements Message.
func (m *DeadLetter) Append(dst []byte) []byte {
	o := openMessage(dst, "published")
	o.textIf("id", m.ID)
	m.Why.appendFields(&o)
	o.flagIf("duplicate", m.Duplicate)
	return o.close()
}

// AppendBody appends the body of the HTTP response.
func (m *DeadLetter) AppendBody(dst []byte) []byte {
	o := openObject(dst)
	m.Why.appendFields(&o)
	o.flagIf("duplicate", m.Duplicate)
	return o.close()
}

// PublishedBatch answers a publish of several records, in their order.
type PublishedBatch struct {
	// ID is empty over HTTP.
	ID      string
	Results []Result
}

// Result is the result for one record: its partition and offset, or an error.
type Result struct {
	Partition int32
	Offset    int64
	// Duplicate means that this was answered before, under the same message id.
	Duplicate bool
	// Err is nil if the record is stored. Its ID is not used.
	Err *Error
}

// Failed returns the number of records that are not known to be stored in the stream.
func (m *PublishedBatch) Failed() int {
	n := 0
	for i := range m.Results {
		if m.Results[i].Err != nil {
			n++
		}
	}
	return n
}

// Status returns the HTTP status of the response: 200 if all records are stored,
// else 207.
func (m *PublishedBatch) Status() int {
	if m.Failed() == 0 {
		return 200
	}
	return 207
}

// Append implements Message.
func (m *PublishedBatch) Append(dst []byte) []byte {
	o := openMessage(dst, "published")
	o.textIf("id", m.ID)
	m.appendFields(&o)
	return o.close()
}

// AppendBody appends the body of the HTTP response.
func (m *PublishedBatch) AppendBody(dst []byte) []byte {
	o := openObject(dst)
	m.appendFields(&o)
	return o.close()
}

func (m *PublishedBatch) appendFields(o *object) {
	o.number("failed", int64(m.Failed()))
	o.name("results")
	o.buf = append(o.buf, '[')
	for i := range m.Results {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		r := &m.Results[i]
		entry := openObject(o.buf)
		if r.Err != nil {
			r.Err.appendFields(&entry)
		} else {
			entry.number("partition", int64(r.Partition))
			entry.number("offset", r.Offset)
		}
		entry.flagIf("duplicate", r.Duplicate)
		o.buf = entry.close()
	}
	o.buf = append(o.buf, ']')
}

// Replied answers a publish that expects a reply: the record is stored, and the reply has
// come or has not come in time.
type Replied struct {
	Published
	// Event is the reply as encoded by event.Encoder, nil if there was none.
	Event []byte
	// Without a reply, Correlation is the value of the header that it will have, Header
	// the header's name, and Stream and Cursor where it is to be expected.
	Correlation, Header, Stream, Cursor string
}

// Append implements Message.
func (m *Replied) Append(dst []byte) []byte {
	o := openMessage(dst, "published")
	o.textIf("id", m.ID)
	m.appendFields(&o)
	return o.close()
}

// AppendBody appends the body of the HTTP response.
func (m *Replied) AppendBody(dst []byte) []byte {
	o := openObject(dst)
	m.appendFields(&o)
	return o.close()
}

// Status returns the HTTP status of the response: 200 with a reply, else 202.
func (m *Replied) Status() int {
	if m.Event == nil {
		return 202
	}
	return 200
}

func (m *Replied) appendFields(o *object) {
	m.Published.appendFields(o)
	if m.Event != nil {
		o.name("reply")
		o.buf = append(o.buf, m.Event...)
		return
	}
	o.null("reply")
	o.name("reply_at")
	at := openObject(o.buf)
	at.text("stream", m.Stream)
	at.text("header", m.Header)
	at.text("value", m.Correlation)
	at.text("cursor", m.Cursor)
	o.buf = at.close()
}

// Page is one page of records.
type Page struct {
	// Events are events as encoded by event.Encoder.
	Events   [][]byte
	Gaps     []Gap
	Cursor   string
	CaughtUp bool
}

// Size returns how much memory Append needs at most.
func (p *Page) Size() int {
	const names, gap = 64, 256
	size := names + 6*len(p.Cursor) + gap*len(p.Gaps)
	for _, event := range p.Events {
		size += len(event) + 1
	}
	for i := range p.Gaps {
		size += 6 * len(p.Gaps[i].Stream)
	}
	return size
}

// Append appends the body of the HTTP response.
func (p *Page) Append(dst []byte) []byte {
	o := openObject(dst)
	o.name("records")
	o.buf = append(o.buf, '[')
	for i, event := range p.Events {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = append(o.buf, event...)
	}
	o.buf = append(o.buf, ']')
	o.name("gaps")
	o.buf = append(o.buf, '[')
	for i := range p.Gaps {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = p.Gaps[i].Append(o.buf)
	}
	o.buf = append(o.buf, ']')
	o.text("cursor", p.Cursor)
	o.flag("caught_up", p.CaughtUp)
	return o.close()
}
