package bearer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
)

// Mechanism is SASL OAUTHBEARER with the tokens of Tokens.
type Mechanism struct {
	tokens     *Tokens
	extensions string
}

var _ sasl.Mechanism = (*Mechanism)(nil)

// The syntax of extensions (RFC 7628 section 3.1), without line ends.
var (
	extensionName  = regexp.MustCompile(`^[A-Za-z]{1,64}$`)
	extensionValue = regexp.MustCompile(`^[\x20-\x7e]{1,1000}$`)
)

// CheckExtension returns what is wrong with an extension.
func CheckExtension(name, value string) error {
	switch {
	case !extensionName.MatchString(name):
		return fmt.Errorf("the name of extension %.70q is not 1 to 64 letters", name)
	case strings.EqualFold(name, "auth"):
		return errors.New("the extension auth is reserved for the token")
	case !extensionValue.MatchString(value):
		return fmt.Errorf("the value of extension %s is not 1 to 1000 printable characters of ASCII", name)
	}
	return nil
}

// NewMechanism returns the mechanism. The extensions are sent with each token (KIP-342).
func NewMechanism(tokens *Tokens, extensions map[string]string) (*Mechanism, error) {
	m := &Mechanism{tokens: tokens}
	for _, name := range slices.Sorted(maps.Keys(extensions)) {
		if err := CheckExtension(name, extensions[name]); err != nil {
			return nil, fmt.Errorf("new mechanism: %w", err)
		}
		m.extensions += "\x01" + name + "=" + extensions[name]
	}
	return m, nil
}

// Name implements sasl.Mechanism.
func (m *Mechanism) Name() string { return "OAUTHBEARER" }

// Start implements sasl.Mechanism. It waits for the very first token only.
func (m *Mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := m.tokens.Token(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &exchange{}, []byte("n,,\x01auth=Bearer " + token.Reveal() + m.extensions + "\x01\x01"), nil
}

// errRefused means that a broker accepted the client after it had refused the token.
var errRefused = errors.New("the broker refused the token")

// exchange is the state of one authentication.
type exchange struct{ refused bool }

// Next implements sasl.StateMachine. A broker that refuses the token says so in a
// challenge, which the client answers with one byte, and the broker then ends the
// exchange with an error (RFC 7628 section 3.2.3).
func (x *exchange) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	switch {
	case x.refused:
		return false, nil, errRefused
	case len(challenge) == 0:
		return true, nil, nil
	}
	x.refused = true
	return false, []byte{1}, nil
}
