package measure

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"sluice/transport/client"
)

const (
	// publishAtOnce bounds the records that are being published.
	publishAtOnce = 256
	// publishWithin bounds one of them.
	publishWithin = 20 * time.Second
)

// publisher publishes records at a rate: each is due at a time of its own, whatever has become of
// those before.
type publisher struct {
	clients   []*client.Client // one for each token
	config    *Config
	run       string
	transport *http.Transport

	mu      sync.Mutex // guards what follows
	due     int64
	stored  numbers
	refused int64
	unknown int64
	errors  map[string]int
	said    map[string]string // as of tally
	took    *hdr.Histogram
}

// publish publishes until a time or the end of the context, and returns when everything is
// answered.
func (p *publisher) publish(ctx context.Context, begin, end time.Time) {
	var all sync.WaitGroup
	defer p.transport.CloseIdleConnections()
	defer all.Wait()
	free := make(chan struct{}, publishAtOnce)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for number := int64(0); ; number++ {
		due := begin.Add(time.Duration(float64(number) / p.config.Rate * float64(time.Second)))
		if !due.Before(end) {
			return
		}
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		all.Go(func() {
			p.one(context.WithoutCancel(ctx), number, due)
			<-free
		})
	}
}

// one publishes a record.
func (p *publisher) one(ctx context.Context, number int64, due time.Time) {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	_, err := p.clients[number%int64(len(p.clients))].Publish(ctx, p.config.Stream, client.Message{
		Data:    p.config.Value,
		Headers: []client.Header{{Name: headerName, Value: []byte(stampText(p.run, number, due.UnixNano()))}},
	})
	took := time.Since(due)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due++
	switch {
	case err == nil:
		p.stored.add(number)
		record(p.took, took)
		return
	case errors.Is(err, client.ErrMaybeStored):
		p.unknown++
	default:
		p.refused++
	}
	why, message := reason(err), ""
	if refused, ok := errors.AsType[*client.Error](err); ok && refused.Code != "" {
		why, message = refused.Code, refused.Message
	}
	why = "publish: " + why
	if p.errors[why]++; p.errors[why] == 1 && message != "" {
		p.said[why] = message
	}
}
