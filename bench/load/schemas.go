package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sluice/bench/load/scenario"
)

// streamsConfig returns the part of the server's configuration that has topics as
// streams, with the schema of the scenario. dir gets its file.
func streamsConfig(dir string, topics []string, s scenario.Scenario, registry string) (string, error) {
	schema, ok := scenario.SchemaOf(s.Schema)
	if !ok {
		return "", fmt.Errorf("schema %q: %w", s.Schema, os.ErrNotExist)
	}
	more := ""
	switch {
	case registry != "":
		more = ", schema: {registry: load}"
	case schema.Text != "":
		file := filepath.Join(dir, "reading.schema.json")
		if err := os.WriteFile(file, []byte(schema.Text), 0o600); err != nil {
			return "", fmt.Errorf("write schema: %w", err)
		}
		more = fmt.Sprintf(", schema: {json: %q}", file)
	}
	if s.LogBytes > 0 {
		more += fmt.Sprintf(", log_bytes: %d", s.LogBytes)
	}
	var b strings.Builder
	if registry != "" {
		fmt.Fprintf(&b, "registries: {load: {urls: [%q]}}\n", registry)
	}
	b.WriteString("streams:\n")
	for _, topic := range topics {
		fmt.Fprintf(&b, "  %q: {topic: %q, content: %s%s}\n", topic, topic, schema.Content, more)
	}
	return b.String(), nil
}

// startRegistry starts a schema registry with the schema of a scenario as the one of
// each topic, if it is of a registry. It is in this process, and is not asked once the
// server knows the schema.
func startRegistry(s scenario.Scenario, topics []string) (url string, stop func(), err error) {
	schema, _ := scenario.SchemaOf(s.Schema)
	if schema.Type == "" {
		return "", func() {}, nil
	}
	var kind sr.SchemaType
	if err := kind.UnmarshalText([]byte(schema.Type)); err != nil {
		return "", nil, fmt.Errorf("schema %s: %w", s.Schema, err)
	}
	fake := srfake.NewRegistry()
	for i, topic := range topics {
		fake.SeedSchema(topic+"-value", 1, i+1, sr.Schema{Schema: schema.Text, Type: kind})
	}
	socket, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("start schema registry: %w", err)
	}
	server := &http.Server{Handler: fake.Handler(), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(socket) }()
	return "http://" + socket.Addr().String(), func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "load: the schema registry ended:", err)
		}
	}, nil
}
