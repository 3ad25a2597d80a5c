package webhook

import "time"

// cache holds answers of one kind. Its user locks it.
type cache struct {
	most    int
	answers map[digest]kept
}

type kept struct {
	answer verdict
	until  time.Time
}

func newCache(most int) cache { return cache{most: most, answers: make(map[digest]kept)} }

func (c *cache) find(of digest, now time.Time) (verdict, bool) {
	found, ok := c.answers[of]
	if ok && !now.Before(found.until) {
		delete(c.answers, of)
		return verdict{}, false
	}
	return found.answer, ok
}

func (c *cache) add(of digest, answer verdict, until, now time.Time) {
	if _, again := c.answers[of]; !again && len(c.answers) >= c.most {
		c.makeRoom(now)
	}
	c.answers[of] = kept{answer: answer, until: until}
}

// makeRoom examines some entries and removes the expired ones, at least one entry.
func (c *cache) makeRoom(now time.Time) {
	looked, dropped := 0, 0
	for of, found := range c.answers { // in random order
		if looked++; !now.Before(found.until) {
			delete(c.answers, of)
			dropped++
		} else if looked >= 8 || looked >= len(c.answers) {
			if dropped == 0 {
				delete(c.answers, of)
			}
			return
		}
	}
}
