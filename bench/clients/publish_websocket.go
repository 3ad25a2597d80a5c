package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	slots := make(chan struct{}, 16)
	gone := make(chan struct{})
	type flight struct{ records []int }
	var mu sync.Mutex
	flying := make(map[string]flight)
	write := func() error {
		for message := 0; p.more(n); message++ {
			pause(ctx, p.Every)
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
				bodies = append(bodies, fmt.Sprintf(`%s"key":%q,"data":%s`, p.idField(number), key, value))
			}
			body := bodies[0]
			if size > 1 {
				body = `"records":[{` + strings.Join(bodies, "},{") + `}]`
			}
			mu.Lock()
			flying[id] = flight{records}
			mu.Unlock()
			text := fmt.Sprintf(`{"type":"publish","id":%q,"stream":%q,%s}`, id, p.Stream, body)
			if err := session.Conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
				return ErrCut // the reader returns the reason
			}
		}
		for range cap(slots) {
			select {
			case slots <- struct{}{}:
			case <-gone:
				return nil
			}
		}
		session.Close()
		return nil
	}
	read := func() error {
		defer close(gone)
		for {
			text, err := session.Next(ctx)
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
				return fmt.Errorf("%w: %s: an answer to nothing: %s", errProtocol, p.Session, text)
			}
			<-slots
			for i, number := range of.records {
				r := answer.result
				if answer.Type == "published" && len(of.records) > 1 {
					if len(answer.Results) != len(of.records) {
						return fmt.Errorf("%w: %s: %d results for %d records: %s", errProtocol, p.Session, len(answer.Results), len(of.records), text)
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
	session.Close()
	if errWrite := <-wrote; errWrite != nil && !errors.Is(errWrite, ErrCut) {
		return errWrite
	}
	mu.Lock()
	defer mu.Unlock()
	if !p.more(n) && len(flying) == 0 || p.Wire.CutAfter > 0 && errors.Is(err, ErrCut) {
		return nil
	}
	return err
}
