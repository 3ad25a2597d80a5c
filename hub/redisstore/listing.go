package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
)

const (
	// scanAtOnce is how many keys, of whatever kind, Redis looks at in one command: some
	// hundred microseconds of its time.
	scanAtOnce = 1000
	// scansPerPage bounds the commands of a page, so that a page in a database with many
	// other keys ends soon.
	scansPerPage = 20
)

var _ cursors.Lister = (*Store)(nil)

// List implements cursors.Lister with SCAN, node by node in a Cluster. A name that is stored
// throughout is returned at least once, and may be returned twice.
func (s *Store) List(ctx context.Context, asked cursors.Listing) (cursors.Page, error) {
	var page cursors.Page
	// A page that takes long ends before the call would fail: commits would not be tried for a
	// while if several did.
	enough := time.Now().Add(s.timeout / 2)
	err := s.call(ctx, "list cursors", func(ctx context.Context) error {
		nodes, err := s.nodes(ctx)
		if err != nil {
			return err
		}
		at, from, err := placeOf(asked.After, nodes)
		if err != nil {
			return err
		}
		for range scansPerPage {
			keys, next, err := nodes[at].Scan(ctx, from, s.pattern(asked), scanAtOnce).Result()
			if redis.HasErrorPrefix(err, "invalid cursor") {
				return redisAnswer{cursors.ErrBadPage}
			}
			if err != nil {
				return err
			}
			if err := s.loadInto(ctx, &page, keys, asked); err != nil {
				return err
			}
			if from = next; from == 0 {
				if at++; at == len(nodes) {
					page.Next = ""
					return nil
				}
			}
			page.Next = nodeName(nodes[at]) + "/" + strconv.FormatUint(from, 10)
			if len(page.Cursors) >= asked.Limit || time.Now().After(enough) {
				return nil
			}
		}
		return nil
	})
	if errors.Is(err, cursors.ErrBadPage) {
		err = fmt.Errorf("list cursors: %w", cursors.ErrBadPage)
	}
	if err != nil {
		return cursors.Page{}, err
	}
	return page, nil
}

// nodes returns what has keys: the server, or the masters of a Cluster, by name.
func (s *Store) nodes(ctx context.Context) (nodes []*redis.Client, err error) {
	switch client := s.client.(type) {
	case *redis.Client:
		return []*redis.Client{client}, nil
	case *redis.ClusterClient:
		var mu sync.Mutex
		err = client.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			nodes = append(nodes, node)
			return nil
		})
		slices.SortFunc(nodes, func(a, b *redis.Client) int { return strings.Compare(nodeName(a), nodeName(b)) })
	}
	if err == nil && len(nodes) == 0 {
		err = errors.New("no node has keys")
	}
	return nodes, err
}

// nodeName names a node by its address, which whoever is shown a page does not learn.
func nodeName(node *redis.Client) string {
	sum := sha256.Sum256([]byte(node.Options().Addr))
	return hex.EncodeToString(sum[:nodeNameBytes])
}

const nodeNameBytes = 8

func isNodeName(name string) bool {
	bytes, err := hex.DecodeString(name)
	return err == nil && len(bytes) == nodeNameBytes
}

// placeOf returns the node and the cursor of SCAN where a page begins. If a node has gone,
// the page begins with the one behind it.
func placeOf(after string, nodes []*redis.Client) (at int, from uint64, err error) {
	if after == "" {
		return 0, 0, nil
	}
	name, digits, _ := strings.Cut(after, "/")
	if from, err = strconv.ParseUint(digits, 10, 64); err != nil || !isNodeName(name) || strconv.FormatUint(from, 10) != digits {
		return 0, 0, redisAnswer{cursors.ErrBadPage}
	}
	at, found := slices.BinarySearchFunc(nodes, name, func(n *redis.Client, name string) int {
		return strings.Compare(nodeName(n), name)
	})
	switch {
	case len(nodes) == 1:
		return 0, from, nil // whatever its address is now, after a failover
	case at == len(nodes):
		return 0, 0, redisAnswer{cursors.ErrBadPage}
	case !found:
		from = 0
	}
	return at, from, nil
}

// redisAnswer is an error that says nothing about whether Redis is available.
type redisAnswer struct{ error }

// RedisError implements redis.Error.
func (redisAnswer) RedisError()     {}
func (e redisAnswer) Unwrap() error { return e.error }

// pattern returns the pattern of the keys that are asked for. Encoded names have no
// characters with a meaning in patterns.
func (s *Store) pattern(asked cursors.Listing) string {
	principal, stream := url.QueryEscape(asked.KeyPrefix)+"*", "*"
	if asked.Principal != "" {
		principal = url.QueryEscape(asked.Principal)
	}
	if asked.Stream != "" {
		stream = url.QueryEscape(asked.Stream)
	}
	return literally(s.prefix) + "cursor:{" + principal + "/" + stream + "/*}"
}

// literally escapes what has a meaning in a pattern.
func literally(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`).Replace(text)
}

// loadInto adds the cursors with some keys to a page.
func (s *Store) loadInto(ctx context.Context, page *cursors.Page, keys []string, asked cursors.Listing) error {
	names := make([]cursors.Key, 0, len(keys))
	for _, key := range keys {
		text := strings.TrimSuffix(strings.TrimPrefix(key, s.prefix+"cursor:{"), "}")
		name, ok := decodeName(text)
		if ok && strings.HasPrefix(name.Principal, asked.KeyPrefix) && (asked.Principal == "" || name.Principal == asked.Principal) && (asked.Stream == "" || name.Stream == asked.Stream) {
			names = append(names, name)
		}
	}
	for some := range slices.Chunk(names, callsPerRoundTrip) {
		answers := make([]*redis.MapStringStringCmd, len(some))
		if _, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, name := range some {
				answers[i] = p.HGetAll(ctx, s.key(name))
			}
			return nil
		}); err != nil {
			return err
		}
		for i, name := range some {
			// A name that was taken and never acked has no position yet.
			if stored, err := decodeStored(answers[i].Val()); err == nil {
				page.Cursors = append(page.Cursors, cursors.Listed{Key: name, Stored: stored})
			}
		}
	}
	return nil
}
