package kafkalog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// newestWithin bounds the time for the answers of all brokers.
const newestWithin = time.Second

// newest asks every broker for topics by name and returns for each partition the
// newest answer: the leader with the highest epoch. A single broker's answer can
// be old, for example for a while after the broker was paused. all reports
// whether all brokers have answered.
func (c *Cluster) newest(ctx context.Context, names []string) (found []layout, all bool, err error) {
	targets := c.known.targets()
	if len(targets) == 0 {
		found, err = c.metadata(ctx, names)
		return found, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, newestWithin)
	defer cancel()
	type result struct {
		found []layout
		err   error
	}
	results := make(chan result, len(targets))
	for _, t := range targets {
		go func() {
			resp, err := c.request(ctx, t.id, metadataRequest(names))
			c.known.note(t.address, err == nil)
			if err != nil {
				results <- result{err: err}
				return
			}
			results <- result{found: layoutsIn(resp.(*kmsg.MetadataResponse))}
		}()
	}
	answered := 0
	for range targets {
		r := <-results
		if r.err != nil {
			err = r.err
			continue
		}
		answered++
		found = newer(found, r.found)
	}
	if answered == 0 {
		return nil, false, fmt.Errorf("request metadata from all brokers: %w", err)
	}
	return found, answered == len(targets), nil
}

// newer merges two answers to the same request.
func newer(one, other []layout) []layout {
	for _, l := range other {
		i := slices.IndexFunc(one, func(have layout) bool { return have.name == l.name })
		switch {
		case i < 0:
			one = append(one, l)
		case one[i].missing || one[i].err != nil:
			one[i] = l
		case l.missing || l.err != nil || l.id != one[i].id:
			// The first answer is kept.
		default:
			one[i].partitions = newerLeaders(one[i].partitions, l.partitions)
		}
	}
	return one
}

func newerLeaders(one, other []leadership) []leadership {
	for _, lead := range other {
		i := slices.IndexFunc(one, func(have leadership) bool { return have.partition == lead.partition })
		switch {
		case i < 0:
			one = append(one, lead)
		case lead.epoch > one[i].epoch:
			one[i] = lead
		}
	}
	return one
}
