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

	// What redactions hide; "" for none.
	secret string // data.secret
	mail   string // data.pii.mail
	pii    bool   // there is data.pii
	token  string // of the header token
}

const stars = "***"

// hide sets what a number of a record determines, and redactions hide.
func (m *modelRecord) hide() {
	if m.secret = fmt.Sprintf("s%d", m.n%50); m.n%7 == 0 {
		m.secret = ""
	}
	if m.mail, m.pii = fmt.Sprintf("m%d", m.n%50), true; m.n%11 == 0 {
		m.mail = ""
	}
	if m.token = fmt.Sprintf("t%d", m.n%5); m.n%3 == 0 {
		m.token = ""
	}
}

// redaction is what a grant hides, and what remains of a record.
type redaction struct {
	yaml string
	of   func(m modelRecord) modelRecord
}

func (r redaction) String() string { return r.yaml }

func masked(text string) string {
	if text == "" {
		return ""
	}
	return stars
}

var redactions = []redaction{
	{"", func(m modelRecord) modelRecord { return m }},
	{", redact: [/secret]", func(m modelRecord) modelRecord {
		m.secret = ""
		return m
	}},
	{", redact: [/pii/mail, headers.token]", func(m modelRecord) modelRecord {
		m.mail, m.token = "", ""
		return m
	}},
	{", redact: [headers.token], mask: [/secret, /pii/*]", func(m modelRecord) modelRecord {
		m.secret, m.mail, m.token = masked(m.secret), masked(m.mail), ""
		return m
	}},
	{", redact: [/pii, /none/*], mask: [headers.token]", func(m modelRecord) modelRecord {
		m.mail, m.pii, m.token = "", false, masked(m.token)
		return m
	}},
}

// shownAs is what an event shows of what redactions may hide.
func (m *modelRecord) shownAs() string {
	return fmt.Sprintf("secret %q, mail %q, pii %v, token %q", m.secret, m.mail, m.pii, m.token)
}

// numberShown returns the number of a record, and what its event shows of the rest.
func numberShown(event []byte) (n int, shown string, err error) {
	var e struct {
		Headers [][]string
		Data    struct {
			N      int
			Secret string
			PII    *struct{ Mail string }
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return 0, "", err
	}
	m := modelRecord{secret: e.Data.Secret, pii: e.Data.PII != nil}
	if m.pii {
		m.mail = e.Data.PII.Mail
	}
	for _, h := range e.Headers {
		if h[0] == "token" {
			m.token = h[1]
		}
	}
	return e.Data.N, m.shownAs(), nil
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
	m.hide()
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
	if m.secret != "" {
		fields["secret"] = m.secret
	}
	pii := map[string]string{}
	if fields["pii"] = pii; m.mail != "" {
		pii["mail"] = m.mail
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
	kind := r.IntN(16)
	if depth == 0 {
		kind = r.IntN(12)
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
		want := []string{some("s", 50), stars}[r.IntN(2)]
		return condition{fmt.Sprintf("data.secret == %q", want), func(m *modelRecord, _ string) truth {
			if m.secret == "" {
				return fault
			}
			return truthOf(m.secret == want)
		}}
	case 9:
		return condition{"has(data.secret)", func(m *modelRecord, _ string) truth { return truthOf(m.secret != "") }}
	case 10:
		want := some("m", 3)
		return condition{fmt.Sprintf("data.pii.mail.startsWith(%q)", want), func(m *modelRecord, _ string) truth {
			if m.mail == "" {
				return fault
			}
			return truthOf(strings.HasPrefix(m.mail, want))
		}}
	case 11:
		want := []string{some("t", 5), stars}[r.IntN(2)]
		return condition{fmt.Sprintf(`headers["token"] == %q`, want), func(m *modelRecord, _ string) truth {
			if m.token == "" {
				return fault
			}
			return truthOf(m.token == want)
		}}
	case 12:
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
		if kind > 13 {
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
