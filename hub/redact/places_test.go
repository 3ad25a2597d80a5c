package redact_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/hub/redact"
)

// TestPlaces: every value at a path is replaced, and nothing else is changed but space.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, paths, want string }{
		{`{"a":1,"card":{"number":"4","exp":2},"b":3}`, "/card/number", `{"a":1,"card":{"number":<0:"4">,"exp":2},"b":3}`},
		{`{"a":{"b":[1]},"x":[{"p":1e400},{"p":{}}]}`, "/x/*/p /a", `{"a":<1:{"b":[1]}>,"x":[{"p":<0:1e400>},{"p":<0:{}>}]}`},
		{`{"a":1,"\u0061":2}`, "/a", `{"a":<0:1>,"\u0061":<0:2>}`},
		{` [ "x" , null ]`, "/1 /0", `[<1:"x">,<0:null>]`},
		{`{"a":1}`, "/b", ``},
		{`{"a":[]}`, "/a/*", ``},
		{`"text"`, "/a", ``},
		{`{"a":1}`, "data", ``},
		{`{"a":1}`, "headers.a", ``},
	} {
		p, err := redact.NewPlaces(strings.Fields(c.paths))
		if err != nil {
			t.Fatal(err)
		}
		got, some := p.Append([]byte("before"), []byte(c.value), func(dst, value []byte, at int) []byte {
			return fmt.Appendf(dst, "<%d:%s>", at, value)
		})
		if string(got) != "before"+c.want || some != (c.want != "") {
			t.Errorf("%s at %s: %s, %v, want %s", c.value, c.paths, got, some, c.want)
		}
	}
	p, err := redact.NewPlaces([]string{"/a/b", "headers.x", "headers.y"})
	if err != nil {
		t.Fatal(err)
	}
	x, hasX := p.Header([]byte("x"))
	_, hasA := p.Header([]byte("a"))
	if _, whole := p.Whole(); whole || x != 1 || !hasX || hasA || !p.HasHeaders() || !p.HasFields() || p.Depth(0) != 2 {
		t.Error("paths of several kinds are not told apart")
	}
	data, err := redact.NewPlaces([]string{"headers.x", "data"})
	if err != nil {
		t.Fatal(err)
	}
	if at, whole := data.Whole(); at != 1 || !whole || data.HasFields() {
		t.Error("the whole value is not found")
	}
}

// TestPlacesFaults: paths of which one value could be at two.
func TestPlacesFaults(t *testing.T) {
	t.Parallel()
	for paths, fault := range map[string]string{
		"/a /a":               "overlap",
		"/a /a/b":             "overlap",
		"/a/*/b /a/0":         "overlap",
		"/*/b /a/*":           "overlap",
		"data /a":             "overlap",
		"/a data":             "overlap",
		"data data":           "overlap",
		"headers.a headers.a": "overlap",
		"headers.*":           "name each",
		"card":                "begins neither",
	} {
		_, err := redact.NewPlaces(strings.Fields(paths))
		var overlap *redact.OverlapError
		if err == nil || errors.As(err, &overlap) != (fault == "overlap") || fault != "overlap" && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v", paths, err)
		}
	}
	if _, err := redact.NewPlaces([]string{"/a", "/b/*/c", "/b/0/d", "headers.a", "/headers/a"}); err != nil {
		t.Errorf("paths that do not overlap: %v", err)
	}
	many := make([]string, redact.MaxPaths+1)
	for i := range many {
		many[i] = fmt.Sprintf("/a%d", i)
	}
	if _, err := redact.NewPlaces(many); err == nil {
		t.Error("too many paths")
	}
	if _, err := redact.NewPlaces(many[:redact.MaxPaths]); err != nil {
		t.Error(err)
	}
}
