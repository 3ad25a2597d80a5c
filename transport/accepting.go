package transport

import (
	"net/http"
	"strconv"
	"strings"

	"sluice/transport/compress"
)

// codingGzip is the name of the content coding (RFC 9110, section 8.4.1.3).
const codingGzip = "gzip"

// weights are the weights of a header's elements (RFC 9110, section 12.4.2) in
// thousandths, by the elements' names in lower case.
type weights map[string]int

// maxWeighted bounds how many elements of a header are read.
const maxWeighted = 32

// weightsOf parses a header like Accept, over all its lines. Elements with an
// invalid q are skipped. Only media types have parameters beside q, so elements of
// other headers that have another parameter are skipped too.
func weightsOf(h http.Header, header string) weights {
	all := make(weights)
	for _, line := range h.Values(header) {
		for more := true; more; {
			var element string
			element, line, more = cutUnquoted(line, ',')
			name, parameters, _ := cutUnquoted(element, ';')
			name = strings.ToLower(strings.Trim(name, " \t"))
			weight, ok := weightIn(parameters, header == "Accept")
			if name == "" || !ok {
				continue
			}
			if all[name] = weight; len(all) >= maxWeighted {
				return all
			}
		}
	}
	return all
}

// weightIn finds q in the parameters of an element: a number from 0 to 1 with at
// most three decimals, or 1 if there is none. others allows other parameters beside
// it.
func weightIn(parameters string, others bool) (weight int, ok bool) {
	for parameters != "" {
		var parameter string
		parameter, parameters, _ = cutUnquoted(parameters, ';')
		name, text, _ := strings.Cut(parameter, "=")
		if !strings.EqualFold(strings.Trim(name, " \t"), "q") {
			if !others && strings.Trim(parameter, " \t") != "" {
				return 0, false
			}
			continue
		}
		text = strings.Trim(text, " \t")
		if len(text) == 0 || len(text) > len("0.000") || strings.Trim(text, "0123456789.") != "" {
			return 0, false
		}
		q, err := strconv.ParseFloat(text, 64)
		if err != nil || q > 1 {
			return 0, false
		}
		return int(q*1000 + 0.5), true
	}
	return 1000, true
}

// cutUnquoted is strings.Cut at a separator that is not inside a quoted string (RFC
// 9110, section 5.6.4).
func cutUnquoted(text string, separator byte) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == separator:
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

// coding returns the weight of a content coding: its own, else that of "*". The
// identity coding is always acceptable, but has a weight only if the client names
// it.
func (w weights) coding(name string) int {
	if weight, ok := w[name]; ok || name == "identity" {
		return weight
	}
	return w["*"]
}

// media returns the weight of a media type, which is that of the most specific range
// that contains it (RFC 9110, section 12.5.1). named reports whether the header
// lists the type itself.
func (w weights) media(name string) (weight int, named bool) {
	if weight, named = w[name]; named {
		return weight, true
	}
	family, _, _ := strings.Cut(name, "/")
	if weight, ok := w[family+"/*"]; ok {
		return weight, false
	}
	return w["*/*"], false
}

// broadcastFor chooses the dialect of an event stream by media type: the one that
// the client weights highest, among equals the one that it names, and the first one
// if the client accepts none. One whose lines are of another type than its name is chosen
// by its name only.
func (s *Server) broadcastFor(h http.Header) dialect {
	accepted := weightsOf(h, "Accept")
	best := s.broadcasts[0]
	most, _ := accepted.media(best.name())
	for _, d := range s.broadcasts[1:] {
		weight, named := accepted.media(d.name())
		if !named && d.name() != d.contentType() {
			continue
		}
		if weight > most || weight > 0 && weight == most && named {
			best, most = d, weight
		}
	}
	return best
}

// conversationFor chooses the dialect of a WebSocket: the first of the server's
// subprotocols that the client offers, else the last one.
func (s *Server) conversationFor(h http.Header) dialect {
	for _, d := range s.conversations {
		if tokenIn(h, "Sec-WebSocket-Protocol", d.name()) {
			return d
		}
	}
	return s.conversations[len(s.conversations)-1]
}

// takesGzip reports whether an event stream is compressed for a client: if the
// client accepts gzip, and weights it no less than identity.
func (s *Server) takesGzip(h http.Header) bool {
	if !s.config.Compression.EventStreams {
		return false
	}
	accepted := acceptedCodings(h)
	gzip := accepted.coding(codingGzip)
	return gzip > 0 && gzip >= accepted.coding("identity")
}

// deflateFor negotiates permessage-deflate with a client, for a dialect whose events
// can be shared compressed.
func (s *Server) deflateFor(h http.Header, d dialect) (terms compress.Terms, ok bool) {
	if !s.config.Compression.WebSockets || d.codec() == nil {
		return compress.Terms{}, false
	}
	return compress.Agree(h)
}

// acceptedCodings returns the weights of the content codings that a client accepts.
func acceptedCodings(h http.Header) weights {
	accepted := weightsOf(h, "Accept-Encoding")
	if weight, ok := accepted["x-gzip"]; ok {
		accepted[codingGzip] = max(weight, accepted[codingGzip]) // RFC 9110, section 8.4.1.3
	}
	return accepted
}
