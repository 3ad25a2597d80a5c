package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/transport"
)

// TestOperatorsAmidClients: operators list, order, kick and drain sessions of all kinds while
// these are opened and closed, and records come. Nobody waits for long, every session that an
// operator ends has ended, and nothing stays.
func TestOperatorsAmidClients(t *testing.T) {
	t.Parallel()
	const clients, operators, last = 40, 6, 3 * time.Second
	in := start(t, options{
		config: func(c *transport.Config) { c.DrainSpread, c.DrainTimeout = 50*time.Millisecond, 100*time.Millisecond },
		limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 2 * clients },
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	var opened, listed, ended atomic.Int64
	tokens := make([]string, clients)
	for n := range tokens {
		tokens[n] = token(t, fmt.Sprint("u", n%7), "live", time.Hour)
	}
	for n := range clients {
		running.Go(func() {
			for ctx.Err() == nil {
				once, done := context.WithCancel(ctx)
				// A session lasts for so long. Some clients leave while they are being served, too; if all
				// did, a busy machine would have nothing but such connections to accept.
				leave := func() {
					opened.Add(1)
					time.AfterFunc(time.Duration(1+rand.IntN(200))*time.Millisecond, done)
				}
				if n%8 == 7 {
					time.AfterFunc(time.Duration(1+rand.IntN(200))*time.Millisecond, done)
				}
				if n%3 == 0 {
					stormEvents(once, in, tokens[n], leave)
				} else {
					stormSocket(once, in, tokens[n], leave)
				}
				done()
			}
		})
	}
	running.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			in.publish("orders", 0, n, n+1)
			time.Sleep(time.Millisecond)
		}
	})
	op := operatorToken(t)
	orders := []string{"", "session", "started", "sent_records", "sent_bytes", "buffered_bytes", "lag_records"}
	for range operators {
		running.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				query := fmt.Sprintf("?limit=%d&order=%s", 1+rand.IntN(50), orders[rand.IntN(len(orders))])
				if rand.IntN(3) == 0 {
					query += "&principal=u3"
				}
				all, total, _ := in.sessions(op, strings.TrimSuffix(query, "&order="))
				if len(all) > total {
					t.Errorf("%d of %d sessions are listed", len(all), total)
				}
				if took := time.Since(began); took > patience {
					t.Errorf("the list took %v", took)
				}
				listed.Add(1)
				if len(all) == 0 {
					continue
				}
				id := all[rand.IntN(len(all))].Session
				method, path := http.MethodDelete, "/v1/admin/sessions/"+id
				switch rand.IntN(20) {
				case 0:
					method, path = http.MethodPost, "/v1/admin/drain"
				case 1, 2, 3, 4, 5, 6:
					method, path = http.MethodPost, path+"/drain"
				}
				switch status, _, body := in.do(method, path, op, ""); status {
				case http.StatusNoContent, http.StatusOK:
					ended.Add(1)
				case http.StatusNotFound: // it has ended meanwhile
				default:
					t.Errorf("%s %s: %d %s", method, path, status, body)
				}
			}
		})
	}
	time.Sleep(last)
	// On a busy machine it goes on until enough has happened.
	in.eventually("clients have come and operators have acted", func() bool { return ended.Load() > 0 && opened.Load() >= clients })
	cancel()
	running.Wait()
	in.eventually("all have ended", func() bool { _, total, _ := in.sessions(op, ""); return total == 0 })
	t.Logf("%d sessions were opened, %d lists and %d acts", opened.Load(), listed.Load(), ended.Load())
}

// stormSocket opens a WebSocket and reads, pauses and goes on until the context ends.
func stormSocket(ctx context.Context, in *instance, tok string, opened func()) {
	c, _, err := websocket.Dial(ctx, "ws://"+in.address()+"/v1/ws?stream=orders&from=earliest", &websocket.DialOptions{ //nolint:bodyclose // the library has
		HTTPHeader: http.Header{"Authorization": {"Bearer " + tok}},
	})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	opened()
	c.SetReadLimit(1 << 20)
	for n := 0; ; n++ {
		if _, _, err := c.Read(ctx); err != nil {
			return
		}
		if n%10 == 5 {
			_ = c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":%q,"id":"0"}`, []string{"pause", "resume"}[n/10%2]))
		}
	}
}

// stormEvents opens an event stream and reads it until the context ends.
func stormEvents(ctx context.Context, in *instance, tok string, opened func()) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+in.address()+"/v1/streams/orders/events?from=earliest", nil)
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+tok)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	defer func() { _ = response.Body.Close() }()
	opened()
	for buf := make([]byte, 4<<10); ; {
		if _, err := response.Body.Read(buf); err != nil {
			return
		}
	}
}
