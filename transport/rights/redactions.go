package rights

import (
	"fmt"
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

// redaction returns what of a stream's records a principal with these allowances is not
// shown.
func (r *Rights) redaction(p *auth.Principal, allowances []auth.Allowance, resume time.Duration) (*redact.Redaction, error) {
	redacts := false
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
		passes, err := r.union(p, []auth.Allowance{a})
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
	made, err := r.redactions.combined(name, combine, of)
	if err != nil {
		return nil, fmt.Errorf("combine redactions of grants: %w", err)
	}
	return made, nil
}

// combined returns the combination of what allowances redact.
func (c *redactions) combined(name string, combine func(...*redact.Redaction) (*redact.Redaction, error), of []auth.Allowance) (*redact.Redaction, error) {
	var key strings.Builder
	key.WriteString(name)
	for _, a := range of {
		if a.Redaction == nil {
			key.WriteString(";")
			continue
		}
		_, _ = fmt.Fprintf(&key, "%q%q;", a.Redaction.Redact, a.Redaction.Mask)
	}
	c.mu.Lock()
	made, ok := c.of[key.String()]
	c.mu.Unlock()
	if ok {
		return made, nil
	}
	var each []*redact.Redaction
	for _, a := range of {
		var one *redact.Redaction
		if a.Redaction != nil {
			var err error
			if one, err = redact.New(a.Redaction.Redact, a.Redaction.Mask); err != nil {
				return nil, err
			}
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
