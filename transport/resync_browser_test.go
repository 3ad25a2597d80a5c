package transport_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
)

// TestABrowserForgetsABadPosition: an EventSource whose last id is no cursor of this
// server is told so, comes back by itself without the id, and starts where its URL
// says.
func TestABrowserForgetsABadPosition(t *testing.T) {
	t.Parallel()
	var handed atomic.Bool
	in, ctx := browsing(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/events":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, `<!doctype html><script>
const got = [], others = [];
const source = new EventSource("/events");
source.onmessage = e => got.push(JSON.parse(e.data).offset);
for (const name of ["handed", "sluice.caught_up", "sluice.close"])
  source.addEventListener(name, e => others.push(name + " " + e.lastEventId + " " + (JSON.parse(e.data).action ?? "")));
</script>`)
		case handed.CompareAndSwap(false, true):
			// Another server, or another version of this one, hands out an id.
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "retry: 1\nevent: handed\nid: v7.of-another\ndata: {}\n\n")
		default:
			http.Redirect(w, r, "/v1/streams/public.news/events?from=earliest", http.StatusTemporaryRedirect)
		}
	})
	shows(ctx, t, `others[0] === "handed v7.of-another "`)
	in.publish("public.news", 0, 0, 3)
	shows(ctx, t, `others[1] === "sluice.close  resync"`)
	shows(ctx, t, inOrder(3))
	shows(ctx, t, `source.readyState === EventSource.OPEN && others.filter(o => o.startsWith("sluice.close")).length === 1`)
}
