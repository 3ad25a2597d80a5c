package schema

import (
	"crypto/sha256"
	"encoding/hex"
)

// Limits bound what a value may take.
type Limits struct {
	// Steps bounds the work for a value. A step is about a keyword for a value, or sixteen
	// bytes that one of them reads, and takes some 10 to 100 ns.
	Steps int
	// Violations bounds how many are returned; one is in any case.
	Violations int
}

// JSON is a JSON Schema.
type JSON struct {
	text      []byte
	tag       string
	draft     Draft
	root      *node
	unknown   []string
	misplaced []string
	formats   []string
}

// Text returns the file of the schema. It must not be changed.
func (j *JSON) Text() []byte { return j.text }

// Tag returns a text that another schema does not have.
func (j *JSON) Tag() string { return j.tag }

// MediaType returns the type of Text.
func (*JSON) MediaType() string { return "application/schema+json" }

// Draft returns the draft of the schema.
func (j *JSON) Draft() Draft { return j.draft }

// Unknown returns the pointers of keywords that no draft has, and which therefore have no
// effect. Most are misspelt.
func (j *JSON) Unknown() []string { return j.unknown }

// Misplaced returns the pointers of keywords that have no effect because the draft does not
// have them, or because they stand beside a $ref, where drafts before 2019-09 ignore them.
func (j *JSON) Misplaced() []string { return j.misplaced }

// UnknownFormats returns the pointers of formats that are not known. They have no effect.
func (j *JSON) UnknownFormats() []string { return j.formats }

// Result is the result of checking a value.
type Result struct {
	// Violations are what is wrong with the value, in its order. Without them it is valid.
	Violations []Violation
	// More is set if there are more violations than Limits allow.
	More bool
	// Steps is how many steps were taken.
	Steps int
}

// Validate checks a value that jsonscan.Check and jsonscan.CheckNames have accepted.
func (j *JSON) Validate(value []byte, limits Limits) Result {
	r := runs.Get().(*run)
	defer r.release()
	r.left, r.room = limits.Steps, max(1, limits.Violations)
	wrong, at := tooLarge, int32(0)
	if len(value) <= maxDocument {
		at, wrong = r.read(value)
	}
	valid := wrong == noKeyword && r.check(j.root, 0, marked{})
	result := Result{More: r.more, Steps: limits.Steps - r.left}
	switch {
	case wrong != noKeyword:
		r.found = append(r.found, finding{what: wrong, at: at})
	case r.left < 0:
		r.found = append(r.found[:0], finding{what: tooCostly})
		result.More = false
	case valid:
		return result
	}
	if len(r.found) == 0 {
		// Whatever was forgotten: a value that is not valid must not look like one.
		r.found = append(r.found, finding{what: falseSchema})
	}
	for _, f := range r.found {
		result.Violations = append(result.Violations, r.violation(f))
	}
	return result
}

// violation puts a finding into words.
func (r *run) violation(f finding) Violation {
	return Violation{Pointer: join(r.pointer(f.at)), Message: f.message(), Keyword: keywordNames[f.what]}
}

func tagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
