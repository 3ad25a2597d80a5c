package kafkalog

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions of Fetch: version 13 names topics by id (KIP-516), which detects a
// topic that was deleted and created again under its name. Version 12 added the
// epoch of the last record (KIP-595), version 4 record batches and read
// committed.
const (
	fetchByID  = int16(13)
	fetchEpoch = int16(12)
	fetchFirst = int16(4)
)

// fetchKey is the API key of Fetch.
const fetchKey = int16(1)

// fetchSlack is how much longer than the requested wait a broker may take.
const fetchSlack = 5 * time.Second

// fetched is the answer to a fetch. Its memory goes back to a pool when every
// holder has released it.
type fetched struct {
	answer
	version int16 // the newest that the broker supports
	byID    bool  // the answer names topics by id
	buf     *buffer
	holders atomic.Int32
}

func (f *fetched) hold() { f.holders.Add(1) }

func (f *fetched) release() {
	if f.holders.Add(-1) == 0 {
		f.partitions, f.aborted = nil, nil
		f.buf.release()
	}
}

// fetch sends one Fetch to a broker and returns the answer, held once. version is
// the newest version that the broker supports, 0 to ask the broker first; the
// answer has the version to use the next time. byID means that all topics in the
// request have their ids.
//
// The answer's memory belongs to the exchange until the exchange has ended: the
// end of a context does not interrupt it.
func (c *Cluster) fetch(ctx context.Context, broker int32, req *kmsg.FetchRequest, version int16, byID bool) (*fetched, error) {
	wait := time.Duration(req.MaxWaitMillis) * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, wait+fetchSlack)
	defer cancel()
	got := make(chan *fetched, 1)
	var abandoned atomic.Bool
	err := c.roundTrip(ctx, fetchKey, broker, func(rw io.ReadWriter) error {
		f, err := c.exchangeFetch(rw, req, version, byID)
		if err != nil {
			return err
		}
		got <- f
		if abandoned.Load() {
			dropFetched(got)
		}
		return nil
	})
	if err != nil {
		abandoned.Store(true)
		dropFetched(got)
		return nil, err
	}
	return <-got, nil
}

// dropFetched releases an answer that no caller waits for any more. Both sides
// may call it; only one of them receives the answer from the channel.
func dropFetched(got <-chan *fetched) {
	select {
	case f := <-got:
		f.release()
	default:
	}
}

func (c *Cluster) exchangeFetch(rw io.ReadWriter, req *kmsg.FetchRequest, version int16, byID bool) (*fetched, error) {
	newest := fetchByID
	if version == 0 {
		var err error
		if version, err = c.negotiate(rw, fetchKey, newest); err != nil {
			return nil, err
		}
		if version < fetchFirst {
			return nil, fmt.Errorf("%w: it supports Fetch only up to version %d", errTooOld, version)
		}
	}
	sent := version
	if !byID {
		sent = min(version, fetchEpoch)
	}
	f := &fetched{version: version, byID: sent >= fetchByID}
	req.SetVersion(sent)

	out := takeBuffer(0)
	defer out.release()
	if err := c.send(rw, req, out); err != nil {
		return nil, err
	}
	f.buf = takeBuffer(0)
	body, err := receive(rw, req, f.buf)
	if err == nil {
		err = f.parse(body, sent)
	}
	if err != nil {
		f.buf.release()
		return nil, err
	}
	f.hold()
	return f, nil
}

// newFetchRequest returns a fetch that reads committed, without a fetch session.
func newFetchRequest(rack string, wait time.Duration, maxBytes int) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(wait.Milliseconds())
	req.MinBytes = 1
	req.MaxBytes = int32(maxBytes)
	req.IsolationLevel = readCommitted
	req.SessionEpoch = -1
	req.Rack = rack
	return req
}
