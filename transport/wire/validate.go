package wire

import (
	"errors"
	"reflect"
	"regexp"
	"strings"

	"github.com/go-playground/validator/v10"
)

const (
	// MaxID is the maximum length of an id, in characters.
	MaxID = 64
	// MaxStreamName is the maximum length of a stream name, in characters. The
	// configuration has no longer ones.
	MaxStreamName = 128
	// MaxFilterKeys is the maximum number of keys that a subscription selects.
	MaxFilterKeys = 1000
)

// cursorName matches the names of cursors, which are used in URL paths.
var cursorName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)

// ValidCursorName reports whether name is a valid name of a cursor: 1 to 128 of
// the characters A–Z a–z 0–9 . _ : @ -, the first of them a letter or a digit.
func ValidCursorName(name string) bool { return cursorName.MatchString(name) }

// IsPattern reports whether a client asks for all streams that match, rather than for
// one. Names of streams have no asterisks.
func IsPattern(stream string) bool { return strings.Contains(stream, "*") }

// envelope checks the structs that requests are parsed into, by their tags.
var envelope = newEnvelope()

func newEnvelope() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		return f.Tag.Get("json")
	})
	err := v.RegisterValidation("cursor_name", func(fl validator.FieldLevel) bool {
		return ValidCursorName(fl.Field().String())
	})
	if err != nil {
		panic(err) // can only be a mistake in this file
	}
	return v
}

// checkEnvelope returns the violations of the tags of a request's struct.
func checkEnvelope(request any) []Violation {
	var found validator.ValidationErrors
	if !errors.As(envelope.Struct(request), &found) {
		return nil
	}
	violations := make([]Violation, len(found))
	for i, f := range found {
		violations[i] = Violation{Pointer: pointer(f.Namespace()), Message: objection(f)}
	}
	return violations
}

// pointer turns the validator's path into a JSON pointer. The JSON has neither
// the request's struct, which is the first segment, nor the structs embedded in
// it, whose segments begin with a capital.
func pointer(namespace string) string {
	var b strings.Builder
	_, path, _ := strings.Cut(namespace, ".")
	for segment := range strings.SplitSeq(path, ".") {
		if segment[0] >= 'A' && segment[0] <= 'Z' {
			continue
		}
		b.WriteByte('/')
		name, index, indexed := strings.Cut(strings.TrimSuffix(segment, "]"), "[")
		b.WriteString(name)
		if indexed {
			b.WriteByte('/')
			b.WriteString(index)
		}
	}
	return b.String()
}

// objection describes the rule of a tag that was violated.
func objection(f validator.FieldError) string {
	switch f.Tag() {
	case "required", "required_without":
		return "is required"
	case "max":
		if f.Kind() == reflect.Slice {
			return "has more than " + f.Param() + " entries"
		}
		return "is longer than " + f.Param() + " characters"
	case "min":
		return "is empty"
	case "oneof":
		return "must be one of: " + strings.ReplaceAll(f.Param(), " ", ", ")
	case "unique":
		return "has duplicate entries"
	case "excluded_with":
		return "cannot be combined with " + strings.ToLower(f.Param())
	case "cursor_name":
		return "must be 1 to 128 of A-Z a-z 0-9 . _ : @ -, the first a letter or digit"
	}
	return "is not allowed"
}
