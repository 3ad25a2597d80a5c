package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// sumsOf computes the sums of a token. It fails if the token contains a character
// that does not occur in the compact serialization of a JWS (RFC 7515 sections 2 and
// 7.1: base64url without padding, and dots): the decoder of the standard library
// skips line ends, so that one token could be written in any number of ways.
func sumsOf(token string) (of sums, ok bool) {
	for i := range len(token) {
		switch c := token[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return sums{}, false
		}
	}
	signed := strings.LastIndexByte(token, '.')
	if signed < 0 {
		return sums{}, false
	}
	hash := sha256.New()
	hash.Write([]byte(token[:signed]))
	hash.Sum(of.signed[:0])
	hash.Write([]byte(token[signed:]))
	hash.Sum(of.token[:0])
	return of, true
}

// textsAreUTF8 reports whether the header and claims of a token are UTF-8 without
// lone surrogates (RFC 7515 section 5.2). The JSON decoder replaces invalid text
// with U+FFFD, so that two subjects could become equal. Parts that are not base64url
// are left for the parser to refuse.
func textsAreUTF8(token string) bool {
	header, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	for _, part := range [...]string{header, payload} {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil && (!utf8.Valid(text) || hasLoneSurrogate(text)) {
			return false
		}
	}
	return true
}

// hasLoneSurrogate reports whether a JSON text has an escape that is one half of a
// surrogate pair without the other.
func hasLoneSurrogate(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++ // the escaped character, which may be a backslash
		first := escaped(text, i)
		if !utf16.IsSurrogate(first) {
			continue
		}
		i += len("uD800")
		if i >= len(text) || text[i] != '\\' || utf16.DecodeRune(first, escaped(text, i+1)) == utf8.RuneError {
			return true
		}
		i += len("uDC00")
	}
	return false
}

// escaped returns the value of the four hex digits after the u at i, -1 if there are
// none.
func escaped(text []byte, i int) rune {
	if i+len("uD800") > len(text) || text[i] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[i+1:i+len("uD800")]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
