package auth_test

import (
	"slices"
	"testing"

	"sluice/auth"
)

func TestOriginsAllowed(t *testing.T) {
	t.Parallel()
	origins := must(auth.NewOrigins([]string{
		"https://app.example.com", "HTTPS://Two.Example.com:443", "http://localhost:5173",
		"https://[2001:DB8:0::1]:8443", "capacitor://localhost",
	}))
	for origin, want := range map[string]bool{
		"https://app.example.com":                       true,
		"https://two.example.com":                       true,
		"http://localhost:5173":                         true,
		"https://[2001:db8::1]:8443":                    true,
		"capacitor://localhost":                         true,
		"":                                              false,
		"null":                                          false,
		"*":                                             false,
		"http://app.example.com":                        false, // other scheme
		"https://app.example.com:8443":                  false, // other port
		"https://app.example.com:443":                   false, // not as browsers write it
		"https://app.example.com/":                      false,
		"https://app.example.com.evil.com":              false,
		"https://evilapp.example.com":                   false,
		"https://app.example.com@evil.com":              false,
		"https://app-example.com":                       false,
		"https://sub.app.example.com":                   false,
		"https://example.com":                           false,
		"https://APP.example.com":                       false,
		"https://app.example.com.":                      false,
		"https://аpp.example.com":                       false, // Cyrillic а
		" https://app.example.com":                      false,
		"https://app.example.com https://x.example.com": false,
		"http://localhost":                              false,
		"http://127.0.0.1:5173":                         false,
	} {
		if got := origins.Allowed(origin); got != want {
			t.Errorf("%q: got %v", origin, got)
		}
	}
	if got := origins.List(); !slices.Contains(got, "https://two.example.com") || len(got) != 5 {
		t.Errorf("list: %q", got)
	}
	if none := (*auth.Origins)(nil); none.Allowed("https://app.example.com") || none.List() != nil {
		t.Error("no list allows something")
	}
}

func TestNewOriginsRefuses(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{
		"", "*", "null", "NULL", "https://*.example.com", "app.example.com", "//app.example.com", "https://",
		"https://app.example.com/", "https://app.example.com/x", "https://app.example.com?x", "https://app.example.com#x",
		"https://u@app.example.com", "https://app.example.com:", "https://app.example.com:x", "https://bücher.example",
		"file:///x", "file://host", "https:app.example.com", "https://a b", "https://[::1%25eth0]", "https://a%41",
	} {
		if list, err := auth.NewOrigins([]string{origin}); err == nil {
			t.Errorf("%q was taken as %q", origin, list.List())
		}
	}
}

func TestOriginsOnLoopback(t *testing.T) {
	t.Parallel()
	listed, err := auth.NewOrigins([]string{"https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	local := listed.WithLoopback()
	for origin, want := range map[string]bool{
		"http://localhost": true, "http://localhost:5173": true, "https://127.0.0.1:8443": true, "http://127.9.9.9:1": true,
		"http://[::1]:3000": true, "https://app.example.com": true,
		"": false, "null": false, "http://localhost.example.com": false, "http://127.0.0.1.nip.io": false, "http://example.com:127": false,
		"http://localhost:5173/": false, "http://LOCALHOST": false, "file://localhost": false, "ftp://localhost": false,
		"http://user@localhost": false, "http://10.0.0.1": false, "http://0.0.0.0:8080": false, "http://localhost:5173, http://x": false,
	} {
		if local.Allowed(origin) != want {
			t.Errorf("%q: %v", origin, !want)
		}
		if origin != "https://app.example.com" && listed.Allowed(origin) {
			t.Errorf("%q is allowed without loopback", origin)
		}
	}
}
