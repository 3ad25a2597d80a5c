package transport

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzParseDeflateOffer: whatever a client offers, it is declined, or answered
// with nothing but what it has asked for.
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

// FuzzAcceptedCodings: weights are within their bounds, and gzip is chosen
// only where it weighs something.
func FuzzAcceptedCodings(f *testing.F) {
	for _, header := range []string{"gzip, zstd;q=0.5", "*;q=0.001", "gzip;q=1.001", "gzip;q=0.0000", ";;,,", "gzip;q==", "identity;q=0", "GZIP;Q=.5"} {
		f.Add(header)
	}
	s := &Server{}
	s.config.Compression.EventStreams = true
	f.Fuzz(func(t *testing.T, header string) {
		h := http.Header{"Accept-Encoding": {header}}
		weights := acceptedCodings(h)
		for name, weight := range weights {
			if weight < 0 || weight > 1000 || name == "" {
				t.Errorf("%q weighs %q %d", header, name, weight)
			}
		}
		if s.takesGzip(h) && (weights.coding("gzip") == 0 || weights.coding("gzip") < weights.coding("identity")) {
			t.Errorf("%q is answered compressed", header)
		}
	})
}
