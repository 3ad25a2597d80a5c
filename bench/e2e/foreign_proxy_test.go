package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// report is the delivery report of a record in version 3 of the REST proxy.
type report struct {
	ErrorCode   int `json:"error_code"`
	PartitionID int `json:"partition_id"`
	Offset      int64
	Message     string
}

// proxied3 publishes records as a producer of a REST proxy, in chunks as its body has no length.
func proxied3(ctx context.Context, t *testing.T, i *instance, topic, bearer, body string) (all []report) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+i.addr+"/kafka/v3/clusters/any/topics/"+topic+"/records", struct{ *strings.Reader }{strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for d := json.NewDecoder(response.Body); d.More(); {
		var one report
		if err := d.Decode(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// TestProducersOfARESTProxy: the documented requests of Confluent's REST Proxy, sent with
// Python's requests and a user name and password, are answered with its media types and
// numbers, and stored.
func TestProducersOfARESTProxy(t *testing.T) {
	t.Parallel()
	python := pythonProgram(t, "proxy.py")
	topic(t, "proxy-orders", 3)
	topic(t, "proxy-orders-seen", 1)
	const id, secret = "till-4", "correct-horse-battery-staple-of-a-till"
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, keys, fmt.Sprintf("- {id: %s, subject: till, claims: {role: till}, hash: \"sha256:%x\"}\n", id, sha256.Sum256([]byte(secret))))
	i := sluice(t, setup{
		auth:    "  api_keys_file: " + keys + "\n",
		streams: map[string]string{"orders": "proxy-orders", "proxy-orders-seen": "proxy-orders-seen"},
		grants:  "  - {when: {role: till}, publish: [orders], subscribe: [proxy-orders-seen]}\n",
	})
	ctx := within(t, time.Minute)
	want := map[string]string{
		"v2 json":           "200 v2 offsets [null null null]",
		"v2 binary":         "200 v2 offsets [null]",
		"v2 default":        "200 v2 offsets [null]",
		"v3 one":            "200 v3 200",
		"v3 binary":         "200 v3 200",
		"v3 some":           "200 v3 200 200 200",
		"v3 in chunks":      "200 v3 200 200 200",
		"v2 no topic":       "404 v2 40401",
		"v3 no topic":       "404 v3 40403",
		"v2 no right":       "403 v2 40301",
		"v3 no right":       "403 v3 40301",
		"v2 malformed":      "400 v2 400",
		"v2 no records":     "422 v2 422",
		"v3 no records":     "422 v3 422",
		"v2 of version 1":   "415 v2 415",
		"v2 not base64":     "400 v2 400",
		"v3 among others":   "200 v3 200 422 400 200",
		"v2 among others":   "200 v2 offsets [null 50002]",
		"v2 invalid":        "200 v2 offsets [50002]",
		"v2 wrong password": "401 v2 40101",
		"v3 wrong password": "401 v3 40101",
		"v3 of a page":      "400 v3 400",
	}
	for d := json.NewDecoder(strings.NewReader(python.run(ctx, t, "", "http://"+i.addr, id, secret, "proxy-orders"))); d.More(); {
		var line []any
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		name, got := line[0].(string), fmt.Sprint(line[1])
		switch line[2] {
		case "application/vnd.kafka.v2+json":
			got += " v2"
		case "application/json":
			got += " v3"
		default:
			t.Errorf("%s has the media type %v", name, line[2])
		}
		for _, value := range line[3].([]any) {
			value := value.(map[string]any)
			if offsets, ok := value["offsets"].([]any); ok {
				var codes []string
				for _, one := range offsets {
					codes = append(codes, null(one.(map[string]any)["error_code"]))
				}
				got += " offsets " + fmt.Sprint(codes)
				continue
			}
			got += " " + null(value["error_code"])
		}
		if got != want[name] {
			t.Errorf("%s: %s, want %s: %v", name, got, want[name], line[3])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not tried: %v", want)
	}

	page, err := get(ctx, "http://"+i.addr+"/v1/streams/orders/records?from=earliest&limit=100", token(t, "reader", "reader"))
	if err != nil {
		t.Fatal(err)
	}
	for count := range 10 {
		if strings.Count(page, fmt.Sprintf(`"data":{"count":%d}`, count)) == 0 && strings.Count(page, fmt.Sprintf(`"data":{"count": %d}`, count)) == 0 {
			t.Errorf("count %d is not stored", count)
		}
	}
	if n := strings.Count(page, `"type":"event"`); n != 16 || strings.Count(page, `"tombstone":true`) != 2 || !strings.Contains(page, `"headers":[["trace","7f"]]`) ||
		strings.Count(page, `"key":"\"alice\""`) != 2 || strings.Count(page, `"key":"alice"`) != 3 {
		t.Errorf("%d records: %s", n, page)
	}
}

// null is a number, or null.
func null(value any) string {
	if value == nil {
		return "null"
	}
	return fmt.Sprint(value)
}
