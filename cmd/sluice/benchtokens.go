package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"sluice/cmd/sluice/measure"
	"sluice/transport/client"
)

// maxTokens bounds a file of tokens in bytes.
const maxTokens = 256 << 20

// tokenList is a file of bearer tokens, one a line, which is read again when it has changed.
type tokenList struct {
	file string

	mu     sync.Mutex // guards what follows
	tokens []string
	size   int64
	at     time.Time
}

// tokensOf returns functions for the tokens of a file.
func tokensOf(file string) ([]func(context.Context) (string, error), error) {
	list := &tokenList{file: file}
	if _, err := list.token(0); err != nil {
		return nil, err
	}
	all := make([]func(context.Context) (string, error), len(list.tokens))
	for n := range all {
		all[n] = func(context.Context) (string, error) { return list.token(n) }
	}
	return all, nil
}

// token returns the n-th token, from 0.
func (l *tokenList) token(n int) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// One that is being written is read again by the next client.
	if err := l.read(); err != nil && l.tokens == nil {
		return "", fmt.Errorf("%w: %w", client.ErrNoToken, err)
	}
	if n >= len(l.tokens) {
		return "", fmt.Errorf("%w: %s has %d tokens now", client.ErrNoToken, l.file, len(l.tokens))
	}
	return l.tokens[n], nil
}

// read reads the file if it has changed.
func (l *tokenList) read() error {
	info, err := os.Stat(l.file)
	if err != nil {
		return err
	}
	if l.tokens != nil && info.Size() == l.size && info.ModTime().Equal(l.at) {
		return nil
	}
	file, err := os.Open(l.file)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxTokens))
	if err != nil {
		return err
	}
	var tokens []string
	number := 0
	for line := range strings.Lines(string(text)) {
		if number++; strings.TrimSpace(line) == "" {
			continue
		}
		token, err := oneToken(line, fmt.Sprintf("line %d of %s", number, l.file))
		if err != nil {
			return err
		}
		tokens = append(tokens, token)
	}
	if len(tokens) == 0 || len(tokens) > measure.MaxClients {
		return fmt.Errorf("%s must contain 1 to %d tokens, one a line", l.file, measure.MaxClients)
	}
	l.tokens, l.size, l.at = tokens, info.Size(), info.ModTime()
	return nil
}
