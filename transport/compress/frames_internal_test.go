package compress

import (
	"strings"
	"testing"
)

// FuzzParseDeflateOffer: any offer of a client is declined, or answered only with
// what the client asked for.
func FuzzParseDeflateOffer(f *testing.F) {
	for _, offer := range []string{
		"", " client_max_window_bits", "server_no_context_takeover; client_no_context_takeover", "server_max_window_bits=15",
		`server_max_window_bits="15"`, "server_max_window_bits=8", "client_max_window_bits=016", "a=b;;", "=", `="`,
	} {
		f.Add(offer)
	}
	f.Fuzz(func(t *testing.T, offer string) {
		terms, ok := parseDeflateOffer(offer)
		if !ok {
			return
		}
		answer := terms.String()
		for _, parameter := range []string{"server_no_context_takeover", "server_max_window_bits"} {
			if asked, given := strings.Contains(offer, parameter), strings.Contains(answer, parameter); asked != given {
				t.Errorf("%q is answered with %q", offer, answer)
			}
		}
	})
}
