package transport_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport"
)

func TestRequestFaults(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) {
		l.CursorBytes, l.ErrorsPerMinute, l.JSONDepth, l.JSONKeys = 100, 0, 8, 20
	}})
	c := in.dial("?stream=orders", token(t, "u", "live", time.Hour))
	c.until("caught_up")
	news := in.dial("?stream=public.news", "")
	news.send(`{"type":"ping"}`)
	other := news.until("subscribed").str("cursor")
	mine := c.cursor("x", "orders")
	for name, r := range map[string]struct{ sent, id, code string }{
		"no object":           {`[]`, "", "bad_request"},
		"no JSON":             {`{"type":"ping","id":"1"`, "", "bad_request"},
		"empty":               {``, "", "bad_request"},
		"no type":             {`{"id":"1"}`, "1", "bad_request"},
		"unknown type":        {`{"type":"event","id":"1"}`, "1", "bad_request"},
		"pause":               {`{"type":"pause","id":"1"}`, "1", "bad_request"},
		"resume":              {`{"type":"resume","id":"1"}`, "1", "bad_request"},
		"number for id":       {`{"type":"ping","id":1}`, "", "bad_request"},
		"id of 65":            {`{"type":"ping","id":"` + strings.Repeat("x", 65) + `"}`, "", "bad_request"},
		"no id":               {`{"type":"subscribe","stream":"orders"}`, "", "bad_request"},
		"unknown field":       {`{"type":"ping","id":"1","more":1}`, "1", "bad_request"},
		"field in capitals":   {`{"type":"subscribe","id":"1","Stream":"orders"}`, "1", "bad_request"},
		"doubled field":       {`{"type":"subscribe","id":"1","stream":"orders","stream":"hidden"}`, "1", "bad_request"},
		"doubled id":          {`{"type":"ping","id":"1","id":"2"}`, "", "bad_request"},
		"lone surrogate":      {`{"type":"subscribe","id":"1","stream":"\ud800"}`, "1", "bad_request"},
		"too deep":            {`{"type":"publish","id":"1","stream":"orders","data":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, "1", "bad_request"},
		"too many keys":       {`{"type":"publish","id":"1","stream":"orders","data":{` + manyKeys(30) + `}}`, "1", "bad_request"},
		"filter":              {`{"type":"subscribe","id":"1","stream":"orders","filter":"true"}`, "1", "bad_request"},
		"key prefix":          {`{"type":"subscribe","id":"1","stream":"orders","key_prefix":""}`, "1", "bad_request"},
		"header filter":       {`{"type":"subscribe","id":"1","stream":"orders","header.":"k"}`, "1", "bad_request"},
		"message id":          {`{"type":"publish","id":"1","stream":"orders","message_id":"m","data":1}`, "1", "bad_request"},
		"no keys":             {`{"type":"subscribe","id":"1","stream":"orders","key":[]}`, "1", "bad_request"},
		"from nowhere":        {`{"type":"subscribe","id":"1","stream":"orders","from":"yesterday"}`, "1", "bad_request"},
		"last:0":              {`{"type":"subscribe","id":"1","stream":"orders","from":"last:0"}`, "1", "bad_request"},
		"unknown ack":         {`{"type":"subscribe","id":"1","stream":"orders","ack":"never"}`, "1", "bad_request"},
		"unknown on_gap":      {`{"type":"subscribe","id":"1","stream":"orders","on_gap":"weep"}`, "1", "bad_request"},
		"id in use":           {`{"type":"subscribe","id":"0","stream":"orders","key":["z"]}`, "0", "bad_request"},
		"missing stream":      {`{"type":"subscribe","id":"1","stream":"nowhere"}`, "1", "unknown_stream"},
		"hidden stream":       {`{"type":"subscribe","id":"1","stream":"hidden"}`, "1", "unknown_stream"},
		"publish, missing":    {`{"type":"publish","id":"1","stream":"nowhere","data":1}`, "1", "unknown_stream"},
		"publish, hidden":     {`{"type":"publish","id":"1","stream":"hidden","data":1}`, "1", "unknown_stream"},
		"publish, no right":   {`{"type":"publish","id":"1","stream":"public.news","data":1}`, "1", "forbidden"},
		"publish, no data":    {`{"type":"publish","id":"1","stream":"orders"}`, "1", "bad_request"},
		"publish, reserved":   {`{"type":"publish","id":"1","stream":"orders","headers":[["sluice-x","y"]],"data":1}`, "1", "reserved_header"},
		"damaged cursor":      {`{"type":"subscribe","id":"1","stream":"orders","from":"` + damaged(mine) + `"}`, "1", "bad_cursor"},
		"cut cursor":          {`{"type":"subscribe","id":"1","stream":"orders","from":"` + mine[:len(mine)-4] + `"}`, "1", "bad_cursor"},
		"cursor of version 9": {`{"type":"subscribe","id":"1","stream":"orders","from":"v9.AAAA"}`, "1", "bad_cursor"},
		"cursor of another":   {`{"type":"subscribe","id":"1","stream":"orders","from":"` + other + `"}`, "1", "bad_cursor"},
		"long cursor":         {`{"type":"subscribe","id":"1","stream":"orders","from":"` + mine + `~` + strings.Repeat("0:1,", 20) + `1:1"}`, "1", "cursor_too_large"},
		"same feed":           {`{"type":"subscribe","id":"1","stream":"orders"}`, "1", "already_subscribed"},
		"unsubscribe what":    {`{"type":"unsubscribe","id":"1"}`, "1", "bad_request"},
		"ack what":            {`{"type":"ack","id":"1","cursor":"` + mine + `"}`, "1", "bad_request"},
		"ack without a name":  {`{"type":"ack","id":"0","cursor":"` + mine + `"}`, "0", "bad_request"},
		"ack a ruin":          {`{"type":"ack","id":"0","cursor":"v1.AAAA"}`, "0", "bad_cursor"},
		"no subscriptions":    {`{"type":"subscribe","id":"1","subscriptions":[]}`, "1", "bad_request"},
		"auth with nothing":   {`{"type":"auth","id":"1","token":""}`, "1", "bad_request"},
	} {
		c.send("%s", r.sent)
		m := c.until("error")
		id, has := m["id"]
		if m.str("code") != r.code || has != (r.id != "") || has && id != r.id || m["retryable"] != false || m.str("message") == "" {
			t.Errorf("%s: got %v", name, m)
		}
		if r.code == "already_subscribed" && m.str("subscription_id") != "0" {
			t.Errorf("%s: got %v", name, m)
		}
	}
	c.send(`{"type":"subscribe","id":"w","stream":"orders","key":["k1"]}`)
	c.until("subscribed")
	writer := in.dial("", token(t, "u", "write", time.Hour))
	writer.send(`{"type":"subscribe","id":"1","stream":"orders"}`)
	writer.fails("1", "forbidden")
	// The earlier subscription is unchanged.
	in.publish("orders", 0, 0, 1)
	c.until("event")
	c.alive()
}

// damaged changes a character in the middle of a cursor.
func damaged(cursor string) string {
	i := len(cursor) / 2
	other := "A"
	if cursor[i] == 'A' {
		other = "B"
	}
	return cursor[:i] + other + cursor[i+1:]
}

func manyKeys(n int) string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d":1`, i)
	}
	return strings.Join(keys, ",")
}

// cursor returns a cursor at a stream's beginning.
func (s *socket) cursor(id, stream string) string {
	s.t.Helper()
	s.send(`{"type":"subscribe","id":"%s","stream":"%s","from":"earliest","key":["none of these"]}`, id, stream)
	cursor := s.until("subscribed").str("cursor")
	s.send(`{"type":"unsubscribe","id":"%s"}`, id)
	s.until("unsubscribed")
	return cursor
}

// TestKeysPerSession: the keys of all filters of a session count together.
func TestKeysPerSession(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.KeysPerSession = 3 }})
	c := in.dial("", token(t, "u", "live", time.Hour))
	c.send(`{"type":"subscribe","id":"a","stream":"orders","key":["1","2"]}`)
	c.until("subscribed")
	c.send(`{"type":"subscribe","id":"b","stream":"orders","key":["2","3"]}`)
	c.fails("b", "subscription_limit")
	c.send(`{"type":"subscribe","id":"b","stream":"orders","key":["3"]}`)
	c.until("subscribed")
	c.send(`{"type":"unsubscribe","id":"a"}`)
	c.until("unsubscribed")
	c.send(`{"type":"subscribe","id":"c","stream":"orders","key":["1","4"]}`)
	c.until("subscribed")
}

// TestFieldValuesPerSession: the field values of all filters count as the keys do, also
// those of rights.
func TestFieldValuesPerSession(t *testing.T) {
	t.Parallel()
	in := start(t, options{
		config: func(c *transport.Config) { c.Rights = rowRights(ownRowsByField) },
		limits: func(l *transport.Limits) { l.KeysPerSession = 3 },
	})
	c := in.dial("", token(t, "u", "live", time.Hour))
	c.send(`{"type":"subscribe","id":"a","stream":"orders","key":["1"]}`)
	c.until("subscribed")
	c.send(`{"type":"subscribe","id":"b","stream":"orders","key":["2"]}`)
	c.fails("b", "subscription_limit")
	c.send(`{"type":"subscribe","id":"b","stream":"orders"}`)
	c.until("subscribed")
}

// TestTooManyErrors: too many faults end the session, whatever kind of request
// causes them, except for faults that are not the client's.
func TestTooManyErrors(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.ErrorsPerMinute, l.SubscriptionsPerSession = 4, 1 }})
	for _, bad := range []string{
		`{"type":"nonsense","id":"1"}`, `{"type":"unsubscribe","id":"1"}`, `{"type":"ack","id":"1","cursor":"%s"}`,
	} {
		c := in.dial("?stream=orders", token(t, "u", "live", time.Hour))
		cursor := c.until("subscribed").str("cursor")
		for range 10 {
			c.send(`{"type":"subscribe","id":"1","stream":"public.news"}`)
			if m := c.fails("1", "subscription_limit"); m["retryable"] != true || m["retry_after_ms"] == nil {
				t.Errorf("got %v", m)
			}
		}
		if strings.Contains(bad, "%s") {
			bad = fmt.Sprintf(bad, cursor)
		}
		for range 5 {
			c.send("%s", bad)
			c.until("error")
		}
		if last := c.closesWith("too_many_errors", 4509); last.str("action") != "stop" {
			t.Errorf("got %v", last)
		}
	}
}

func TestSubscribeMany(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 0, 0, 6)
	c := in.dial("?stream=orders&from=earliest", token(t, "u", "live", time.Hour))
	c.until("welcome")
	if m := c.next(); m.str("type") != "subscribed" || m.str("id") != "0" || m.str("start") != "earliest" || m.str("feed") != "orders" {
		t.Fatalf("got %v", m)
	}
	c.until("caught_up")
	c.send(`{"type":"subscribe","id":"s","subscriptions":[{"id":"a","stream":"orders","key":["k1"],"from":"earliest"},
		{"id":"b","stream":"hidden"},{"id":"c","stream":"orders"},{"id":"d","stream":"orders","key":["k1","k2"]}]}`)
	answers := map[string]message{}
	events := map[string]int{}
	for len(answers) < 4 {
		switch m := c.next(); m.str("type") {
		case "subscribed", "error":
			if answers[m.str("id")] != nil {
				t.Errorf("a second answer: %v", m)
			}
			answers[m.str("id")] = m
		case "event":
			events[m.str("feed")]++
		}
	}
	if answers["b"].str("code") != "unknown_stream" || answers["c"].str("code") != "already_subscribed" || answers["c"].str("subscription_id") != "0" {
		t.Errorf("got %v", answers)
	}
	a, d := answers["a"].str("feed"), answers["d"].str("feed")
	if !strings.HasPrefix(a, "orders#") || !strings.HasPrefix(d, "orders#") || a == d {
		t.Errorf("got %v", answers)
	}
	for events[a] < 2 {
		if m := c.until("event"); m.str("feed") == a {
			events[a]++
		}
	}
	// Overlapping subscriptions each deliver.
	in.publish("orders", 0, 1, 2)
	got := map[string]int{}
	for range 3 {
		m := c.until("event")
		got[m.str("feed")]++
	}
	if got[""] != 1 || got[a] != 1 || got[d] != 1 {
		t.Errorf("got %v", got)
	}
}

// TestNothingFollowsUnsubscribed: nothing is delivered after the end of a
// subscription, however fast events arrive.
func TestNothingFollowsUnsubscribed(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.ErrorsPerMinute = 0 }})
	c := in.dial("", token(t, "u", "live", time.Hour))
	stop := make(chan struct{})
	var flood sync.WaitGroup
	flood.Go(func() {
		for n := 0; ; n += 10 {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Microsecond):
				in.publish("orders", int32(n/10%2), n, n+10)
			}
		}
	})
	defer flood.Wait()
	defer close(stop)
	for round := range 50 {
		c.send(`{"type":"subscribe","id":"a","stream":"orders","key":["k1"],"from":"latest"}`)
		c.send(`{"type":"unsubscribe","id":"%s"}`, "b")
		feed := ""
		for feed == "" {
			switch m := c.next(); m.str("type") {
			case "subscribed":
				feed = m.str("feed")
			case "event", "caught_up", "cursor":
				t.Fatalf("round %d: %v before subscribed", round, m)
			}
		}
		c.until("event")
		c.send(`{"type":"unsubscribe","id":"a"}`)
		c.until("unsubscribed")
		c.send(`{"type":"ping","id":"%d"}`, round)
		for {
			m := c.next()
			if m.str("type") == "pong" {
				break
			}
			// The server's own pings come with time, and are no part of the subscription.
			if m.str("type") != "ping" && (m.str("type") != "error" || m.str("id") != "b") {
				t.Fatalf("round %d: %v behind unsubscribed", round, m)
			}
		}
	}
}

// TestOneAnswerARequest: each request has exactly one answer.
func TestOneAnswerARequest(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.ErrorsPerMinute, l.PublishesPerSession = 0, 10 }})
	c := in.dial("?stream=orders", token(t, "u", "live", time.Hour))
	const rounds = 200
	go func() {
		for n := range rounds {
			for kind, r := range map[string]string{
				"p": `{"type":"publish","id":"p%d","stream":"orders","data":{}}`,
				"q": `{"type":"publish","id":"q%d","stream":"orders","records":[{"data":1},{"data":2}]}`,
				"h": `{"type":"publish","id":"h%d","stream":"hidden","data":{}}`,
				"s": `{"type":"subscribe","id":"s%d","stream":"orders","key":["%[1]d"]}`,
				"i": `{"type":"ping","id":"i%d"}`,
				"u": `{"type":"unsubscribe","id":"u%d"}`,
				"a": `{"type":"ack","id":"a%d","cursor":"v1.AAAA"}`,
				"n": `{"type":"nonsense","id":"n%d"}`,
			} {
				_ = kind
				_ = c.Write(t.Context(), 1, fmt.Appendf(nil, r, n))
			}
		}
		_ = c.Write(t.Context(), 1, []byte(`{"type":"ping","id":"last"}`))
	}()
	answers := map[string]int{}
	for len(answers) < 8*rounds+1 {
		m := c.next()
		switch m.str("type") {
		case "published", "error", "subscribed", "pong":
			if id := m.str("id"); id != "0" {
				answers[id]++
			}
		}
	}
	// No other answer comes later.
	c.send(`{"type":"ping","id":"very last"}`)
	for m := c.next(); m.str("id") != "very last"; m = c.next() {
		if kind := m.str("type"); kind != "event" && kind != "cursor" && kind != "caught_up" {
			t.Fatalf("got %v", m)
		}
	}
	for id, n := range answers {
		if n != 1 {
			t.Errorf("%s has %d answers", id, n)
		}
	}
}

// heldProducer holds publishes back, and fails as configured.
type heldProducer struct {
	upstream.Producer
	mu   sync.Mutex
	held []func()
	fail error
}

func (p *heldProducer) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fail := p.fail; fail != nil {
		go func() {
			results := make([]upstream.Stored, len(messages))
			for i := range results {
				results[i].Err = fail
			}
			done(results)
		}()
		return
	}
	p.held = append(p.held, func() { p.Producer.Produce(ctx, topic, messages, done) })
}

func (p *heldProducer) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held) > 0
}

// count returns how many calls are held.
func (p *heldProducer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}

func (p *heldProducer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, produce := range p.held {
		produce()
	}
	p.held = nil
}

func TestPublishFaults(t *testing.T) {
	t.Parallel()
	failing := &heldProducer{}
	in := start(t, options{
		limits: func(l *transport.Limits) { l.ErrorsPerMinute = 0 },
		stream: func(s *hub.Stream) { s.Producer = failing },
	})
	c := in.dial("", token(t, "u", "live", time.Hour))
	for _, want := range []struct {
		err       error
		code      string
		retryable bool
	}{
		{upstream.ErrPublishUnavailable, "publish_unavailable", true},
		{upstream.ErrPublishUnknown, "publish_unknown", false},
		{upstream.ErrPublishOverloaded, "rate_limited", true},
		{upstream.ErrRecordTooLarge, "record_too_large", false},
		{upstream.ErrPublishRejected, "invalid", false},
		{errors.New("the secret of it"), "internal", true},
	} {
		failing.mu.Lock()
		failing.fail = want.err
		failing.mu.Unlock()
		c.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
		if m := c.fails("p", want.code); m["retryable"] != want.retryable || strings.Contains(m.str("message"), "secret") {
			t.Errorf("got %v", m)
		}
		c.send(`{"type":"publish","id":"q","stream":"orders","records":[{"data":1},{"data":2}]}`)
		m := c.until("published")
		results, _ := m["results"].([]any)
		if m["failed"] != 2.0 || len(results) != 2 || results[1].(map[string]any)["code"] != want.code {
			t.Errorf("got %v", m)
		}
	}
	c.alive()
}

// TestRequestsWithoutReading: the server stops reading from a client that sends
// requests and never reads, and what it keeps for the client is bounded.
func TestRequestsWithoutReading(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.WriteProgress, l.SendBuffer = time.Second, 8<<10 }})
	c, _ := in.open(t, handshakeOf("", "Authorization", "Bearer "+token(t, "u", "live", time.Hour)), true)
	ask := []byte{}
	for range 100 {
		ask = append(ask, frame(fin|text, `{"type":"ping","id":"`+strings.Repeat("x", 64)+`"}`)...)
	}
	_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second))
	sent := 0
	for {
		n, err := c.Write(ask)
		sent += n
		if err != nil {
			break
		}
	}
	if sent > 16<<20 {
		t.Errorf("%d bytes were taken from a client that reads nothing", sent)
	}
	in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, 0)
	in.sampleBecomes(`sluice_cut_off_total{reason="no_progress"}`, 1)
}
