package expr

import (
	"container/list"
	"sync"
)

// cache keeps the values that were used last, in a bounded memory.
type cache[K comparable, V any] struct {
	most int // bytes

	mu    sync.Mutex
	bytes int
	of    map[K]*list.Element // of *cached
	order *list.List          // the last used first
}

type cached[K comparable, V any] struct {
	key   K
	value V
	bytes int
}

func newCache[K comparable, V any](most int) *cache[K, V] {
	return &cache[K, V]{most: most, of: make(map[K]*list.Element), order: list.New()}
}

func (c *cache[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.of[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(at)
	return at.Value.(*cached[K, V]).value, true
}

// put keeps a value that takes some bytes, unless it alone takes more than there are.
func (c *cache[K, V]) put(key K, value V, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.of[key]; ok {
		c.remove(at)
	}
	if bytes > c.most {
		return
	}
	for c.bytes+bytes > c.most {
		c.remove(c.order.Back())
	}
	c.bytes += bytes
	c.of[key] = c.order.PushFront(&cached[K, V]{key, value, bytes})
}

// remove forgets a value. The caller holds the lock.
func (c *cache[K, V]) remove(at *list.Element) {
	last := c.order.Remove(at).(*cached[K, V])
	delete(c.of, last.key)
	c.bytes -= last.bytes
}

func (c *cache[K, V]) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
