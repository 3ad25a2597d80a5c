package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/transport"
)

// TestAMissingTopicHasACodeOfItsOwn: the code says that the failure does not pass by
// itself.
func TestAMissingTopicHasACodeOfItsOwn(t *testing.T) {
	t.Parallel()
	in := start(t, options{stream: func(s *hub.Stream) {
		if s.Name == "orders" {
			s.Topic = "not.there"
		}
	}})
	live := token(t, "u42", "live", time.Hour)
	for _, path := range []string{"", "/records", "/events"} {
		status, head, body := in.do(http.MethodGet, "/v1/streams/orders"+path, live, "")
		in.problem(t, status, head, body, http.StatusNotFound, "topic_missing")
		if !strings.Contains(body, `"retryable":false,"action":"stop"`) || strings.Contains(body, "not.there") {
			t.Errorf("orders%s: got %s", path, body)
		}
	}
	in.reads("/v1/streams/orders/events?errors=stream", live).closesWith("topic_missing", "stop", true)
	if _, body := in.operator("/streams"); strings.Count(body, `"topic_missing":true`) != 1 {
		t.Errorf("operators are told %s", body)
	}
	// Other streams are served.
	if status, _, body := in.do(http.MethodGet, "/v1/streams/public.news", live, ""); status != http.StatusOK {
		t.Errorf("got %d %s", status, body)
	}
	in.topics.Create("not.there", 3)
	in.eventually("it is served once it is made", func() bool {
		status, _, body := in.do(http.MethodGet, "/v1/streams/orders", live, "")
		return status == http.StatusOK && strings.Contains(body, `"partitions":3`)
	})
}

// TestMissingTopicIsListed: the list of streams says so, once it is certain.
func TestMissingTopicIsListed(t *testing.T) {
	t.Parallel()
	var known *hub.Hub
	in := start(t, options{config: func(c *transport.Config) { known = c.Hub }})
	live := token(t, "u", "live", time.Hour)
	for _, missing := range []bool{false, true, false} {
		known.NoteMissing("orders", missing)
		if _, _, body := in.do("GET", "/v1/streams", live, ""); strings.Contains(body, `"topic_missing":true`) != missing {
			t.Errorf("missing %v: %s", missing, body)
		}
	}
}
