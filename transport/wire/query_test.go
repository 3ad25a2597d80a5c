package wire_test

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/hub/record"
	"sluice/transport/wire"
)

func TestParseFrom(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for text, want := range map[string]wire.From{
		"latest":                    {Kind: wire.StartLatest},
		"earliest":                  {Kind: wire.StartEarliest},
		"last:1":                    {Kind: wire.StartLast, N: 1},
		"last:100000":               {Kind: wire.StartLast, N: 100000},
		"-5m":                       {Kind: wire.StartAgo, Ago: 5 * time.Minute},
		"-1h30m":                    {Kind: wire.StartAgo, Ago: 90 * time.Minute},
		"-7d":                       {Kind: wire.StartAgo, Ago: 7 * day},
		"-106751d":                  {Kind: wire.StartAgo, Ago: 106751 * day},
		"2026-11-21T09:00:00Z":      {Kind: wire.StartTime, Time: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)},
		"2026-11-21T09:00:00.5Z":    {Kind: wire.StartTime, Time: time.Date(2026, 11, 21, 9, 0, 0, 5e8, time.UTC)},
		"v1.kQEC3g":                 {Kind: wire.StartCursor, Cursor: "v1.kQEC3g"},
		"v1.kQEC-_~2:118274,5:77":   {Kind: wire.StartCursor, Cursor: "v1.kQEC-_~2:118274,5:77"},
		"v1.kQEC~market.ticks/2:8":  {Kind: wire.StartCursor, Cursor: "v1.kQEC~market.ticks/2:8"},
		"2026-11-21T11:00:00+02:00": {Kind: wire.StartTime, Time: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)},
	} {
		got, err := wire.ParseFrom(text)
		if err != nil || got.Kind != want.Kind || got.Ago != want.Ago || got.N != want.N || got.Cursor != want.Cursor || !got.Time.Equal(want.Time) {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string][]record.PartitionOffset{
		"offset:0:0":                         {{Partition: 0, Offset: 0, Epoch: -1}},
		"offset:2:118273,5:77":               {{Partition: 2, Offset: 118273, Epoch: -1}, {Partition: 5, Offset: 77, Epoch: -1}},
		"offset:5:77,2:118273":               {{Partition: 2, Offset: 118273, Epoch: -1}, {Partition: 5, Offset: 77, Epoch: -1}},
		"offset:2147483647:9007199254740992": {{Partition: 2147483647, Offset: 1 << 53, Epoch: -1}},
	} {
		if got, err := wire.ParseFrom(text); err != nil || got.Kind != wire.StartOffset || !reflect.DeepEqual(got.Offsets, want) {
			t.Errorf("%s: got %+v, %v, want %v", text, got, err, want)
		}
	}
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ",%d:1", i)
		}
		return "offset:" + b.String()[1:]
	}
	if got, err := wire.ParseFrom(list(wire.MaxStartOffsets)); err != nil || len(got.Offsets) != wire.MaxStartOffsets {
		t.Errorf("the most partitions: %d, %v", len(got.Offsets), err)
	}
	for text, want := range map[string]wire.Code{
		"offset:": wire.BadRequest, "offset:1": wire.BadRequest, "offset:1:": wire.BadRequest, "offset::1": wire.BadRequest,
		"offset:1:2,": wire.BadRequest, "offset:,1:2": wire.BadRequest, "offset:1:2,,3:4": wire.BadRequest, "offset:1:2:3": wire.BadRequest,
		"offset:-1:2": wire.BadRequest, "offset:1:-2": wire.BadRequest, "offset:+1:2": wire.BadRequest, "offset:1:+2": wire.BadRequest,
		"offset:1:2,1:3": wire.BadRequest, "offset:1:2,3:4,1:2": wire.BadRequest, "offset:2147483648:1": wire.BadRequest,
		"offset:1:9007199254740993": wire.BadRequest, "offset:1:99999999999999999999": wire.BadRequest, "offset:1:0x2": wire.BadRequest,
		"offset:1: 2": wire.BadRequest, "offset: 1:2": wire.BadRequest, "offset=1:2": wire.BadRequest, "Offset:1:2": wire.BadRequest,
		list(wire.MaxStartOffsets + 1): wire.BadRequest, "offset:1_0:2": wire.BadRequest, "offset:1:2_0": wire.BadRequest,
		"": wire.BadRequest, "Latest": wire.BadRequest, " latest": wire.BadRequest, "now": wire.BadRequest,
		"last:0": wire.BadRequest, "last:": wire.BadRequest, "last:-1": wire.BadRequest, "last:+1": wire.BadRequest,
		"last:100001": wire.BadRequest, "last:1e3": wire.BadRequest, "last:99999999999999999999": wire.BadRequest,
		"-": wire.BadRequest, "-5": wire.BadRequest, "--5m": wire.BadRequest, "-+5m": wire.BadRequest, "-0s": wire.BadRequest,
		"-0d": wire.BadRequest, "-d": wire.BadRequest, "-1.5d": wire.BadRequest, "-106752d": wire.BadRequest, "-99999999999h": wire.BadRequest,
		"5m": wire.BadRequest, "2026-11-21": wire.BadRequest, "1795245600123": wire.BadRequest, "2026-13-01T00:00:00Z": wire.BadRequest,
		"v1": wire.BadRequest, "v.x": wire.BadRequest, "version.x": wire.BadRequest,
		"v1.": wire.BadCursor, "v2.abc": wire.BadCursor, "v01.abc": wire.BadCursor, "v1.ab cd": wire.BadCursor, "v1.ab\n": wire.BadCursor,
		"v1.~2:3": wire.BadCursor, "v1.a/b": wire.BadCursor, "v1.a~2:3~4:5": wire.BadCursor, "v1.é": wire.BadCursor,
	} {
		if got, err := wire.ParseFrom(text); err == nil || err.Code != want || !reflect.DeepEqual(got, wire.From{}) {
			t.Errorf("%q: got %+v, %v, want %s", text, got, err, want)
		}
	}
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	if got := (wire.From{Kind: wire.StartAgo, Ago: time.Hour}).At(now); !got.Equal(now.Add(-time.Hour)) {
		t.Errorf("an hour ago is %v", got)
	}
	if got := (wire.From{Kind: wire.StartTime, Time: now}).At(now.Add(time.Hour)); !got.Equal(now) {
		t.Errorf("a time is %v", got)
	}
}

// TestStartsHaveTexts: every kind of start has a text that is parsed as the same start.
func TestStartsHaveTexts(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"latest": "latest", "earliest": "earliest", "last:7": "last:7", "-1h30m": "-1h30m0s", "-2d": "-48h0m0s",
		"2026-11-21T11:00:00.5+02:00": "2026-11-21T09:00:00.5Z", "offset:5:77,2:118273": "offset:2:118273,5:77",
		"v1.kQEC3g~2:8": "v1.kQEC3g~2:8",
	}
	tried := map[wire.StartKind]bool{wire.StartUnset: wire.From{}.String() == ""}
	for text, want := range texts {
		from, err := wire.ParseFrom(text)
		if err != nil {
			t.Fatal(err)
		}
		tried[from.Kind] = true
		got := from.String()
		again, err := wire.ParseFrom(got)
		if got != want || err != nil || again.String() != got {
			t.Errorf("%s: got %s, want %s, and again %v, %v", text, got, want, again, err)
		}
	}
	for _, kind := range wire.StartKinds() {
		if !tried[kind] {
			t.Errorf("a start of the kind %d is not tried", kind)
		}
	}
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	reading := wire.Reading{
		From: wire.From{Kind: wire.StartLast, N: 10}, Keys: []string{"a b", "c&d"}, CursorName: "web-7",
		KeyPrefix: "eu-", Filter: "data.total > 100 && a", Headers: []wire.HeaderValue{{"b", "x y"}, {"a.b", ""}},
		Reset: true, OnGap: wire.OnGapFail, Heartbeat: 20 * time.Second,
	}
	const readingText = "from=last:10&key=a+b&key=c%26d&key_prefix=eu-&filter=data.total+%3E+100+%26%26+a&header.b=x+y&header.a.b=&cursor_name=web-7&reset=1&on_gap=fail&heartbeat=20s"
	tests := map[string]struct {
		endpoint wire.Endpoint
		query    string
		header   string
		want     wire.Query
	}{
		"nothing":            {wire.EndpointStreamEvents, "", "", wire.Query{}},
		"empty parts":        {wire.EndpointStreamEvents, "&&from=latest&", "", wire.Query{Reading: wire.Reading{From: wire.From{Kind: wire.StartLatest}}}},
		"WebSocket":          {wire.EndpointWS, "stream=orders&ping=60s&" + readingText, "", wire.Query{Streams: []string{"orders"}, Reading: reading, Ping: time.Minute}},
		"WebSocket, bare":    {wire.EndpointWS, "ping=60s", "", wire.Query{Ping: time.Minute}},
		"credentials":        {wire.EndpointWS, "ticket=x&access_token=y", "", wire.Query{}},
		"several streams":    {wire.EndpointEvents, "stream=a&stream=b&errors=stream", "", wire.Query{Streams: []string{"a", "b"}, ErrorsInStream: true}},
		"one stream":         {wire.EndpointStreamEvents, readingText, "", wire.Query{Reading: reading}},
		"a page":             {wire.EndpointRecords, "limit=1000&wait=30s&" + readingText, "", wire.Query{Reading: reading, Limit: 1000, Wait: 30 * time.Second}},
		"a page as it is":    {wire.EndpointRecords, "wait=0", "", wire.Query{Limit: wire.DefaultPageLimit}},
		"last event id":      {wire.EndpointStreamEvents, "last_event_id=v1.a~2:3", "", wire.Query{LastEventID: "v1.a~2:3"}},
		"the header wins":    {wire.EndpointStreamEvents, "last_event_id=v1.a", "v1.b", wire.Query{LastEventID: "v1.b"}},
		"the end":            {wire.EndpointStreamEvents, "", "end", wire.Query{LastEventID: wire.LastEventIDEnd}},
		"the end, parameter": {wire.EndpointEvents, "stream=a&last_event_id=end", "", wire.Query{Streams: []string{"a"}, LastEventID: wire.LastEventIDEnd}},
		"reset in words":     {wire.EndpointStreamEvents, "reset=true&cursor_name=n", "", wire.Query{Reading: wire.Reading{Reset: true, CursorName: "n"}}},
		"no reset":           {wire.EndpointStreamEvents, "reset=false", "", wire.Query{}},
		"an empty key":       {wire.EndpointStreamEvents, "key=", "", wire.Query{Reading: wire.Reading{Keys: []string{""}}}},
		"a key of control":   {wire.EndpointStreamEvents, "key=%C3%BF%00", "", wire.Query{Reading: wire.Reading{Keys: []string{"ÿ\x00"}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := wire.ParseQuery(tt.query, tt.endpoint, tt.header)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
	got, err := wire.ParseQuery("from=2026-11-21T11:00:00+02:00", wire.EndpointStreamEvents, "")
	if want := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC); err != nil || !got.From.Time.Equal(want) {
		t.Errorf("a time with a bare plus: %v, %v", got.From.Time, err)
	}
}

func TestParseQueryRefuses(t *testing.T) {
	t.Parallel()
	const page, events, one, ws = wire.EndpointRecords, wire.EndpointEvents, wire.EndpointStreamEvents, wire.EndpointWS
	tests := map[string]struct {
		endpoint wire.Endpoint
		query    string
		header   string
		code     wire.Code
		message  string
	}{
		"unknown":                     {one, "foo=1", "", wire.BadRequest, `unknown parameter "foo"`},
		"reset without a name":        {one, "reset=true", "", wire.BadRequest, "the parameter reset: requires cursor_name"},
		"reset without a name, ws":    {ws, "stream=a&reset=1", "", wire.BadRequest, "the parameter reset: requires cursor_name"},
		"key_prefix of bytes":         {one, "key_prefix=%ff", "", wire.BadRequest, "the parameter key_prefix: is not UTF-8"},
		"key of bytes":                {one, "key=a&key=%ff%00", "", wire.BadRequest, "the parameter key: is not UTF-8"},
		"header of bytes":             {one, "header.a=%ff", "", wire.BadRequest, "the parameter header.a: is not UTF-8"},
		"filter of bytes":             {one, "filter=%ff", "", wire.BadRequest, "the parameter filter: is not UTF-8"},
		"unknown, twice":              {one, "foo=1&foo=2", "", wire.BadRequest, `unknown parameter "foo"`},
		"unknown on one line":         {one, "a%0d%0a=1", "", wire.BadRequest, `unknown parameter "a\r\n"`},
		"in capitals":                 {one, "From=latest", "", wire.BadRequest, `unknown parameter "From"`},
		"message_id":                  {one, "message_id=a", "", wire.BadRequest, `unknown parameter "message_id"`},
		"empty filter":                {one, "filter=", "", wire.BadRequest, "the parameter filter: is empty"},
		"filter twice":                {one, "filter=a&filter=b", "", wire.BadRequest, "the parameter filter: is given twice"},
		"empty key_prefix":            {one, "key_prefix=", "", wire.BadRequest, "the parameter key_prefix: is empty"},
		"header without a name":       {one, "header.=a", "", wire.BadRequest, "lacks the name of a header"},
		"header twice":                {one, "header.a=1&header.a=2", "", wire.BadRequest, "is given twice"},
		"header in capitals":          {one, "Header.a=1", "", wire.BadRequest, `unknown parameter "Header.a"`},
		"eleven headers":              {one, "header.a=1&header.b=1&header.c=1&header.d=1&header.e=1&header.f=1&header.g=1&header.h=1&header.i=1&header.j=1&header.k=1", "", wire.BadRequest, "more than 10 entries"},
		"filter without a stream":     {ws, "filter=true", "", wire.BadRequest, "the parameter filter: requires the parameter stream"},
		"header without a stream":     {ws, "header.a=1", "", wire.BadRequest, `"header.a" requires the parameter stream`},
		"stream beside the path":      {one, "stream=a", "", wire.BadRequest, `unknown parameter "stream"`},
		"limit of a stream":           {one, "limit=5", "", wire.BadRequest, `unknown parameter "limit"`},
		"wait of a stream":            {events, "stream=a&wait=5s", "", wire.BadRequest, `unknown parameter "wait"`},
		"ping of a page":              {page, "ping=5s", "", wire.BadRequest, `unknown parameter "ping"`},
		"errors of a page":            {page, "errors=stream", "", wire.BadRequest, `unknown parameter "errors"`},
		"last_event_id of ws":         {ws, "last_event_id=v1.a", "", wire.BadRequest, `unknown parameter "last_event_id"`},
		"ack":                         {ws, "stream=a&ack=auto", "", wire.BadRequest, `unknown parameter "ack"`},
		"twice":                       {one, "from=latest&from=earliest", "", wire.BadRequest, "the parameter from: is given twice"},
		"ticket twice":                {one, "ticket=a&ticket=b", "", wire.BadRequest, "the parameter ticket: is given twice"},
		"bad escape":                  {one, "key=%zz", "", wire.BadRequest, "not escaped"},
		"bad escape of a name":        {one, "%zz=1", "", wire.BadRequest, "not escaped"},
		"name not UTF-8":              {one, "%ff=1", "", wire.BadRequest, "not escaped"},
		"from":                        {one, "from=yesterday", "", wire.BadRequest, "the parameter from: must be latest"},
		"empty from":                  {one, "from=", "", wire.BadRequest, "the parameter from: must be latest"},
		"from another version":        {one, "from=v2.a", "", wire.BadCursor, "the parameter from: the cursor is damaged"},
		"last_event_id":               {one, "last_event_id=7", "", wire.BadCursor, "the parameter last_event_id: is damaged"},
		"last-event-id":               {one, "", "7", wire.BadCursor, "the parameter last_event_id: is damaged"},
		"cursor_name":                 {one, "cursor_name=a/b", "", wire.BadRequest, "the parameter cursor_name: must be 1 to 128"},
		"empty cursor_name":           {one, "cursor_name=", "", wire.BadRequest, "the parameter cursor_name: is empty"},
		"reset":                       {one, "reset=yes", "", wire.BadRequest, "the parameter reset: must be true or false"},
		"bare reset":                  {one, "reset", "", wire.BadRequest, "the parameter reset: must be true or false"},
		"on_gap":                      {one, "on_gap=stop", "", wire.BadRequest, "the parameter on_gap: must be one of: continue, fail"},
		"empty on_gap":                {one, "on_gap=", "", wire.BadRequest, "the parameter on_gap: is empty"},
		"heartbeat":                   {one, "heartbeat=11m", "", wire.BadRequest, "the parameter heartbeat: must be a duration from 1s to 10m0s"},
		"errors":                      {one, "errors=json", "", wire.BadRequest, "the parameter errors: must be stream"},
		"limit of 0":                  {page, "limit=0", "", wire.BadRequest, "the parameter limit: must be a number from 1 to 1000"},
		"limit of 1001":               {page, "limit=1001", "", wire.BadRequest, "from 1 to 1000"},
		"limit below 0":               {page, "limit=-1", "", wire.BadRequest, "from 1 to 1000"},
		"limit huge":                  {page, "limit=99999999999999999999", "", wire.BadRequest, "from 1 to 1000"},
		"wait too long":               {page, "wait=31s", "", wire.BadRequest, "the parameter wait: must be a duration from 1ms to 30s"},
		"wait without unit":           {page, "wait=30", "", wire.BadRequest, "the parameter wait: must be a duration"},
		"ping":                        {ws, "ping=1us", "", wire.BadRequest, "the parameter ping: must be a duration"},
		"no stream":                   {events, "from=latest", "", wire.BadRequest, "the parameter stream: is required"},
		"empty stream":                {events, "stream=", "", wire.BadRequest, "the parameter stream: is required"},
		"long stream":                 {events, "stream=" + strings.Repeat("a", 129), "", wire.BadRequest, "the parameter stream: is longer than 128"},
		"stream twice":                {events, "stream=a&stream=a", "", wire.BadRequest, "the parameter stream: has duplicate entries"},
		"two streams of ws":           {ws, "stream=a&stream=b", "", wire.BadRequest, "the parameter stream: is given twice"},
		"from without stream of ws":   {ws, "from=latest", "", wire.BadRequest, "the parameter from: requires the parameter stream"},
		"key without stream of ws":    {ws, "key=a", "", wire.BadRequest, "the parameter key: requires the parameter stream"},
		"too many keys":               {one, strings.Repeat("key=a&", 1001), "", wire.BadRequest, "the parameter key: has more than 1000 entries"},
		"several are all told":        {one, "from=x&foo=1", "", wire.BadRequest, `unknown parameter "foo"`},
		"the first gives the code":    {one, "from=v3.x&foo=1", "", wire.BadCursor, `unknown parameter "foo"`},
		"an endpoint that is unknown": {0, "limit=1", "", wire.BadRequest, `unknown parameter "limit"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wire.ParseQuery(tt.query, tt.endpoint, tt.header)
			if err == nil {
				t.Fatal("taken")
			}
			if err.Code != tt.code || !strings.Contains(err.Message, tt.message) {
				t.Errorf("got %v, want %s: %s", err, tt.code, tt.message)
			}
			if strings.ContainsAny(err.Message, "\r\n") {
				t.Errorf("message %q", err.Message)
			}
		})
	}
}

func TestParseQuerySaysHowToTellErrors(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"errors=stream&foo=1", "foo=%zz&errors=stream", "from=x&errors=stream"} {
		got, err := wire.ParseQuery(query, wire.EndpointStreamEvents, "v1.a")
		if err == nil || !got.ErrorsInStream || got.LastEventID != "v1.a" {
			t.Errorf("%s: %+v, %v", query, got, err)
		}
	}
}

// FuzzParseQuery checks that an accepted query has no unknown names, and that its
// values are those that net/url decodes.
func FuzzParseQuery(f *testing.F) {
	f.Add("stream=a&stream=b&from=last:10&key=a+b&cursor_name=web-7&reset=1&on_gap=fail&heartbeat=20s&errors=stream", byte(2), "v1.a")
	f.Add("stream=a&from=offset:2:118273,5:77", byte(2), "")
	f.Add("from=offset:0:9007199254740992,2147483647:0,:", byte(4), "")
	f.Add("stream=a.*&stream=*&from=offset:1:1", byte(2), "")
	f.Add("limit=10&wait=5s&from=2026-11-21T11:00:00+02:00", byte(4), "")
	f.Add("ping=60s&stream=%ff&from=-5m", byte(1), "end")
	f.Add("header.x=1&filter=%zz&;", byte(3), "\n")
	f.Fuzz(func(t *testing.T, query string, endpoint byte, header string) {
		q, err := wire.ParseQuery(query, wire.Endpoint(endpoint%5), header)
		if err != nil {
			if err.Message == "" || strings.ContainsAny(err.Message, "\r\n\x00") || err.Code != wire.BadRequest && err.Code != wire.BadCursor {
				t.Errorf("error %q", err)
			}
			return
		}
		values, urlErr := url.ParseQuery(query)
		if urlErr != nil && !strings.Contains(query, ";") {
			t.Fatalf("taken, but net/url says %v", urlErr)
		}
		if urlErr != nil {
			return
		}
		known := map[string]bool{}
		for _, name := range strings.Fields("stream from key cursor_name reset on_gap heartbeat last_event_id errors limit wait ping ticket access_token") {
			known[name] = true
		}
		for name, all := range values {
			if !known[name] || len(all) > 1 && name != "key" && name != "stream" {
				t.Errorf("took %s=%q", name, all)
			}
		}
		if !equal(q.Keys, values["key"]) || !equal(q.Streams, values["stream"]) {
			t.Errorf("keys %q, streams %q of %s", q.Keys, q.Streams, query)
		}
		if q.Limit < 0 || q.Limit > wire.MaxPageLimit || q.Wait < 0 || q.Wait > wire.MaxWait || q.From.N < 0 || q.From.N > wire.MaxLast || q.From.Ago < 0 {
			t.Errorf("beyond bounds: %+v", q)
		}
	})
}

func equal(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

func TestParsePlainQuery(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query    string
		hasReset bool
		reset    bool
		message  string
	}{
		"nothing":         {"", true, false, ""},
		"reset":           {"reset=1", true, true, ""},
		"no reset":        {"reset=false", true, false, ""},
		"credentials":     {"ticket=a&access_token=b", false, false, ""},
		"reset elsewhere": {"reset=true", false, false, `unknown parameter "reset"`},
		"reset twice":     {"reset=true&reset=true", true, false, "the parameter reset: is given twice"},
		"reset in words":  {"reset=yes", true, false, "the parameter reset: must be true or false"},
		"unknown":         {"foo=1", true, false, `unknown parameter "foo"`},
		"bad escape":      {"%zz", false, false, "not escaped"},
	}
	for name, tt := range tests {
		reset, err := wire.ParsePlainQuery(tt.query, tt.hasReset)
		switch {
		case tt.message == "" && (err != nil || reset != tt.reset):
			t.Errorf("%s: got %v, %v", name, reset, err)
		case tt.message != "" && (err == nil || err.Code != wire.BadRequest || !strings.Contains(err.Message, tt.message)):
			t.Errorf("%s: got %v, want %q", name, err, tt.message)
		}
	}
}

func FuzzParseRevocation(f *testing.F) {
	for _, body := range []string{`{"subject":"a","for_ms":1,"before_at":2}`, `{}`, `[`, `{"issuer":"i","tenant":"\u0000"}`, ``} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := wire.ParseRevocation(body)
		if err != nil && (r != wire.Revocation{} || err.Code != wire.BadRequest) || err == nil && (r.For < 0 || r.BeforeAt < 0) {
			t.Errorf("%q: %+v, %v", body, r, err)
		}
	})
}
