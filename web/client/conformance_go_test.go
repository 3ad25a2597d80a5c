package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	goclient "sluice/transport/client"
)

// leftOutOfGo has the cases that do not concern the Go client: rows of a table in the
// README.md of the cases.
func leftOutOfGo(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("conformance/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## The Go client\n")
	if !ok {
		t.Fatal("README.md has no section of the Go client")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	names := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+?) \| ([^|]+?) \|$`).FindAllStringSubmatch(section, -1) {
		if row[1] != "case" {
			names[row[1]] = true
		}
	}
	return names
}

// concernsGo reports whether a case is for what the Go client does: it subscribes by
// WebSocket, publishes by HTTP, and keeps no records for an application that is slow.
func concernsGo(t *testing.T, c conformance) bool {
	t.Helper()
	var fields struct {
		Slow               bool
		Subscribe, Publish any
	}
	if err := json.Unmarshal(c.raw, &fields); err != nil {
		t.Fatal(err)
	}
	switch {
	case fields.Subscribe == nil:
		return fields.Publish != nil
	case fields.Publish != nil, fields.Slow:
		return false
	}
	return c.Transport == "websocket"
}

// TestConformanceInGo runs the cases that concern the Go client, and holds that no other
// case is left out.
func TestConformanceInGo(t *testing.T) {
	t.Parallel()
	left := leftOutOfGo(t)
	ran := 0
	for _, c := range cases(t) {
		if out := left[c.Name]; out == concernsGo(t, c) {
			t.Errorf("%s: left out: %v, and the Go client does this: %v", c.Name, out, !out)
		}
		if left[c.Name] {
			delete(left, c.Name)
			continue
		}
		ran++
		t.Run(c.file+" "+c.Name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t, c)
			items, err := json.Marshal(runGo(t, s, c))
			if err != nil {
				t.Fatal(err)
			}
			s.check(t, c, items)
		})
	}
	if len(left) > 0 || ran < 30 {
		t.Errorf("%d cases ran; of those left out there are not: %v", ran, left)
	}
}

// runGo runs a case with the Go client and returns what the application is handed.
func runGo(t *testing.T, s *scripted, c conformance) []any {
	t.Helper()
	var asked struct {
		Subscribe *struct {
			Stream, From string
			Key          []string
			CursorName   string `json:"cursor_name"`
		}
		Publish *struct {
			Stream string
			Record struct {
				Key  *string
				Data json.RawMessage
				ID   string `json:"message_id"`
			}
		}
	}
	if err := json.Unmarshal(c.raw, &asked); err != nil {
		t.Fatal(err)
	}
	config := goclient.Config{URL: s.URL, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond}
	if tokens := c.Tokens; len(tokens) > 0 {
		config.Token = func(context.Context) (string, error) {
			if len(tokens) == 0 {
				return "none left", nil
			}
			token := tokens[0]
			tokens = tokens[1:]
			return token, nil
		}
	}
	sluice, err := goclient.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if asked.Subscribe == nil {
		record := goclient.Message{Data: asked.Publish.Record.Data, ID: asked.Publish.Record.ID}
		if asked.Publish.Record.Key != nil {
			record.Key = []byte(*asked.Publish.Record.Key)
		}
		stored, err := sluice.PublishOnce(t.Context(), asked.Publish.Stream, record)
		if err == nil {
			return []any{object{"published": []any{stored.Partition, stored.Offset}}}
		}
		var refused *goclient.Error
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		return []any{object{"refused": []any{refused.Code, refused.Retryable}}}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// The case is over a moment after its last item and the end of its dialogues, or if it is quiet for long.
	quiet := time.AfterFunc(soon, cancel)
	defer quiet.Stop()
	var items []any
	hand := func(name string, value any) {
		items = append(items, object{name: value})
		if len(items) < len(c.Items) {
			quiet.Reset(soon)
			return
		}
		go func() {
			for deadline := time.Now().Add(soon); !s.isOver() && ctx.Err() == nil && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			quiet.Reset(100 * time.Millisecond)
		}()
	}
	place := func(stream string, rest ...any) []any {
		if strings.Contains(asked.Subscribe.Stream, "*") {
			return append([]any{stream}, rest...)
		}
		return rest
	}
	request := goclient.Request{
		Stream: asked.Subscribe.Stream, Keys: asked.Subscribe.Key, From: asked.Subscribe.From,
		CursorName: asked.Subscribe.CursorName, Resync: true,
	}
	for event, err := range sluice.Subscribe(ctx, request) {
		switch event := event.(type) {
		case goclient.Record:
			hand("event", place(event.Stream, event.Partition, event.Offset))
		case goclient.Gap:
			if event.Reason == goclient.ReasonResync {
				hand("gap", event.Reason)
			} else {
				hand("gap", place(event.Stream, event.Partition, event.From, event.To, event.Reason))
			}
		case goclient.CaughtUp:
			hand("caught_up", true)
		}
		var refused *goclient.Error
		switch {
		case err == nil || ctx.Err() != nil:
		case !errors.As(err, &refused):
			t.Error(err)
		case refused.Code == "" && refused.Close != 0:
			hand("end", "connection_lost") // the close code is all that the server has said
		default:
			hand("end", refused.Code)
		}
	}
	return items
}
