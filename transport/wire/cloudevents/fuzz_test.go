package cloudevents_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2"

	"sluice/hub/hubtest/bounds"
	"sluice/hub/ingest"
	"sluice/transport/wire"
	"sluice/transport/wire/cloudevents"
)

// costs are what events may cost.
var costs = bounds.Limits{Bytes: 2 << 20, PerByte: 100, Time: 10 * time.Second}

// owned fails the test if what is stored of an event, or shown to clients, is not of the request.
func owned(t *testing.T, m ingest.Message, shown []byte, input ...[]byte) {
	t.Helper()
	for _, part := range [][]byte{m.Key, m.Value, []byte(m.ID), shown} {
		bounds.Own(t, part, input...)
	}
	for _, h := range m.Headers {
		bounds.Own(t, h.Name, input...)
		bounds.Own(t, h.Value, input...)
	}
}

// FuzzStructured: what is accepted is an event for the SDK of the project, too, and is shown
// as the same event, in whichever mode it was stored.
func FuzzStructured(f *testing.F) {
	for _, more := range []string{"", `,"data":{"a":1}`, `,"data":"x","datacontenttype":"text/plain"`, `,"data_base64":"AAA="`, `,"partitionkey":"k","n":1`} {
		f.Add([]byte(`{` + minimal + more + `}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var e *cloudevents.Event
		var fault *wire.Error
		costs.Check(t, len(body), func() { e, fault = cloudevents.Parse(body, limits) })
		if fault != nil {
			bounds.Own(t, fault.Append(nil), body)
			return
		}
		var sent sdk.Event
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Skip() // the SDK is stricter here, such as about URIs
		}
		for _, structured := range []bool{false, true} {
			m, fault := e.Record(structured)
			if fault != nil {
				t.Fatalf("structured=%v: %v", structured, fault)
			}
			got := show(t, "", m)
			owned(t, m, got, body)
			var shown sdk.Event
			if err := json.Unmarshal(got, &shown); err != nil {
				t.Fatalf("%s: %v", got, err)
			}
			if sent.ID() != shown.ID() || sent.Source() != shown.Source() || sent.Type() != shown.Type() || sent.Subject() != shown.Subject() ||
				!sent.Time().Equal(shown.Time()) || len(sent.Extensions()) != len(shown.Extensions()) {
				t.Errorf("structured=%v: %s is shown as %s", structured, body, got)
			}
			if bytes.IndexByte(got, '\n') >= 0 || !json.Valid(got) {
				t.Errorf("%q is not on one line", got)
			}
		}
	})
}

// FuzzHeaders: what is accepted is shown as the same event, in whichever mode it was stored.
func FuzzHeaders(f *testing.F) {
	f.Add("id", "/s", "subject", "some%20thing", "application/json", []byte(`{"a":1}`))
	f.Add("id", "/s", "x", "\"a\"", "text/plain", []byte("text"))
	f.Add("id", "/s", "x", "y", "", []byte{255})
	f.Fuzz(func(t *testing.T, id, source, name, value, kind string, body []byte) {
		h := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {id}, "Ce-Source": {source}, "Ce-Type": {"t"}}
		h.Set("Ce-"+name, value)
		if kind != "" {
			h.Set("Content-Type", kind)
		}
		var e *cloudevents.Event
		var fault *wire.Error
		costs.Check(t, len(id)+len(source)+len(name)+len(value)+len(kind)+len(body), func() { e, fault = cloudevents.FromHeaders(h, body) })
		sent := [][]byte{[]byte(id), []byte(source), []byte(name), []byte(value), []byte(kind), body}
		if fault != nil {
			bounds.Own(t, fault.Append(nil), sent...)
			return
		}
		var all []map[string]any
		for _, structured := range []bool{false, true} {
			m, fault := e.Record(structured)
			if fault != nil {
				return // JSON that is none
			}
			got := show(t, "", m)
			owned(t, m, got, sent...)
			var shown map[string]any
			if err := json.Unmarshal(got, &shown); err != nil {
				t.Fatalf("%s: %v", got, err)
			}
			delete(shown, "data")
			delete(shown, "data_base64")
			all = append(all, shown)
		}
		if !reflect.DeepEqual(all[0], all[1]) {
			t.Errorf("in headers %v, in JSON %v", all[0], all[1])
		}
	})
}

// FuzzBatch: a batch is the events that each of its parts is by itself, or is refused as a whole.
func FuzzBatch(f *testing.F) {
	for _, body := range []string{"[]", "[{" + minimal + "}]", "[{" + minimal + `,"data":{"a":[1]}},{` + minimal + `,"data_base64":"AAA="}]`, "[[]]", "[{}]", "[1,{" + minimal + "}"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var all []*cloudevents.Event
		var fault *wire.Error
		costs.Check(t, len(body), func() { all, fault = cloudevents.ParseBatch(body, limits) })
		if fault != nil {
			bounds.Own(t, fault.Append(nil), body)
			if line := fault.Append(nil); all != nil || !json.Valid(line) || len(line) > 20_000 {
				t.Errorf("%d events and %s", len(all), line)
			}
			return
		}
		var parts []json.RawMessage
		if err := json.Unmarshal(body, &parts); err != nil || len(parts) != len(all) || len(all) > limits.Records {
			t.Fatalf("%s: %d events, %d parts (%v)", body, len(all), len(parts), err)
		}
		for i, part := range parts {
			alone, fault := cloudevents.Parse(part, limits)
			if fault != nil {
				t.Fatalf("%s is taken in a batch only: %v", part, fault)
			}
			for _, structured := range []bool{false, true} {
				got, wrong := all[i].Record(structured)
				want, wrongAlone := alone.Record(structured)
				if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(wrong, wrongAlone) {
					t.Errorf("%s: got %s, by itself %s", part, text(got), text(want))
				}
				owned(t, got, nil, body)
			}
		}
	})
}
