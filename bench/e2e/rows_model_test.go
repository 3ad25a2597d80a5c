package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// The model of rights by row: records, conditions on them, and what a condition means,
// without any code of the server.

// modelRecord is a record of the model.
type modelRecord struct {
	key  string // "" for none
	kind string // of the header kind, "" for none
	of   string // data.of, "" for none
	n    int
	tags []string
}

func drawRecord(r *rand.Rand, n int) modelRecord {
	m := modelRecord{n: n}
	if r.IntN(20) > 0 {
		m.key = fmt.Sprintf("u%d", r.IntN(10))
	}
	if r.IntN(4) > 0 {
		m.kind = fmt.Sprintf("k%d", r.IntN(4))
	}
	if r.IntN(10) > 0 {
		m.of = fmt.Sprintf("u%d", r.IntN(10))
	}
	for range r.IntN(4) {
		m.tags = append(m.tags, fmt.Sprintf("t%d", r.IntN(6)))
	}
	return m
}

func (m modelRecord) value() []byte {
	fields := map[string]any{"n": m.n, "tags": m.tags}
	if m.tags == nil {
		fields["tags"] = []string{}
	}
	if m.of != "" {
		fields["of"] = m.of
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return text
}

// truth is the result of a condition: an error is neither true nor false.
type truth int

const (
	no truth = iota
	yes
	fault
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// condition is a condition on records, and its text. In rules, own is the subject of
// the token, which the text takes from the claims.
type condition struct {
	text  string
	holds func(m *modelRecord, own string) truth
}

// drawCondition draws a condition; rule allows claims in it.
func drawCondition(r *rand.Rand, depth int, rule bool) condition {
	kind := r.IntN(12)
	if depth == 0 {
		kind = r.IntN(8)
	}
	some := func(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, r.IntN(n)) }
	switch kind {
	case 0:
		want := some("u", 10)
		return condition{fmt.Sprintf("key == %q", want), func(m *modelRecord, _ string) truth { return truthOf(m.key == want) }}
	case 1:
		if rule {
			return condition{"key == claims.sub", func(m *modelRecord, own string) truth { return truthOf(m.key == own) }}
		}
		a, b := some("u", 10), some("u", 10)
		return condition{fmt.Sprintf("key in [%q, %q]", a, b), func(m *modelRecord, _ string) truth { return truthOf(m.key == a || m.key == b) }}
	case 2:
		want, bySubject := some("u", 10), rule && r.IntN(2) == 0
		text := fmt.Sprintf("data.of == %q", want)
		if bySubject {
			text = "data.of == claims.sub"
		}
		return condition{text, func(m *modelRecord, own string) truth {
			if m.of == "" {
				return fault
			}
			if bySubject {
				return truthOf(m.of == own)
			}
			return truthOf(m.of == want)
		}}
	case 3:
		a, b, c := some("u", 10), some("u", 10), some("u", 10)
		return condition{fmt.Sprintf("data.of in [%q, %q, %q]", a, b, c), func(m *modelRecord, _ string) truth {
			if m.of == "" {
				return fault
			}
			return truthOf(m.of == a || m.of == b || m.of == c)
		}}
	case 4:
		want := some("k", 4)
		return condition{fmt.Sprintf(`headers["kind"] == %q`, want), func(m *modelRecord, _ string) truth {
			if m.kind == "" {
				return fault
			}
			return truthOf(m.kind == want)
		}}
	case 5:
		modulus := 2 + r.IntN(5)
		bound := r.IntN(modulus)
		return condition{fmt.Sprintf("int(data.n) %% %d <= %d", modulus, bound), func(m *modelRecord, _ string) truth { return truthOf(m.n%modulus <= bound) }}
	case 6:
		want := some("t", 6)
		return condition{fmt.Sprintf("data.tags.exists(t, t == %q)", want), func(m *modelRecord, _ string) truth {
			for _, tag := range m.tags {
				if tag == want {
					return yes
				}
			}
			return no
		}}
	case 7:
		return condition{"has(data.of)", func(m *modelRecord, _ string) truth { return truthOf(m.of != "") }}
	case 8:
		of := drawCondition(r, depth-1, rule)
		return condition{"!(" + of.text + ")", func(m *modelRecord, own string) truth {
			switch of.holds(m, own) {
			case yes:
				return no
			case no:
				return yes
			}
			return fault
		}}
	default:
		a, b := drawCondition(r, depth-1, rule), drawCondition(r, depth-1, rule)
		operator, settles := "&&", no
		if kind > 9 {
			operator, settles = "||", yes
		}
		return condition{"(" + a.text + " " + operator + " " + b.text + ")", func(m *modelRecord, own string) truth {
			left, right := a.holds(m, own), b.holds(m, own)
			switch {
			case left == settles || right == settles:
				return settles
			case left == fault || right == fault:
				return fault
			}
			return yes + no - settles
		}}
	}
}

// everything is the condition of those that have no filter.
var everything = condition{"", func(*modelRecord, string) truth { return yes }}

func (c condition) String() string { return strings.TrimSpace(c.text) }
