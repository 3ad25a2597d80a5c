package expr

import (
	"context"
	"crypto/sha256"
	"errors"

	"sluice/hub/filter"
)

// Compile returns the filter of a client's text. The error is an *Error.
func (l *Language) Compile(text string) (filter.Filter, error) {
	made, err := l.compileInTurn(context.Background(), text)
	return made.filter, err
}

// Use returns the filter of a client's text, which the client, given by its name, has in use
// until release. If the text is at fault, the error is an *Error; else it is ErrClientMemory
// or ErrMemory, or that of the context, which ended while other texts were compiled.
func (l *Language) Use(ctx context.Context, text, client string) (f filter.Filter, release func(), err error) {
	made, err := l.compileInTurn(ctx, text)
	if err != nil {
		return filter.Filter{}, nil, err
	}
	if release, err = l.compiled.hold(text, client, made); err != nil {
		return filter.Filter{}, nil, err
	}
	return made.filter, release, nil
}

func (l *Language) compileInTurn(ctx context.Context, text string) (compiled, error) {
	if made, ok := l.compiled.get(text); ok {
		return made, nil
	}
	if len(text) > l.limits.Bytes {
		return compiled{}, l.tooLong()
	}
	key := sha256.Sum256([]byte(text))
	if fault, ok := l.refused.get(key); ok {
		return compiled{}, fault
	}
	select {
	case l.turns <- struct{}{}:
	case <-ctx.Done():
		return compiled{}, ctx.Err()
	}
	defer func() { <-l.turns }()
	if made, ok := l.compiled.get(text); ok {
		return made, nil // another client has sent it meanwhile
	}
	made, err := l.compile(text)
	var fault *Error
	switch {
	case errors.As(err, &fault):
		l.counts.refused.Add(1)
		l.refused.put(key, fault, fault.bytes())
	case err == nil:
		l.counts.compiled.Add(1)
		l.compiled.put(text, made)
	}
	return made, err
}

func (l *Language) compile(text string) (compiled, error) {
	checked, err := l.read(l.client, text)
	if err != nil {
		return compiled{}, err
	}
	made, err := l.filterOf(checked, bound{})
	made.bytes += textBytes(text)
	return made, err
}

// Stats are what a language has done and what it holds.
type Stats struct {
	// Compiled and Refused are how many texts of clients were compiled, and were found to be
	// at fault. A text that is kept is not compiled again.
	Compiled, Refused uint64
	// Used is about how many bytes the filters of clients that are in use take, and Kept
	// those that are kept for the next client. Rules is what is kept of rules.
	Used, Kept, Rules int
}

// Stats returns what the language has done and what it holds.
func (l *Language) Stats() Stats {
	all, used := l.compiled.sizes()
	return Stats{
		Compiled: l.counts.compiled.Load(),
		Refused:  l.counts.refused.Load(),
		Used:     used,
		Kept:     all - used,
		Rules:    l.rules.size() + l.unions.size(),
	}
}
