package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/coder/websocket"
)

// OverWebSocket publishes n records over one session, with up to sixteen messages in
// flight; every tenth message is a batch of five. If the connection is cut, the rest
// is not sent.
func (p *Publisher) OverWebSocket(ctx context.Context, n int) error {
	session, err := OpenSession(ctx, SessionRequest{Addr: p.Addr, Token: p.Token, Wire: p.Wire})
	if err != nil {
		return err
	}
	defer session.Close()
	c := conversation{
		p:       p,
		session: session,
		slots:   make(chan struct{}, 16),
		gone:    make(chan struct{}),
		flying:  make(map[string][]int),
	}
	wrote := make(chan error, 1)
	go func() { wrote <- c.write(ctx, n) }()
	err = c.read(ctx)
	session.Close()
	if errWrite := <-wrote; errWrite != nil && !errors.Is(errWrite, ErrCut) {
		return errWrite
	}
	if !p.more(n) && len(c.flying) == 0 || p.Wire.CutAfter > 0 && errors.Is(err, ErrCut) {
		return nil
	}
	return err
}

// conversation is a session over which a Publisher writes messages while it reads the
// answers.
type conversation struct {
	p       *Publisher
	session *Session
	slots   chan struct{} // has an element for each message in flight
	gone    chan struct{} // closed once no more answers are read

	mu     sync.Mutex
	flying map[string][]int // the records of each message in flight, by its id
}

// write sends n records, waits for the answers, and closes the session.
func (c *conversation) write(ctx context.Context, n int) error {
	for message := 0; c.p.more(n); message++ {
		pause(ctx, c.p.Every)
		if !c.takeSlot() {
			return nil
		}
		size := 1
		if message%10 == 9 {
			size = 5
		}
		id := fmt.Sprint("p", message)
		records, body := c.p.message(size)
		c.mu.Lock()
		c.flying[id] = records
		c.mu.Unlock()
		text := fmt.Sprintf(`{"type":"publish","id":%q,"stream":%q,%s}`, id, c.p.Stream, body)
		if err := c.session.Conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return ErrCut // the reader returns the reason
		}
	}
	for range cap(c.slots) {
		if !c.takeSlot() {
			return nil
		}
	}
	c.session.Close()
	return nil
}

// takeSlot waits for room for a message. It reports false if no more answers are read.
func (c *conversation) takeSlot() bool {
	select {
	case c.slots <- struct{}{}:
		return true
	case <-c.gone:
		return false
	}
}

// message makes records, and the fields of a message that publishes them.
func (p *Publisher) message(size int) (records []int, fields string) {
	var bodies []string
	for range size {
		number, key, value := p.next()
		records = append(records, number)
		bodies = append(bodies, fmt.Sprintf(`%s"key":%q,"data":%s`, p.idField(number), key, value))
	}
	if size == 1 {
		return records, bodies[0]
	}
	return records, `"records":[{` + strings.Join(bodies, "},{") + `}]`
}

// read records the answers until the session ends.
func (c *conversation) read(ctx context.Context) error {
	defer close(c.gone)
	for {
		text, err := c.session.Next(ctx)
		if err != nil {
			return err
		}
		var answer published
		if err := json.Unmarshal(text, &answer); err != nil {
			return err
		}
		if answer.Type != "published" && answer.Type != "error" {
			continue
		}
		c.mu.Lock()
		records, ok := c.flying[answer.ID]
		delete(c.flying, answer.ID)
		c.mu.Unlock()
		if !ok {
			return fmt.Errorf("%w: %s: an answer to nothing: %s", errProtocol, c.p.Session, text)
		}
		<-c.slots
		results, ok := answer.of(len(records))
		if !ok {
			return fmt.Errorf("%w: %s: %d results for %d records: %s", errProtocol, c.p.Session, len(answer.Results), len(records), text)
		}
		for i, number := range records {
			if err := c.p.answer(number, results[i]); err != nil {
				return err
			}
		}
	}
}

// published is the answer to a message.
type published struct {
	Type    string   `json:"type"`
	ID      string   `json:"id"`
	Results []result `json:"results"`
	result
}

// of returns the results of the records of a message: an error is that of all. It
// reports false if there are more or fewer.
func (a published) of(records int) ([]result, bool) {
	if a.Type == "published" && records > 1 {
		return a.Results, len(a.Results) == records
	}
	return slices.Repeat([]result{a.result}, records), true
}
