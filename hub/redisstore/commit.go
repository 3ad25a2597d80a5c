package redisstore

import (
	"context"
	_ "embed" // the script
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
)

//go:embed commit.lua
var commitSource string

var commitScript = redis.NewScript(commitSource)

// Commit moves cursors, and returns one result for each commit: the position that is stored
// then, cursors.ErrSuperseded, or cursors.ErrStoreUnavailable if the commit is not known to be
// stored. A commit that was stored and is then retried changes nothing, unless it has Reset.
//
// Redis is asked in one call after the other, each within the timeout. Once a call has failed,
// the commits behind it fail too, without being tried: they would wait for as long, one call
// after the other, while all who ack wait for them.
func (s *Store) Commit(ctx context.Context, commits []cursors.Commit) []cursors.Committed {
	results := make([]cursors.Committed, 0, len(commits))
	var failed error
	for some := range slices.Chunk(commits, callsPerRoundTrip) {
		if failed != nil {
			results = append(results, slices.Repeat([]cursors.Committed{{Err: failed}}, len(some))...)
			continue
		}
		var done []cursors.Committed
		done, failed = s.commit(ctx, some)
		results = append(results, done...)
	}
	return results
}

// commit returns the results of some commits, and the error of the call that failed.
func (s *Store) commit(ctx context.Context, commits []cursors.Commit) ([]cursors.Committed, error) {
	results := make([]cursors.Committed, len(commits))
	pending := make([]*pendingCommit, 0, len(commits))
	runs := make([]*scripted, 0, len(commits))
	for i := range commits {
		p := &pendingCommit{index: i}
		if commits[i].Fence == 0 { // otherwise the name was counted when it was taken
			p.count = s.counting(commits[i].Key)
		}
		args, err := commitArguments(commits[i], s.ttl, p.count == nil)
		if err != nil {
			results[i].Err = err
			continue
		}
		p.scripted = scripted{script: commitScript, keys: []string{s.key(commits[i].Key)}, args: args}
		pending = append(pending, p)
		if p.count != nil {
			runs = append(runs, p.count)
		}
		runs = append(runs, &p.scripted)
	}
	err := s.runMany(ctx, "commit cursors", runs)
	if again := madeNew(pending); err == nil {
		err = s.runMany(ctx, "commit cursors", again)
	}
	for _, p := range pending {
		results[p.index] = s.result(p, commits[p.index], err)
	}
	return results, err
}

// pendingCommit is a commit in progress, with the run that counts its name if that may
// be new.
type pendingCommit struct {
	scripted
	index int
	count *scripted
	full  error // there is no room for the name
}

// madeNew returns the commits that are to be sent again because their names were not
// stored, and for which there is room. They have no reply until then.
func madeNew(pending []*pendingCommit) (again []*scripted) {
	for _, p := range pending {
		if p.reply == nil {
			continue
		}
		answer, err := p.reply.Slice()
		if err != nil || len(answer) != 1 || answer[0] != commitLeft {
			continue
		}
		if p.full = counted(p.count); p.full == nil {
			p.args[argumentNew], p.reply = true, nil
			again = append(again, &p.scripted)
		}
	}
	return again
}

// argumentNew is the index of the argument of commit.lua that says whether to move a
// name that is not stored.
const argumentNew = 6

// The first value of the script's answer.
const (
	commitSuperseded = int64(0)
	commitAsAsked    = int64(1)
	commitOtherwise  = int64(2)
	commitLeft       = int64(3)
	commitMoved      = int64(4)
)

// result returns the result of a commit; failed is the error of the whole call.
func (s *Store) result(p *pendingCommit, asked cursors.Commit, failed error) cursors.Committed {
	if p.full != nil {
		return cursors.Committed{Err: fmt.Errorf("commit cursor: %w", p.full)}
	}
	if p.reply == nil {
		return cursors.Committed{Err: failed}
	}
	answer, err := p.reply.Slice()
	if err != nil {
		if failed == nil {
			failed = fmt.Errorf("commit cursor: %w: %w", cursors.ErrStoreUnavailable, err)
		}
		return cursors.Committed{Err: failed}
	}
	fields := make(map[string]string, len(answer)/2)
	for i := 1; i+1 < len(answer); i += 2 {
		fields[fmt.Sprint(answer[i])] = fmt.Sprint(answer[i+1])
	}
	switch {
	case len(answer) == 1 && answer[0] == commitSuperseded:
		return cursors.Committed{Err: fmt.Errorf("commit cursor: %w", cursors.ErrSuperseded)}
	case len(answer) == 1 && answer[0] == commitMoved:
		return cursors.Committed{Err: fmt.Errorf("commit cursor: %w", cursors.ErrMoved)}
	case len(answer) == 2 && answer[0] == commitAsAsked:
		millis, err := strconv.ParseInt(fmt.Sprint(answer[1]), 10, 64)
		if err != nil {
			return cursors.Committed{Err: s.unreadable("commit cursor", damaged(fieldAt))}
		}
		return cursors.Committed{Stored: cursors.Stored{Position: asked.Position, At: fromMillis(millis), Fence: asked.Fence}}
	case len(answer) > 1 && answer[0] == commitOtherwise:
		stored, err := decodeStored(fields)
		if err != nil {
			return cursors.Committed{Err: s.unreadable("commit cursor", err)}
		}
		return cursors.Committed{Stored: stored}
	}
	return cursors.Committed{Err: fmt.Errorf("commit cursor: the script returned %d values", len(answer))}
}
