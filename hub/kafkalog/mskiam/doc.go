// Package mskiam makes the tokens by which Amazon MSK authenticates clients with IAM: a
// request that is signed with AWS credentials, as the bearer token of SASL OAUTHBEARER.
// The signature is that of AWS's module aws-msk-iam-sasl-signer-go, and the credentials
// come from the AWS SDK.
//
// The package guarantees:
//   - credentials come from where the AWS SDK looks: the environment, the shared files, a
//     web identity, or a container's endpoint that the environment names, and a role that
//     is assumed with them. The instance metadata service is asked only with
//     [Config.Metadata];
//   - credentials are looked up again for every token, so that files can be exchanged. A
//     token ends with its credentials, after 15 minutes at most;
//   - requests follow no redirect, and an answer is bounded in size; the context bounds
//     the time;
//   - no error contains anything of a credential. Of an error of AWS it has the code only,
//     because its message can repeat the signed request.
//
// The package starts no goroutine that outlives a call.
//
// # Files
//
// A file uses those listed after it.
//
//	source.go  Config, Source: tokens
//	errors.go  errors without secrets
//	client.go  the HTTP client of the SDK
package mskiam
