package once

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/hub/ingest"
)

// kept is the JSON of a verdict: the record is stored, or it was kept as a dead letter with its
// violations.
type kept struct {
	Partition  int32              `json:"p"`
	Offset     int64              `json:"o"`
	Timestamp  int64              `json:"t"`
	Violations []ingest.Violation `json:"v,omitempty"`
	More       bool               `json:"m,omitempty"`
	// Correlation and Since, in Unix milliseconds, say where the reply is found.
	Correlation string `json:"c,omitempty"`
	Since       int64  `json:"s,omitempty"`
}

// Bounds of what is kept of a dead letter.
const (
	maxViolations = 20
	maxViolation  = 500 // bytes
)

// answerOf returns the text of a verdict that is final. ok is false for any other.
func answerOf(v ingest.Verdict) (text string, ok bool) {
	k := kept{Partition: v.Partition, Offset: v.Offset, Timestamp: v.Timestamp, Correlation: v.Correlation}
	if v.Correlation != "" {
		k.Since = v.Since.UnixMilli()
	}
	if v.Err != nil {
		letter, is := errors.AsType[*ingest.DeadLetteredError](v.Err)
		if !is {
			return "", false
		}
		k.Violations, k.More = violationsOf(letter)
	}
	b, err := json.Marshal(k)
	if err != nil {
		return "", false
	}
	return string(b), true
}

func violationsOf(letter *ingest.DeadLetteredError) (all []ingest.Violation, more bool) {
	invalid, ok := errors.AsType[*ingest.InvalidError](letter.Cause)
	if !ok || len(invalid.Violations) == 0 {
		return ingest.Invalid(ingest.ErrInvalid.Error()).Violations, false
	}
	for _, v := range invalid.Violations[:min(len(invalid.Violations), maxViolations)] {
		all = append(all, ingest.Violation{Pointer: cut(v.Pointer), Message: cut(v.Message)})
	}
	return all, invalid.More || len(invalid.Violations) > maxViolations
}

func cut(text string) string { return text[:min(len(text), maxViolation)] }

// verdictOf returns the verdict of a text, as that of a duplicate.
func verdictOf(text string) (ingest.Verdict, error) {
	var k kept
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return ingest.Verdict{}, fmt.Errorf("read the answer that was kept: %w", err)
	}
	v := ingest.Verdict{Partition: k.Partition, Offset: k.Offset, Timestamp: k.Timestamp, Duplicate: true, Correlation: k.Correlation}
	if k.Correlation != "" {
		v.Since = time.UnixMilli(k.Since)
	}
	if len(k.Violations) > 0 {
		v = ingest.Rejected(&ingest.DeadLetteredError{Cause: &ingest.InvalidError{Violations: k.Violations, More: k.More}})
		v.Duplicate = true
	}
	return v, nil
}
