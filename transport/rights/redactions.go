package rights

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/auth"
	"sluice/hub/redact"
)

// maxRedactions bounds the redactions that are cached. There are few: they depend on
// which grants a principal has, and not on its claims.
const maxRedactions = 1024

// redactions caches redactions by the texts of which they are made, so that principals
// with the same grants share them.
type redactions struct {
	mu sync.Mutex
	of map[string]*redact.Redaction
}

// redaction returns what of the records of a stream, in which something is encrypted at
// some paths, a principal with these allowances is not shown.
func (r *Rights) redaction(p *auth.Principal, allowances []auth.Allowance, encrypted []string, resume time.Duration) (*redact.Redaction, error) {
	redacts := len(encrypted) > 0
	for _, a := range allowances {
		redacts = redacts || a.Redaction != nil
	}
	if !redacts {
		return nil, nil
	}
	// Those that let something be read, and of these those that let everything be read.
	var some, whole []auth.Allowance
	var longest time.Duration
	for _, a := range allowances {
		passes, err := union(p, []auth.Allowance{a}, r.language.Rule)
		if err != nil {
			return nil, err
		}
		a.Replay = max(a.Replay, resume)
		if passes.Nothing() {
			continue
		}
		longest = max(longest, a.Replay)
		some = append(some, a)
		if passes.All() {
			whole = append(whole, a)
		}
	}
	combine, name, of := redact.Union, "union", some
	for _, a := range whole {
		if a.Replay == longest {
			if name == "union" {
				combine, name, of = redact.Intersection, "intersection", nil
			}
			of = append(of, a)
		}
	}
	made, err := r.redactions.combined(name, combine, of, encrypted)
	if err != nil {
		return nil, fmt.Errorf("combine redactions of grants: %w", err)
	}
	return made, nil
}

// hidden is what an allowance does not show: what it redacts and masks, and what of the
// encrypted it does not name.
type hidden struct{ redacted, masked, encrypted []string }

func hiddenBy(a auth.Allowance, encrypted []string) (h hidden) {
	var shown []string
	if a.Redaction != nil {
		h.redacted, h.masked, shown = a.Redaction.Redact, a.Redaction.Mask, a.Redaction.Decrypt
	}
	for _, path := range encrypted {
		if !slices.Contains(shown, path) {
			h.encrypted = append(h.encrypted, path)
		}
	}
	return h
}

func (h hidden) redaction() (*redact.Redaction, error) {
	granted, err := redact.New(h.redacted, h.masked)
	if err != nil {
		return nil, err
	}
	encrypted, err := redact.New(h.encrypted, nil)
	if err != nil {
		return nil, err
	}
	return redact.Union(granted, encrypted)
}

// combined returns the combination of what allowances do not show.
func (c *redactions) combined(name string, combine func(...*redact.Redaction) (*redact.Redaction, error), of []auth.Allowance, encrypted []string) (*redact.Redaction, error) {
	var key strings.Builder
	key.WriteString(name)
	all := make([]hidden, 0, len(of))
	for _, a := range of {
		h := hiddenBy(a, encrypted)
		_, _ = fmt.Fprintf(&key, "%q%q%q;", h.redacted, h.masked, h.encrypted)
		all = append(all, h)
	}
	c.mu.Lock()
	made, ok := c.of[key.String()]
	c.mu.Unlock()
	if ok {
		return made, nil
	}
	var each []*redact.Redaction
	for _, h := range all {
		one, err := h.redaction()
		if err != nil {
			return nil, err
		}
		each = append(each, one)
	}
	made, err := combine(each...)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, ok := c.of[key.String()]; ok {
		return other, nil
	}
	if c.of == nil || len(c.of) >= maxRedactions {
		c.of = make(map[string]*redact.Redaction)
	}
	c.of[key.String()] = made
	return made, nil
}
