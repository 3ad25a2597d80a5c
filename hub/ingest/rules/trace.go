package rules

import (
	"bytes"
	"strings"

	"sluice/hub/record"
)

// traceParent is the header of a trace context (W3C Trace Context, section 3.2).
const traceParent = "traceparent"

// validTraceParent reports whether a value has the form of version 00: two, 32, 16 and two
// hexadecimal digits in lower case with dashes between them, neither id all zeros.
func validTraceParent(value []byte) bool {
	const trace, span, flags = 3, 36, 53
	if len(value) != 55 || string(value[:trace]) != "00-" || value[span-1] != '-' || value[flags-1] != '-' {
		return false
	}
	for _, digits := range [][]byte{value[trace : span-1], value[span : flags-1], value[flags:]} {
		if len(bytes.Trim(digits, "0123456789abcdef")) > 0 {
			return false
		}
	}
	return len(bytes.Trim(value[trace:span-1], "0")) > 0 && len(bytes.Trim(value[span:flags-1], "0")) > 0
}

func isTraceParent(h record.Header) bool { return strings.EqualFold(string(h.Name), traceParent) }
