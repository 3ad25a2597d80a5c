package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/bench/clients"
)

// contender takes a name at the same time as others.
type contender struct {
	session *clients.Session // nil for an event stream
	addr    string

	mu      sync.Mutex
	begun   bool // it has received the name
	told    bool // it was notified that the name was taken over
	answers int  // to its ack
	newest  int64
	cause   string // why it ended otherwise
}

func (c *contender) note(what func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what()
}

// overWebSocket subscribes, acks at once, and records the answers.
func (c *contender) overWebSocket(ctx context.Context, name string) {
	err := c.session.Send(ctx, map[string]any{"type": "subscribe", "id": "a", "stream": "rush", "cursor_name": name, "from": "earliest"})
	for err == nil {
		var text []byte
		if text, err = c.session.Next(ctx); err != nil {
			break
		}
		message := gjson.ParseBytes(text)
		switch kind := message.Get("type").Str; {
		case kind == "subscribed":
			c.note(func() { c.begun = true })
			err = c.session.Send(ctx, map[string]any{"type": "ack", "id": "a", "cursor": message.Get("cursor").Str})
		case kind == "event":
			c.note(func() { c.newest = message.Get("data.n").Int() })
		case kind == "unsubscribed" && message.Get("reason").Str == "superseded":
			c.note(func() { c.told = true })
		case kind == "acked", kind == "error":
			c.note(func() { c.answers++ })
		case kind == "unsubscribed", kind == "closing":
			err = fmt.Errorf("it was sent %s", text)
		}
	}
	if ctx.Err() == nil {
		c.note(func() { c.cause = err.Error() })
	}
}

// overSSE reads an event stream by name.
func (c *contender) overSSE(ctx context.Context, name, bearer string) {
	address := fmt.Sprintf("http://%s/v1/streams/rush/events?cursor_name=%s&from=earliest&errors=stream", c.addr, name)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		c.note(func() { c.cause = err.Error() })
		return
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.note(func() { c.cause = err.Error() })
		return
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		switch message := gjson.Parse(data); message.Get("type").Str {
		case "ready":
			c.note(func() { c.begun, c.answers = true, 1 }) // an event stream has nothing to ack
		case "event":
			c.note(func() { c.newest = message.Get("data.n").Int() })
		case "closing":
			c.note(func() {
				// A client that lost the name before it began gets the same message.
				c.told, c.answers = message.Get("code").Str == "superseded", 1
				if !c.told {
					c.cause = data
				}
			})
		}
	}
}

// TestANameHasOneHolder is about promise 4: however many clients take a name at the
// same time, over two instances and every transport, one of them must hold it, all
// others must be notified, and each ack must have exactly one answer. Pages only
// read the cursor.
func TestANameHasOneHolder(t *testing.T) {
	t.Parallel()
	topic(t, "rush", 1)
	config := setup{streams: map[string]string{"rush": "rush"}, limits: "sessions_per_principal: 0"}
	instances := []*instance{sluice(t, config), sluice(t, config)}
	ctx := within(t, 2*time.Minute)
	fill(ctx, t, "rush", 0, 5)
	bearer := token(t, "rush", "reader")
	const rounds = 20
	for round := range rounds {
		name := fmt.Sprintf("name-%d", round)
		of, end := context.WithCancel(ctx)
		var all []*contender
		for n := range 6 {
			c := &contender{addr: instances[n%2].addr}
			if n < 4 {
				session, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: c.addr, Token: bearer})
				if err != nil {
					t.Fatal(err)
				}
				c.session = session
			}
			all = append(all, c)
		}
		var running sync.WaitGroup
		start := make(chan struct{})
		for _, c := range all {
			running.Go(func() {
				<-start
				if c.session == nil {
					c.overSSE(of, name, bearer)
				} else {
					c.overWebSocket(of, name)
				}
			})
		}
		for _, i := range instances {
			running.Go(func() {
				<-start
				// There may be nothing stored under the name yet.
				body, err := get(of, "http://"+i.addr+"/v1/streams/rush/records?cursor_name="+name+"&from=earliest", bearer)
				if err != nil || !strings.Contains(body, `"records"`) {
					t.Errorf("round %d: a page is answered %q, %v", round, body, err)
				}
			})
		}
		close(start)
		var holder *contender
		eventually(ctx, t, "one holds the name", func() error {
			holder = nil
			for n, c := range all {
				c.mu.Lock()
				begun, told, answers, cause := c.begun, c.told, c.answers, c.cause
				c.mu.Unlock()
				switch {
				case cause != "":
					t.Fatalf("round %d: contender %d: %s", round, n, cause)
				case !begun && !told:
					return fmt.Errorf("round %d: contender %d has no answer", round, n)
				case answers != 1:
					return fmt.Errorf("round %d: contender %d has %d answers to one ack", round, n, answers)
				case !told && holder != nil:
					return fmt.Errorf("round %d: two hold the name", round)
				case !told:
					holder = c
				}
			}
			return nil
		})
		if holder == nil {
			t.Fatalf("round %d: all were told that another one has the name", round)
		}
		// New records must go to the holder.
		fill(ctx, t, "rush", 5+round, 6+round)
		eventually(ctx, t, "the holder is delivered to", func() error {
			holder.mu.Lock()
			defer holder.mu.Unlock()
			if holder.told || holder.newest != int64(5+round) {
				return fmt.Errorf("round %d: told %v, its newest record is %d", round, holder.told, holder.newest)
			}
			return nil
		})
		end()
		for _, c := range all {
			if c.session != nil {
				c.session.Close()
			}
		}
		running.Wait()
		for n, c := range all {
			if c.answers != 1 {
				t.Errorf("round %d: contender %d has %d answers to one ack", round, n, c.answers)
			}
		}
	}
}
