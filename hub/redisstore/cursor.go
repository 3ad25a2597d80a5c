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

// Load returns what is stored, or cursors.ErrNoCursor.
func (s *Store) Load(ctx context.Context, name cursors.Key) (cursors.Stored, error) {
	var fields map[string]string
	err := s.call(ctx, "load cursor", func(ctx context.Context) (err error) {
		fields, err = s.client.HGetAll(ctx, s.key(name)).Result()
		return err
	})
	if err != nil {
		return cursors.Stored{}, err
	}
	stored, err := decodeStored(fields)
	if err != nil {
		return cursors.Stored{}, s.unreadable("load cursor", err)
	}
	return stored, nil
}

// Take makes the caller the only holder that may ack under the name, and returns
// what is stored. With cursors.ErrNoCursor the fence is valid nevertheless. A
// name that is not stored takes a second round trip, if names are limited.
func (s *Store) Take(ctx context.Context, name cursors.Key) (cursors.Stored, error) {
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
		return cursors.Stored{}, err
	}
	if len(answer)%2 != 1 {
		return cursors.Stored{}, fmt.Errorf("take cursor: the script returned %d strings", len(answer))
	}
	fence, err := strconv.ParseInt(answer[0], 10, 64)
	if err != nil {
		return cursors.Stored{}, fmt.Errorf("take cursor: read fence: %w", err)
	}
	fields := make(map[string]string, len(answer)/2)
	for i := 1; i < len(answer); i += 2 {
		fields[answer[i]] = answer[i+1]
	}
	stored, err := decodeStored(fields)
	if err != nil {
		return cursors.Stored{Fence: fence}, s.unreadable("take cursor", err)
	}
	return stored, nil
}

// taking returns the run that takes a name, and one that is not stored only if new.
func (s *Store) taking(name cursors.Key, isNew bool) *scripted {
	return &scripted{
		script: takeScript,
		keys:   []string{s.key(name)},
		args:   []any{s.ttl.Milliseconds(), s.channel(), encodeName(name), isNew},
	}
}

// Move replaces a position that is stored, and returns what is stored then, or
// cursors.ErrNoCursor.
func (s *Store) Move(ctx context.Context, name cursors.Key, to record.Position, at time.Time) (cursors.Stored, error) {
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
		return cursors.Stored{}, err
	case len(answer) == 0:
		return cursors.Stored{}, fmt.Errorf("move cursor: %w", cursors.ErrNoCursor)
	}
	fence, err := strconv.ParseInt(answer[0], 10, 64)
	if err != nil {
		return cursors.Stored{}, fmt.Errorf("move cursor: read fence: %w", err)
	}
	return cursors.Stored{Position: to, At: fromMillis(toMillis(at)), Fence: fence, Moved: fence}, nil
}

// Fences returns the fences of names, in one round trip, 0 for a name without
// one, and whether the last one is that of an operator who has moved the name.
func (s *Store) Fences(ctx context.Context, names []cursors.Key) ([]cursors.Taken, error) {
	answers := make([]*redis.SliceCmd, len(names))
	err := s.call(ctx, "load fences", func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, name := range names {
				answers[i] = p.HMGet(ctx, s.key(name), fieldFence, fieldMoved)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	taken := make([]cursors.Taken, len(names))
	for i, answer := range answers {
		var fences [2]int64
		for k, value := range answer.Val() {
			text, stored := value.(string)
			if !stored {
				continue
			}
			if fences[k], err = strconv.ParseInt(text, 10, 64); err != nil {
				return nil, fmt.Errorf("load fences: %w: %w", cursors.ErrStoreUnavailable, err)
			}
		}
		taken[i] = cursors.Taken{Key: names[i], Fence: fences[0], Moved: fences[0] != 0 && fences[0] == fences[1]}
	}
	return taken, nil
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
