package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/binding/spec"

	"sluice/hub/upstream"
	"sluice/transport/audit"
)

// kafkaSpecs are the attributes of CloudEvents as headers of Kafka records (Kafka
// protocol binding, section 3.2.3).
var kafkaSpecs = spec.WithPrefix("ce_")

// received is a record as the CloudEvents library reads it.
type received struct {
	upstream.Message
	version spec.Version
}

func (received) ReadEncoding() binding.Encoding { return binding.EncodingBinary }
func (received) Finish(error) error             { return nil }

func (received) ReadStructured(context.Context, binding.StructuredWriter) error {
	return binding.ErrNotStructured
}

func (m received) ReadBinary(_ context.Context, w binding.BinaryWriter) error {
	for _, h := range m.Headers {
		name, value := string(h.Name), string(h.Value)
		var err error
		switch attribute := m.version.Attribute(name); {
		case name == "content-type":
			err = w.SetAttribute(m.version.AttributeFromKind(spec.DataContentType), value)
		case attribute != nil:
			err = w.SetAttribute(attribute, value)
		default:
			if extension, ok := strings.CutPrefix(name, "ce_"); ok {
				err = w.SetExtension(extension, value)
			}
		}
		if err != nil {
			return err
		}
	}
	return w.SetData(bytes.NewReader(m.Value))
}

func (m received) GetAttribute(kind spec.Kind) (spec.Attribute, any) {
	return m.version.AttributeFromKind(kind), nil
}
func (received) GetExtension(string) any { return nil }

// recordsOf is a store that keeps the records.
type recordsOf struct{ all []upstream.Message }

func (s *recordsOf) Publish(_ context.Context, _, _ string, messages []upstream.Message, done func([]upstream.Stored)) error {
	s.all = append(s.all, messages...)
	done(make([]upstream.Stored, len(messages)))
	return nil
}

// TestRecordsAreCloudEvents: the CloudEvents library reads every type of event as a
// valid CloudEvent 1.0 with JSON data.
func TestRecordsAreCloudEvents(t *testing.T) {
	t.Parallel()
	store := &recordsOf{}
	c := config(&book{})
	c.Log, c.Store = false, store
	r, stop := run(t, c)
	began := time.Now()
	for _, kind := range audit.Types() {
		r.Record(samples()[kind])
	}
	stop()
	ids := map[string]bool{}
	for _, m := range store.all[1 : len(store.all)-1] {
		version := ""
		for _, h := range m.Headers {
			if string(h.Name) == kafkaSpecs.PrefixedSpecVersionName() {
				version = string(h.Value)
			}
		}
		if version != "1.0" {
			t.Fatalf("the version is %q", version)
		}
		e, err := binding.ToEvent(t.Context(), received{m, kafkaSpecs.Version(version)})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", e.Type(), err)
		}
		ids[e.ID()] = true
		if e.Source() != "/sluice/test" || !strings.HasPrefix(e.Type(), "sluice.audit.") || e.DataContentType() != format.JSON.MediaType() && e.DataContentType() != "application/json" {
			t.Errorf("got %v", e)
		}
		if e.Time().Before(began.Add(-time.Second)) || e.Time().After(time.Now()) || e.Time().Location() != time.UTC {
			t.Errorf("%s: the time is %v", e.Type(), e.Time())
		}
		data := map[string]any{}
		if err := e.DataAs(&data); err != nil {
			t.Errorf("%s: %v", e.Type(), err)
		}
	}
	if len(ids) != len(audit.Types()) {
		t.Errorf("%d ids for %d events", len(ids), len(audit.Types()))
	}
}

// FuzzTextsAreOneLine: whatever a client has chosen, an event is valid JSON, and each of
// its texts is one line of bounded length.
func FuzzTextsAreOneLine(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "a\nb", "a\r\nlevel=ERROR msg=x", `"quoted" \n`, "\x00\x1b[31m", "\xff\xfe", "\u2028\u2029\u202e", strings.Repeat("é", 1000), "\ufffd",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		store := &recordsOf{}
		c := config(&book{})
		c.Log, c.Store, c.QueueBytes = false, store, 8<<20
		r, err := audit.New(c)
		if err != nil {
			t.Fatal(err)
		}
		r.Record(audit.Refused{Message: text, Cause: text, Stream: audit.Cut(text), Client: audit.Client{Issuer: text, TokenID: text, Address: text}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		data := map[string]any{}
		if err := json.Unmarshal(store.all[0].Value, &data); err != nil {
			t.Fatalf("%q: %v", store.all[0].Value, err)
		}
		for name, value := range data {
			of, ok := value.(string)
			most := 256
			if name == "stream" {
				most = 32
			}
			// Each character that is escaped takes ten at most.
			if ok && (len([]rune(of)) > 10*most+1 || strings.ContainsFunc(of, func(r rune) bool {
				return r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0x202e
			})) {
				t.Errorf("%s is %q", name, of)
			}
		}
		if plain := "a-z"; text == plain && data["message"] != plain {
			t.Errorf("a plain text has become %q", data["message"])
		}
	})
}
