package rules_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/hub/ingest"
	"sluice/hub/ingest/rules"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// kept is a store that keeps what it is asked to store.
type kept []upstream.Message

func (k *kept) Publish(_ context.Context, _, _ string, messages []upstream.Message, done func([]upstream.Stored)) error {
	*k = append(*k, messages...)
	done(make([]upstream.Stored, len(messages)))
	return nil
}

var now = func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.FixedZone("", 3600)) }

// through passes a message of a publisher through a step. It returns what is stored, or
// why nothing is.
func through(t *testing.T, step ingest.Step, by ingest.Publisher, m ingest.Message) (stored *upstream.Message, why string) {
	t.Helper()
	var store kept
	var verdict ingest.Verdict
	ingest.New(&store, []ingest.Step{step}, nil).Publish(t.Context(), "s", by, []ingest.Message{m}, func(v []ingest.Verdict) { verdict = v[0] })
	if verdict.Err == nil {
		return &store[0], ""
	}
	var invalid *ingest.InvalidError
	if !errors.Is(verdict.Err, ingest.ErrInvalid) || !errors.As(verdict.Err, &invalid) || len(store) > 0 {
		t.Fatalf("got %v, and %d messages are stored", verdict.Err, len(store))
	}
	return nil, strings.TrimSpace(invalid.Violations[0].Pointer + " " + invalid.Violations[0].Message)
}

func headers(pairs ...string) (all []record.Header) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, record.Header{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return all
}

func shown(all []record.Header) string {
	var b strings.Builder
	for _, h := range all {
		fmt.Fprintf(&b, "%s=%s;", h.Name, h.Value)
	}
	return b.String()
}

// TestContent: a stream stores the kinds of values that it has, however they have come.
func TestContent(t *testing.T) {
	t.Parallel()
	json := ingest.Message{Value: []byte(`{"a":1}`), JSON: true}
	raw := func(value string) ingest.Message { return ingest.Message{Value: []byte(value)} }
	onlyJSON, onlyText := rules.Kinds{JSON: true}, rules.Kinds{Text: true}
	tests := map[string]struct {
		kinds rules.Kinds
		m     ingest.Message
		why   string // a part of it, "" if it is stored
	}{
		"JSON":                          {onlyJSON, json, ""},
		"JSON in other clothes":         {onlyJSON, raw(` [1e400, "\ud800", -0] `), ""},
		"no JSON":                       {onlyJSON, raw(`hello`), "this value is not: send JSON in the field data"},
		"nothing":                       {onlyJSON, raw(``), "this value is not"},
		"half":                          {onlyJSON, raw(`{"a":`), "this value is not"},
		"two values":                    {onlyJSON, raw(`1 2`), "this value is not"},
		"a byte order mark":             {onlyJSON, raw("\ufeff1"), "this value is not"},
		"not UTF-8":                     {onlyJSON, raw("\"\xff\""), "this value is not"},
		"the same field twice":          {onlyJSON, raw(`{"a":1,"\u0061":2}`), "the same field twice"},
		"too deep":                      {onlyJSON, raw(strings.Repeat("[", 6) + strings.Repeat("]", 6)), "deeper than 5 (limit json_depth)"},
		"too many fields":               {onlyJSON, raw(`{"a":1,"b":2,"c":3,"d":4}`), "more than 3 fields (limit json_keys)"},
		"a tombstone where none is":     {onlyJSON, ingest.Message{}, "no tombstones"},
		"a tombstone":                   {rules.Kinds{JSON: true, Tombstones: true}, ingest.Message{}, ""},
		"a value where only tombstones": {rules.Kinds{Tombstones: true}, raw("x"), "only tombstones"},
		"JSON where only tombstones":    {rules.Kinds{Tombstones: true}, json, "only tombstones"},
		"text":                          {onlyText, raw("grüße"), ""},
		"JSON is text":                  {onlyText, json, ""},
		"text that is not":              {onlyText, raw("\xff"), "not UTF-8"},
		"bytes":                         {rules.Kinds{Bytes: true}, raw("\xff"), ""},
		"JSON is bytes":                 {rules.Kinds{Bytes: true}, json, ""},
		"no value of bytes":             {rules.Kinds{Bytes: true}, raw(""), ""},
		"text or JSON":                  {rules.Kinds{JSON: true, Text: true}, raw("hello"), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored, why := through(t, rules.Content{Kinds: tt.kinds, Depth: 5, Names: 3}, ingest.Publisher{}, tt.m)
			if tt.why == "" && why != "" || !strings.Contains(why, tt.why) || tt.why != "" && why == "" {
				t.Errorf("got %q, want %q", why, tt.why)
			}
			if stored != nil && string(stored.Value) != string(tt.m.Value) {
				t.Errorf("stored %q", stored.Value)
			}
		})
	}
}

// marked is a step that notes which messages are JSON.
type marked struct{ json []bool }

func (s *marked) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		s.json = append(s.json, b.Message(i).JSON)
	}
}
func (*marked) Settled(*ingest.Batch) {}

// TestContentMarksJSON: what was found to be JSON is JSON for the steps that follow.
func TestContentMarksJSON(t *testing.T) {
	t.Parallel()
	var store kept
	after := &marked{}
	messages := []ingest.Message{{Value: []byte("1")}, {}, {Value: []byte("2"), JSON: true}}
	ingest.New(&store, []ingest.Step{rules.Content{Kinds: rules.Kinds{JSON: true, Tombstones: true}}, after}, nil).
		Publish(t.Context(), "s", ingest.Publisher{}, messages, func([]ingest.Verdict) {})
	if fmt.Sprint(after.json) != "[true false true]" {
		t.Errorf("got %v", after.json)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	step := rules.Sizes{Key: 3, Value: 4, Headers: 2, HeaderBytes: 6}
	for name, tt := range map[string]struct {
		m   ingest.Message
		why string
	}{
		"as large as allowed": {ingest.Message{Key: []byte("abc"), Value: []byte("abcd"), Headers: headers("a", "bc", "d", "ef")}, ""},
		"nothing":             {ingest.Message{}, ""},
		"key":                 {ingest.Message{Key: []byte("abcd")}, "the key has 4 bytes, and the stream allows 3"},
		"value":               {ingest.Message{Value: []byte("abcde")}, "the value has 5 bytes, and the stream allows 4"},
		"headers":             {ingest.Message{Headers: headers("a", "", "a", "", "a", "")}, "the record has 3 headers, and the stream allows 2"},
		"header bytes":        {ingest.Message{Headers: headers("abc", "defg")}, "the headers have 7 bytes, and the stream allows 6"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, why := through(t, step, ingest.Publisher{}, tt.m); why != tt.why {
				t.Errorf("got %q, want %q", why, tt.why)
			}
			if _, why := through(t, rules.Sizes{}, ingest.Publisher{}, tt.m); why != "" {
				t.Errorf("without bounds: %q", why)
			}
		})
	}
}

const claims = `{"sub":"lies","tenant":"acme","n":7,"big":12345678901234567890,"f":1.0,"neg":-3,"zero":-0,"e":1e3,"no":null,"yes":true,"empty":"",
	"list":["x"],"realm":{"user":"u/1","a~b":"t"},"ctl":"a\nb","nul":"a\u0000b","lone":"\ud800","a/b":"slash","dash":"a-b","now":"then","long":"` + "L" + `"}`

// TestKeys: where the key of a record comes from, and that a client cannot have another.
func TestKeys(t *testing.T) {
	t.Parallel()
	const none = "\x00"
	device := ingest.Publisher{Subject: "dev-1", Address: "192.0.2.7", Claims: []byte(claims)}
	data := `{"device":{"id":"dev-1","n":7,"f":1.5,"one":1.0,"e":1e1,"zero":-0,"empty":"","list":["a",{"b":"c"}],"o":{}},"\u0069d":"esc","a/b":{"~":"t"}}`
	tests := map[string]struct {
		rule      string
		by        ingest.Publisher
		sent      string // none for no key
		value     string // "" for a tombstone
		want, why string
	}{
		"required, and there":           {"required", device, "k", "1", "k", ""},
		"required, and empty":           {"required", device, "", "1", "", ""},
		"required, and missing":         {"required", device, none, "1", "", "requires a key"},
		"required of a tombstone":       {"required", device, none, "", "", "requires a key"},
		"of the subject":                {"{sub}", device, none, "1", "dev-1", ""},
		"the same":                      {"{sub}", device, "dev-1", "1", "dev-1", ""},
		"another's":                     {"{sub}", device, "dev-2", "1", "", "the record has another key"},
		"empty":                         {"{sub}", device, "", "1", "", "the record has another key"},
		"longer":                        {"{sub}", device, "dev-11", "1", "", "the record has another key"},
		"another's tombstone":           {"{sub}", device, "dev-2", "", "", "the record has another key"},
		"own tombstone":                 {"{sub}", device, none, "", "dev-1", ""},
		"without a subject":             {"{sub}", ingest.Publisher{Address: "192.0.2.7"}, none, "1", "", "the claim sub"},
		"a claim":                       {"{tenant}", device, none, "1", "acme", ""},
		"a claim within another":        {"{/realm/user}", device, none, "1", "u/1", ""},
		"with a tilde":                  {"{/realm/a~0b}", device, none, "1", "t", ""},
		"with a slash in its name":      {"{a/b}", device, none, "1", "slash", ""},
		"several":                       {"{tenant}:{sub}:x", device, none, "1", "acme:dev-1:x", ""},
		"an integer":                    {"{n}", device, none, "1", "7", ""},
		"a large one":                   {"{big}", device, none, "1", "12345678901234567890", ""},
		"a negative one":                {"{neg}", device, none, "1", "-3", ""},
		"no integer":                    {"{f}", device, none, "1", "", "the claim f"},
		"minus zero":                    {"{zero}", device, none, "1", "", "the claim zero"},
		"with an exponent":              {"{e}", device, none, "1", "", "the claim e"},
		"null":                          {"{no}", device, none, "1", "", "the claim no"},
		"a boolean":                     {"{yes}", device, "true", "1", "", "the claim yes"},
		"an empty claim":                {"{empty}", device, "", "1", "", "the claim empty"},
		"a list":                        {"{list}", device, none, "1", "", "the claim list"},
		"an object":                     {"{realm}", device, none, "1", "", "the claim realm"},
		"a missing claim":               {"{other}", device, "", "1", "", "the claim other"},
		"a line end":                    {"{ctl}", device, none, "1", "", "the claim ctl"},
		"a NUL":                         {"{nul}", device, none, "1", "", "the claim nul"},
		"half a character":              {"{lone}", device, none, "1", "", "the claim lone"},
		"a claim that ends early":       {"{dash}-{sub}", device, none, "1", "", "the claim dash"},
		"no claims at all":              {"{tenant}", ingest.Publisher{Subject: "dev-1"}, none, "1", "", "the claim tenant"},
		"claims that are none":          {"{tenant}", ingest.Publisher{Claims: []byte("[1]")}, none, "1", "", "the claim tenant"},
		"in the data":                   {"/device/id", device, none, data, "dev-1", ""},
		"in the data, the same":         {"/device/id", device, "dev-1", data, "dev-1", ""},
		"in the data, another":          {"/device/id", device, "dev-2", data, "", "/device/id the stream takes the key from here, and the record has another key"},
		"in the data, an integer":       {"/device/n", device, none, data, "7", ""},
		"in the data, a fraction":       {"/device/f", device, none, data, "", "/device/f the stream takes"},
		"in the data, 1.0":              {"/device/one", device, none, data, "", "must be a string"},
		"in the data, 1e1":              {"/device/e", device, none, data, "", "must be a string"},
		"in the data, -0":               {"/device/zero", device, none, data, "", "must be a string"},
		"in the data, empty":            {"/device/empty", device, none, data, "", "must be a string"},
		"in the data, an object":        {"/device/o", device, none, data, "", "must be a string"},
		"in the data, missing":          {"/device/x", device, "", data, "", "must be a string"},
		"in a list":                     {"/device/list/1/b", device, none, data, "c", ""},
		"in a list, beyond":             {"/device/list/2", device, none, data, "", "must be a string"},
		"in a list, the one after":      {"/device/list/-", device, none, data, "", "must be a string"},
		"in a list, with zeros":         {"/device/list/00", device, none, data, "", "must be a string"},
		"within a text":                 {"/device/id/0", device, none, data, "", "must be a string"},
		"an escaped name":               {"/id", device, none, data, "esc", ""},
		"an escaped pointer":            {"/a~1b/~0", device, none, data, "t", ""},
		"in the data, which is a list":  {"/0", device, none, ` ["k"]`, "k", ""},
		"in the data, which is a text":  {"/0", device, none, `"k"`, "", "must be a string"},
		"in the data of a tombstone":    {"/device/id", device, "dev-1", "", "", "which a tombstone does not have"},
		"in the data, which is no JSON": {"/device/id", device, "dev-1", "\x01", "", "must be a string"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := rules.NewKeys(tt.rule)
			if err != nil {
				t.Fatal(err)
			}
			var m ingest.Message
			if tt.sent != none {
				m.Key = []byte(tt.sent)
			}
			if tt.value != "" {
				m.Value, m.JSON = []byte(tt.value), tt.value != "\x01"
			}
			stored, why := through(t, keys, tt.by, m)
			switch {
			case tt.why == "" && why != "", !strings.Contains(why, tt.why), tt.why != "" && why == "":
				t.Errorf("got %q, want %q", why, tt.why)
			case stored != nil && string(stored.Key) != tt.want:
				t.Errorf("the key is %q, want %q", stored.Key, tt.want)
			}
			for _, secret := range []string{"acme", "dev-2", "a-b"} {
				if strings.Contains(why, secret) {
					t.Errorf("it shows %q: %s", secret, why)
				}
			}
		})
	}
}

func TestKeysRefuse(t *testing.T) {
	t.Parallel()
	for rule, why := range map[string]string{
		"sometimes":                        "neither optional nor required",
		"Required":                         "neither optional nor required",
		"":                                 "",
		"optional":                         "",
		"required":                         "",
		"{sub}":                            "",
		"{sub":                             "counterpart",
		"sub}{a}":                          "counterpart",
		"{a{b}}":                           "counterpart",
		"{}":                               "names a field",
		"{/}":                              "names a field",
		"{/a~2}":                           "~0",
		"{a}{b}":                           "nothing between",
		"{now}":                            "cannot be made of",
		"{sub}/{address}":                  "cannot be made of",
		"{sub}\n":                          "control character",
		"{sub}" + strings.Repeat("x", 256): "longer than 256",
		"/":                                "names a field",
		"/a~":                              "~0",
		"/" + strings.Repeat("a", 256):     "longer than 256",
		strings.Repeat("/a", 33):           "more than 32",
	} {
		keys, err := rules.NewKeys(rule)
		if why == "" && err != nil || why != "" && (err == nil || !strings.Contains(err.Error(), why) || keys != nil) {
			t.Errorf("%.40q: got %v, want %q", rule, err, why)
		}
	}
}

// TestHeaders: which headers clients may set, and which the server sets.
func TestHeaders(t *testing.T) {
	t.Parallel()
	const (
		trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		other = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	)
	device := ingest.Publisher{Subject: "dev-1", Address: "192.0.2.7", Claims: []byte(claims)}
	traced := device
	traced.TraceParent = trace
	broken := device
	broken.TraceParent = trace + "," + other
	set := map[string]string{"principal": "{sub}", "from": "{address}", "at": "{now}", "realm": "{tenant}/{/realm/user}"}
	const made = "at=2026-03-04T04:06:07.089Z;from=192.0.2.7;principal=dev-1;"
	some := []string{"trace-*", "app", "Exact"}
	tests := map[string]struct {
		allow     []string
		set       map[string]string
		by        ingest.Publisher
		sent      []record.Header
		want, why string
	}{
		"none":                       {some, nil, device, nil, "", ""},
		"allowed":                    {some, nil, device, headers("app", "1", "trace-id", "2", "app", "3", "trace-", ""), "app=1;trace-id=2;app=3;trace-=;", ""},
		"not allowed":                {some, nil, device, headers("app", "1", "other", "2"), "", `the header "other" is not one that clients may set`},
		"in other letters":           {some, nil, device, headers("exact", "1"), "", `the header "exact" is not one`},
		"longer than allowed":        {some, nil, device, headers("app2", "1"), "", `"app2"`},
		"without a name":             {some, nil, device, headers("", "1"), "", `the header "" is not one`},
		"nothing is allowed":         {nil, nil, device, headers("app", "1"), "", `"app"`},
		"everything is":              {[]string{"*"}, nil, device, headers("", "1", "x", "2"), "=1;x=2;", ""},
		"a long name is not shown":   {nil, nil, device, headers(strings.Repeat("x", 5000), "1"), "", `xxx" is not one`},
		"set":                        {nil, map[string]string{"principal": "{sub}", "from": "{address}", "at": "{now}"}, device, nil, made, ""},
		"beside others":              {some, map[string]string{"realm": set["realm"]}, ingest.Publisher{Claims: []byte(`{"tenant":"acme","realm":{"user":"u"}}`)}, headers("app", "1"), "app=1;realm=acme/u;", ""},
		"set, and sent":              {[]string{"*"}, set, device, headers("principal", "root"), "", `the header "principal" is set by the server`},
		"set, and sent in capitals":  {[]string{"*"}, set, device, headers("PRINCIPAL", "root"), "", `the header "PRINCIPAL" is set by the server`},
		"set of a claim with a mark": {[]string{"*"}, set, device, nil, "", `makes the header "realm" of the claim /realm/user`},
		"set of a missing claim":     {nil, map[string]string{"x": "{other}"}, device, nil, "", `makes the header "x" of the claim other`},
		"now is no claim":            {nil, map[string]string{"x": "{now}"}, device, nil, "x=2026-03-04T04:06:07.089Z;", ""},
		"trace context":              {nil, nil, device, headers("traceparent", trace), "traceparent=" + trace + ";", ""},
		"in other letters, trace":    {nil, nil, device, headers("Traceparent", trace), "", "not a trace context"},
		"not a trace context":        {[]string{"*"}, nil, device, headers("traceparent", "x"), "", "not a trace context"},
		"trace state":                {nil, nil, device, headers("traceparent", trace, "tracestate", "a=b"), "", `"tracestate"`},
		"of the request":             {nil, nil, traced, nil, "traceparent=" + trace + ";", ""},
		"of both":                    {nil, nil, traced, headers("traceparent", other), "traceparent=" + other + ";", ""},
		"twice in the request":       {nil, nil, broken, nil, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step, err := rules.NewHeaders(tt.allow, tt.set, now)
			if err != nil {
				t.Fatal(err)
			}
			sent := shown(tt.sent)
			stored, why := through(t, step, tt.by, ingest.Message{Value: []byte("1"), Headers: tt.sent})
			switch {
			case tt.why == "" && why != "", !strings.Contains(why, tt.why), tt.why != "" && why == "", len(why) > 300:
				t.Errorf("got %q, want %q", why, tt.why)
			case stored != nil && shown(stored.Headers) != tt.want:
				t.Errorf("stored %s, want %s", shown(stored.Headers), tt.want)
			case shown(tt.sent) != sent:
				t.Errorf("what the client has sent was changed to %s", shown(tt.sent))
			}
		})
	}
}

func TestHeadersRefuse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		allow []string
		set   map[string]string
		why   string
	}{
		"nothing":              {nil, nil, ""},
		"no name":              {[]string{""}, nil, "not the name of a header"},
		"an asterisk inside":   {[]string{"a*b"}, nil, "not the name of a header"},
		"a line end":           {[]string{"a\nb*"}, nil, "not the name of a header"},
		"a long name":          {[]string{strings.Repeat("a", 129)}, nil, "not the name of a header"},
		"reserved":             {[]string{"Sluice-x"}, nil, "reserved"},
		"reserved, all":        {[]string{"sluice-*"}, nil, "reserved"},
		"set, reserved":        {nil, map[string]string{"sluice-principal": "{sub}"}, "reserved"},
		"set, without a name":  {nil, map[string]string{"": "{sub}"}, "not the name of a header"},
		"set, a prefix":        {nil, map[string]string{"a*": "{sub}"}, "not the name of a header"},
		"set, no template":     {nil, map[string]string{"a": "root"}, "no name in braces"},
		"set, a bad template":  {nil, map[string]string{"a": "{sub"}, `header "a": the template`},
		"set and allowed":      {[]string{"a"}, map[string]string{"a": "{sub}"}, "set by the server"},
		"set twice":            {nil, map[string]string{"a": "{sub}", "A": "{sub}"}, "twice"},
		"set, a trace context": {nil, map[string]string{"Traceparent": "{sub}"}, "traceparent"},
	} {
		if _, err := rules.NewHeaders(tt.allow, tt.set, now); tt.why == "" && err != nil || tt.why != "" && (err == nil || !strings.Contains(err.Error(), tt.why)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.why)
		}
	}
}

// TestTimestamps: clients set timestamps only where they may, and within the bounds.
func TestTimestamps(t *testing.T) {
	t.Parallel()
	bounded := rules.Timestamps{Allowed: true, Past: time.Hour, Future: time.Minute, Now: now}
	for name, tt := range map[string]struct {
		step rules.Timestamps
		at   int64
		why  string
	}{
		"none":                {rules.Timestamps{Now: now}, 0, ""},
		"none where allowed":  {bounded, 0, ""},
		"not allowed":         {rules.Timestamps{Past: time.Hour, Future: time.Hour, Now: now}, now().UnixMilli(), "no timestamps from clients"},
		"now":                 {bounded, now().UnixMilli(), ""},
		"as old as allowed":   {bounded, now().Add(-time.Hour).UnixMilli(), ""},
		"too old":             {bounded, now().Add(-time.Hour).UnixMilli() - 1, "more than 1h0m0s in the past"},
		"the first":           {bounded, 1, "in the past"},
		"as far as allowed":   {bounded, now().Add(time.Minute).UnixMilli(), ""},
		"too far":             {bounded, now().Add(time.Minute).UnixMilli() + 1, "more than 1m0s in the future"},
		"further than a span": {bounded, 253402300799999, "in the future"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored, why := through(t, tt.step, ingest.Publisher{}, ingest.Message{Timestamp: tt.at})
			if tt.why == "" && why != "" || !strings.Contains(why, tt.why) || tt.why != "" && why == "" {
				t.Errorf("got %q, want %q", why, tt.why)
			}
			if stored != nil && stored.Timestamp != tt.at {
				t.Errorf("stored at %d", stored.Timestamp)
			}
		})
	}
}

func TestTraceContexts(t *testing.T) {
	t.Parallel()
	step, err := rules.NewHeaders(nil, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	for value, valid := range map[string]bool{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":   true,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff":   true,
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":   false,
		"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":   false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0":    false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x": false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01":   false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01":   false,
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":   false,
		"00-0af7651916cd43dd84\neb211c80319c-b7ad6b7169203331-01":   false,
		"": false,
	} {
		_, why := through(t, step, ingest.Publisher{}, ingest.Message{Headers: headers("traceparent", value)})
		if (why == "") != valid {
			t.Errorf("%q: %s", value, why)
		}
	}
}

// FuzzTemplate checks that two publishers have the same text only if what it is made of is
// the same.
func FuzzTemplate(f *testing.F) {
	f.Add("{a}.{b}", "a.b", "c", "a", "b.c")
	f.Add("x{a}-/{b}y", "1", "2", "1-/2", "")
	f.Add("{/a}", "", "", "\x00", "{b}")
	f.Fuzz(func(t *testing.T, template, a, b, c, d string) {
		keys, err := rules.NewKeys(template)
		if err != nil || keys == nil || !utf8.ValidString(a+"|"+b+"|"+c+"|"+d) {
			return
		}
		key := func(a, b string) ([]byte, bool) {
			claims := fmt.Appendf(nil, `{"a":%s,"b":%s}`, jsonText(a), jsonText(b))
			stored, _ := through(t, keys, ingest.Publisher{Claims: claims}, ingest.Message{Value: []byte("1"), JSON: true})
			if stored == nil {
				return nil, false
			}
			return stored.Key, true
		}
		first, ok := key(a, b)
		second, also := key(c, d)
		if !ok || !also || !strings.Contains(template, "{") {
			return
		}
		usesA, usesB := strings.Contains(template, "{a}") || strings.Contains(template, "{/a}"), strings.Contains(template, "{b}") || strings.Contains(template, "{/b}")
		if same := (!usesA || a == c) && (!usesB || b == d); string(first) == string(second) && !same {
			t.Errorf("%q: %q and %q make the same text as %q and %q: %q", template, a, b, c, d, first)
		}
	})
}

// FuzzPointer checks that a key found in data is what another reader finds there.
func FuzzPointer(f *testing.F) {
	f.Add("/device/id", `{"device":{"id":"x"}}`)
	f.Add("/a~1b/0", `{"a/b":["\u0041"]}`)
	f.Add("/0/1", `[[1,-20]]`)
	f.Fuzz(func(t *testing.T, pointer, data string) {
		keys, err := rules.NewKeys(pointer)
		if err != nil || !keys.ByData() || !isStrict(data) {
			return
		}
		want, has := find(data, pointer)
		stored, why := through(t, keys, ingest.Publisher{}, ingest.Message{Value: []byte(data), JSON: true})
		if has != (stored != nil) || has && string(stored.Key) != want {
			t.Errorf("%q in %q: got %v, %s; want %q, %v", pointer, data, stored, why, want, has)
		}
	})
}
