package expr

import (
	"container/list"
	"sync"
)

// cache keeps the values that were used last.
type cache[K comparable, V any] struct {
	room int

	mu    sync.Mutex
	of    map[K]*list.Element // of *cached
	order *list.List          // the last used first
}

type cached[K comparable, V any] struct {
	key   K
	value V
}

func newCache[K comparable, V any](room int) *cache[K, V] {
	return &cache[K, V]{room: room, of: make(map[K]*list.Element), order: list.New()}
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

func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.of[key]; ok {
		at.Value.(*cached[K, V]).value = value
		c.order.MoveToFront(at)
		return
	}
	if len(c.of) >= c.room {
		last := c.order.Back()
		delete(c.of, last.Value.(*cached[K, V]).key)
		c.order.Remove(last)
	}
	c.of[key] = c.order.PushFront(&cached[K, V]{key, value})
}
