package once

import (
	"context"
	"time"
)

// Store keeps what is known of ids, for all instances.
type Store interface {
	// Claim claims ids, each for itself, and returns one outcome for each. Outcome.Err is set
	// if it is not known whether the id was claimed.
	Claim(ctx context.Context, claims []Claim) []Outcome
	// Settle records what became of claims, each for itself. An answer counts whoever's claim it
	// is by now; all else only while the fence is that of the claim. It returns one error for each, nil
	// once the store has it. Repeating it changes nothing.
	Settle(ctx context.Context, settlements []Settlement) []error
}

// Claim asks for an id.
type Claim struct {
	// Key is the hash of the id with its scope, and Digest that of the record's content.
	Key, Digest string
	// Fence tells this claim from all others.
	Fence string
	// Token marks the record, unless an earlier claim has chosen one.
	Token string
	// Since is before the record's timestamp.
	Since time.Time
	// Lease is how long from now the record may come to be stored, and Window how long an id is
	// kept.
	Lease, Window time.Duration
}

// State is what a claim has found.
type State uint8

const (
	// Granted means that the id was unknown. It is the claimer's.
	Granted State = iota
	// Taken means that the lease of an earlier claim is over, and nothing is known of its
	// record. The id is the claimer's now.
	Taken
	// Claimed means that the lease of an earlier claim goes on.
	Claimed
	// Undecided is Claimed, and its owner does not know what became of the record.
	Undecided
	// Settled means that the record was answered.
	Settled
	// Conflict means that the id was claimed, or settled, for another content.
	Conflict
)

// Outcome is the result of a claim.
type Outcome struct {
	State State
	// Token and Since are those of the first claim of the record, of all states but Settled
	// and Conflict.
	Token string
	Since time.Time
	// Left is for how long the lease goes on, of Claimed and Undecided.
	Left time.Duration
	// Answer is what was answered, of Settled.
	Answer string
	Err    error
}

// Fate is what became of a claim.
type Fate uint8

const (
	// Answered means that the record has its final answer, which is true for whoever asks.
	Answered Fate = iota
	// Free means that the record is not stored.
	Free
	// Withdrawn means that the claimer has not learned what it found, and does nothing more.
	Withdrawn
	// Lost means that the owner does not know whether the record is stored, and does nothing
	// more.
	Lost
	// Back is Lost, of an id that was Taken: its owner has handed nothing to Kafka, so that the
	// lease is over.
	Back
)

// Settlement records what became of a claim.
type Settlement struct {
	Key, Digest, Fence, Token string
	Fate                      Fate
	// Answer is what is answered from now on, of Answered.
	Answer string
	Window time.Duration
	// Until is when it has lost its use.
	Until time.Time
}
