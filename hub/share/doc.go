// Package share divides what clients need of an instance among tenants, and in each of them
// among principals: what may be in progress at the same time, who of those that wait is next,
// and memory. Clients without a tenant are like those of one more tenant, on which there is no
// bound.
//
// # Guarantees
//
//   - Tenants have turns alike, however many of their clients wait. In the line of a tenant a
//     principal that has as many as it may have keeps none of the others waiting.
//   - Of [Slots] that have a spare, and of [Memory], some remain for a tenant that has none,
//     whatever the others have: neither can be taken by one tenant for as long as it likes. So it
//     is with a principal without a tenant.
//
// The package starts no goroutine. Slots and Memory are safe for concurrent use, Counts and
// Lines are guarded by their owner.
//
// # Files
//
// A file uses those listed after it.
//
//	slots.go   waiting for a slot
//	lines.go   who of those that wait is next
//	counts.go  what is in progress
//	memory.go  bytes in use
//	client.go  Client
package share
