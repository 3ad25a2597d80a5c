package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

const (
	rowsStream     = "rows"
	rowsPartitions = 4
	rowsReaders    = 200
	markKey        = "mark" // of records that everybody may read and asks for
)

// place is where a record is stored.
type place struct {
	partition int32
	offset    int64
}

// rowsReader is a principal with rights in two configurations, and a filter, that reads
// in one way and keeps what it is delivered.
type rowsReader struct {
	id                int
	way               string
	subject           string
	before, after     condition // the rule of its grant
	hides, hidesAfter redaction // of its grant
	withdrawn         bool      // there is no grant after the change
	filter            condition

	addr     string
	journal  sync.Mutex
	got      map[place]int
	first    map[place]int  // what it had before the grants were replaced
	marks    map[string]int // how many partitions have shown a mark
	changed  bool           // the grants are being replaced
	settled  int            // records from this number on were written after that; 0 for not yet
	leaks    []string       // events that show what their reader may not see
	redacted int            // events that show less than there is
	cursor   string
	revoked  bool           // its tokens are revoked, or were for a while
	out      bool           // its tokens are revoked for good
	ended    map[string]int // reasons for which subscriptions ended
	renewals int
}

func (r *rowsReader) role() string { return fmt.Sprintf("row-%d", r.id) }

// orMark lets marks pass whatever else a condition says.
func orMark(c condition) string {
	if c.text == "" {
		return ""
	}
	return fmt.Sprintf("(%s) || key == %q", c.text, markKey)
}

func (r *rowsReader) token(t testing.TB) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "e2e", "aud": "sluice", "sub": r.subject, "role": []string{r.role()},
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "jti": fmt.Sprint(rand.Int64()),
	}).SignedString([]byte(signingKey))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// parameters returns the query that continues reading.
func (r *rowsReader) parameters() url.Values {
	q := url.Values{"from": {"earliest"}}
	if r.cursor != "" {
		q.Set("from", r.cursor)
	}
	if r.filter.text != "" {
		q.Set("filter", orMark(r.filter))
	}
	return q
}

// take records a message.
func (r *rowsReader) take(text []byte) clients.Message {
	m, ok := clients.Parse(text)
	if !ok {
		return m
	}
	r.journal.Lock()
	defer r.journal.Unlock()
	if m.Cursor != "" {
		r.cursor = strings.Clone(m.Cursor)
	}
	switch m.Kind {
	case "event":
		at := place{m.Partition, m.Offset}
		r.got[at]++
		if string(m.Key) != markKey {
			r.see(text)
		}
		if string(m.Key) == markKey && r.got[at] == 1 {
			r.marks[strings.Clone(m.Data)]++
		}
	case "unsubscribed":
		r.ended[strings.Clone(m.Reason)]++
	case "closing":
		r.ended[strings.Clone(m.Code)]++
	}
	return m
}

// see checks that an event shows what the reader may see. The caller holds the journal.
func (r *rowsReader) see(text []byte) {
	n, shown, err := numberShown(text)
	m := modelRecord{n: n}
	m.hide()
	before, after := r.hides.of(m), r.hidesAfter.of(m)
	fits := shown == before.shownAs()
	if r.changed {
		fits = shown == after.shownAs() || fits && (r.settled == 0 || n < r.settled)
	}
	if (err != nil || !fits) && len(r.leaks) < 5 {
		r.leaks = append(r.leaks, fmt.Sprintf("%s: %s: %v", shown, text, err))
	}
	if shown != m.shownAs() {
		r.redacted++
	}
}

// errStopped ends a reader whose right was withdrawn, or whose tokens were revoked.
var errStopped = errors.New("the right was withdrawn")

// whenRevoked returns what a reader does that is refused because its token was revoked: a
// new one may be accepted soon.
func (r *rowsReader) whenRevoked(ctx context.Context) error {
	r.journal.Lock()
	revoked, out := r.revoked, r.out
	r.ended["refused as revoked"]++
	r.journal.Unlock()
	switch {
	case !revoked:
		return errors.New("refused as revoked, and nothing was revoked")
	case out:
		return errStopped
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(200 * time.Millisecond):
		return nil
	}
}

// run reads until the context ends or the right is withdrawn.
func (r *rowsReader) run(ctx context.Context, t testing.TB) error {
	for ctx.Err() == nil {
		var err error
		switch r.way {
		case "ws", "named":
			err = r.overWS(ctx, t)
		case "pages":
			err = r.overPages(ctx, t)
		default:
			err = r.overHTTP(ctx, t)
		}
		switch {
		case errors.Is(err, errStopped):
			return nil
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("reader %d, %s: %w", r.id, r.way, err)
		}
	}
	return nil
}

func (r *rowsReader) overWS(ctx context.Context, t testing.TB) error {
	conn, response, err := websocket.Dial(ctx, "ws://"+r.addr+"/v1/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + r.token(t)}}})
	if err != nil && response != nil && response.StatusCode == http.StatusUnauthorized {
		return r.whenRevoked(ctx)
	}
	if err != nil {
		return err
	}
	if response.Body != nil {
		_ = response.Body.Close()
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(4 << 20)
	subscribe := func() error {
		request := map[string]any{"type": "subscribe", "id": "a", "stream": rowsStream}
		for name, values := range r.parameters() {
			request[name] = values[0]
		}
		if r.way == "named" {
			request["cursor_name"] = fmt.Sprintf("rows-%d", r.id) // the subjects are shared
		}
		text, err := json.Marshal(request)
		if err != nil {
			return err
		}
		return conn.Write(ctx, websocket.MessageText, text)
	}
	if err := subscribe(); err != nil {
		return err
	}
	renewed := time.Now()
	for n := 0; ; n++ {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		switch m := r.take(text); m.Kind {
		case "unsubscribed":
			if m.Reason == "forbidden" {
				return errStopped
			}
			if m.Reason != "rights_changed" {
				return fmt.Errorf("ended: %s", text)
			}
			if err := subscribe(); err != nil {
				return err
			}
		case "error":
			if m.Code == "unknown_stream" && r.withdrawn {
				return errStopped
			}
			if m.Code == "bad_request" && strings.Contains(string(text), "no subscription has this id") {
				continue // an ack that has met the end of the subscription
			}
			if m.Code == "revoked" {
				return r.whenRevoked(ctx) // in answer to a renewal
			}
			if !m.Retryable {
				return fmt.Errorf("answered: %s", text)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
			if err := subscribe(); err != nil {
				return err
			}
		case "closing":
			if m.Code == "revoked" {
				return r.whenRevoked(ctx)
			}
			return fmt.Errorf("closed: %s", text)
		case "cursor":
			if r.way == "named" {
				if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"ack","id":"a","cursor":%q}`, m.Cursor)); err != nil {
					return err
				}
			}
		}
		if time.Since(renewed) > 700*time.Millisecond {
			renewed = time.Now()
			r.renewals++
			if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"auth","id":"r%d","token":%q}`, n, r.token(t))); err != nil {
				return err
			}
		}
	}
}

func (r *rowsReader) ask(ctx context.Context, t testing.TB, path string, q url.Values) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr+path+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+r.token(t))
	if r.way == "ndjson" {
		request.Header.Set("Accept", "application/x-ndjson")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	switch {
	case r.withdrawn && (response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusForbidden):
		return nil, errStopped
	case response.StatusCode == http.StatusUnauthorized && bytes.Contains(body, []byte(`"revoked"`)):
		return nil, r.whenRevoked(ctx)
	case bytes.Contains(body, []byte("rights_changed")), bytes.Contains(body, []byte(`"retryable":true`)):
		return nil, nil // again, from the same cursor
	}
	return nil, fmt.Errorf("answered %d: %s", response.StatusCode, body)
}

// overHTTP reads one event stream up to its end.
func (r *rowsReader) overHTTP(ctx context.Context, t testing.TB) error {
	response, err := r.ask(ctx, t, "/v1/streams/"+rowsStream+"/events", r.parameters())
	if err != nil || response == nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReaderSize(response.Body, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil //nolint:nilerr // continued from the cursor
		}
		if id, ok := bytes.CutPrefix(line, []byte("id: ")); ok && string(id) != "end\n" {
			r.journal.Lock()
			r.cursor = strings.TrimSpace(string(id))
			r.journal.Unlock()
		}
		text := bytes.TrimPrefix(line, []byte("data: "))
		if m := r.take(text); m.Kind == "closing" && m.Code == "forbidden" {
			return errStopped
		}
	}
}

func (r *rowsReader) overPages(ctx context.Context, t testing.TB) error {
	q := r.parameters()
	q.Set("limit", "1000")
	q.Set("wait", "1s")
	response, err := r.ask(ctx, t, "/v1/streams/"+rowsStream+"/records", q)
	if err != nil || response == nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var page struct {
		Records []json.RawMessage `json:"records"`
		Cursor  string            `json:"cursor"`
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		return err
	}
	for _, text := range page.Records {
		r.take(text)
	}
	r.journal.Lock()
	r.cursor = page.Cursor
	r.journal.Unlock()
	return nil
}

// rowsWriter writes records of the model and remembers where they are.
type rowsWriter struct {
	client *kgo.Client
	topic  string
	rand   *rand.Rand
	n      int
	stored map[place]modelRecord
}

func (w *rowsWriter) write(ctx context.Context, count int) ([]place, error) {
	var places []place
	for count > 0 {
		some := min(count, 500)
		count -= some
		records := make([]*kgo.Record, some)
		of := make(map[*kgo.Record]modelRecord, some)
		for i := range records {
			m := drawRecord(w.rand, w.n)
			w.n++
			records[i] = &kgo.Record{Topic: w.topic, Partition: int32(w.n % rowsPartitions), Value: m.value()}
			if m.key != "" {
				records[i].Key = []byte(m.key)
			}
			if m.kind != "" {
				records[i].Headers = []kgo.RecordHeader{{Key: "kind", Value: []byte(m.kind)}}
			}
			if m.token != "" {
				records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: "token", Value: []byte(m.token)})
			}
			of[records[i]] = m
		}
		for _, result := range w.client.ProduceSync(ctx, records...) {
			if result.Err != nil {
				return nil, result.Err
			}
			at := place{result.Record.Partition, result.Record.Offset}
			w.stored[at] = of[result.Record]
			places = append(places, at)
		}
	}
	return places, nil
}

// markValue is the value of a mark: an object, of which redactions leave everything.
func markValue(name string) string { return fmt.Sprintf(`{"mark":%q}`, name) }

// mark writes a mark to each partition.
func (w *rowsWriter) mark(ctx context.Context, name string) error {
	for partition := range int32(rowsPartitions) {
		r := &kgo.Record{Topic: w.topic, Partition: partition, Key: []byte(markKey), Value: []byte(markValue(name))}
		if err := w.client.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// rowsGrants returns the grants of the readers, in one of the configurations.
func rowsGrants(readers []*rowsReader, after bool) string {
	var text strings.Builder
	for _, r := range readers {
		rule, hides := r.before, r.hides
		if after {
			if r.withdrawn {
				continue
			}
			rule, hides = r.after, r.hidesAfter
		}
		fmt.Fprintf(&text, "  - {when: {role: %s}, subscribe: [%s], replay: 24h", r.role(), rowsStream)
		if rule.text != "" {
			fmt.Fprintf(&text, ", filter: %q", orMark(rule))
		}
		text.WriteString(hides.yaml + "}\n")
	}
	return text.String()
}

// TestNoRowWithoutARight: two hundred principals with grants and filters of their own
// read a hundred thousand records in every way, while tokens are renewed and revoked and
// the grants are replaced. What each is delivered is compared with a model that shares no code with
// the server: no record without a right, none missing with one, and nothing of a record
// that a grant redacts, by which a filter of the reader does not find it either.
func TestNoRowWithoutARight(t *testing.T) {
	t.Parallel()
	ctx := within(t, 5*time.Minute)
	scale := 1
	if testing.Short() {
		scale = 10
	}
	random := rand.New(rand.NewPCG(20261128, 11))
	draw := func(rule bool) condition {
		if random.IntN(8) == 0 {
			return everything
		}
		return drawCondition(random, 3, rule)
	}
	var readers []*rowsReader
	for id := range rowsReaders {
		r := &rowsReader{
			id: id, way: []string{"ws", "sse", "ndjson", "pages", "named"}[id%5], subject: fmt.Sprintf("u%d", random.IntN(10)),
			before: draw(true), filter: draw(false), withdrawn: random.IntN(20) == 0,
			got: make(map[place]int), marks: make(map[string]int), ended: make(map[string]int),
		}
		r.after, r.hides = r.before, redactions[0]
		if random.IntN(2) == 0 {
			r.hides = redactions[random.IntN(len(redactions))]
		}
		r.hidesAfter = r.hides
		if random.IntN(3) > 0 {
			r.after = draw(true)
		}
		if random.IntN(4) == 0 {
			r.hidesAfter = redactions[random.IntN(len(redactions))]
		}
		readers = append(readers, r)
	}
	name := fmt.Sprintf("rows-%d", time.Now().UnixNano())
	topic(t, name, rowsPartitions)
	client, err := kgo.NewClient(kgo.SeedBrokers(servers(t).Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := &rowsWriter{client: client, topic: name, rand: random, stored: make(map[place]modelRecord)}
	phases := make([][]place, 5)
	if phases[0], err = w.write(ctx, 40_000/scale); err != nil {
		t.Fatal(err)
	}
	// Its revocations are not for the subjects of other tests.
	own, _ := ownRedis(t, stack.RedisOptions{Mode: stack.RedisSingle})
	in := sluice(t, setup{
		redis:   own,
		streams: map[string]string{rowsStream: name}, grants: rowsGrants(readers, false),
		limits: "sessions_per_principal: 0, replays_per_principal: 0, replays_per_instance: 0, filter_lag: 0s, " +
			"write_progress: 1m", // readers on a busy machine may not read for a while
	})

	reading, stop := context.WithCancel(ctx)
	defer stop()
	group, reading := errgroup.WithContext(reading)
	for _, r := range readers {
		r.addr = in.addr
		group.Go(func() error { return r.run(reading, t) })
	}
	waitFor := func(mark string) {
		for {
			late := ""
			for _, r := range readers {
				r.journal.Lock()
				if r.marks[markValue(mark)] < rowsPartitions && (mark == "before" || !r.withdrawn) && !r.out {
					late = fmt.Sprintf("reader %d, %s, is at %v", r.id, r.way, r.marks)
				}
				r.journal.Unlock()
			}
			if late == "" {
				return
			}
			select {
			case <-reading.Done():
				t.Fatalf("%s not read by all: %s: %v", mark, late, group.Wait())
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	step := func(phase, count int, mark string) {
		places, err := w.write(ctx, count/scale)
		if err == nil {
			err = w.mark(ctx, mark)
		}
		if err != nil {
			t.Fatal(err)
		}
		phases[phase] = places
	}
	step(1, 20_000, "before")
	waitFor("before")
	for _, r := range readers {
		r.journal.Lock()
		r.first = maps.Clone(r.got)
		r.journal.Unlock()
	}

	for _, r := range readers {
		r.journal.Lock()
		r.changed = true
		r.journal.Unlock()
	}
	write(t, in.config, strings.Replace(in.text, rowsGrants(readers, false), rowsGrants(readers, true), 1))
	if err := in.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	step(2, 20_000, "changed")
	waitFor("changed")
	eventually(ctx, t, "the configuration is reloaded", func() error {
		log, err := os.ReadFile(in.LogFile())
		if err == nil && !bytes.Contains(log, []byte("configuration reloaded")) {
			err = errors.New("the log does not say so")
		}
		return err
	})
	for _, r := range readers {
		r.journal.Lock()
		r.settled = w.n
		r.journal.Unlock()
	}
	step(3, 15_000, "after")
	waitFor("after")

	// Two subjects are revoked, one for good; who has the other comes back with new tokens.
	for _, r := range readers {
		r.journal.Lock()
		r.revoked, r.out = r.subject == "u3" || r.subject == "u5", r.subject == "u3"
		r.journal.Unlock()
	}
	for _, body := range []string{fmt.Sprintf(`{"subject":"u3","before_at":%d}`, time.Now().Add(time.Hour).UnixMilli()), `{"subject":"u5"}`} {
		if err := in.revoke(ctx, body); err != nil {
			t.Fatal(err)
		}
	}
	step(4, 5_000, "revoked")
	waitFor("revoked")
	stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	check := &rowsCheck{t: t, w: w}
	for _, r := range readers {
		check.reader(r, phases)
	}
	t.Logf("%d records, %d readers: %d deliveries compared, %d of them repeated, %d redacted; %d renewals; ended: %v",
		len(w.stored), len(readers), check.deliveries, check.repeated, check.redacted, check.renewals, check.ended)
	if check.ended["rights_changed"] < 50 || check.ended["forbidden"] < 3 || check.ended["refused as revoked"] < 10 || check.renewals < 100 || check.deliveries < 100_000/scale || check.redacted < 20_000/scale {
		t.Error("the change of grants, the renewals, the revocations or the redactions did not strike")
	}
}

// rowsCheck compares what readers have with the model.
type rowsCheck struct {
	t                              *testing.T
	w                              *rowsWriter
	deliveries, repeated, renewals int
	redacted                       int
	ended                          map[string]int
	faults                         int
}

func (c *rowsCheck) reader(r *rowsReader, phases [][]place) {
	if c.ended == nil {
		c.ended = make(map[string]int)
	}
	for reason, n := range r.ended {
		c.ended[reason] += n
	}
	c.renewals += r.renewals
	c.redacted += r.redacted
	for _, leak := range r.leaks {
		c.t.Errorf("reader %d (%s), before %q, after %q: shown %s", r.id, r.way, r.hides, r.hidesAfter, leak)
	}
	for _, n := range r.got {
		c.deliveries += n
		c.repeated += n - 1
	}
	for phase, places := range phases {
		for _, at := range places {
			m := c.w.stored[at]
			shown, shownAfter := r.hides.of(m), r.hidesAfter.of(m)
			before := r.before.holds(&m, r.subject) == yes && r.filter.holds(&shown, r.subject) == yes
			after := !r.withdrawn && r.after.holds(&m, r.subject) == yes && r.filter.holds(&shownAfter, r.subject) == yes
			has, may, must := r.got[at] > 0, before || after, before
			switch phase {
			case 0, 1:
				if (r.first[at] > 0) != before {
					has, may, must = r.first[at] > 0, before, before
				}
				// What lies behind a cursor that was acked is read again, with the new rights.
			case 2: // written while the grants were replaced
				must = before && after
			case 3:
				may, must = after, after
			case 4:
				may, must = after && !r.out, after && !r.out
			}
			if has && !may || !has && must {
				if c.faults++; c.faults <= 20 {
					c.t.Errorf("reader %d (%s, %s) in phase %d: has %v, may %v, must %v: %+v\n  before %s%s\n  after  %s%s\n  filter %s",
						r.id, r.way, r.subject, phase, has, may, must, m, r.before, r.hides, r.after, r.hidesAfter, r.filter)
				}
			}
		}
	}
}
