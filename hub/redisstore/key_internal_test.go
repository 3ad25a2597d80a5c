package redisstore

import (
	"testing"

	"sluice/hub/cursors"
)

func FuzzNamesSurviveMessages(f *testing.F) {
	f.Add("u42", "orders", "web-7")
	f.Add("a/b", "{c}", " d\x00\xff%2F")
	f.Fuzz(func(t *testing.T, principal, stream, name string) {
		want := cursors.Key{Principal: principal, Stream: stream, Name: name}
		got, fence, ok := decodeTaken(encodeName(want) + " 17")
		if !ok || got != want || fence != 17 {
			t.Fatalf("%q became %q, %d, %v", want, got, fence, ok)
		}
	})
}

func FuzzDecodeTaken(f *testing.F) {
	for _, seed := range []string{"a/b/c 1", "", " ", "a/b/c", "a/b/c -1", "a/b/c 9223372036854775808", "%zz/b/c 1", "a/b/c/d 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		name, fence, ok := decodeTaken(payload)
		if ok && fence <= 0 {
			t.Fatalf("%q: fence %d", payload, fence)
		}
		if !ok && name != (cursors.Key{}) {
			t.Fatalf("%q: refused, and yet %q", payload, name)
		}
	})
}
