package wire_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/hub/event"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// sseEvent is an event that an EventSource would dispatch.
type sseEvent struct{ name, data, id string }

// parseSSE interprets a stream according to the HTML standard, section 9.2.6.
func parseSSE(stream string) (events []sseEvent, lastID string, retry int) {
	retry = -1
	stream = strings.TrimPrefix(stream, "\ufeff")
	stream = strings.ReplaceAll(stream, "\r\n", "\n")
	stream = strings.ReplaceAll(stream, "\r", "\n")
	lines := strings.Split(stream, "\n")
	var data, name, idBuffer string
	for _, line := range lines[:len(lines)-1] { // an unfinished line is dropped
		if line == "" {
			lastID = idBuffer
			if data != "" {
				event := sseEvent{name: name, data: strings.TrimSuffix(data, "\n"), id: lastID}
				if event.name == "" {
					event.name = "message"
				}
				events = append(events, event)
			}
			data, name = "", ""
			continue
		}
		if line[0] == ':' {
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
		case "id":
			if !strings.Contains(value, "\x00") {
				idBuffer = value
			}
		case "retry":
			if n, err := strconv.ParseUint(value, 10, 31); err == nil {
				retry = int(n)
			}
		}
	}
	return events, lastID, retry
}

func TestSSEText(t *testing.T) {
	t.Parallel()
	var b []byte
	b = wire.AppendRetry(b, 2731*time.Millisecond)
	b = wire.AppendNamedSSE(b, wire.EventReady, "v1.kQEC3g", []byte(`{"type":"ready"}`))
	b = wire.AppendSSE(b, []byte(`{"type":"event"}`), "")
	b = wire.AppendSSE(b, []byte(`{"type":"event"}`), "v1.kQED4A")
	b = wire.AppendNamedSSE(b, wire.EventCursor, "v1.kQED5B", wire.AppendCursorData(nil, "v1.kQED5B"))
	want := `retry: 2731
event: sluice.ready
id: v1.kQEC3g
data: {"type":"ready"}

data: {"type":"event"}

data: {"type":"event"}
id: v1.kQED4A

event: sluice.cursor
id: v1.kQED5B
data: {"cursor":"v1.kQED5B"}

`
	if string(b) != want {
		t.Errorf("\n got %s\nwant %s", b, want)
	}
	if got := string(wire.AppendRetry(nil, -time.Second)); got != "retry: 0\n" {
		t.Errorf("a negative retry: %q", got)
	}
	if got := string(wire.AppendRetry(nil, time.Microsecond)); got != "retry: 1\n" {
		t.Errorf("a short retry: %q", got)
	}
}

func TestSSEFieldsHoldNoLineEnds(t *testing.T) {
	t.Parallel()
	line := []byte("{\"a\":\r\n1}\x00")
	b := wire.AppendSSE(nil, line, "x\rid: y\n\x00")
	if got, want := string(b), "data: {\"a\":  1} \nid: x id: y  \n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if string(line) != "{\"a\":\r\n1}\x00" {
		t.Error("the shared line was changed")
	}
}

// FuzzSSE checks that, whatever records contain, an EventSource sees exactly the
// events that were written.
func FuzzSSE(f *testing.F) {
	f.Add([]byte("k"), []byte(`{"a":1}`), "v1.a", "v1.b", int64(2731))
	f.Add([]byte("\r\nid: x\n\n"), []byte("a\r\n\ndata: b\x00"), "a\nb", "", int64(-5))
	f.Add([]byte("\u2028\ufeff"), []byte("[1,\r\n2]"), "\x00", "end", int64(0))
	f.Fuzz(func(t *testing.T, key, value []byte, id, id2 string, retry int64) {
		retry &= 1<<40 - 1
		record := &record.Record{Key: key, Value: value, Headers: []record.Header{{Name: key, Value: value}}}
		line, _, err := event.NewEncoder(string(key), event.ContentAny).Append(nil, record)
		if err != nil {
			t.Fatal(err)
		}
		var b []byte
		b = wire.AppendRetry(b, time.Duration(retry))
		b = wire.AppendNamedSSE(b, wire.EventReady, id, value)
		b = wire.AppendSSE(b, line, "")
		b = wire.AppendSSE(b, line, id2)
		events, lastID, gotRetry := parseSSE(string(b))
		clean := strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace
		wantLast := clean(id2)
		if id2 == "" {
			wantLast = clean(id)
		}
		want := []sseEvent{
			{"sluice.ready", clean(string(value)), clean(id)},
			{"message", string(line), clean(id)},
			{"message", string(line), wantLast},
		}
		if len(events) != len(want) {
			t.Fatalf("%d events of %q", len(events), b)
		}
		for i := range want {
			if events[i] != want[i] {
				t.Errorf("event %d is %q, want %q", i, events[i], want[i])
			}
		}
		if lastID != wantLast {
			t.Errorf("last event id %q, want %q", lastID, wantLast)
		}
		if wantRetry := (retry + 999_999) / 1_000_000; int64(gotRetry) != wantRetry {
			t.Errorf("retry %d, want %d", gotRetry, wantRetry)
		}
		if !json.Valid([]byte(events[1].data)) {
			t.Errorf("not JSON: %q", events[1].data)
		}
	})
}
