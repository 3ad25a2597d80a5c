package app

import (
	"context"
	"fmt"
	"sync"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

// passwordMechanism is a SASL mechanism with a user name and a password (RFC 4616, RFC
// 5802). It reads the password again for each authentication, so that a password can be
// exchanged. While its file cannot be read, the last one is used.
type passwordMechanism struct {
	config *config.SASL

	mu       sync.Mutex
	password auth.Secret    // the last one
	made     sasl.Mechanism // with it
}

func newPasswordMechanism(s *config.SASL) (*passwordMechanism, error) {
	m := &passwordMechanism{config: s, password: s.Password}
	var err error
	m.made, err = m.with(s.Password)
	return m, err
}

// with returns the mechanism with a password.
func (m *passwordMechanism) with(password auth.Secret) (sasl.Mechanism, error) {
	switch m.config.Mechanism {
	case "PLAIN":
		return plain.Mechanism{Username: m.config.Username, Password: password.Reveal()}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, m.config.Username, password.Reveal())
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, m.config.Username, password.Reveal())
	}
	return nil, fmt.Errorf("unknown SASL mechanism %q", m.config.Mechanism)
}

// Name implements sasl.Mechanism.
func (m *passwordMechanism) Name() string { return m.config.Mechanism }

// Start implements sasl.Mechanism.
func (m *passwordMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	return m.current().Start(ctx)
}

func (m *passwordMechanism) current() sasl.Mechanism {
	read, err := auth.ReadSecret(string(m.config.PasswordFile))
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && !read.IsZero() && read.Reveal() != m.password.Reveal() {
		if made, err := m.with(read); err == nil {
			m.password, m.made = read, made
		}
	}
	return m.made
}
