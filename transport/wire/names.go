package wire

import (
	"errors"
	"fmt"

	"sluice/hub/jsonscan"
)

// checkNames refuses a message with too many fields, or with a repeated field in
// an object. Each record of a batch may have as many fields as any other message.
func checkNames(b []byte, limits Limits) *Error {
	if limits.Keys == 0 || len(b) < manyNames*limits.Keys {
		if jsonscan.CheckNames(b, limits.Keys) == nil {
			return nil
		}
	}
	list, rest := cutBatch(b)
	if list == nil {
		if err := jsonscan.CheckNames(b, limits.Keys); err != nil {
			return namesFault(err, "the message", limits.Keys)
		}
		return nil
	}
	n := 0
	for record := range jsonscan.Elements(list) {
		if n++; limits.Records > 0 && n > limits.Records {
			return tooManyRecords(limits.Records)
		}
		if err := jsonscan.CheckNames(record, limits.Keys); err != nil {
			return namesFault(err, fmt.Sprintf("records/%d", n-1), limits.Keys)
		}
	}
	if err := jsonscan.CheckNames(rest, limits.Keys); err != nil {
		return namesFault(err, "the message", limits.Keys)
	}
	return nil
}

// manyNames is how many bytes a message has at least, for each field that it may have, to be
// taken for a batch with more of them.
const manyNames = 16

// cutBatch returns the array of a message's field `records`, and the message with an
// empty array in its place. The array is nil if there is no such field.
func cutBatch(b []byte) (list, rest []byte) {
	b = jsonscan.TrimSpace(b)
	if b[0] != '{' {
		return nil, nil
	}
	for i := 1; ; {
		name, at, ok := jsonscan.NextMember(b, i)
		if !ok {
			return nil, nil
		}
		i = jsonscan.EndOfValue(b, at)
		if field, _ := fieldName(name); field != "records" || b[at] != '[' {
			continue
		}
		rest = append(rest, b[:at]...)
		rest = append(rest, "[]"...)
		return b[at:i], append(rest, b[i:]...)
	}
}

// namesFault returns the fault for an error of jsonscan.CheckNames.
func namesFault(err error, where string, most int) *Error {
	if repeated, ok := errors.AsType[*jsonscan.RepeatedNameError](err); ok {
		return Errorf(BadRequest, "duplicate field %s in an object", Shown(repeated.Name))
	}
	return Errorf(BadRequest, "%s has more than %d fields (limit json_keys)", where, most)
}

// tooManyRecords is the fault of a batch with more records than allowed.
func tooManyRecords(most int) *Error {
	return Errorf(TooLarge, "records has more than %d entries (limit batch_records): send several batches", most)
}
