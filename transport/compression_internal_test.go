package transport

import (
	"net/http"
	"testing"
)

// FuzzAcceptedCodings: weights are within their bounds, and gzip is chosen only if
// it has a weight.
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
