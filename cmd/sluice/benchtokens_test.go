package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sluice/transport/client"
)

// TestTokensAreReadAgain: a file that has changed has other tokens, and one that is being written the
// former ones.
func TestTokensAreReadAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tokensOf(file); err == nil {
		t.Error("there is no file")
	}
	write("a\r\n\nbb\n")
	tokens, err := tokensOf(file)
	if err != nil || len(tokens) != 2 {
		t.Fatalf("got %d, %v", len(tokens), err)
	}
	is := func(first, second string) {
		t.Helper()
		for n, want := range []string{first, second} {
			if got, err := tokens[n](t.Context()); got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, client.ErrNoToken) {
				t.Errorf("%d: got %q, %v", n, got, err)
			}
		}
	}
	is("a", "bb")
	write("")
	is("a", "bb")
	write("ccc\ndddd\neeee")
	is("ccc", "dddd")
	write("not a token\n")
	is("ccc", "dddd")
	write("f")
	is("f", "")
}
