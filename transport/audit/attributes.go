package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxText is how many characters of a text are kept.
	maxText = 256
	// maxShown is how many characters are kept of a text that can be a credential.
	maxShown = 32
	// maxTokenID is the length of a token id above which its digest is kept.
	maxTokenID = 128
	// attributeBytes is roughly the memory of an attribute besides its text.
	attributeBytes = 48
)

// TokenIDs is how the ids of tokens are recorded.
type TokenIDs string

// The ways to record the ids of tokens.
const (
	// TokenIDsPlain records them as they are, so that a token can be revoked by its id.
	// An id of more than 128 bytes or with other than printable ASCII is recorded as
	// with TokenIDsDigest.
	TokenIDsPlain TokenIDs = "plain"
	// TokenIDsDigest records "sha256:" and the first 32 hexadecimal digits of the
	// SHA-256 sum of the id.
	TokenIDsDigest TokenIDs = "digest"
	// TokenIDsNone records none.
	TokenIDsNone TokenIDs = "none"
)

// attributeList are the attributes of an event, in a fixed order, without those that
// are empty.
type attributeList []slog.Attr

// attributes collects the attributes of an event.
type attributes struct {
	ids   TokenIDs
	list  attributeList
	key   string
	bytes int
}

func (a *attributes) add(attr slog.Attr, size int) {
	a.list = append(a.list, attr)
	a.bytes += attributeBytes + size
}

// text adds a text, cut and on one line.
func (a *attributes) text(name, value string) {
	if value != "" {
		a.exact(name, oneLine(value, maxText))
	}
}

// exact adds a text of the server's own, or one that has been checked and is an
// identifier, which must not be cut.
func (a *attributes) exact(name, value string) {
	if value != "" {
		a.add(slog.String(name, value), len(value))
	}
}

func (a *attributes) tokenID(id string) { a.identifier("token_id", id) }

// identifier adds the id of a credential, as TokenIDs says.
func (a *attributes) identifier(name, id string) {
	switch {
	case id == "" || a.ids == TokenIDsNone:
	case a.ids == TokenIDsDigest || len(id) > maxTokenID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }):
		sum := sha256.Sum256([]byte(id))
		a.exact(name, "sha256:"+hex.EncodeToString(sum[:16]))
	default:
		a.exact(name, id)
	}
}

// number adds a number, also 0.
func (a *attributes) number(name string, n int64) { a.add(slog.Int64(name, n), 0) }

// numberIf adds a number that is not 0.
func (a *attributes) numberIf(name string, n int64) {
	if n != 0 {
		a.number(name, n)
	}
}

// flag adds what is the case.
func (a *attributes) flag(name string, set bool) {
	if set {
		a.add(slog.Bool(name, true), 0)
	}
}

// moment adds a time, in UTC.
func (a *attributes) moment(name string, t time.Time) {
	if !t.IsZero() {
		a.exact(name, t.UTC().Format(time.RFC3339Nano))
	}
}

// Cut returns a text in the place of a name that a client has chosen freely, and that
// can be a credential by mistake: on one line, and cut at 32 characters.
func Cut(text string) string { return oneLine(text, maxShown) }

// oneLine returns a text with at most so many characters, and with escapes in place of
// control characters and invalid UTF-8.
func oneLine(text string, most int) string {
	plain, n := true, 0
	for i, r := range text {
		if n++; n > most {
			text = text[:i] + "…"
			break
		}
		plain = plain && (' ' <= r && r <= '~' || strconv.IsGraphic(r) && r != utf8.RuneError)
	}
	if plain {
		return text
	}
	quoted := strconv.QuoteToGraphic(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
