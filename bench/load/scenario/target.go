package scenario

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Measures are the names that targets can use.
var Measures = []string{
	"cpu_us_per_delivery", "deliveries_per_cpu_second", "deliveries_per_second", "cpu_us_per_record", "cpu_us_per_record_and_filter",
	"p50_ms", "p99_ms", "p999_ms", "ack_p50_ms", "ack_p99_ms", "missing", "duplicated", "back_seconds",
	"rss_bytes_per_client", "reads_per_block", "server_cores", "requests_per_second", "records_per_cpu_second",
}

// Target is one expectation: "MEASURE <= BOUND" or "MEASURE >= BOUND", where BOUND
// is a number, "floor + N", "floor * N" (the same measure of the floor, the fetch
// loop in the same run), "bare * N" (of the peer bare, the limit of what a server
// can do, measured beside it), "before * N" (the same measure before something was
// added) or, if a number is varied, "linear" (from the first value to the last the
// measure grows no more than the number does) or "first * N".
type Target struct {
	Measure string
	// Least is set for >=.
	Least bool
	// Of is empty, floor, bare, before, first or linear.
	Of string
	// Plus and Times apply to the value that Of names; if Of is empty, Plus is the
	// bound.
	Plus, Times float64
}

// The words that a bound may begin with.
const (
	OfFloor  = "floor"
	OfBare   = "bare"
	OfBefore = "before"
	OfFirst  = "first"
	OfLinear = "linear"
)

// ParseTarget parses a target.
func ParseTarget(text string) (Target, error) {
	fields := strings.Fields(text)
	bad := func(why string) (Target, error) {
		return Target{}, fmt.Errorf("%w: target %q: %s", ErrInvalid, text, why)
	}
	if len(fields) < 3 || len(fields) > 5 {
		return bad("it takes the form of \"p99_ms <= floor + 6\"")
	}
	t := Target{Measure: fields[0], Times: 1}
	if !slices.Contains(Measures, t.Measure) {
		return bad("what can be measured is " + strings.Join(Measures, ", "))
	}
	switch fields[1] {
	case "<=":
	case ">=":
		t.Least = true
	default:
		return bad("<= or >= is needed")
	}
	t.Of = fields[2]
	if !slices.Contains([]string{OfFloor, OfBare, OfBefore, OfFirst, OfLinear}, t.Of) {
		number, err := parseNumber(fields[2])
		if err != nil || len(fields) > 3 {
			return bad("a bound is a number, or begins with floor, bare, before, first or linear")
		}
		t.Of, t.Plus = "", number
		return t, nil
	}
	if len(fields) == 3 {
		return t, nil
	}
	if len(fields) == 4 || t.Of == OfLinear {
		return bad("+ N or * N is needed")
	}
	number, err := parseNumber(fields[4])
	if err != nil {
		return bad("a number is needed")
	}
	switch fields[3] {
	case "+":
		t.Plus = number
	case "*":
		t.Times = number
	default:
		return bad("+ or * is needed")
	}
	return t, nil
}

func parseNumber(s string) (float64, error) {
	n, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
		err = ErrInvalid
	}
	return n, err
}

// UnmarshalYAML parses a target from a YAML string.
func (t *Target) UnmarshalYAML(node *yaml.Node) error {
	var text string
	if err := node.Decode(&text); err != nil {
		return err
	}
	got, err := ParseTarget(text)
	*t = got
	return err
}

// MarshalText formats a target so that UnmarshalText can parse it.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText parses a target.
func (t *Target) UnmarshalText(text []byte) error {
	got, err := ParseTarget(string(text))
	*t = got
	return err
}

func (t Target) String() string {
	op := "<="
	if t.Least {
		op = ">="
	}
	number := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	switch {
	case t.Of == "":
		return t.Measure + " " + op + " " + number(t.Plus)
	case t.Times != 1:
		return t.Measure + " " + op + " " + t.Of + " * " + number(t.Times)
	case t.Plus != 0:
		return t.Measure + " " + op + " " + t.Of + " + " + number(t.Plus)
	}
	return t.Measure + " " + op + " " + t.Of
}

// Values are measures by name.
type Values map[string]float64

// Verdict is the result for a target.
type Verdict struct {
	Target Target `json:"target"`
	// Measured is the measured value, and Bound the value of the target's bound.
	Measured float64 `json:"measured"`
	Bound    float64 `json:"bound"`
	// Known is false if one of the two was not measured.
	Known bool `json:"known"`
	Met   bool `json:"met"`
}

// Missed returns the fraction of the bound by which a target was missed, 0 if it was
// met or the bound is zero.
func (v Verdict) Missed() float64 {
	if v.Met || v.Bound == 0 {
		return 0
	}
	return math.Abs(v.Measured-v.Bound) / math.Abs(v.Bound)
}

// Judge compares values with a target. reference holds the values that the target
// may be relative to, by OfFloor, OfBare, OfBefore or OfFirst; growth is the ratio
// of the last to the first value of what is varied, for OfLinear.
func (t Target) Judge(measured Values, reference map[string]Values, growth float64) Verdict {
	v := Verdict{Target: t}
	var ok bool
	if v.Measured, ok = measured[t.Measure]; !ok {
		return v
	}
	switch t.Of {
	case "":
		v.Bound = t.Plus
	case OfLinear:
		base, ok := reference[OfFirst][t.Measure]
		if !ok || growth <= 0 {
			return v
		}
		v.Bound = base * growth
	default:
		base, ok := reference[t.Of][t.Measure]
		if !ok {
			return v
		}
		v.Bound = base*t.Times + t.Plus
	}
	v.Known = true
	v.Met = v.Measured <= v.Bound
	if t.Least {
		v.Met = v.Measured >= v.Bound
	}
	return v
}
