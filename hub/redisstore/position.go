package redisstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

// Fields of a name's hash; the scripts use them too.
const (
	fieldTopic     = "topic"
	fieldAt        = "at"
	fieldFence     = "fence"
	fieldMoved     = "moved"
	fieldPartition = "p"
)

var errDamaged = errors.New("the stored position is damaged")

// decodeStored decodes what a hash has, from its fields and values. Its errors are those of
// decodePosition.
func decodeStored(fields map[string]string) (stored cursors.Stored, err error) {
	stored.Position, stored.At, err = decodePosition(fields)
	for field, into := range map[string]*int64{fieldFence: &stored.Fence, fieldMoved: &stored.Moved} {
		text, ok := fields[field]
		if !ok || err != nil {
			continue
		}
		if *into, err = strconv.ParseInt(text, 10, 64); err != nil {
			err = damaged(field)
		}
	}
	if err != nil {
		return cursors.Stored{}, err
	}
	return stored, nil
}

// decodePosition decodes a position from the fields and values of a hash. It
// returns cursors.ErrNoCursor if there is none, as in a hash that contains only a
// fence, and if the position is damaged, because a position must never be a
// guess.
func decodePosition(fields map[string]string) (record.Position, time.Time, error) {
	var position record.Position
	topic, ok := fields[fieldTopic]
	if !ok {
		return position, time.Time{}, cursors.ErrNoCursor
	}
	id, err := hex.DecodeString(topic)
	if err != nil || len(id) != len(position.Topic) {
		return record.Position{}, time.Time{}, damaged(fieldTopic)
	}
	copy(position.Topic[:], id)

	millis, err := strconv.ParseInt(fields[fieldAt], 10, 64)
	if err != nil {
		return record.Position{}, time.Time{}, damaged(fieldAt)
	}
	for field, value := range fields {
		digits, ok := strings.CutPrefix(field, fieldPartition)
		if !ok {
			continue
		}
		place, ok := decodePlace(digits, value)
		if !ok {
			return record.Position{}, time.Time{}, damaged(field)
		}
		position.Offsets = append(position.Offsets, place)
	}
	slices.SortFunc(position.Offsets, func(a, b record.PartitionOffset) int { return int(a.Partition) - int(b.Partition) })
	return position, fromMillis(millis), nil
}

func damaged(field string) error {
	return fmt.Errorf("%w: %w in field %q", cursors.ErrNoCursor, errDamaged, field)
}

func decodePlace(partition, value string) (record.PartitionOffset, bool) {
	offset, epoch, found := strings.Cut(value, ":")
	if !found {
		return record.PartitionOffset{}, false
	}
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 || strconv.FormatInt(p, 10) != partition {
		return record.PartitionOffset{}, false
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || o < 0 {
		return record.PartitionOffset{}, false
	}
	e, err := strconv.ParseInt(epoch, 10, 32)
	if err != nil {
		return record.PartitionOffset{}, false
	}
	return record.PartitionOffset{Partition: int32(p), Offset: o, Epoch: int32(e)}, true
}

// commitArguments returns the ARGV of commit.lua; isNew is whether to move a name that
// is not stored.
func commitArguments(c cursors.Commit, ttl time.Duration, isNew bool) ([]any, error) {
	if c.Fence < 0 {
		return nil, fmt.Errorf("commit cursor: negative fence %d", c.Fence)
	}
	reset := "0"
	if c.Reset {
		reset = "1"
	}
	args := make([]any, 0, 8+4*len(c.Position.Offsets))
	args = append(args, c.Fence, reset, c.Position.Topic.String(), toMillis(c.At), ttl.Milliseconds(), c.Breaks.Topic, isNew, c.Since)
	for _, place := range c.Position.Offsets {
		if place.Offset < 0 || place.Partition < 0 {
			return nil, fmt.Errorf("commit cursor: offset %d of partition %d is negative", place.Offset, place.Partition)
		}
		args = append(args, place.Partition, place.Offset, place.Epoch, c.Breaks.Of(place.Partition))
	}
	return args, nil
}

// toMillis returns 0 for an unknown time, and for times before 1970.
func toMillis(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return max(at.UnixMilli(), 0)
}

func fromMillis(millis int64) time.Time {
	if millis <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis)
}
