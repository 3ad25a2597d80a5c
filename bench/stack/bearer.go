package stack

import (
	"strconv"
	"time"
)

// BearerOptions configures which bearer tokens brokers accept (KIP-768).
type BearerOptions struct {
	// KeysURL has the keys of tokens (RFC 7517), such as Provider.KeysURL.
	KeysURL string
	// Issuer and Audience are those of tokens.
	Issuer, Audience string
	// Session is how long a client is authenticated at most (KIP-368). A session also
	// ends with its token. 0 for no other end.
	Session time.Duration
}

// configure adds the settings of the listener.
func (b *BearerOptions) configure(config map[string]string) {
	const prefix = "listener.name.bearer."
	config[prefix+"sasl.enabled.mechanisms"] = "OAUTHBEARER"
	config[prefix+"oauthbearer.sasl.jaas.config"] = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
	config[prefix+"oauthbearer.sasl.server.callback.handler.class"] = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
	config[prefix+"oauthbearer.connections.max.reauth.ms"] = strconv.FormatInt(b.Session.Milliseconds(), 10)
	config["sasl.oauthbearer.jwks.endpoint.url"] = b.KeysURL
	config["sasl.oauthbearer.expected.issuer"] = b.Issuer
	config["sasl.oauthbearer.expected.audience"] = b.Audience
}

// java returns the options of Java without which a broker fetches keys from no URL.
func (b *BearerOptions) java() []string {
	if b == nil {
		return nil
	}
	return []string{"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=" + b.KeysURL}
}
