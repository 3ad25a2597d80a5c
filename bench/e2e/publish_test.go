package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/bench/check"
)

// publisher sends numbered records and takes the answers down.
type publisher struct {
	session string
	stream  string
	at      *instance
	token   string
	// every is the pause between two messages; 0 is none.
	every time.Duration

	mu   sync.Mutex
	sent []check.Publish
}

// next makes the next record: key and value, whose bytes must arrive as they
// are, numbers that no double holds too.
func (p *publisher) next() (n int, key, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = len(p.sent)
	key = fmt.Sprintf("%s-%d", p.session, n%7)
	value = fmt.Sprintf(`{"session":%q, "n":%d,"big":9007199254740993,"huge":1e400,"zero":-0}`, p.session, n)
	p.sent = append(p.sent, check.Publish{Session: p.session, Key: key, Sum: check.Sum([]byte(key), []byte(value))})
	return n, key, value
}

// result is the answer for one record, over either transport.
type result struct {
	Partition *int32 `json:"partition"`
	Offset    *int64 `json:"offset"`
	Code      string `json:"code"`
}

func (p *publisher) answer(n int, r result) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.Partition != nil && r.Offset != nil && r.Code == "":
		p.sent[n].Answer, p.sent[n].Partition, p.sent[n].Offset = check.Stored, *r.Partition, *r.Offset
	case r.Code == "publish_unknown":
	case r.Code == "publish_unavailable" || r.Code == "rate_limited":
		p.sent[n].Answer = check.NotStored
	default:
		return fmt.Errorf("%s: record %d is answered with the code %q", p.session, n, r.Code)
	}
	return nil
}

// overWebSocket publishes n records over one session, up to sixteen messages in
// flight, every tenth message a batch of five. Where the connection is cut, the
// rest is not sent.
func (p *publisher) overWebSocket(ctx context.Context, n int, cutAfter int64) error {
	session, err := openWS(ctx, wsRequest{addr: p.at.addr, token: p.token, cutAfter: cutAfter})
	if err != nil {
		return err
	}
	defer session.close()
	slots := make(chan struct{}, 16)
	gone := make(chan struct{})
	type flight struct{ records []int }
	var mu sync.Mutex
	flying := make(map[string]flight)
	write := func() error {
		for message := 0; len(p.sent) < n; message++ {
			pause(ctx, p.every)
			select {
			case slots <- struct{}{}:
			case <-gone:
				return nil
			}
			id := fmt.Sprint("p", message)
			var records []int
			var bodies []string
			size := 1
			if message%10 == 9 {
				size = 5
			}
			for range size {
				number, key, value := p.next()
				records = append(records, number)
				bodies = append(bodies, fmt.Sprintf(`"key":%q,"data":%s`, key, value))
			}
			body := bodies[0]
			if size > 1 {
				body = `"records":[{` + strings.Join(bodies, "},{") + `}]`
			}
			mu.Lock()
			flying[id] = flight{records}
			mu.Unlock()
			text := fmt.Sprintf(`{"type":"publish","id":%q,"stream":%q,%s}`, id, p.stream, body)
			if err := session.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
				return errCut // the reader tells why
			}
		}
		for range cap(slots) {
			select {
			case slots <- struct{}{}:
			case <-gone:
				return nil
			}
		}
		session.close()
		return nil
	}
	read := func() error {
		defer close(gone)
		for {
			text, err := session.next(ctx)
			if err != nil {
				return err
			}
			var answer struct {
				Type    string   `json:"type"`
				ID      string   `json:"id"`
				Results []result `json:"results"`
				result
			}
			if err := json.Unmarshal(text, &answer); err != nil {
				return err
			}
			if answer.Type != "published" && answer.Type != "error" {
				continue
			}
			mu.Lock()
			of, ok := flying[answer.ID]
			delete(flying, answer.ID)
			mu.Unlock()
			if !ok {
				return fmt.Errorf("%s: an answer to nothing: %s", p.session, text)
			}
			<-slots
			for i, number := range of.records {
				r := answer.result
				if answer.Type == "published" && len(of.records) > 1 {
					if len(answer.Results) != len(of.records) {
						return fmt.Errorf("%s: %d results for %d records: %s", p.session, len(answer.Results), len(of.records), text)
					}
					r = answer.Results[i]
				}
				if err := p.answer(number, r); err != nil {
					return err
				}
			}
		}
	}
	wrote := make(chan error, 1)
	go func() { wrote <- write() }()
	err = read()
	if errWrite := <-wrote; errWrite != nil && !errors.Is(errWrite, errCut) {
		return errWrite
	}
	mu.Lock()
	defer mu.Unlock()
	if len(p.sent) >= n && len(flying) == 0 || cutAfter > 0 && errors.Is(err, errCut) {
		return nil
	}
	return err
}

// overHTTP publishes n records, one request after the other: a record as JSON, a
// record as a bare value, a batch.
func (p *publisher) overHTTP(ctx context.Context, n int) error {
	for request := 0; len(p.sent) < n; request++ {
		pause(ctx, p.every)
		var records []int
		var body, query string
		contentType := "application/json"
		switch request % 3 {
		case 0:
			number, key, value := p.next()
			records, body = []int{number}, fmt.Sprintf(`{"key":%q,"data":%s}`, key, value)
		case 1:
			number, key, value := p.next()
			records, body, query, contentType = []int{number}, value, "?key="+url.QueryEscape(key), "application/vnd.reading+json"
		case 2:
			var entries []string
			for range 5 {
				number, key, value := p.next()
				records = append(records, number)
				entries = append(entries, fmt.Sprintf(`{"key":%q,"data":%s}`, key, value))
			}
			body = `{"records":[` + strings.Join(entries, ",") + `]}`
		}
		if err := p.post(ctx, query, contentType, body, records); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) post(ctx context.Context, query, contentType, body string, records []int) error {
	address := fmt.Sprintf("http://%s/v1/streams/%s/records%s", p.at.addr, p.stream, query)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+p.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Results []result `json:"results"`
		result
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&answer); err != nil {
		return fmt.Errorf("%s: answered %s with %q: %w", p.session, response.Status, text, err)
	}
	results := []result{answer.result}
	if len(records) > 1 && response.StatusCode < 300 {
		results = answer.Results
	}
	if len(results) != len(records) {
		return fmt.Errorf("%s: answered %s for %d records: %s", p.session, response.Status, len(records), text)
	}
	for i, number := range records {
		if err := p.answer(number, results[i]); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	return nil
}

// TestPublishedIsReadBackByKcat is about promises 7 and 8, and that subscribers
// receive what was published.
func TestPublishedIsReadBackByKcat(t *testing.T) {
	const partitions = 6
	topic(t, "published", partitions)
	config := setup{streams: map[string]string{"published": "published"}}
	both := []*instance{sluice(t, config), sluice(t, config)}
	ctx := within(t, 2*time.Minute)

	var readers []*subscriber
	for i := range 10 {
		over := []transport{overSSE, overWS}[i%2]
		s := newSubscriber(fmt.Sprintf("%s-%d", over, i), over, byCursor, "published", partitions)
		s.instances, s.token, s.cutEvery = both, token(t, s.name, "reader"), 500_000
		readers = append(readers, s)
	}
	var reading, writing sync.WaitGroup
	for _, s := range readers {
		reading.Go(func() {
			if err := s.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}

	var publishers []*publisher
	publish := func(session string, do func(*publisher) error) {
		p := &publisher{session: session, stream: "published", at: both[len(publishers)%2], token: token(t, session, "writer")}
		publishers = append(publishers, p)
		writing.Go(func() {
			if err := do(p); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 4 {
		publish(fmt.Sprint("ws-", i), func(p *publisher) error { return p.overWebSocket(ctx, 2_000, 0) })
		publish(fmt.Sprint("cut-", i), func(p *publisher) error { return p.overWebSocket(ctx, 2_000, int64(10_000*(i+1))) })
		publish(fmt.Sprint("http-", i), func(p *publisher) error { return p.overHTTP(ctx, 500) })
	}
	writing.Wait()
	writeEnds(ctx, t, "published", partitions)
	reading.Wait()

	log := kcatLog(ctx, t, "published", partitions)
	var sent []check.Publish
	unknown := 0
	for _, p := range publishers {
		sent = append(sent, p.sent...)
		for _, publish := range p.sent {
			switch publish.Answer {
			case check.Stored:
			case check.Unknown:
				unknown++
			case check.NotStored:
				t.Errorf("%s: a record was refused", p.session)
			}
		}
	}
	report := check.Publishers(log, sent)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if unknown == 0 {
		t.Error("every publish was answered: the cuts did not strike")
	}
	t.Logf("%d published, %d of them without an answer, %d in the topic", len(sent), unknown, log.Len()-partitions)
	judge(t, log, readers)
}
