package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestProfileIsKept(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("seconds") != "3" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte("profile"))
	}))
	defer server.Close()
	p := profiling{from: server.URL, to: filepath.Join(t.TempDir(), "a", "b.pprof")}
	if err := p.take(t.Context(), 3*time.Second); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(p.to); err != nil || string(kept) != "profile" {
		t.Errorf("kept %q, %v", kept, err)
	}
	if err := p.take(t.Context(), time.Second); !errors.Is(err, errServer) {
		t.Errorf("what is refused: %v", err)
	}
	if err := (profiling{}).take(t.Context(), time.Second); err != nil {
		t.Errorf("none is wanted: %v", err)
	}
}
