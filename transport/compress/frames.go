package compress

import (
	"net/http"
	"strconv"
	"strings"

	"sluice/hub/event"
	"sluice/transport/wire"
)

// Frames is permessage-deflate (RFC 7692), with one frame per message. A message
// may refer back to the compressed messages before it, whichever connection they
// were made for. Messages that are sent uncompressed, which the extension allows
// for each message, are not in that window.
type Frames struct{}

// CodecSlot implements hub.Codec.
func (Frames) CodecSlot() int { return slotFrames }

// Plain implements hub.Codec.
func (Frames) Plain() event.Format { return wire.Frames{} }

// PlainInWindow implements hub.Codec.
func (Frames) PlainInWindow() bool { return false }

// Window implements hub.Codec.
func (Frames) Window() int { return deflateWindow }

// BlockBytes implements hub.Codec.
func (Frames) BlockBytes() int { return 0 }

// AppendContent implements hub.Codec.
func (Frames) AppendContent(dst, body []byte, _ bool) []byte { return append(dst, body...) }

// AppendEnd implements hub.Codec.
func (Frames) AppendEnd(content []byte, _ string) []byte { return content }

// Pack returns a frame. Its message omits the four bytes with which every message
// would end (section 7.2.1).
func (Frames) Pack(dst, window, content []byte) ([]byte, uint64) {
	start := len(dst)
	var room [wire.MaxFrameHeader]byte
	dst = appendDeflate(append(dst, room[:]...), window, content)
	payload := dst[start+len(room) : len(dst)-len(deflateTail)]
	dst = wire.AppendDeflatedHeader(dst[:start], wire.OpText, len(payload))
	return append(dst, payload...), 0
}

// deflateTail is the end of a compressed message that is not sent.
const deflateTail = "\x00\x00\xff\xff"

// Terms are the extension parameters that a client and the server have agreed on.
// The client must always compress each message on its own, so that the server
// keeps no state for it.
type Terms struct {
	// ServerForgets means that the server compresses each message on its own as
	// well.
	ServerForgets bool
	windowNamed   bool // the client has named a window, which is the largest
}

const permessageDeflate = "permessage-deflate"

// String returns the value for the handshake response.
func (d Terms) String() string {
	text := permessageDeflate + "; client_no_context_takeover"
	if d.ServerForgets {
		text += "; server_no_context_takeover"
	}
	if d.windowNamed {
		text += "; server_max_window_bits=15"
	}
	return text
}

// maxOffers bounds the number of offered extensions that are examined.
const maxOffers = 16

// Agree accepts the first offer of permessage-deflate that the server can comply
// with.
func Agree(h http.Header) (terms Terms, ok bool) {
	looked := 0
	for _, line := range h.Values("Sec-WebSocket-Extensions") {
		for offer := range strings.SplitSeq(line, ",") {
			if looked++; looked > maxOffers {
				return Terms{}, false
			}
			name, parameters, _ := strings.Cut(offer, ";")
			if strings.TrimSpace(name) != permessageDeflate {
				continue
			}
			if terms, ok = parseDeflateOffer(parameters); ok {
				return terms, true
			}
		}
	}
	return Terms{}, false
}

// parseDeflateOffer parses the parameters of an offer (section 7.1). It declines
// an offer with a parameter that is unknown, repeated or cannot be complied with.
func parseDeflateOffer(parameters string) (terms Terms, ok bool) {
	if strings.TrimSpace(parameters) == "" {
		return terms, true
	}
	seen := make(map[string]bool)
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, hasValue := strings.Cut(parameter, "=")
		name = strings.TrimSpace(name)
		if seen[name] {
			return terms, false
		}
		seen[name] = true
		bits, sized := windowBits(value)
		switch {
		case name == "server_no_context_takeover" && !hasValue:
			terms.ServerForgets = true
		case name == "client_no_context_takeover" && !hasValue:
		case name == "client_max_window_bits" && (!hasValue || sized):
		case name == "server_max_window_bits" && sized && bits == maxWindowBits:
			terms.windowNamed = true
		default:
			return terms, false
		}
	}
	return terms, true
}

// maxWindowBits is the size of deflate's full window, as a power of 2.
const maxWindowBits = 15

func windowBits(text string) (bits int, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	bits, err := strconv.Atoi(text)
	return bits, err == nil && bits >= 8 && bits <= maxWindowBits && text == strconv.Itoa(bits)
}
