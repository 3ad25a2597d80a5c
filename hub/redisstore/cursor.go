package redisstore

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

//go:embed take.lua
var takeSource string

//go:embed delete.lua
var deleteSource string

//go:embed move.lua
var moveSource string

var (
	takeScript   = redis.NewScript(takeSource)
	deleteScript = redis.NewScript(deleteSource)
	moveScript   = redis.NewScript(moveSource)
)

// Load returns a position and when it was created, or cursors.ErrNoCursor.
func (s *Store) Load(ctx context.Context, name cursors.Key) (record.Position, time.Time, error) {
	var fields map[string]string
	err := s.call(ctx, "load cursor", func(ctx context.Context) (err error) {
		fields, err = s.client.HGetAll(ctx, s.key(name)).Result()
		return err
	})
	if err != nil {
		return record.Position{}, time.Time{}, err
	}
	position, at, err := decodePosition(fields)
	if err != nil {
		return record.Position{}, time.Time{}, s.unreadable("load cursor", err)
	}
	return position, at, nil
}

// Take makes the caller the only holder that may ack under the name, and returns
// the stored position. With cursors.ErrNoCursor the fence is valid nevertheless. A
// name that is not stored takes a second round trip, if names are limited.
func (s *Store) Take(ctx context.Context, name cursors.Key) (record.Position, int64, error) {
	var (
		answer []string
		full   error
	)
	err := s.call(ctx, "take cursor", func(ctx context.Context) (err error) {
		if count := s.counting(name); count != nil {
			take := s.taking(name, false)
			if err := s.runAll(ctx, []*scripted{count, take}); err != nil {
				return err
			}
			if answer, err = take.reply.StringSlice(); err != nil || len(answer) > 0 {
				return err
			}
			if full = counted(count); full != nil {
				return nil
			}
		}
		take := s.taking(name, true)
		if err := s.runAll(ctx, []*scripted{take}); err != nil {
			return err
		}
		answer, err = take.reply.StringSlice()
		return err
	})
	if err == nil {
		err = full
	}
	if err != nil {
		return record.Position{}, 0, err
	}
	if len(answer)%2 != 1 {
		return record.Position{}, 0, fmt.Errorf("take cursor: the script returned %d strings", len(answer))
	}
	fence, err := strconv.ParseInt(answer[0], 10, 64)
	if err != nil {
		return record.Position{}, 0, fmt.Errorf("take cursor: read fence: %w", err)
	}
	fields := make(map[string]string, len(answer)/2)
	for i := 1; i < len(answer); i += 2 {
		fields[answer[i]] = answer[i+1]
	}
	position, _, err := decodePosition(fields)
	if err != nil {
		return record.Position{}, fence, s.unreadable("take cursor", err)
	}
	return position, fence, nil
}

// taking returns the run that takes a name, and one that is not stored only if new.
func (s *Store) taking(name cursors.Key, isNew bool) *scripted {
	return &scripted{
		script: takeScript,
		keys:   []string{s.key(name)},
		args:   []any{s.ttl.Milliseconds(), s.channel(), encodeName(name), isNew},
	}
}

// Move replaces a position that is stored, and returns the fence with which it has taken the
// name, or cursors.ErrNoCursor.
func (s *Store) Move(ctx context.Context, name cursors.Key, to record.Position, at time.Time) (int64, error) {
	args := make([]any, 0, 6+3*len(to.Offsets))
	args = append(args, s.ttl.Milliseconds(), s.movedChannel(), s.channel(), encodeName(name), to.Topic.String(), toMillis(at))
	for _, place := range to.Offsets {
		args = append(args, place.Partition, place.Offset, place.Epoch)
	}
	var answer []string
	err := s.call(ctx, "move cursor", func(ctx context.Context) (err error) {
		answer, err = moveScript.Run(ctx, s.client, []string{s.key(name)}, args...).StringSlice()
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case len(answer) == 0:
		return 0, fmt.Errorf("move cursor: %w", cursors.ErrNoCursor)
	}
	fence, err := strconv.ParseInt(answer[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("move cursor: read fence: %w", err)
	}
	return fence, nil
}

// Fences returns the fences of names, in one round trip, 0 for a name without
// one.
func (s *Store) Fences(ctx context.Context, names []cursors.Key) ([]int64, error) {
	answers := make([]*redis.StringCmd, len(names))
	err := s.call(ctx, "load fences", func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, name := range names {
				answers[i] = p.HGet(ctx, s.key(name), "fence")
			}
			return nil
		})
		if errors.Is(err, redis.Nil) {
			return nil // for some names; errors for others are checked below
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	fences := make([]int64, len(names))
	for i, answer := range answers {
		fences[i], err = answer.Int64()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("load fences: %w: %w", cursors.ErrStoreUnavailable, err)
		}
	}
	return fences, nil
}

// Delete removes a position. The fence is kept for as long as a position would
// be, so that fences keep rising; the holder may commit again.
func (s *Store) Delete(ctx context.Context, name cursors.Key) error {
	return s.call(ctx, "delete cursor", func(ctx context.Context) error {
		kept, err := deleteScript.Run(ctx, s.client, []string{s.key(name)}, s.ttl.Milliseconds()).Bool()
		if err != nil || kept {
			return err
		}
		return s.uncount(ctx, name)
	})
}

func (s *Store) unreadable(doing string, err error) error {
	if errors.Is(err, errDamaged) {
		s.log.Warn("stored cursor is damaged; ignoring it", "error", err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
