package wire

import (
	"strconv"
	"time"

	"sluice/hub/jsonscan"
)

// object appends one JSON object field by field. Names are constants of the
// package and need no escaping.
type object struct {
	buf   []byte
	begun bool
}

func openObject(dst []byte) object {
	return object{buf: append(dst, '{')}
}

func openMessage(dst []byte, kind string) object {
	o := openObject(dst)
	o.text("type", kind)
	return o
}

func (o *object) close() []byte { return append(o.buf, '}') }

func (o *object) name(name string) {
	if o.begun {
		o.buf = append(o.buf, ',')
	}
	o.begun = true
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, name...)
	o.buf = append(o.buf, '"', ':')
}

func (o *object) text(name, value string) {
	o.name(name)
	o.buf = jsonscan.AppendString(o.buf, value)
}

func (o *object) textIf(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

func (o *object) number(name string, n int64) {
	o.name(name)
	o.buf = strconv.AppendInt(o.buf, n, 10)
}

func (o *object) flag(name string, value bool) {
	o.name(name)
	o.buf = strconv.AppendBool(o.buf, value)
}

func (o *object) flagIf(name string, value bool) {
	if value {
		o.flag(name, true)
	}
}

func (o *object) null(name string) {
	o.name(name)
	o.buf = append(o.buf, `null`...)
}

// timestamp appends a record's timestamp; -1 is null.
func (o *object) timestamp(name string, ms int64) {
	if ms == -1 {
		o.null(name)
		return
	}
	o.number(name, ms)
}

// millis appends a duration, rounded up, so that a client that waits for it does
// not come back too early.
func (o *object) millis(name string, d time.Duration) {
	o.number(name, int64((d+time.Millisecond-1)/time.Millisecond))
}

func (o *object) millisIf(name string, d time.Duration) {
	if d > 0 {
		o.millis(name, d)
	}
}

func (o *object) timeIf(name string, t time.Time) {
	if !t.IsZero() {
		o.number(name, t.UnixMilli())
	}
}

func (o *object) texts(name string, values []string) {
	o.name(name)
	o.buf = append(o.buf, '[')
	for i, value := range values {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = jsonscan.AppendString(o.buf, value)
	}
	o.buf = append(o.buf, ']')
}
