package acls

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Operation is what a client of the server wants to do with a topic.
type Operation uint8

// The operations.
const (
	Read Operation = iota + 1
	Write
)

// Verdict is what the ACLs of a cluster say.
type Verdict uint8

// The verdicts.
const (
	// None: no ACL is about it.
	None Verdict = iota
	Allowed
	Denied
)

// everybody is the principal of ACLs that are for all principals, and everything the
// name in literal ACLs that are for all topics.
const (
	everybody  = "User:*"
	everything = "*"
)

// entry is one ACL of a topic.
type entry struct {
	name       string
	prefixed   bool
	principal  string
	host       string
	operation  kmsg.ACLOperation
	permission kmsg.ACLPermissionType
}

// effect is what ACLs allow and deny.
type effect uint8

const (
	allowRead effect = 1 << iota
	allowWrite
	denyRead
	denyWrite

	allows = allowRead | allowWrite
)

// effect returns what an ACL allows or denies, 0 for nothing that matters here.
func (e *entry) effect() effect {
	if e.permission == kmsg.ACLPermissionTypeAllow {
		if e.host != "*" {
			return 0
		}
		switch e.operation {
		case kmsg.ACLOperationAll:
			return allowRead | allowWrite
		case kmsg.ACLOperationRead:
			return allowRead
		case kmsg.ACLOperationWrite:
			return allowWrite
		default:
			return 0
		}
	}
	switch e.operation {
	case kmsg.ACLOperationRead:
		return denyRead
	case kmsg.ACLOperationWrite:
		return denyWrite
	case kmsg.ACLOperationCreate, kmsg.ACLOperationDelete, kmsg.ACLOperationAlter, kmsg.ACLOperationClusterAction,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationIdempotentWrite,
		kmsg.ACLOperationCreateTokens, kmsg.ACLOperationDescribeTokens:
		return 0
	default: // ALL, DESCRIBE, and what this package does not know
		return denyRead | denyWrite
	}
}

// Snapshot is the ACLs of a cluster's topics at one time. It never changes.
type Snapshot struct {
	// literal are the ACLs by the name of a topic, prefixed those by a prefix.
	literal, prefixed map[string]subjects
	lengths           []int // of the prefixes, each once
	count             int

	unread  bool // nothing is known
	expired bool // the allows have been left out
}

// subjects are the effects of the ACLs of one name, by principal.
type subjects map[string]effect

// unread is the snapshot of a cluster that has not been read.
var unread = &Snapshot{unread: true}

func newSnapshot(entries []entry) *Snapshot {
	s := &Snapshot{literal: make(map[string]subjects), prefixed: make(map[string]subjects), count: len(entries)}
	for i := range entries {
		e := &entries[i]
		has := e.effect()
		if has == 0 {
			continue
		}
		of := s.literal
		if e.prefixed {
			of = s.prefixed
			if !slices.Contains(s.lengths, len(e.name)) {
				s.lengths = append(s.lengths, len(e.name))
			}
		}
		if of[e.name] == nil {
			of[e.name] = make(subjects)
		}
		of[e.name][e.principal] |= has
	}
	slices.Sort(s.lengths)
	return s
}

// Judge returns what the ACLs say about an operation of a principal, such as
// `User:alice`, on a topic. A client without a principal is given as "": what is
// allowed to everybody is not allowed to it, and what is denied to everybody is.
func (s *Snapshot) Judge(principal, topic string, operation Operation) Verdict {
	if s.unread {
		return Denied
	}
	has := s.literal[topic].of(principal) | s.literal[everything].of(principal)
	for _, length := range s.lengths {
		if length > len(topic) {
			break
		}
		has |= s.prefixed[topic[:length]].of(principal)
	}
	if s.expired {
		has &^= allows
	}
	allow, deny, ok := operation.effects()
	switch {
	case !ok:
		return Denied
	case has&deny != 0:
		return Denied
	case has&allow != 0:
		return Allowed
	default:
		return None
	}
}

// AllowsByName reports whether an operation that Judge allows is allowed by an ACL for
// the topic's own name, and not only by one for a prefix or for all topics.
func (s *Snapshot) AllowsByName(principal, topic string, operation Operation) bool {
	allow, _, ok := operation.effects()
	return ok && s.literal[topic].of(principal)&allow != 0 && s.Judge(principal, topic, operation) == Allowed
}

// effects returns what allows and what denies an operation.
func (o Operation) effects() (allow, deny effect, ok bool) {
	switch o {
	case Read:
		return allowRead, denyRead, true
	case Write:
		return allowWrite, denyWrite, true
	default:
		return 0, 0, false
	}
}

// of returns the effects for a principal.
func (s subjects) of(principal string) effect {
	if principal == "" {
		return s[everybody] &^ allows
	}
	return s[principal] | s[everybody]
}

// Complete reports whether the snapshot has been read within Config.MaxAge. Until
// then, None and Denied can be wrong.
func (s *Snapshot) Complete() bool { return !s.unread && !s.expired }

// Known reports whether the cluster has ever been read.
func (s *Snapshot) Known() bool { return !s.unread }

// Count is the number of ACLs.
func (s *Snapshot) Count() int { return s.count }

// withoutAllows returns the snapshot with its denies only.
func (s *Snapshot) withoutAllows() *Snapshot {
	old := *s
	old.expired = true
	return &old
}

// same reports whether two snapshots say the same.
func (s *Snapshot) same(other *Snapshot) bool {
	equal := func(a, b map[string]subjects) bool {
		return maps.EqualFunc(a, b, func(a, b subjects) bool { return maps.Equal(a, b) })
	}
	return s.Complete() && other.Complete() && equal(s.literal, other.literal) && equal(s.prefixed, other.prefixed)
}
