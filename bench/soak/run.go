package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// config configures a run.
type config struct {
	whole, round time.Duration
	seed         uint64
	clients      int // at once
	say          func(format string, args ...any)
	// logs is the directory to which logs are copied if something is wrong; empty
	// for none.
	logs string
}

// The limits. All are constant: they grow neither with the time that the instance
// runs nor with the number of clients that it has had.
const (
	// heapAllowed is live heap that no metric accounts for, with all clients
	// disconnected: the program itself, its libraries, connections to Kafka and
	// Redis, compressors, and maps that keep their maximum size.
	heapAllowed = 24 << 20
	// heapGrows is how much more that may be than after the first round.
	heapGrows = 12 << 20
	// goroutinesVary and filesVary are how much their numbers may vary: connections
	// to Kafka come and go.
	goroutinesVary, filesVary = 24, 24
	// nameTTL is how long the name of a cursor lives, and nameSlack the uncertainty
	// of the time of its last use as known to a client.
	nameTTL, nameSlack = time.Minute, 20 * time.Second
)

// errHeld is the error of a run in which something was held that should have been
// released. What it was has been printed.
var errHeld = errors.New("something is held")

// run does the whole run: start, rounds, verdict.
func run(ctx context.Context, c config) (err error) {
	c.say("seed %d: %v in rounds of %v, %d clients at once; again with: make soak SOAK_TIME=%v SEED=%d",
		c.seed, c.whole, c.round, c.clients, c.whole, c.seed)
	stage, err := raise(ctx)
	if err != nil {
		return err
	}
	kept := false
	keep := func() {
		if c.logs == "" || kept {
			return
		}
		kept = true
		if err := stage.keepLogs(ctx, c.logs); err != nil {
			c.say("logs cannot be kept: %v", err)
			return
		}
		c.say("logs, and profiles of the moment, are kept in %s", c.logs)
	}
	defer func() {
		if err != nil && stage.server.PID() != 0 {
			keep()
		}
		err = errors.Join(err, stage.Close())
	}()
	crowd := &crowd{stage: stage, names: make(map[string]*use), kinds: make(map[string]int)}
	first, err := stage.look(ctx)
	if err != nil {
		return err
	}
	c.say("%8s %9s %9s %9s %11s %6s %6s %7s %9s %9s", "time", "heap MiB", "accounted", "rest", "goroutines", "files", "keys", "names", "reconnects", "read MiB")
	began := time.Now()
	row := func(m measure, names int) {
		c.say("%8s %9.1f %9.1f %9.1f %11d %6d %6d %7d %9d %9d", time.Since(began).Round(time.Second), mib(m.heap), mib(m.accounted),
			mib(m.heap-m.accounted), m.goroutines, m.files, m.keys, names, crowd.visits.Load(), crowd.bytes.Load()>>20)
	}
	row(first, 0)

	var (
		baseline measure
		wrong    []string
	)
	for ; ctx.Err() == nil && (crowd.round < 2 || time.Since(began)+c.round <= c.whole); crowd.round++ {
		// This is no deadline, which dialing would adopt.
		clients, leave := context.WithCancel(ctx)
		over := time.AfterFunc(c.round, leave)
		crowd.come(clients, c.clients, c.seed)
		over.Stop()
		leave()
		m, err := stage.settled(ctx, func(m measure) bool {
			if crowd.round == 0 {
				return len(m.judge(m)) == 0
			}
			return len(m.judge(baseline)) == 0
		})
		if err != nil {
			return err
		}
		names, found, err := crowd.judgeNames(ctx)
		if err != nil {
			return err
		}
		row(m, names)
		if crowd.round == 0 {
			baseline = m
		}
		found = append(found, m.judge(baseline)...)
		for _, what := range found {
			wrong = append(wrong, fmt.Sprintf("round %d: %s", crowd.round+1, what))
			c.say("         %s", what)
		}
		if len(found) > 0 {
			keep()
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.say("%d visits: %v", crowd.visits.Load(), crowd.kinds)
	for _, odd := range crowd.odd {
		wrong = append(wrong, "a client: "+odd)
	}
	if len(wrong) == 0 {
		c.say("held without a reason: nothing")
		return nil
	}
	c.say("wrong:\n%s", strings.Join(wrong, "\n"))
	return errHeld
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }

// judge returns what the instance holds although all clients have disconnected.
func (m measure) judge(baseline measure) (wrong []string) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	rest := m.heap - m.accounted
	if rest > heapAllowed {
		add("%.1f MiB of the heap are accounted for by no metric, %d are allowed", mib(rest), heapAllowed>>20)
	}
	if grown := rest - (baseline.heap - baseline.accounted); grown > heapGrows {
		add("%.1f MiB more of the heap than behind the first round are accounted for by no metric, %d are allowed", mib(grown), heapGrows>>20)
	}
	if m.goroutines > baseline.goroutines+goroutinesVary {
		add("%d goroutines, %d behind the first round", m.goroutines, baseline.goroutines)
	}
	if m.files > baseline.files+filesVary {
		add("%d descriptors, %d behind the first round", m.files, baseline.files)
	}
	if left := m.left(); left != "" {
		add("with all clients gone %s", left)
	}
	return wrong
}

// judgeNames compares the keys in Redis with the names that were used, and returns
// how many of these are alive.
func (c *crowd) judgeNames(ctx context.Context) (live int, wrong []string, err error) {
	store := c.stage.store
	there := make(map[string]bool)
	scan := store.Scan(ctx, 0, "*", 1000).Iterator()
	for scan.Next(ctx) {
		key := scan.Val()
		if ttl, err := store.PTTL(ctx, key).Result(); err != nil {
			return 0, nil, fmt.Errorf("ask redis: %w", err)
		} else if ttl == -1 {
			wrong = append(wrong, fmt.Sprintf("the key %q of Redis lives for ever", key))
		}
		if tag, ok := strings.CutSuffix(key, "}"); ok && strings.Contains(tag, "/") { // not a key of the readiness check
			there[tag[strings.LastIndexByte(tag, '/')+1:]] = true
		}
	}
	if err := scan.Err(); err != nil {
		return 0, nil, fmt.Errorf("ask redis: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for name, u := range c.names {
		if !u.deleted && now.Sub(u.stored) < nameTTL-nameSlack && !there[name] {
			wrong = append(wrong, fmt.Sprintf("the cursor %s was stored %v ago and is not in Redis", name, now.Sub(u.stored)))
		}
		// What a client requested can be written after the client has disconnected,
		// but not once everything is idle.
		if u.asked.After(u.rested) {
			u.rested = now
		}
		if now.Sub(u.rested) > nameTTL+nameSlack {
			if there[name] {
				wrong = append(wrong, fmt.Sprintf("the cursor %s is in Redis, %v after all was at rest that used it", name, now.Sub(u.rested)))
			}
			delete(c.names, name)
			continue
		}
		live++
	}
	for name := range there {
		if c.names[name] == nil {
			wrong = append(wrong, fmt.Sprintf("the cursor %s is in Redis, which nobody uses", name))
		}
	}
	return live, wrong, nil
}
