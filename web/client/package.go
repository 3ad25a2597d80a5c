package client

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"slices"
)

// Package returns the package for npm, a tar archive in gzip, with the version of this
// server. The same version has the same bytes.
func Package() ([]byte, error) {
	files, err := Modules()
	if err != nil {
		return nil, err
	}
	manifest, err := embedded.ReadFile("package.json")
	if err != nil {
		return nil, fmt.Errorf("read manifest of the client: %w", err)
	}
	files["package.json"] = bytes.ReplaceAll(manifest, []byte(versionMark), []byte(Version()))
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	archive := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(files[name]))}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := archive.Write(files[name]); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("pack the client: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack the client: %w", err)
	}
	return b.Bytes(), nil
}
