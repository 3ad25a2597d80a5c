package transport

import (
	"net/http"
	"strconv"
	"strings"

	"sluice/hub/ingest"
	"sluice/transport/wire"
	"sluice/transport/wire/cloudevents"
)

// Headers of a page of CloudEvents, which has no place for what else belongs to a page.
const (
	headerCursor   = "Sluice-Cursor"
	headerCaughtUp = "Sluice-Caught-Up"
)

// parsePublish returns the records of a request to publish to a stream: CloudEvents, if the
// request says that it has these, else those of the protocol.
func (s *Server) parsePublish(r *http.Request, stream string, body []byte) (messages []ingest.Message, batch bool, fault *wire.Error) {
	kind, inHeaders := r.Header.Get("Content-Type"), cloudevents.InHeaders(r.Header)
	keys := r.Header.Values("Idempotency-Key")
	idempotencyKey := strings.Join(keys, ",")
	if len(keys) > 0 && strings.TrimSpace(idempotencyKey) == "" {
		// Of a variable that is not set, say: without the id the record could be stored twice.
		return nil, false, wire.Errorf(wire.BadRequest, "the header Idempotency-Key is empty: leave it out, or send the message id")
	}
	structured, batch, fault := cloudevents.Kind(kind)
	switch {
	case fault != nil:
		return nil, false, fault
	case !structured && !batch && !inHeaders:
		return wire.ParseHTTPPublish(wire.HTTPPublish{
			ContentType: kind, IdempotencyKey: idempotencyKey, RawQuery: r.URL.RawQuery, Body: body,
		}, s.wireLimits())
	case inHeaders && (structured || batch):
		return nil, false, wire.Errorf(wire.BadRequest, "the request has a CloudEvent in its headers and others in its body: send one or the other")
	case idempotencyKey != "":
		return nil, false, wire.Errorf(wire.BadRequest, "the header Idempotency-Key cannot be combined with a CloudEvent, which has an id of its own")
	}
	if _, fault = wire.ParsePlainQuery(r.URL.RawQuery, false); fault != nil {
		return nil, false, fault
	}
	var events []*cloudevents.Event
	if batch {
		events, fault = cloudevents.ParseBatch(body, s.wireLimits())
	} else {
		var e *cloudevents.Event
		if structured {
			e, fault = cloudevents.Parse(body, s.wireLimits())
		} else {
			e, fault = cloudevents.FromHeaders(r.Header, body)
		}
		events = []*cloudevents.Event{e}
	}
	if fault != nil {
		return nil, false, fault
	}
	messages, fault = cloudevents.Records(events, s.structured(stream))
	return messages, batch, fault
}

// asEvents reports whether a client asks for pages as CloudEvents.
func asEvents(h http.Header) bool {
	accepted := weightsOf(h, "Accept")
	weight, named := accepted.media(cloudevents.BatchMediaType)
	other, _ := accepted.media("application/json")
	return named && weight > 0 && weight >= other
}

// eventsSize returns how much memory a page takes as CloudEvents, about.
func eventsSize(page *wire.Page) int {
	const attributes = 512
	size := page.Size()
	for _, body := range page.Events {
		size += len(body)/2 + attributes
	}
	return size + attributes*len(page.Gaps)
}

// writeEvents answers with a page as a batch of CloudEvents, gaps first.
func writeEvents(w http.ResponseWriter, page *wire.Page) {
	body := append(make([]byte, 0, eventsSize(page)), '[')
	for i := range page.Gaps {
		body = append(cloudevents.AppendGap(body, page.Gaps[i].Append(nil)), ',')
	}
	for _, event := range page.Events {
		body = append(cloudevents.Append(body, event), ',')
	}
	if n := len(body); n > 1 {
		body = body[:n-1]
	}
	body = append(body, "]\n"...)
	h := w.Header()
	h.Set("Content-Type", cloudevents.BatchMediaType)
	h.Set("Cache-Control", "no-store")
	h.Set(headerCursor, page.Cursor)
	h.Set(headerCaughtUp, strconv.FormatBool(page.CaughtUp))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) //nolint:gosec // JSON, and said to be
}
