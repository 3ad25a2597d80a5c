package bearer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	errNoToken    = errors.New("the token endpoint's answer is not a JSON object with access_token")
	errType       = errors.New("the token endpoint's answer has another token_type than Bearer")
	errNoLifetime = errors.New("the token endpoint's answer has an expires_in that is not a number of seconds")
	errEnded      = errors.New("the token endpoint handed out a token that has expired")
)

// maxLifetime bounds what is believed of expires_in.
const maxLifetime = 24 * time.Hour

// readAnswer reads a successful answer (RFC 6749 section 5.1) to a request that was made
// at a time.
func readAnswer(body []byte, asked time.Time) (Token, error) {
	var members map[string]json.RawMessage
	var text string
	if json.Unmarshal(body, &members) != nil || json.Unmarshal(members["access_token"], &text) != nil {
		return Token{}, errNoToken
	}
	if raw, ok := members["token_type"]; ok {
		var kind string
		if json.Unmarshal(raw, &kind) != nil || !strings.EqualFold(kind, "bearer") {
			return Token{}, errType
		}
	}
	var expires time.Time
	if raw, ok := members["expires_in"]; ok && string(raw) != "null" {
		lifetime, err := readLifetime(raw)
		if err != nil {
			return Token{}, err
		}
		expires = asked.Add(lifetime)
	}
	return NewToken(text, expires)
}

// readLifetime reads expires_in. Some servers send it as a string.
func readLifetime(raw json.RawMessage) (time.Duration, error) {
	text := string(raw)
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil {
		text = quoted
	}
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsNaN(seconds):
		return 0, errNoLifetime
	case seconds <= 0:
		return 0, errEnded
	}
	return time.Duration(min(seconds, maxLifetime.Seconds()) * float64(time.Second)), nil
}

// knownErrors are the error codes of RFC 6749 section 5.2, and of RFC 8707. Other texts
// of an answer are not repeated, as they may repeat the request.
var knownErrors = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_target", "access_denied", "server_error", "temporarily_unavailable",
}

// readRefusal returns the error for an answer with another status than 200.
func readRefusal(status int, body []byte) error {
	var members map[string]json.RawMessage
	var code string
	if json.Unmarshal(body, &members) == nil && json.Unmarshal(members["error"], &code) == nil && slices.Contains(knownErrors, code) {
		code = " (" + code + ")"
	} else {
		code = ""
	}
	hint := ""
	switch {
	case status >= 300 && status < 400:
		hint = ": redirects are not followed, check token_url"
	case code == " (invalid_client)", code == "" && (status == 401 || status == 403):
		hint = ": check client_id, client_secret_file and client_auth"
	case status == 404 || status == 405:
		hint = ": check token_url"
	}
	return fmt.Errorf("the token endpoint answered with status %d%s%s", status, code, hint)
}
