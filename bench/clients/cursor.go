package clients

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A cursor is opaque to clients. A Subscriber looks into those that it sends and gets, to
// report what is wrong with the epochs in them, and does not depend on what it finds.

// place is where a cursor continues in a partition.
type place struct {
	offset, epoch int64
}

// places returns where a cursor of one stream continues, nil if that cannot be read.
func places(cursor string) map[int64]place {
	text, _, _ := strings.Cut(cursor, "~")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, "v1."))
	if err != nil {
		return nil
	}
	next := func() int64 {
		n, size := binary.Uvarint(raw)
		raw = raw[max(0, size):]
		return int64(n)
	}
	skip := func(n int64) { raw = raw[min(max(0, n), int64(len(raw))):] }
	next() // when it was made
	if next() != 1 {
		return nil
	}
	skip(next()) // the stream
	if next() == 1 {
		skip(16) // the id of its topic
	}
	all := make(map[int64]place)
	partition, epoch := int64(-1), int64(0)
	for range min(next(), int64(len(raw))) {
		partition += 1 + next()
		offset := next()
		change, size := binary.Varint(raw)
		raw = raw[max(0, size):]
		epoch += change
		all[partition] = place{offset, epoch}
	}
	return all
}

// describe formats a cursor: the next offset of each partition, and the epoch.
func describe(cursor string) string {
	if cursor == "" {
		return "nothing"
	}
	all := places(cursor)
	var parts []string
	for _, partition := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, fmt.Sprintf("%d:%d (epoch %d)", partition, all[partition].offset, all[partition].epoch))
	}
	if _, seen, ok := strings.Cut(cursor, "~"); ok {
		parts = append(parts, "seen "+seen)
	}
	return strings.Join(parts, ", ")
}

// behind describes the partitions in which what is stored is behind what was sent, empty
// if there are none.
func behind(sent, stored string) string {
	was, now := places(sent), places(stored)
	var parts []string
	for _, partition := range slices.Sorted(maps.Keys(was)) {
		if asked, is := was[partition], now[partition]; is.offset < asked.offset {
			parts = append(parts, fmt.Sprintf("partition %d: sent %d (epoch %d), stored %d (epoch %d)",
				partition, asked.offset, asked.epoch, is.offset, is.epoch))
		}
	}
	return strings.Join(parts, "; ")
}
