package wire

import (
	"strings"

	"sluice/hub/ingest"
)

// MaxMessageID is the maximum length of a message id.
const MaxMessageID = 128

// messageID checks a message id: 1 to MaxMessageID printable characters of ASCII, so that
// every interface can carry every id.
func (p *parser) messageID(pointer, text string) string {
	switch {
	case text == "":
		p.refuse(pointer, "is empty")
	case len(text) > MaxMessageID:
		p.refuse(pointer, "is longer than %d characters", MaxMessageID)
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }):
		p.refuse(pointer, "must be printable characters of ASCII")
	default:
		return text
	}
	return ""
}

// idempotencyKey gives the only record of a request the message id of the header
// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a string of RFC 9651, or, as many
// clients send it, the bare text. Header lines are joined by commas, which therefore only
// quotes can contain.
func (p *parser) idempotencyKey(value string, messages []ingest.Message, batch bool) {
	if value == "" {
		return
	}
	const pointer = "/message_id"
	switch {
	case batch:
		p.refuse("", "the header Idempotency-Key is for one record: use message_id in the records of a batch")
		return
	case messages[0].ID != "":
		p.refuse(pointer, "cannot be combined with the header Idempotency-Key")
		return
	}
	text := value
	if strings.HasPrefix(value, `"`) {
		var ok bool
		if text, ok = quoted(value); !ok {
			p.refuse("", "the header Idempotency-Key must be one string in double quotes, or without any")
			return
		}
	} else if strings.ContainsAny(value, `",; `) {
		p.refuse("", "the header Idempotency-Key must be in double quotes if it has commas, semicolons, spaces or quotes, and must not be repeated")
		return
	}
	violations := len(p.violations)
	messages[0].ID = p.messageID("", text)
	if len(p.violations) > violations {
		p.violations[violations].Message = "the header Idempotency-Key " + p.violations[violations].Message
	}
}

// quoted returns the text of a string in quotes (RFC 9651, section 3.3.3), with nothing behind
// it.
func quoted(value string) (text string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch c := value[i]; c {
		case '"':
			return b.String(), i == len(value)-1
		case '\\':
			if i++; i == len(value) || value[i] != '"' && value[i] != '\\' {
				return "", false
			}
			b.WriteByte(value[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
