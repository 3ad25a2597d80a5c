package transport_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/event"
	"sluice/hub/filter/expr"
	"sluice/hub/hubtest"
	"sluice/hub/ingest"
	"sluice/hub/ingest/rules"
	"sluice/hub/record"
	"sluice/hub/upstream"
	"sluice/transport"
	"sluice/transport/wire"
)

// PROTOCOL.md is the specification for clients. Its examples are run here against a
// server and its tables are compared with the code. Examples of any other form are
// not allowed, so the document cannot drift.

const document = "../web/docs/PROTOCOL.md"

// example is one fenced block of the document.
type example struct {
	kind  string // http, sse, ndjson or ws; console and js are the walks
	line  int    // number of its first line in the document
	lines []string
}

func readDocument(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\n")
}

func readExamples(t *testing.T) (all []example) {
	t.Helper()
	inside := false
	for i, line := range readDocument(t) {
		kind, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && inside:
			inside = false
		case isFence:
			inside = true
			if !slices.Contains([]string{"http", "sse", "ndjson", "ws", "console", "js", "cel"}, kind) {
				t.Fatalf("%s:%d: an example of kind %q is not run", document, i+1, kind)
			}
			all = append(all, example{kind: kind, line: i + 2})
		case inside:
			last := &all[len(all)-1]
			last.lines = append(last.lines, line)
		}
	}
	return all
}

// TestProtocolExamples runs each example against a server of its own.
func TestProtocolExamples(t *testing.T) {
	t.Parallel()
	all := readExamples(t)
	if len(all) < 20 {
		t.Fatalf("only %d examples were found", len(all))
	}
	for _, e := range all {
		t.Run(fmt.Sprintf("%s at line %d", e.kind, e.line), func(t *testing.T) {
			t.Parallel()
			play(t, e)
		})
	}
}

// player runs one example, line by line.
type player struct {
	t        *testing.T
	in       *instance
	producer *stagedProducer
	example
	at    int // index of the current line
	bound map[string]string
	seen  *stream // of sse, ndjson and console
	// caughtUp is set if a walk's client was sent caught_up before a record that was
	// stored just before it resumed. People type too slowly for that.
	caughtUp  bool
	handshake *http.Response // the last one
	socket    []*socket      // C and S are the first, C2 and S2 the second
	// hub has streams, and in stages also others.
	hub     *hub.Hub
	streams []hub.Stream
	ingest  *ingest.Pipeline
}

func play(t *testing.T, e example) {
	if e.kind == "cel" {
		language, err := expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 8 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range e.lines {
			if _, err := language.Compile(line); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		return
	}
	p := &player{t: t, example: e, producer: &stagedProducer{}, bound: map[string]string{
		"token":           token(t, "u42", "live", time.Hour),
		"token-read-only": token(t, "u42", "read", time.Hour),
		"token-another":   token(t, "u43", "live", time.Hour),
		"token-in-base64": base64.RawURLEncoding.EncodeToString([]byte(token(t, "u42", "live", time.Hour))),
		"token-of-nobody": token(t, "u42", "none", time.Hour),
	}}
	o := options{
		stream: func(s *hub.Stream) {
			p.producer.Producer = s.Producer
			s.Producer = p.producer
			s.Backfill = 0 // the history is in Kafka only, so that retention can remove it
			p.streams = append(p.streams, *s)
		},
		config: func(c *transport.Config) {
			c.CorrelationHeader = "correlation-id"
			p.hub, p.ingest = c.Hub, ingest.New(c.Hub, nil, []ingest.Step{ingest.Correlated{Header: c.CorrelationHeader}})
			c.Ingest = p.ingest
		},
		limits: func(l *transport.Limits) { l.PageCache = time.Minute },
	}
	if e.isWalk() {
		o.open = []string{walkStream}
	}
	p.in = start(t, o)
	p.fill()
	for p.at < len(p.lines) {
		line := p.lines[p.at]
		switch {
		case line == "":
			p.at++
		case strings.HasPrefix(line, "# "):
			p.stage(line[2:])
			p.at++
		case isRequest.MatchString(line):
			p.request()
		case p.kind == "console":
			p.terminal(line)
		case p.kind == "js":
			p.script(line)
			p.at++
		case p.kind == "ws":
			p.message(line)
			p.at++
		case p.kind == "sse":
			p.event()
		case p.kind == "ndjson":
			p.line()
			p.at++
		default:
			p.fatalf("%q is no part of an example", line)
		}
	}
}

// service answers the first record of orders that comes.
func (p *player) service() {
	orders := p.in.reads("/v1/streams/orders/events", p.bound["token"])
	orders.until("sluice.caught_up")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		e, ok := orders.next()
		if correlation := correlationOf(gjson.Parse(e.data)); ok && correlation != "" {
			p.in.topics.Append("public.news", record.Record{
				Key: []byte("eu-991"), Value: []byte(`{"accepted":true}`), Timestamp: time.Now().UnixMilli(),
				Headers: []record.Header{{Name: []byte("correlation-id"), Value: []byte(correlation)}},
			})
		}
	}()
	p.t.Cleanup(func() {
		orders.cancel()
		<-answered
	})
}

func (p *player) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s:%d: %s", document, p.line0(), fmt.Sprintf(format, args...))
}

func (p *player) line0() int { return p.example.line + min(p.at, len(p.lines)-1) }

// fill creates the state that all examples begin with.
func (p *player) fill() {
	now := time.Now().Add(-time.Minute).UnixMilli()
	for i, r := range []record.Record{
		{Partition: 0, Key: []byte("eu-991"), Value: []byte(`{"total":12}`)},
		{Partition: 1, Key: []byte("us-17"), Value: []byte(`{"total":7}`)},
		{Partition: 0, Key: []byte("eu-42"), Value: []byte(`{"total":99}`)},
	} {
		r.Timestamp = now + int64(i)
		p.in.topics.Append("orders", r)
	}
	for i, r := range []record.Record{
		{Key: []byte("a"), Value: []byte(`{"n":1}`), Headers: []record.Header{
			{Name: []byte("trace"), Value: []byte("7f")},
			{Name: []byte("flag")},
			{Name: []byte("raw"), Value: []byte{0xff, 0}},
		}},
		{Key: nil, Value: []byte("plain text")},
		{Key: []byte{0xff}, Value: []byte{0xfe, 0xff}},
		{Key: []byte("a"), Value: nil},
	} {
		r.Timestamp = now + int64(i)
		p.in.topics.Append("public.news", r)
	}
}

// stages are the actions that a line beginning with # can cause.
var stages = []struct {
	pattern *regexp.Regexp
	do      func(p *player, arg []string)
}{
	{regexp.MustCompile(`^a record is stored in partition (\d): key (\S+), (\{.*\})$`), func(p *player, arg []string) {
		partition, _ := strconv.Atoi(arg[1])
		p.in.topics.Append("orders", record.Record{
			Partition: int32(partition), Key: []byte(arg[2]), Value: []byte(arg[3]), Timestamp: time.Now().UnixMilli(),
		})
	}},
	{regexp.MustCompile(`^a record is stored in (public\.\w+): key (\S+), (\{.*\})$`), func(p *player, arg []string) {
		p.in.topics.Append(arg[1], record.Record{Key: []byte(arg[2]), Value: []byte(arg[3]), Timestamp: time.Now().UnixMilli()})
	}},
	{regexp.MustCompile(`^the stream (\S+) is configured$`), func(p *player, arg []string) {
		p.in.topics.Create(arg[1], 1)
		streams := append(slices.Clone(p.streams), hub.Stream{Name: arg[1], Topic: arg[1], Source: p.in.topics, LogBytes: 1 << 20})
		if err := p.hub.SetStreams(streams); err != nil {
			p.t.Error(err)
		}
	}},
	{regexp.MustCompile(`^the stream (\S+) is removed$`), func(p *player, _ []string) {
		if err := p.hub.SetStreams(p.streams); err != nil {
			p.t.Error(err)
		}
	}},
	{regexp.MustCompile(`^Kafka no longer keeps what is below offset (\d+) of partition (\d)$`), func(p *player, arg []string) {
		below, _ := strconv.Atoi(arg[1])
		partition, _ := strconv.Atoi(arg[2])
		p.in.topics.Expire("orders", int32(partition), int64(below))
	}},
	{regexp.MustCompile(`^the topic is deleted and made again$`), func(p *player, _ []string) { p.in.topics.Create("orders", 2) }},
	{regexp.MustCompile(`^Kafka is away$`), func(p *player, _ []string) { p.in.topics.Away(true) }},
	{regexp.MustCompile(`^Kafka is back$`), func(p *player, _ []string) { p.in.topics.Away(false) }},
	{regexp.MustCompile(`^Redis is away$`), func(p *player, _ []string) { p.in.store.setAway(true) }},
	{regexp.MustCompile(`^Kafka cannot take records$`), func(p *player, _ []string) { p.producer.fail(upstream.ErrPublishUnavailable) }},
	{regexp.MustCompile(`^Kafka's answer is lost$`), func(p *player, _ []string) { p.producer.fail(upstream.ErrPublishUnknown) }},
	{regexp.MustCompile(`^Kafka refuses the second record$`), func(p *player, _ []string) { p.producer.fail(nil, upstream.ErrRecordTooLarge) }},
	{regexp.MustCompile(`^the stream takes its keys from /device/id$`), func(p *player, _ []string) { p.rule(nil) }},
	{regexp.MustCompile(`^the stream takes message ids$`), func(p *player, _ []string) {
		p.ingest.SetStreams(map[string]ingest.Stream{"orders": {Once: messageIDs(p.t, p.hub)}})
	}},
	{regexp.MustCompile(`^and keeps invalid records as dead letters$`), func(p *player, _ []string) {
		p.rule(&ingest.DeadLetters{Stream: "hidden", Topic: "orders", Now: time.Now})
	}},
	{regexp.MustCompile(`^a service answers the records of orders in public.news$`), func(p *player, _ []string) { p.service() }},
	{regexp.MustCompile(`^nobody answers$`), func(*player, []string) {}},
	{regexp.MustCompile(`^the server is told to stop$`), func(p *player, _ []string) { go func() { _ = p.in.stop() }() }},
	{regexp.MustCompile(`^in (the first|a second) terminal$`), func(*player, []string) {}},
	{regexp.MustCompile(`^Ctrl-C in the first terminal; in the second$`), func(p *player, _ []string) { p.seen.cancel() }},
	{regexp.MustCompile(`^the first terminal resumes where it was, with the last id that it has seen$`), func(*player, []string) {}},
	{regexp.MustCompile(`^the response ends$`), func(p *player, _ []string) {
		if e, ok := p.seen.next(); ok {
			p.fatalf("the response goes on with %v", e)
		}
	}},
}

// rule makes the stream take its keys from the data.
func (p *player) rule(letters *ingest.DeadLetters) {
	keys, err := rules.NewKeys("/device/id")
	if err != nil {
		p.t.Fatal(err)
	}
	p.ingest.SetStreams(map[string]ingest.Stream{"orders": {Steps: []ingest.Step{keys}, DeadLetters: letters}})
}

func (p *player) stage(step string) {
	for _, s := range stages {
		if arg := s.pattern.FindStringSubmatch(step); arg != nil {
			s.do(p, arg)
			return
		}
	}
	p.fatalf("nobody knows how to play %q", step)
}

var (
	isRequest     = regexp.MustCompile(`^(GET|POST|PUT|DELETE|OPTIONS) (/\S*)$`)
	isPlaceholder = regexp.MustCompile(`<([a-z0-9-]+)>`)
	bareHolder    = regexp.MustCompile(`([:\[,])(<[a-z0-9-]+>)`)
)

// fillIn replaces the known placeholders in a line that is sent.
func (p *player) fillIn(line string) string {
	return isPlaceholder.ReplaceAllStringFunc(line, func(holder string) string {
		if holder == "<token-soon>" {
			// Made when it is sent: what comes before can take long on a machine that is
			// busy.
			return token(p.t, "u42", "live", 4*time.Second)
		}
		text, ok := p.bound[holder[1:len(holder)-1]]
		if !ok {
			p.fatalf("%s has no value yet", holder)
		}
		return text
	})
}

// block returns the lines up to an empty one, or the end.
func (p *player) block() (lines []string) {
	for p.at < len(p.lines) && p.lines[p.at] != "" {
		lines = append(lines, p.lines[p.at])
		p.at++
	}
	p.at++
	return lines
}

// request sends a request and compares its answer with the lines that follow.
func (p *player) request() {
	head := p.block()
	parts := isRequest.FindStringSubmatch(head[0])
	method, path := parts[1], p.fillIn(parts[2])
	var header []string
	for _, line := range head[1:] {
		name, value, ok := strings.Cut(p.fillIn(line), ": ")
		if !ok {
			p.fatalf("%q is no header", line)
		}
		header = append(header, name, value)
	}
	if p.kind == "ws" {
		p.connect(path, header)
		if p.at < len(p.lines) && strings.HasPrefix(p.lines[p.at], "HTTP/1.1 ") {
			p.answer(p.handshake.StatusCode, p.handshake.Header)
		}
		return
	}
	var body []string
	for p.at < len(p.lines) && !strings.HasPrefix(p.lines[p.at], "HTTP/1.1 ") {
		body = append(body, p.fillIn(p.lines[p.at]))
		p.at++
	}
	if p.at >= len(p.lines) {
		p.fatalf("the request has no answer")
	}
	if p.kind == "http" {
		status, got, answer := p.in.do(method, path, "", strings.TrimSpace(strings.Join(body, "\n")), header...)
		p.answer(status, got)
		p.body(got, answer)
		return
	}
	p.seen = p.in.events(path, "", header...)
	p.answer(p.seen.res.StatusCode, p.seen.res.Header)
}

// answer compares status and headers with the head in the document.
func (p *player) answer(status int, header http.Header) {
	p.t.Helper()
	head := p.block()
	if want := fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)); head[0] != want {
		p.fatalf("the answer is %s", want)
	}
	for _, line := range head[1:] {
		name, want, _ := strings.Cut(line, ": ")
		if err := p.match(name, want, header.Get(name)); err != nil {
			p.fatalf("%v", err)
		}
	}
}

func (p *player) body(header http.Header, got string) {
	p.t.Helper()
	var want []string
	for p.at < len(p.lines) && !strings.HasPrefix(p.lines[p.at], "# ") && !isRequest.MatchString(p.lines[p.at]) {
		want = append(want, p.lines[p.at])
		p.at++
	}
	text := strings.TrimSpace(strings.Join(want, "\n"))
	if strings.Contains(header.Get("Content-Type"), "ndjson") {
		lines := strings.Split(strings.TrimSpace(got), "\n")
		if want := strings.Split(text, "\n"); len(want) == len(lines) {
			for i := range want {
				p.matchJSON(want[i], lines[i])
			}
			return
		}
		p.fatalf("the lines are %q", lines)
	}
	if strings.Contains(header.Get("Content-Type"), "json") {
		p.matchJSON(text, got)
		return
	}
	if strings.TrimSpace(got) != text {
		p.fatalf("the body is %q", got)
	}
}

// connect opens a WebSocket.
func (p *player) connect(path string, header []string) {
	o := &websocket.DialOptions{HTTPHeader: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Sec-WebSocket-Protocol" {
			o.Subprotocols = strings.Split(header[i+1], ", ")
			continue
		}
		o.HTTPHeader.Set(header[i], header[i+1])
	}
	c, res, err := websocket.Dial(p.t.Context(), p.in.url+path, o) //nolint:bodyclose // the library has closed it
	if err != nil {
		p.fatalf("%v", err)
	}
	c.SetReadLimit(-1)
	p.t.Cleanup(func() { _ = c.CloseNow() })
	p.socket = append(p.socket, &socket{t: p.t, Conn: c})
	p.handshake = res
}

var isMessage = regexp.MustCompile(`^([CS])(2?) (\{.*\}|close \d{4})$`)

// message sends or receives a message.
func (p *player) message(line string) {
	p.t.Helper()
	parts := isMessage.FindStringSubmatch(line)
	if parts == nil || len(p.socket) <= len(parts[2]) {
		p.fatalf("%q is no message", line)
	}
	s, text := p.socket[len(parts[2])], parts[3]
	if parts[1] == "C" {
		p.send(s, text)
		return
	}
	p.receive(s, text)
}

func (p *player) send(s *socket, text string) {
	p.t.Helper()
	if err := s.Write(p.t.Context(), websocket.MessageText, []byte(p.fillIn(text))); err != nil {
		p.fatalf("%v", err)
	}
}

func (p *player) receive(s *socket, text string) {
	p.t.Helper()
	if p.caughtUp && isCaughtUp(text) {
		p.caughtUp = false
		return
	}
	for {
		ctx, cancel := context.WithTimeout(p.t.Context(), patience)
		_, b, err := s.Read(ctx)
		cancel()
		if code := websocket.CloseStatus(err); code != -1 {
			if text != fmt.Sprintf("close %d", code) {
				p.fatalf("the server closes with %d", code)
			}
			return
		}
		if err != nil {
			p.fatalf("%v", err)
		}
		if comesAnyTime(string(b)) && !comesAnyTime(text) {
			continue
		}
		if p.kind == "js" && isCaughtUp(string(b)) && strings.Contains(text, `"type":"event"`) {
			p.caughtUp = true
			continue
		}
		p.matchJSON(text, string(b))
		return
	}
}

// comesAnyTime reports whether a message may come at any time. It is skipped unless
// the document shows it.
func comesAnyTime(text string) bool { return strings.Contains(text, `"type":"cursor"`) }

// isCaughtUp reports whether a message is caught_up.
func isCaughtUp(text string) bool { return strings.Contains(text, `"type":"caught_up"`) }

// event receives a server-sent event.
func (p *player) event() {
	p.t.Helper()
	first := p.at
	var want sse
	for _, line := range p.block() {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "event":
			want.name = value
		case "id":
			want.id = value
		case "id:": // empty
			want.forgets = true
		case "data":
			want.data = value
		case "retry":
			want.retry = value
		default:
			p.fatalf("%q is no field", line)
		}
	}
	next := p.at
	p.at = first
	defer func() { p.at = next }()
	if p.caughtUp && want.name == "sluice.caught_up" {
		p.caughtUp = false
		return
	}
	got, ok := p.seen.next()
	early := p.kind == "console" && want.name == ""
	for ok && want.name != got.name && (got.name == "sluice.cursor" || early && got.name == "sluice.caught_up") {
		p.caughtUp = p.caughtUp || got.name == "sluice.caught_up"
		got, ok = p.seen.next()
	}
	if !ok {
		p.fatalf("the response has ended")
	}
	if got.name != want.name {
		p.fatalf("the event is %v", got)
	}
	p.matchJSON(want.data, got.data)
	// Only some events promise an id; any event may have one, depending on how the
	// server's writes are divided.
	promised := slices.Contains([]string{"sluice.ready", "sluice.cursor", "sluice.close"}, want.name)
	if want.id != "" && (promised || got.id != "") || promised && got.id != "" {
		if err := p.match("id", want.id, got.id); err != nil {
			p.fatalf("%v", err)
		}
	}
	if want.forgets != got.forgets {
		p.fatalf("the event is %v", got)
	}
	if want.retry != "" || got.retry != "" {
		if err := p.match("retry", want.retry, got.retry); err != nil {
			p.fatalf("%v", err)
		}
	}
}

// line receives a line of NDJSON.
func (p *player) line() {
	p.t.Helper()
	for {
		got, err := p.seen.lines.ReadString('\n')
		if err != nil {
			p.fatalf("%v", err)
		}
		if comesAnyTime(got) && !comesAnyTime(p.lines[p.at]) {
			continue
		}
		p.matchJSON(p.lines[p.at], got)
		return
	}
}

// matchJSON compares what the document shows with what the server sent: the same
// fields, no more and no fewer.
func (p *player) matchJSON(want, got string) {
	p.t.Helper()
	var wanted, gotten any
	if err := json.Unmarshal([]byte(bareHolder.ReplaceAllString(want, `$1"$2"`)), &wanted); err != nil {
		p.fatalf("%v in %s", err, want)
	}
	if err := json.Unmarshal([]byte(got), &gotten); err != nil {
		p.fatalf("%v in %s", err, got)
	}
	if err := p.matchValue("", wanted, gotten); err != nil {
		p.fatalf("%v\nshown %s\nsent  %s", err, want, got)
	}
}

func (p *player) matchValue(at string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object", at)
		}
		for name := range object {
			if _, ok := want[name]; !ok {
				return fmt.Errorf("%s/%s is not shown", at, name)
			}
		}
		for name, value := range want {
			sent, ok := object[name]
			if !ok {
				return fmt.Errorf("%s/%s was not sent", at, name)
			}
			if err := p.matchValue(at+"/"+name, value, sent); err != nil {
				return err
			}
		}
		return nil
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Errorf("%s has another length", at)
		}
		for i := range want {
			if err := p.matchValue(fmt.Sprintf("%s/%d", at, i), want[i], list[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if n, ok := got.(float64); ok && isPlaceholder.MatchString(want) {
			return p.match(at, want, strconv.FormatFloat(n, 'f', -1, 64))
		}
		text, ok := got.(string)
		if !ok {
			return fmt.Errorf("%s is no string", at)
		}
		return p.match(at, want, text)
	}
	if want != got {
		return fmt.Errorf("%s is %v", at, got)
	}
	return nil
}

// forms are the values that placeholders match, by the word that they begin with.
var forms = map[string]func(text string) bool{
	"cursor":  func(text string) bool { _, err := record.ParseCursor(text); return err == nil },
	"ms":      regexp.MustCompile(`^\d+$`).MatchString,
	"seconds": regexp.MustCompile(`^\d+$`).MatchString,
	"session": regexp.MustCompile(`^s_[A-Z2-7]{26}$`).MatchString,
	"feed":    regexp.MustCompile(`^orders#[0-9a-f]{16}$`).MatchString,
	"offset":  regexp.MustCompile(`^\d+$`).MatchString,
	"tag":     regexp.MustCompile(`^W/"[\w-]{22}"$`).MatchString,
	"value":   regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString,
	"text":    func(text string) bool { return text != "" },
}

// match compares a text with what the document shows. A placeholder with a number,
// such as <cursor-1>, matches the same text wherever it occurs.
func (p *player) match(at, want, got string) error {
	holder := isPlaceholder.FindStringSubmatch(want)
	if holder == nil || holder[0] != want {
		if want != got {
			return fmt.Errorf("%s is %q", at, got)
		}
		return nil
	}
	word, _, numbered := strings.Cut(holder[1], "-")
	form, ok := forms[word]
	if !ok {
		return fmt.Errorf("%s: nobody knows what %s stands for", at, want)
	}
	if !form(got) {
		return fmt.Errorf("%s is %q, and that is no %s", at, got, want)
	}
	if numbered {
		if known, ok := p.bound[holder[1]]; ok && known != got {
			return fmt.Errorf("%s is %q, and %s was %q", at, got, want, known)
		}
		p.bound[holder[1]] = got
	}
	return nil
}

// stagedProducer fails as configured, and otherwise stores.
type stagedProducer struct {
	upstream.Producer
	mu   sync.Mutex
	errs []error // one per record, the last for all others
}

func (s *stagedProducer) fail(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = errs
}

func (s *stagedProducer) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	s.mu.Lock()
	errs := s.errs
	s.mu.Unlock()
	if len(errs) == 0 {
		s.Producer.Produce(ctx, topic, messages, done)
		return
	}
	s.Producer.Produce(ctx, topic, messages, func(results []upstream.Stored) {
		for i := range results {
			if err := errs[min(i, len(errs)-1)]; err != nil {
				results[i] = upstream.Stored{Err: err}
			}
		}
		done(results)
	})
}

var _ upstream.Producer = (*hubtest.Topics)(nil)

var codeRow = regexp.MustCompile("^\\| `([a-z_]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\| ([^|]+) \\|$")

// TestProtocolCodes compares the document's table of codes with the code.
func TestProtocolCodes(t *testing.T) {
	t.Parallel()
	or := func(text string, isThere bool) string {
		if isThere {
			return text
		}
		return "–"
	}
	listed := map[wire.Code]bool{}
	for i, line := range readDocument(t) {
		row := codeRow.FindStringSubmatch(line)
		if row == nil {
			continue
		}
		code := wire.Code(row[1])
		info, ok := wire.Codes()[code]
		if !ok {
			t.Errorf("%s:%d: there is no code %s", document, i+1, code)
			continue
		}
		if listed[code] {
			t.Errorf("%s:%d: %s is listed twice", document, i+1, code)
		}
		listed[code] = true
		for k, want := range []string{
			or(strconv.Itoa(info.HTTP), info.HTTP != 0), or(strconv.Itoa(info.Close), info.Close != 0),
			or("`"+string(info.Action)+"`", info.Action != ""),
		} {
			if row[k+2] != want {
				t.Errorf("%s:%d: %s has %s where the document says %s", document, i+1, code, want, row[k+2])
			}
		}
	}
	for code := range wire.Codes() {
		if !listed[code] {
			t.Errorf("%s is not in the table of %s", code, document)
		}
	}
}

// TestProtocolBounds compares the bounds that are not configurable.
func TestProtocolBounds(t *testing.T) {
	t.Parallel()
	text := strings.Join(readDocument(t), "\n")
	for _, want := range []string{
		fmt.Sprintf("| id of a request | %d characters |", wire.MaxID),
		fmt.Sprintf("| name of a stream | %d characters |", wire.MaxStreamName),
		fmt.Sprintf("| keys of a subscription | %d |", wire.MaxFilterKeys),
		fmt.Sprintf("| `last:N` | %d |", wire.MaxLast),
		fmt.Sprintf("| partitions in `offset:` | %d |", wire.MaxStartOffsets),
		fmt.Sprintf("| `limit` of a page | %d, %d where it is left out |", wire.MaxPageLimit, wire.DefaultPageLimit),
		fmt.Sprintf("| `wait` of a page | %.0f s |", wire.MaxWait.Seconds()),
		fmt.Sprintf("| `heartbeat` | %.0f s to %.0f min |", wire.MinHeartbeat.Seconds(), wire.MaxHeartbeat.Minutes()),
		fmt.Sprintf("| nesting of a value shown as JSON | %d |", event.MaxDataDepth),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s has no row %q", document, want)
		}
	}
}

// TestProtocolRefusesByName: features that the document lists as not available yet
// are refused by name.
func TestProtocolRefusesByName(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	live := token(t, "u42", "live", time.Hour)
	for _, path := range []string{
		"GET /openapi.json", "GET /asyncapi.json",
	} {
		method, target, _ := strings.Cut(path, " ")
		status, _, body := in.do(method, target, live, "")
		if status < 400 || !strings.Contains(body, "not supported by this server yet") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestDocumentedMetrics compares the metrics that the documents list with those that
// exist.
func TestDocumentedMetrics(t *testing.T) {
	t.Parallel()
	const operating = "../web/docs/operating.md"
	b, err := os.ReadFile(operating)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	registry := prometheus.NewRegistry()
	language, err := expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	o, _ := audited(t, options{config: func(c *transport.Config) {
		c.Registry, c.PublishBytes, c.Filters = registry, func() int64 { return 0 }, language
	}})
	sealed := newSealer(t)
	o.stream = func(s *hub.Stream) {
		if s.Name == "hidden" {
			s.Decrypt = sealed.decrypter(s.Name)
		}
	}
	in := start(t, o)
	// Metrics with a label exist once they have a value.
	in.publish("orders", 0, 0, 1)
	c := in.dial("?stream=orders&from=earliest", token(t, "u42", "live", time.Hour))
	c.until("caught_up")
	c.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
	c.until("published")
	c.send(`{"type":"dance"}`)
	c.until("error")
	ofTenants := prometheus.NewRegistry()
	tenants := startTenants(t, auth.Tenancy{Claim: "tenant"}, options{
		config: func(c *transport.Config) { c.Registry = ofTenants },
		limits: func(l *transport.Limits) { l.TenantMetrics = 1 },
	})
	tenants.dial("?stream=orders", tenantToken(t, "u1", "a")).until("subscribed")
	there := map[string]bool{"sluice_cut_off_total": true} // which nothing here causes
	for _, gatherer := range []prometheus.Gatherer{registry, ofTenants} {
		families, err := gatherer.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if name := family.GetName(); strings.HasPrefix(name, "sluice_") {
				there[name] = true
			}
		}
	}
	listed := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bsluice_\w+`).FindAllString(page, -1) {
		listed[name] = true
		if strings.HasPrefix(name, "sluice_webhook_") || strings.HasPrefix(name, "sluice_registry_") {
			continue // cmd/sluice/app has them, and TestAccessByWebhookAndProxy and TestRegistry there
		}
		if name == "sluice_publish_unavailable_partitions" {
			continue // cmd/sluice/app has it, and TestUnavailablePartitionsMetric there
		}
		if strings.HasPrefix(name, "sluice_message_id") {
			continue // likewise, and TestMetricsOfMessageIDsAreDocumented
		}
		if !there[name] {
			t.Errorf("%s lists %s, which is not there", operating, name)
		}
	}
	for name := range there {
		if !listed[name] {
			t.Errorf("%s does not list %s", operating, name)
		}
	}
}
