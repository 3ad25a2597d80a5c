package show

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/cmd/sluice/terminal"
	"sluice/transport/client"
)

// Replay estimates how much of a replay is done: by the number of records where that was asked
// for, else by their timestamps, from that of the first one to the begin. As a replay goes
// through the partitions by timestamp as well as it can, the newest one seen is how far it is.
type Replay struct {
	begun         time.Time
	want          int // records, 0 if that is not known
	records       int
	first, newest time.Time
	over          bool
}

// NewReplay returns the estimate of a replay from a start, that of client.Request.From.
func NewReplay(from string, now time.Time) *Replay {
	r := &Replay{begun: now}
	if count, ok := strings.CutPrefix(from, "last:"); ok {
		r.want, _ = strconv.Atoi(count)
	}
	// Latest and "" replay nothing, or what a named cursor has missed.
	r.over = from == client.Latest
	return r
}

// Note takes an event into account.
func (r *Replay) Note(event client.Event) {
	switch e := event.(type) {
	case client.CaughtUp:
		r.over = true
	case client.Record:
		r.records++
		if e.Time.IsZero() {
			return
		}
		if r.first.IsZero() || e.Time.Before(r.first) {
			r.first = e.Time
		}
		if e.Time.After(r.newest) {
			r.newest = e.Time
		}
	}
}

// Over reports whether the replay has ended.
func (r *Replay) Over() bool { return r.over }

// String returns the line of progress at a time.
func (r *Replay) String(now time.Time) string {
	took := now.Sub(r.begun)
	rate := fmt.Sprintf("%s, %.0f a second", terminal.Count(r.records, "record"), float64(r.records)/max(took.Seconds(), 0.001))
	part, ok := r.part()
	if !ok {
		return "replay: " + rate
	}
	text := "replay: " + terminal.Bar(part) + ", " + rate
	if left := terminal.Left(part, took); left != "" {
		text += ", " + left
	}
	return text
}

// part returns how much is done, between 0 and 1.
func (r *Replay) part() (part float64, ok bool) {
	if r.want > 0 {
		return min(float64(r.records)/float64(r.want), 1), true
	}
	whole := r.begun.Sub(r.first)
	if r.first.IsZero() || whole <= 0 {
		return 0, false
	}
	return min(float64(r.newest.Sub(r.first))/float64(whole), 1), true
}
