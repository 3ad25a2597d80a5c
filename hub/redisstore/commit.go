package redisstore

import (
	"context"
	_ "embed" // the script
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

//go:embed commit.lua
var commitSource string

var commitScript = redis.NewScript(commitSource)

// commitsPerRoundTrip bounds a pipeline, so that its responses, each of which
// takes some tens of microseconds of script, arrive well within a call's timeout.
const commitsPerRoundTrip = 512

// Commit moves cursors, up to 512 in one round trip, and returns one result for
// each commit: the position that is stored then, cursors.ErrSuperseded, or
// cursors.ErrStoreUnavailable if the commit is not known to be stored. A commit
// that was stored and is then retried changes nothing, unless it has Reset.
func (s *Store) Commit(ctx context.Context, commits []cursors.Commit) []cursors.Committed {
	results := make([]cursors.Committed, len(commits))
	for from := 0; from < len(commits); from += commitsPerRoundTrip {
		to := min(from+commitsPerRoundTrip, len(commits))
		s.commit(ctx, commits[from:to], results[from:to])
	}
	return results
}

func (s *Store) commit(ctx context.Context, commits []cursors.Commit, results []cursors.Committed) {
	pending := make([]*pendingCommit, 0, len(commits))
	for i := range commits {
		args, err := commitArguments(commits[i], s.ttl)
		if err != nil {
			results[i].Err = err
			continue
		}
		pending = append(pending, &pendingCommit{index: i, keys: []string{s.key(commits[i].Key)}, args: args})
	}
	err := s.call(ctx, "commit cursors", func(ctx context.Context) error {
		if err := s.send(ctx, pending, commitScript.EvalSha); err != nil {
			return err
		}
		// A server that restarted, or whose scripts were flushed, is sent the
		// script itself. In a Cluster any node may lack it.
		var unknown []*pendingCommit
		for _, p := range pending {
			if redis.HasErrorPrefix(p.reply.Err(), "NOSCRIPT") {
				unknown = append(unknown, p)
			}
		}
		return s.send(ctx, unknown, commitScript.Eval)
	})
	for _, p := range pending {
		results[p.index] = s.result(p, commits[p.index].Position, err)
	}
}

// pendingCommit is a commit in progress; reply is nil until it was sent.
type pendingCommit struct {
	index int
	keys  []string
	args  []any
	reply *redis.Cmd
}

type evaluate func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// send pipelines commits and sets their replies. It returns errors of the
// connection; the refusal of a single commit is in its reply.
func (s *Store) send(ctx context.Context, pending []*pendingCommit, run evaluate) error {
	if len(pending) == 0 {
		return nil
	}
	pipe := s.client.Pipeline()
	for _, p := range pending {
		p.reply = run(ctx, pipe, p.keys, p.args...)
	}
	if _, err := pipe.Exec(ctx); err != nil && !answered(err) {
		return err
	}
	// In a Cluster one node may have refused and another may be unavailable.
	for _, p := range pending {
		if err := p.reply.Err(); err != nil && !answered(err) {
			return err
		}
	}
	return nil
}

// The first value of the script's answer.
const (
	commitSuperseded = int64(0)
	commitAsAsked    = int64(1)
	commitOtherwise  = int64(2)
)

// result returns the result of a commit of a position; failed is the error of the
// whole call.
func (s *Store) result(p *pendingCommit, asked record.Position, failed error) cursors.Committed {
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
	case len(answer) == 2 && answer[0] == commitAsAsked:
		millis, err := strconv.ParseInt(fmt.Sprint(answer[1]), 10, 64)
		if err != nil {
			return cursors.Committed{Err: s.unreadable("commit cursor", damaged(fieldAt))}
		}
		return cursors.Committed{Position: asked, At: fromMillis(millis)}
	case len(answer) > 1 && answer[0] == commitOtherwise:
		position, at, err := decodePosition(fields)
		if err != nil {
			return cursors.Committed{Err: s.unreadable("commit cursor", err)}
		}
		return cursors.Committed{Position: position, At: at}
	}
	return cursors.Committed{Err: fmt.Errorf("commit cursor: the script returned %d values", len(answer))}
}
