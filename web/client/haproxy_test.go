package client_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sluice/bench/stack"
)

// haproxy is the configuration of a balancer that ends what is quiet for a second. Where it
// denies WebSockets, records come by event streams, and where it also waits for the end of each
// answer, by pages.
const haproxy = `
defaults
  mode http
  timeout connect 5s
  timeout client 1s
  timeout server 1s
  timeout tunnel 1s
frontend websocket
  bind %[1]s
  default_backend server
frontend sse
  bind %[2]s
  http-request deny if { hdr(upgrade) -i websocket }
  default_backend server
frontend pages
  bind %[3]s
  timeout client 30s
  http-request deny if { hdr(upgrade) -i websocket }
  default_backend holding
backend server
  server sluice %[4]s
backend holding
  timeout server 30s
  http-response wait-for-body time 1h at-least 1m
  server sluice %[4]s
`

// TestTransportsThroughHAProxy: a page has each record once through a balancer that cuts what is
// quiet, over each transport.
func TestTransportsThroughHAProxy(t *testing.T) {
	t.Parallel()
	stack.Check(t, stack.Install(t.Context(), "haproxy"))
	ctx, origin := browser(t, t.TempDir())
	w := newWorld(t, origin)
	transports := []string{"websocket", "sse", "pages"}
	at := make([]string, len(transports))
	for i := range at {
		addr, err := stack.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		at[i] = addr
	}
	dir := t.TempDir()
	write(t, dir, "haproxy.cfg", fmt.Sprintf(haproxy, at[0], at[1], at[2], w.wire.Addr()))
	balancer := stack.NewServer(stack.Command{
		Name: "haproxy", Dir: dir, Args: []string{"haproxy", "-db", "-f", filepath.Join(dir, "haproxy.cfg")},
		Ready: listens(at[0]),
	})
	if err := balancer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = balancer.Kill() })
	w.visit(ctx, t, "sluice.js")
	for i, transport := range transports {
		evaluate(ctx, t, fmt.Sprintf(`
const sluice = client.connect("http://%[2]s", {backoff: {min: 50, max: 500}});
sluice.on("state", ({transport}) => results.%[1]s = transport);
window.%[1]s = follow(sluice, "orders", {from: "earliest"})`, transport, at[i]))
	}
	for _, transport := range transports {
		until(ctx, t, fmt.Sprintf("results.%[1]s === %[1]q && %[1]s.states.at(-1) === 'live'", transport))
	}
	// It is quiet between the records for longer than the balancer allows.
	stop := w.produce("orders", 1500*time.Millisecond)
	until(ctx, t, "[websocket, sse, pages].every((s) => s.count > 5) && [websocket, sse].every((s) => s.errors.length > 3)")
	n := stop()
	for _, transport := range transports {
		whole(ctx, t, transport, n)
	}
}
