package show

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/transport/client"
)

// Remark says in words what a person should know of an event other than a record.
func Remark(w io.Writer, event client.Event) {
	switch e := event.(type) {
	case client.Gap:
		fmt.Fprintf(w, "sluice: offsets %d to %d of partition %d of %s are missing: %s\n", e.From, e.To-1, e.Partition, e.Stream, e.Reason)
	case client.Status:
		if e.Live {
			fmt.Fprintln(w, "sluice: the stream is available again")
		} else {
			fmt.Fprintln(w, "sluice: the stream is unavailable: the server cannot read Kafka")
		}
	case client.Subscribed:
		if e.Streams != nil {
			fmt.Fprintf(w, "sluice: following %s\n", list(e.Streams))
		}
	case client.Streams:
		if len(e.Added) > 0 {
			fmt.Fprintf(w, "sluice: now also following %s\n", list(e.Added))
		}
		if len(e.Removed) > 0 {
			fmt.Fprintf(w, "sluice: no longer following %s\n", list(e.Removed))
		}
		if e.Omitted > 0 {
			fmt.Fprintf(w, "sluice: the server's limits leave out %d streams\n", e.Omitted)
		}
	case client.Disconnected:
		fmt.Fprintf(w, "sluice: not connected (%v), retrying in %s\n", e.Err, e.Retry.Round(time.Millisecond))
	}
}

// list shows the names of streams.
func list(streams []string) string {
	if len(streams) == 0 {
		return "no stream yet"
	}
	return strings.Join(streams, ", ")
}

// wireOf returns the message by which the server reports an event of a stream that is not a
// record, nil for events of the connection.
func wireOf(event client.Event) []byte {
	var message any
	switch e := event.(type) {
	case client.Gap:
		message = struct {
			Type      string `json:"type"`
			Stream    string `json:"stream"`
			Partition int32  `json:"partition"`
			From      int64  `json:"from"`
			To        int64  `json:"to"`
			Reason    string `json:"reason"`
		}{"gap", e.Stream, e.Partition, e.From, e.To, e.Reason}
	case client.Status:
		status := struct {
			Type   string `json:"type"`
			Stream string `json:"stream"`
			Live   bool   `json:"live"`
			Since  int64  `json:"since,omitempty"`
		}{"status", e.Stream, e.Live, e.Since.UnixMilli()}
		message = status
	default:
		return nil
	}
	text, err := json.Marshal(message)
	if err != nil {
		panic("show: texts and numbers cannot be marshalled: " + err.Error())
	}
	return text
}
