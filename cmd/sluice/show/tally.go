package show

import (
	"fmt"
	"time"

	"sluice/cmd/sluice/terminal"
	"sluice/transport/client"
)

// Tally is what has been seen since Begun.
type Tally struct {
	Begun   time.Time
	Records int

	bytes         int64
	gaps, missing int64
	subscribed    bool
	disconnects   int
}

// Note counts an event.
func (t *Tally) Note(event client.Event) {
	switch e := event.(type) {
	case client.Record:
		t.Records++
		t.bytes += int64(len(e.Data))
	case client.Gap:
		t.gaps++
		t.missing += e.To - e.From
	case client.Subscribed:
		t.subscribed = true
	case client.Disconnected:
		if t.subscribed { // otherwise an attempt failed to bring the lost connection back
			t.disconnects++
		}
		t.subscribed = false
	}
}

// String returns the summary at a time.
func (t *Tally) String(now time.Time) string {
	took := now.Sub(t.Begun)
	text := fmt.Sprintf("%s (%s) in %s, %.1f a second; %s", terminal.Count(t.Records, "record"), terminal.Bytes(t.bytes),
		terminal.Span(took), float64(t.Records)/max(took.Seconds(), 0.001), terminal.Count(t.gaps, "gap"))
	if t.missing > 0 {
		text += fmt.Sprintf(" of %s", terminal.Count(t.missing, "offset"))
	}
	if t.disconnects > 0 {
		text += "; " + terminal.Count(t.disconnects, "lost connection")
	}
	return text
}
