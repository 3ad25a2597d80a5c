package redisstore

import (
	"net/url"
	"strconv"
	"strings"

	"sluice/hub/cursors"
)

// encodeName encodes a name as a text that no other name has. Every byte that
// could end a part, or a Cluster's hash tag, is percent-encoded.
func encodeName(name cursors.Key) string {
	return url.QueryEscape(name.Principal) + "/" + url.QueryEscape(name.Stream) + "/" + url.QueryEscape(name.Name)
}

func decodeName(text string) (cursors.Key, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return cursors.Key{}, false
	}
	for i := range parts {
		part, err := url.QueryUnescape(parts[i])
		if err != nil {
			return cursors.Key{}, false
		}
		parts[i] = part
	}
	return cursors.Key{Principal: parts[0], Stream: parts[1], Name: parts[2]}, true
}

// key returns the key of a name's hash. The braces are the hash tag (Redis
// Cluster specification, "Hash tags").
func (s *Store) key(name cursors.Key) string {
	return s.prefix + "cursor:{" + encodeName(name) + "}"
}

// channel returns the channel on which takes are published.
func (s *Store) channel() string { return s.prefix + "cursor.taken" }

// movedChannel returns the channel on which moves are published, before they are as takes.
func (s *Store) movedChannel() string { return s.prefix + "cursor.moved" }

// decodeTaken parses a message that take.lua and move.lua publish: a name, a space, a fence.
func decodeTaken(payload string) (name cursors.Key, fence int64, ok bool) {
	text, digits, found := strings.Cut(payload, " ")
	if !found {
		return cursors.Key{}, 0, false
	}
	fence, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || fence <= 0 {
		return cursors.Key{}, 0, false
	}
	name, ok = decodeName(text)
	return name, fence, ok
}
