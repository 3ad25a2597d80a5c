package transport_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sluice/transport"
	"sluice/web"
)

// problem is what a client reads of one.
type problem struct {
	Status       int
	Code, Detail string
	Links        map[string]string
}

// TestUnknownPathsAreProblems: what is not there is answered with a problem that leads on,
// with and without the console, and at the operators' listener.
func TestUnknownPathsAreProblems(t *testing.T) {
	t.Parallel()
	for _, console := range []bool{false, true} {
		in := start(t, options{config: func(c *transport.Config) {
			if console {
				c.Console = web.Handler()
			}
		}})
		for request, want := range map[string]problem{
			"GET /v1/streams/":                   {404, "unknown_path", "slash", map[string]string{"suggestion": "/v1/streams"}},
			"POST /v1/streams/orders/records/":   {404, "unknown_path", "slash", map[string]string{"suggestion": "/v1/streams/orders/records"}},
			"GET /v1/nope":                       {404, "unknown_path", "/v1/nope", nil},
			"GET /nope?access_token=s3cr3t":      {404, "unknown_path", "/nope", nil},
			"GET /v1/%22%0d%0a":                  {404, "unknown_path", "%22", nil},
			"PATCH /v1/streams/orders/records":   {405, "method_not_allowed", "GET, POST, HEAD", nil},
			"DELETE /v1/ws":                      {405, "method_not_allowed", "GET, HEAD", nil},
			"POST /v1/":                          {405, "method_not_allowed", "GET, HEAD", nil},
			"GET /docs/nope":                     {404, "unknown_path", "/docs/nope", nil},
			"GET /" + strings.Repeat("x/", 2000): {404, "unknown_path", "/x/", nil},
		} {
			method, path, _ := strings.Cut(request, " ")
			status, head, body := in.do(method, path, "", "")
			var got problem
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Errorf("%.80s: %v in %s", request, err, body)
			}
			if status != want.Status || got.Status != status || got.Code != want.Code || head.Get("Content-Type") != "application/problem+json" ||
				!strings.Contains(got.Detail, want.Detail) || got.Links["index"] != "/v1/" || got.Links["suggestion"] != want.Links["suggestion"] ||
				(got.Links["protocol"] != "") != console {
				t.Errorf("%.80s: got %d %s", request, status, body)
			}
			if strings.Contains(body, "s3cr3t") || len(body) > 1000 {
				t.Errorf("%.80s: got %s", request, body)
			}
		}
		if console {
			if status, _, body := in.do("POST", "/docs/PROTOCOL", "", ""); status != http.StatusMethodNotAllowed || !strings.Contains(body, "method_not_allowed") {
				t.Errorf("got %d %s", status, body)
			}
		}
	}
}

// TestIndex: the indexes name what there is.
func TestIndex(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	status, _, body := in.do("GET", "/v1/", "", "")
	var index struct {
		Paths []struct {
			Path, About string
			Methods     []string
		}
		Links map[string]string
	}
	if err := json.Unmarshal([]byte(body), &index); err != nil || status != http.StatusOK || len(index.Paths) < 10 {
		t.Fatalf("got %d %s, %v", status, body, err)
	}
	names := strings.NewReplacer("{stream}", "orders", "{name}", "n", "{cluster}", "c", "{topic}", "orders")
	for _, p := range index.Paths {
		for _, method := range p.Methods {
			if status, _, _ := in.do(method, names.Replace(p.Path), "", ""); status == http.StatusMethodNotAllowed || p.About == "" {
				t.Errorf("%s %s, %q: %d", method, p.Path, p.About, status)
			}
		}
	}
	operators := *in
	operators.url = in.admin
	if status, _, body = operators.do("GET", "/", "", ""); status != http.StatusOK {
		t.Errorf("got %d %s", status, body)
	}
	if err := json.Unmarshal([]byte(body), &index); err != nil {
		t.Fatal(err)
	}
	for _, p := range index.Paths {
		if strings.Contains(p.Path, "pprof") || !slices.Contains(p.Methods, http.MethodGet) {
			continue
		}
		if status, _, body := operators.do("GET", p.Path, "", ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", p.Path, status, body)
		}
	}
	for request, want := range map[string]int{"GET /nope": 404, "GET /livez/": 404, "POST /readyz": 405, "DELETE /revocations": 405} {
		method, path, _ := strings.Cut(request, " ")
		status, head, body := operators.do(method, path, "", "")
		if status != want || !strings.Contains(body, `"links":{`) || (head.Get("Allow") != "") != (want == 405) {
			t.Errorf("%s: got %d %v %s", request, status, head, body)
		}
	}
}
