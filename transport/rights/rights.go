// Package rights tells which records of a stream a principal may read and publish: it
// turns the allowances of a principal, which package auth keeps as texts, into filters.
//
// A record may be read if one of the allowances lets it be read, and as far back as
// that allowance reaches. What is redacted is the same in all records of a stream: what
// every allowance redacts that by itself lets the principal read everything as far back as
// any of them, if there are such allowances; else what one of all allowances redacts. Of
// what is encrypted in a stream, an allowance redacts whatever its grant does not name, so
// that one without a grant, as of an ACL, shows nothing of it. An
// allowance whose text cannot be compiled, or is too
// expensive to evaluate for the claims of the principal, gives nobody anything: the
// request fails.
//
// Nothing here blocks or starts a goroutine. Compiled rules and filters are cached by
// the language of filters, redactions here.
//
// # Files
//
// A file uses the files listed after it.
//
//	rights.go      what a principal may read and publish
//	redactions.go  what of the records it is not shown
package rights

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/filter/expr"
)

// ErrUnusable means that the filter of a right cannot be used, by anybody or with the claims of
// this principal. The text contains nothing of the filter.
var ErrUnusable = errors.New("the filter of a right cannot be used: correct it in the grant, or where the token is issued")

// Rights turns allowances into filters. It is safe for concurrent use.
type Rights struct {
	language   *expr.Language
	redactions redactions
	encrypted  atomic.Pointer[map[string][]string]
}

// New returns rights in a language of filters, to streams in which nothing is encrypted.
func New(language *expr.Language) *Rights { return &Rights{language: language} }

// SetEncrypted replaces the paths of what is encrypted, by stream, at any time. The map
// must not be changed afterwards.
func (r *Rights) SetEncrypted(paths map[string][]string) { r.encrypted.Store(&paths) }

// encryptedIn returns the paths of what is encrypted in a stream.
func (r *Rights) encryptedIn(stream string) []string {
	if all := r.encrypted.Load(); all != nil {
		return (*all)[stream]
	}
	return nil
}

// Rows returns what a principal may read of a stream. Every client may go back to what
// was written within the resume window, whatever its allowances say.
func (r *Rights) Rows(p *auth.Principal, stream string, resume time.Duration) (hub.Rows, error) {
	allowances := p.Allowances(auth.Subscribe, stream)
	all, err := union(p, allowances, r.language.Rule)
	if err != nil {
		return hub.Rows{}, err
	}
	rows := hub.Rows{Filter: all, Encrypted: r.encryptedIn(stream)}
	if rows.Redaction, err = r.redaction(p, allowances, rows.Encrypted, resume); err != nil {
		return hub.Rows{}, err
	}
	spans := make([]time.Duration, 0, len(allowances))
	for i, a := range allowances {
		allowances[i].Replay = max(a.Replay, resume)
		spans = append(spans, allowances[i].Replay)
	}
	slices.Sort(spans)
	spans = slices.Compact(spans)
	slices.Reverse(spans)
	if len(spans) < 2 {
		return rows, nil
	}
	for _, span := range spans {
		each := slices.DeleteFunc(slices.Clone(allowances), func(a auth.Allowance) bool { return a.Replay < span })
		passes, err := union(p, each, r.language.Rule)
		if err != nil {
			return hub.Rows{}, err
		}
		if n := len(rows.Spans); n > 0 && rows.Spans[n-1].Filter.Equal(&passes) {
			continue // the shorter allowance lets no more be read than the longer ones
		}
		rows.Spans = append(rows.Spans, hub.Span{Filter: passes, Replay: replay(span)})
	}
	if len(rows.Spans) == 1 {
		rows.Spans = nil
	}
	return rows, nil
}

// replay returns a span as package hub has it: negative for as far as there are
// records.
func replay(span time.Duration) time.Duration {
	if span == auth.ReplayUnlimited {
		return -1
	}
	return span
}

// Publishes returns which records a principal may publish to a stream.
func (r *Rights) Publishes(p *auth.Principal, stream string) (filter.Filter, error) {
	return union(p, p.Allowances(auth.Publish, stream), r.language.PublishRule)
}

// union returns the filter of the records that one of the allowances lets the principal
// have. Without allowances it passes none.
func union(p *auth.Principal, allowances []auth.Allowance, compile func(text string) (*expr.Rule, error)) (filter.Filter, error) {
	rules := make([]*expr.Rule, 0, len(allowances))
	for _, a := range allowances {
		if a.Filter == "" {
			return filter.Filter{}, nil
		}
		rule, err := compile(a.Filter)
		if err != nil {
			return filter.Filter{}, fmt.Errorf("%w: compile filter of a grant: %s", ErrUnusable, where(err))
		}
		rules = append(rules, rule)
	}
	passes, err := expr.For(p.Claims(), rules...)
	if err != nil {
		return filter.Filter{}, fmt.Errorf("%w: evaluate filter of a grant: %s", ErrUnusable, where(err))
	}
	return passes, nil
}

// where returns where a filter is at fault. The text of a filter, of a token or with the
// values of claims in it, is not for logs.
func where(err error) string {
	if fault, ok := errors.AsType[*expr.Error](err); ok {
		return fault.Where()
	}
	return err.Error()
}
