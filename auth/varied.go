package auth

// CredentialHeaders returns the names of the request headers in which FromRequest finds
// a credential, or what proves one. An answer to a request that has none of them may be
// stored for other requests that have none (Vary, RFC 9110 section 12.5.5).
func CredentialHeaders() []string {
	return []string{"Authorization", "Cookie", "DPoP", "Sec-WebSocket-Protocol"}
}
