package bearer_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice/hub/kafkalog/bearer"
)

const (
	clientSecret = "hunter2+&/secret"
	accessToken  = "tOkEn-8471"
)

// jwt makes a token without a signature that ends at a time.
func jwt(exp string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"exp":`+exp+`}`)) + ".c2ln"
}

func endpoint(t *testing.T, handler http.HandlerFunc, change func(*bearer.EndpointConfig)) *bearer.Endpoint {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := bearer.EndpointConfig{
		URL: server.URL + "/token?key=" + accessToken, ClientID: "my client",
		Secret: func() (string, error) { return clientSecret, nil },
	}
	if change != nil {
		change(&config)
	}
	made, err := bearer.NewEndpoint(config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestTokenRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*bearer.EndpointConfig)
		basic  bool
		form   url.Values
	}{
		"basic": {nil, true, url.Values{"grant_type": {"client_credentials"}}},
		"scope and parameters": {
			func(c *bearer.EndpointConfig) {
				c.Scope, c.Parameters = "a b", map[string]string{"audience": "kafka&x=y"}
			}, true,
			url.Values{"grant_type": {"client_credentials"}, "scope": {"a b"}, "audience": {"kafka&x=y"}},
		},
		"in the body": {
			func(c *bearer.EndpointConfig) { c.InBody = true }, false,
			url.Values{"grant_type": {"client_credentials"}, "client_id": {"my client"}, "client_secret": {clientSecret}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
				user, password, basic := r.BasicAuth()
				if basic != test.basic || basic && (user != "my+client" || password != "hunter2%2B%26%2Fsecret") {
					t.Errorf("the client is %q, %v", user, basic)
				}
				if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.PostForm.Encode() != test.form.Encode() {
					t.Errorf("%s %v, %v", r.Method, r.PostForm, err)
				}
				w.Header().Set("Content-Type", "application/json;charset=UTF-8")
				fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":60}`, accessToken)
			}, test.change)
			before := time.Now()
			got, err := source.Token(t.Context())
			if err != nil || got.Reveal() != accessToken || got.Expires.Before(before.Add(59*time.Second)) || got.Expires.After(time.Now().Add(60*time.Second)) {
				t.Errorf("got a token until %v, %v", got.Expires, err)
			}
		})
	}
}

// TestTokenAnswers: what a token endpoint can answer, and when the token ends then.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
	for name, test := range map[string]struct {
		body    string
		fault   string // part of the error, empty for none
		expires time.Duration
	}{
		"a string of seconds":            {`{"access_token":"a","expires_in":"90"}`, "", 90 * time.Second},
		"a fraction":                     {`{"access_token":"a","token_type":"Bearer","expires_in":90.5}`, "", 90 * time.Second},
		"huge":                           {`{"access_token":"a","expires_in":1e300}`, "", 24 * time.Hour},
		"no end":                         {`{"access_token":"a"}`, "", 0},
		"null for an end":                {`{"access_token":"a","expires_in":null}`, "", 0},
		"the end of a JWT":               {`{"access_token":"` + jwt(in(time.Minute)) + `"}`, "", time.Minute},
		"a JWT that ends earlier":        {`{"access_token":"` + jwt(in(time.Minute)) + `","expires_in":3600}`, "", time.Minute},
		"a JWT that ends later":          {`{"access_token":"` + jwt(in(time.Hour)) + `","expires_in":60}`, "", time.Minute},
		"a JWT with another end":         {`{"access_token":"` + jwt(`"soon"`) + `"}`, "", 0},
		"negative":                       {`{"access_token":"a","expires_in":-1}`, "has expired", 0},
		"zero":                           {`{"access_token":"a","expires_in":0}`, "has expired", 0},
		"an end that is none":            {`{"access_token":"a","expires_in":"NaN"}`, "not a number of seconds", 0},
		"an end that is a list":          {`{"access_token":"a","expires_in":[1]}`, "not a number of seconds", 0},
		"another type":                   {`{"access_token":"a","token_type":"DPoP"}`, "another token_type", 0},
		"no JSON":                        {`access_token=` + accessToken, "not a JSON object", 0},
		"no token":                       {`{"id_token":"` + accessToken + `"}`, "not a JSON object with access_token", 0},
		"a token that is a number":       {`{"access_token":7}`, "not a JSON object with access_token", 0},
		"an empty token":                 {`{"access_token":""}`, "characters", 0},
		"a token with a separator":       {`{"access_token":"a\u0001auth=Bearer b"}`, "characters", 0},
		"a token with a line end":        {`{"access_token":"a\r\nb"}`, "characters", 0},
		"a token with another script":    {`{"access_token":"ä"}`, "characters", 0},
		"a token that is large":          {`{"access_token":"` + strings.Repeat("a", bearer.MaxToken+1) + `"}`, "too large", 0},
		"an answer that is large":        {`{"access_token":"a","x":"` + strings.Repeat("a", 1<<20) + `"}`, "larger than", 0},
		"a member with another spelling": {`{"Access_Token":"a"}`, "not a JSON object with access_token", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, test.body)
			}, nil)
			before := time.Now()
			got, err := source.Token(t.Context())
			switch {
			case test.fault != "":
				if err == nil || !strings.Contains(err.Error(), test.fault) || len(err.Error()) > 300 || strings.Contains(err.Error(), accessToken) {
					t.Errorf("got %.300v", err)
				}
			case err != nil:
				t.Error(err)
			case test.expires == 0:
				if !got.Expires.IsZero() {
					t.Errorf("it ends at %v", got.Expires)
				}
			default:
				if got.Expires.Before(before.Add(test.expires-2*time.Second)) || got.Expires.After(time.Now().Add(test.expires+2*time.Second)) {
					t.Errorf("it ends at %v", got.Expires)
				}
			}
		})
	}
}

// TestTokenEndpointFails: a failure is told by its status and a known code, without
// anything of the request or of the answer.
func TestTokenEndpointFails(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		fault  string
	}{
		"refused": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":"invalid_client","error_description":"`+clientSecret+`"}`, http.StatusUnauthorized)
		}, "status 401 (invalid_client): check client_id, client_secret_file"},
		"refused without a code": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, clientSecret, http.StatusForbidden) }, "status 403: check client_id"},
		"a code that repeats the secret": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":"`+clientSecret+`"}`, http.StatusBadRequest)
		}, "answered with status 400"},
		"scope": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":"invalid_scope"}`, http.StatusBadRequest)
		}, "status 400 (invalid_scope)"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"?"+clientSecret, http.StatusTemporaryRedirect)
		}, "status 307: redirects are not followed"},
		"away": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"page": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<p>"+clientSecret) }, "not application/json"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 1 << 6 {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 1<<20)); err != nil {
					return
				}
			}
			t.Error("64 MiB were read")
		}, "larger than"},
		"created": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }, "status 201"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := endpoint(t, test.answer, nil).Token(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Fatalf("got %v", err)
			}
			for _, secret := range []string{clientSecret, url.QueryEscape(clientSecret), accessToken, "hunter2"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error contains a secret: %v", err)
				}
			}
		})
	}
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		ended := make(chan struct{})
		source := endpoint(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-ended:
			}
		}, nil)
		defer close(ended)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := source.Token(ctx); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), accessToken) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no secret", func(t *testing.T) {
		t.Parallel()
		source := endpoint(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }, func(c *bearer.EndpointConfig) {
			c.Secret = func() (string, error) { return "", errors.New("the file is gone") }
		})
		if _, err := source.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "the file is gone") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNewEndpointRefuses(t *testing.T) {
	t.Parallel()
	secret := func() (string, error) { return "s", nil }
	for name, config := range map[string]bearer.EndpointConfig{
		"http":       {URL: "http://id.example.com/token", ClientID: "c", Secret: secret},
		"user":       {URL: "https://u:p@id.example.com/token", ClientID: "c", Secret: secret},
		"no host":    {URL: "https:///token", ClientID: "c", Secret: secret},
		"no client":  {URL: "https://id.example.com/token", Secret: secret},
		"no secret":  {URL: "https://id.example.com/token", ClientID: "c"},
		"grant type": {URL: "https://id.example.com/token", ClientID: "c", Secret: secret, Parameters: map[string]string{"grant_type": "password"}},
	} {
		if _, err := bearer.NewEndpoint(config); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
