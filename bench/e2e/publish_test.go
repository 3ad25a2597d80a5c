package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// TestPublishedIsReadBackByKcat is about promises 7 and 8; subscribers must also
// receive what was published.
func TestPublishedIsReadBackByKcat(t *testing.T) {
	t.Parallel()
	const partitions = 6
	topic(t, "published", partitions)
	config := setup{streams: map[string]string{"published": "published"}}
	both := []*instance{sluice(t, config), sluice(t, config)}
	ctx := within(t, 2*time.Minute)

	var readers []*clients.Subscriber
	for i := range 10 {
		over := []clients.Transport{clients.OverSSE, clients.OverWS}[i%2]
		s := clients.NewSubscriber(fmt.Sprintf("%s-%d", over, i), over, clients.ByCursor, "published", partitions)
		s.Addrs, s.Token, s.CutEvery = addrs(both...), token(t, s.Name, "reader"), 500_000
		readers = append(readers, s)
	}
	var reading, writing sync.WaitGroup
	for _, s := range readers {
		reading.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}

	var publishers []*clients.Publisher
	publish := func(session string, do func(*clients.Publisher) error) {
		p := &clients.Publisher{Session: session, Stream: "published", Addr: both[len(publishers)%2].addr, Token: token(t, session, "writer")}
		publishers = append(publishers, p)
		writing.Go(func() {
			if err := do(p); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 4 {
		publish(fmt.Sprint("ws-", i), func(p *clients.Publisher) error { return p.OverWebSocket(ctx, 2_000) })
		publish(fmt.Sprint("cut-", i), func(p *clients.Publisher) error {
			p.Wire.CutAfter = int64(10_000 * (i + 1))
			return p.OverWebSocket(ctx, 2_000)
		})
		publish(fmt.Sprint("http-", i), func(p *clients.Publisher) error { return p.OverHTTP(ctx, 500) })
	}
	writing.Wait()
	writeEnds(ctx, t, "published", partitions)
	reading.Wait()

	log := kcatLog(ctx, t, "published", partitions)
	var sent []check.Publish
	unknown := 0
	for _, p := range publishers {
		sent = append(sent, p.Sent()...)
		for _, publish := range p.Sent() {
			switch publish.Answer {
			case check.Stored:
			case check.Unknown:
				unknown++
			case check.NotStored:
				t.Errorf("%s: a record was refused", p.Session)
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

// TestPageHasWhatWasPublished: a page that follows a publish at the same instance has the
// record, and says so only then (caught_up).
func TestPageHasWhatWasPublished(t *testing.T) {
	t.Parallel()
	topic(t, "readback", 3)
	i := sluice(t, setup{streams: map[string]string{"readback": "readback"}})
	ctx := within(t, time.Minute)
	address, reader, writer := "http://"+i.addr+"/v1/streams/readback/records", token(t, "back", "reader"), token(t, "back", "writer")
	cursor := "latest"
	for n := range 100 {
		if status, answer := post(ctx, t, i, "readback", writer, fmt.Sprintf(`{"key":"%d","data":%[1]d}`, n)); status != http.StatusOK {
			t.Fatal(answer)
		}
		body, err := get(ctx, address+"?from="+cursor, reader)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Records []struct{ Data int }
			Cursor  string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		if n > 0 && (len(page.Records) != 1 || page.Records[0].Data != n) {
			t.Fatalf("after publish %d the page is %s", n, body)
		}
		cursor = page.Cursor
	}
}
