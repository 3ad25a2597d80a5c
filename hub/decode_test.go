package hub_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// halves decodes "N:TEXT" as TEXT, as often as N says, in its memory, and "=TEXT" as a part
// of what is stored. It cannot decode anything else.
type halves struct{}

func (halves) Decode(dst, stored []byte) (value, memory []byte, err error) {
	if rest, ok := bytes.CutPrefix(stored, []byte("=")); ok {
		return rest, dst, nil
	}
	number, text, ok := bytes.Cut(stored, []byte(":"))
	if !ok {
		return nil, dst, errors.New("no colon")
	}
	var times int
	if _, err := fmt.Sscan(string(number), &times); err != nil {
		return nil, dst, err
	}
	for range times {
		dst = append(dst, text...)
	}
	return dst, dst, nil
}

// TestDecoded: values are shown decoded, live and behind the log, before they are decrypted;
// what cannot be decoded is a gap, and stops nothing. Tombstones are not decoded.
func TestDecoded(t *testing.T) {
	t.Parallel()
	values := []string{`0:x`, `1:{"n":0}`, `={"n":1,"secret":"sealed"}`, "damaged", `3:7`, "", `1:no JSON`, "=", `20000:1`, `={"n":8}`}
	shown := []string{
		`"unreadable"`,
		`,"data":{"n":0}}`, `,"data":{"n":1,"secret":"open-a-orders.v1"}}`, `"unreadable"`, `,"data":777}`, `,"data":null,"tombstone":true}`,
		`"unreadable"`, `"unreadable"`, `"too_large"`, `,"data":{"n":8}}`,
	}
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late %v", late), func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			write := func() {
				for _, v := range values {
					r := record.Record{Key: []byte("k"), Timestamp: time.Now().UnixMilli()}
					if v != "" {
						r.Value = []byte(v)
					}
					topics.Append("orders.v1", r)
				}
			}
			start := hub.Start{Kind: hub.StartLatest}
			if late {
				start.Kind = hub.StartEarliest
				write()
			}
			h := startHub(t, topics, func(s *hub.Stream) {
				s.Content, s.Decode, s.Decrypt, s.Backfill, s.RecordBytes = "json", halves{}, &opener{"a", []string{"/secret"}}, 0, 10_000
			})
			r := subscribe(t, h, hub.Request{Start: start, Rows: hub.Rows{Encrypted: []string{"/secret"}}})
			defer r.Close()
			if !late {
				write()
			}
			for i, line := range r.lines(t, "pages", len(shown)) {
				if !strings.Contains(line, shown[i]) {
					t.Errorf("offset %d: %s, want %s", i, line, shown[i])
				}
			}
		})
	}
}
