package transport

import (
	"net/http"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// adminStream describes a stream to operators.
type adminStream struct {
	Stream      string        `json:"stream"`
	Tenant      string        `json:"tenant,omitempty"`
	Topic       string        `json:"topic"`
	Content     event.Content `json:"content,omitempty"`
	Publishable bool          `json:"publishable"`
	// Partitions is 0 until the number is known.
	Partitions int32 `json:"partitions"`
	// TopicMissing is set while the topic does not exist in Kafka.
	TopicMissing bool `json:"topic_missing"`
	// Reading is set while the topic is read. Live and Since then report whether
	// reading works and since when.
	Reading     bool   `json:"reading"`
	Live        bool   `json:"live"`
	Since       int64  `json:"since,omitempty"` // Unix milliseconds
	Subscribers int    `json:"subscribers"`
	LogBytes    int    `json:"log_bytes"`
	Records     uint64 `json:"records_read"`
	Bytes       uint64 `json:"event_bytes_read"`
	Gaps        uint64 `json:"gaps_read"`
	Slow        uint64 `json:"fell_behind"`
	// Undecrypted counts the records in which something could not be decrypted. It is left
	// out if nothing in the stream is encrypted.
	Undecrypted *uint64 `json:"undecrypted_records,omitempty"`
	// Undecided counts how often the filter of a grant failed on a record.
	Undecided uint64 `json:"undecided_records"`
	// GapsReported counts the gaps reported to subscribers, by reason.
	GapsReported map[record.GapReason]uint64 `json:"gaps_reported"`
}

func newAdminStream(info hub.StreamInfo) adminStream {
	made := adminStream{
		Stream: info.Name, Tenant: info.Tenant, Topic: info.Topic, Content: info.Content, Publishable: info.Publishable,
		Partitions: info.Partitions, TopicMissing: info.Missing, Reading: info.Reading, Subscribers: info.Subscribers,
		LogBytes: info.LogBytes, Records: info.Records, Bytes: info.Bytes, Gaps: info.Gaps,
		Slow: info.Slow, Undecided: info.Undecided, GapsReported: info.Reported,
	}
	if info.Encrypted {
		made.Undecrypted = &info.Undecrypted
	}
	if info.Reading {
		made.Live, made.Since = info.Status.Live, info.Status.Since.UnixMilli()
	}
	return made
}

// handleAdminStreams lists the streams that an operator may see, and their state.
func (s *Server) handleAdminStreams(w http.ResponseWriter, r *http.Request, o operator) {
	streams := []adminStream{}
	for _, info := range s.config.Hub.Streams() {
		if o.sees(info.Tenant) {
			streams = append(streams, newAdminStream(info))
		}
	}
	sessions := 0
	for _, x := range s.sessions.all() {
		if o.sessionFits(wire.ListQuery{}, x) {
			sessions++
		}
	}
	s.writeView(w, r, map[string]any{"streams": streams, "sessions": sessions})
}
