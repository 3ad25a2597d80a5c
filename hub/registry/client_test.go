package registry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sluice/hub/registry"
)

const secret = "hunter2"

// answer is what a registry answers for version 1 of a subject, as its API documents it.
const answer = `{"subject":"s","id":7,"version":1,"schemaType":"JSON","schema":"{\"properties\": {\"t\": {\"maximum\": 10}}}"}`

// TestAnswersThatAreRefused: what may be answered instead of a schema. What is said about it
// has nothing of the answer, the credential or the address in it.
func TestAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, answer)
	}))
	defer other.Close()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"error_code":50001,"message":"hunter2"}`)
		}
	}
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	with := func(from, to string) http.HandlerFunc { return text(strings.Replace(answer, from, to, 1)) }
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		fault   string
		outcome registry.Outcome
	}{
		"401": {status(401), "status 401 and error code 50001: check the credential", registry.Refused},
		"403": {status(403), "check the credential", registry.Refused},
		"404": {status(404), "there is no such subject", registry.Missing},
		"422": {status(422), "status 422", registry.Invalid},
		"429": {status(429), "status 429", registry.Away},
		"500": {status(500), "status 500", registry.Away},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, "not followed", registry.Invalid},
		"large":             {text(`{"schema":"` + strings.Repeat("A", 5<<20) + `"}`), "larger than", registry.Invalid},
		"no JSON":           {text(`<html>hunter2`), "not one of a schema registry", registry.Invalid},
		"another shape":     {text(`["hunter2"]`), "not one of a schema registry", registry.Invalid},
		"no schema":         {text(`{}`), "not one of a schema registry", registry.Invalid},
		"no id":             {with(`"id":7`, `"id":0`), "not one of a schema registry", registry.Invalid},
		"a negative id":     {with(`"id":7`, `"id":-7`), "not one of a schema registry", registry.Invalid},
		"a large id":        {with(`"id":7`, `"id":4294967303`), "not one of a schema registry", registry.Invalid},
		"another version":   {with(`"version":1`, `"version":2`), "not one of a schema registry", registry.Invalid},
		"another type":      {with(`JSON`, `HUNTER2`), "not one of a schema registry", registry.Invalid},
		"an empty schema":   {text(`{"subject":"s","id":7,"version":1,"schemaType":"JSON","schema":""}`), "not one of a schema registry", registry.Invalid},
		"never":             {never, "not come in time", registry.Away},
		"slow bytes":        {slowly, "not come in time", registry.Away},
		"a lie in length":   {short, "not come in time, or not as a whole", registry.Away},
		"large headers":     {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", strings.Repeat("a", 100<<10)) }, "headers exceeded", registry.Away},
		"not a JSON Schema": {with(`"schemaType":"JSON",`, ``), "it is not a JSON Schema", registry.OK},
	} {
		server := httptest.NewServer(c.answer)
		r := open(t, nil, func(to *registry.Config) {
			to.URLs, to.Timeout = []string{server.URL}, 10*time.Second // a busy machine answers, and reads a large answer, slowly
			if strings.Contains(c.fault, "not come in time") {
				to.Timeout = 300 * time.Millisecond
			}
			to.Username, to.Secret = "u", func() (string, error) { return secret, nil }
		})
		s, began := r.Subject("s", 1, registry.JSONSchema), time.Now()
		if err := r.Start(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		err := r.Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.fault) || strings.Contains(strings.ToLower(err.Error()), secret) || strings.Contains(err.Error(), server.URL) {
			t.Errorf("%s: %v", name, err)
		}
		if of, err := s.Definition(); err == nil {
			t.Errorf("%s: in force is %s", name, of.Text())
		}
		for i, outcome := range registry.Outcomes {
			if n := r.Stats().Requests[i]; (n == 1) != (outcome == c.outcome) {
				t.Errorf("%s: %d requests were %s", name, n, outcome)
			}
		}
		server.CloseClientConnections()
		server.Close()
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// never answers until the client has gone.
func never(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func slowly(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, `{"subject":`)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func short(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, answer)
}

// TestNextInstanceIsAsked: after one that is away, broken or slow.
func TestNextInstanceIsAsked(t *testing.T) {
	t.Parallel()
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	defer good.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer broken.Close()
	slow := httptest.NewServer(http.HandlerFunc(never))
	defer slow.Close()
	r := open(t, nil, func(c *registry.Config) {
		c.URLs, c.Timeout = []string{"http://127.0.0.1:1", broken.URL, slow.URL, good.URL}, 3*time.Second
	})
	s := r.Subject("s", 1, registry.JSONSchema)
	run(t, r)
	inForce(t, r, s, first, "")
}

// TestCredentials: they are read again for every request, and one that cannot be read is not
// left out.
func TestCredentials(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{"u": "Basic dTpodW50ZXIy", "": "Bearer hunter2"} {
		for given, works := range map[string]bool{secret: true, "other": false} {
			f := srfake.NewRegistry(srfake.WithAuth(want))
			f.SeedSchema("s", 1, 7, jsonSchema(first))
			r := open(t, f.Handler(), func(c *registry.Config) {
				c.Username, c.Secret = user, func() (string, error) { return given, nil }
			})
			s := r.Subject("s", 1, registry.JSONSchema)
			_ = r.Start(t.Context())
			if _, err := s.Definition(); (err == nil) != works {
				t.Errorf("user %q, secret %q: %v, %v", user, given, err, r.Check(t.Context()))
			}
		}
	}
	r := open(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked without a credential") }), func(c *registry.Config) {
		c.Secret = func() (string, error) { return "", errors.New("no such file") }
	})
	r.Subject("s", 1, registry.JSONSchema)
	_ = r.Start(t.Context())
	if err := r.Check(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "values cannot be published: read the credential: no such file") {
		t.Errorf("got %v", err)
	}
}

// TestContract: the fake that serves the tests answers as the API is documented
// (https://docs.confluent.io/platform/current/schema-registry/develop/api.html), and a
// documented answer is understood.
func TestContract(t *testing.T) {
	t.Parallel()
	f := srfake.NewRegistry()
	f.SeedSchema("other", 2, 9, jsonSchema(`{"title":"other"}`))
	of := jsonSchema(first)
	f.SeedSchema("s", 1, 7, of)
	for path, want := range map[string]string{
		"/subjects/s/versions/1":      `200 {"subject":"s","version":1,"id":7,"schema":"{\"properties\": {\"t\": {\"maximum\": 10}}}","schemaType":"JSON"}`,
		"/subjects/s/versions/latest": `200 {"subject":"s","version":1,"id":7,"schema":"{\"properties\": {\"t\": {\"maximum\": 10}}}","schemaType":"JSON"}`,
		"/subjects/s/versions/2":      `404 {"error_code":40402,"message":"Version 2 not found."}`,
		"/subjects/t/versions/latest": `404 {"error_code":40401,"message":"Subject 't' not found."}`,
		"/schemas/ids/9":              `200 {"schema":"{\"title\":\"other\"}","schemaType":"JSON"}`,
		"/schemas/ids/10":             `404 {"error_code":40403,"message":"Schema not found"}`,
	} {
		w := httptest.NewRecorder()
		f.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		got := fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(w.Body.String()))
		if !sameAnswer(got, want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	documented := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/base/subjects/a b/versions/latest" || r.URL.EscapedPath() != "/base/subjects/a%20b/versions/latest" ||
			!strings.Contains(r.Header.Get("Accept"), "application/vnd.schemaregistry.v1+json") {
			t.Errorf("asked %s %s, %v", r.Method, r.URL.EscapedPath(), r.Header)
		}
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		_, _ = io.WriteString(w, strings.Replace(answer, `"id":7`, `"id":7,"guid":"3f1c","ts":1,"deleted":false,"references":[],"metadata":null,"ruleSet":null`, 1))
	})
	r := open(t, documented, func(c *registry.Config) { c.URLs = []string{"http://registry/base/"} })
	s := r.Subject("a b", 0, registry.JSONSchema)
	_ = r.Start(t.Context())
	inForce(t, r, s, first, "")
}
