package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"sluice/bench/clients"
)

// namesEach is the number of names in a round; each round has new ones.
const namesEach = 60

// name draws a name, which belongs to one principal and one stream.
func (c *crowd) name(r *rand.Rand) (name, who, of string) {
	n := c.round*namesEach + r.IntN(namesEach)
	name, who, of = fmt.Sprint("name-", n), fmt.Sprint("holder-", n), stream(n%streams)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[name] == nil {
		c.names[name] = &use{}
	}
	return name, who, of
}

// used records that a name was requested, and whether it is stored now.
func (c *crowd) used(name string, stored bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	u := c.names[name]
	u.asked = now
	if stored {
		u.stored = now
	}
}

// keepName moves a name over HTTP, and deletes some.
func (c *crowd) keepName(ctx context.Context, r *rand.Rand) error {
	name, who, of := c.name(r)
	defer c.used(name, false)
	cursor, err := c.readPage(ctx, who, of, "from=last:5&limit=3")
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/v1/cursors/%s/%s", of, name)
	if _, err := c.expect(ctx, http.StatusOK, who, http.MethodPut, path, map[string]string{"cursor": cursor}); err != nil {
		return err
	}
	c.used(name, true)
	if r.IntN(4) == 0 {
		c.mu.Lock()
		c.names[name].deleted = true
		c.mu.Unlock()
		if status, answer, err := c.do(ctx, who, http.MethodDelete, path, nil); err != nil || status/100 != 2 {
			return fmt.Errorf("DELETE %s is answered with %d: %.300s (%w)", path, status, answer, err)
		}
	}
	return nil
}

// holdName holds a name in a session and acks what it receives, unless another
// session takes the name over.
func (c *crowd) holdName(ctx context.Context, r *rand.Rand) error {
	name, who, of := c.name(r)
	defer c.used(name, false)
	return c.session(ctx, who, r, func(ctx context.Context, s *clients.Session) error {
		subscribe := map[string]any{"type": "subscribe", "id": "a", "stream": of, "from": "last:50", "cursor_name": name}
		if r.IntN(3) == 0 {
			subscribe["ack"] = "auto"
		}
		if err := s.Send(ctx, subscribe); err != nil {
			return err
		}
		err := c.hear(ctx, s, stay(r), func(m *clients.Message) (bool, error) {
			switch m.Kind {
			case "subscribed":
				c.used(name, true)
			case "unsubscribed":
				return true, nil // another session holds it now
			case "cursor", "caught_up":
				return false, s.Send(ctx, map[string]any{"type": "ack", "id": "a", "cursor": strings.Clone(m.Cursor)})
			}
			return false, nil
		})
		if err != nil && strings.Contains(err.Error(), `"superseded"`) {
			return nil // another session holds it now
		}
		return err
	})
}
