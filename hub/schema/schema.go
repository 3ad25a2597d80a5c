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
	// Violations bounds how many are returned. It is at least 1.
	Violations int
}

// JSON is a JSON Schema.
type JSON struct {
	text    []byte
	tag     string
	root    *node
	unknown []string
}

// Text returns the file of the schema. It must not be changed.
func (j *JSON) Text() []byte { return j.text }

// Tag returns a text that another schema does not have.
func (j *JSON) Tag() string { return j.tag }

// MediaType returns the type of Text.
func (*JSON) MediaType() string { return "application/schema+json" }

// Unknown returns the pointers of keywords that the standard does not have, and which
// therefore have no effect. Most are misspelt.
func (j *JSON) Unknown() []string { return j.unknown }

// Validate checks a value that jsonscan.Check and jsonscan.CheckNames have accepted. It
// returns what is wrong with it, in the order of the value, and whether there is more of it
// than Limits allow. Without violations, the value is valid.
func (j *JSON) Validate(value []byte, limits Limits) (violations []Violation, more bool) {
	if len(value) > maxDocument {
		return []Violation{{Message: (&finding{what: tooLarge}).message(), Keyword: keywordNames[tooLarge]}}, false
	}
	r := runs.Get().(*run)
	defer r.release()
	r.left, r.room = limits.Steps, limits.Violations
	if at, wrong := r.read(value); wrong != noKeyword {
		return []Violation{r.violation(finding{what: wrong, at: at})}, false
	}
	switch valid := r.check(j.root, 0, marked{}); {
	case r.left < 0:
		return []Violation{r.violation(finding{what: tooCostly})}, false
	case valid:
		return nil, false
	}
	violations = make([]Violation, len(r.found))
	for i, f := range r.found {
		violations[i] = r.violation(f)
	}
	return violations, r.more
}

// violation puts a finding into words.
func (r *run) violation(f finding) Violation {
	return Violation{Pointer: join(r.pointer(f.at)), Message: f.message(), Keyword: keywordNames[f.what]}
}

func tagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
