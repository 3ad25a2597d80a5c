// Package rediskeys keeps in Redis what the credentials of several instances have in
// common: entries of API keys, and the proofs of possession that were used.
//
//	PREFIXapikey:ID    the entry of an API key, a JSON object
//	PREFIXdpop:DIGEST  a proof that was used, until it is too old
//
// A call is tried once, within Config.Timeout. After several failures in a row calls
// fail at once until Redis answers again, as package rediscall says.
//
// # Files
//
// A file uses those listed after it.
//
//	keys.go   entries of API keys
//	proofs.go proofs that were used
//	client.go Config, Client
package rediskeys
