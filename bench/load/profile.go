package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profiling is the source of a CPU profile of the server, and the file to write it
// to. The zero value means none.
type profiling struct{ from, to string }

// profiling returns the profiling for one run of a scenario, in the directory of
// -profile.
func (o options) profiling(s *server, run, scenario string) profiling {
	if o.profile == "" {
		return profiling{}
	}
	return profiling{
		from: "http://" + s.Admin + "/debug/pprof/profile",
		to:   filepath.Join(o.profile, scenario+"-"+run+".pprof"),
	}
}

// take takes a profile of the given duration.
func (p profiling) take(ctx context.Context, span time.Duration) error {
	if p.from == "" {
		return nil
	}
	url := fmt.Sprintf("%s?seconds=%d", p.from, max(1, int(span/time.Second)))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("take a profile: %w: %s", errServer, res.Status)
	}
	if err := os.MkdirAll(filepath.Dir(p.to), 0o755); err != nil {
		return fmt.Errorf("keep the profile: %w", err)
	}
	file, err := os.Create(p.to)
	if err != nil {
		return fmt.Errorf("keep the profile: %w", err)
	}
	if _, err := io.Copy(file, res.Body); err != nil {
		_ = file.Close()
		return fmt.Errorf("keep the profile: %w", err)
	}
	return file.Close()
}
