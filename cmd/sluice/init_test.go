package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

// TestQuestionsEndWithTheContext: who presses Ctrl-C at a question of init is out of it.
func TestQuestionsEndWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		interrupted := errors.New("interrupted")
		ctx, interrupt := context.WithCancelCause(t.Context())
		nobody, keyboard := io.Pipe()
		defer keyboard.Close()
		var said strings.Builder
		cmd := newInit()
		cmd.SetContext(ctx)
		cmd.SetIn(nobody)
		cmd.SetErr(&said)
		ended := make(chan error, 1)
		go func() { ended <- ask(cmd, &answers{Brokers: []string{"kafka:9092"}}) }()
		synctest.Wait()
		if got := said.String(); got != "Brokers of Kafka [kafka:9092]: " {
			t.Fatalf("asked %q", got)
		}
		interrupt(interrupted)
		synctest.Wait()
		select {
		case err := <-ended:
			if !errors.Is(err, interrupted) {
				t.Errorf("got %v", err)
			}
		default:
			t.Error("the question goes on")
		}
	})
}
