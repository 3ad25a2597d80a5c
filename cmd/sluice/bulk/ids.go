package bulk

import (
	"errors"
	"sync"

	"sluice/transport/client"
)

// ids finds out whether the stream takes message ids, if they are not wanted by the user: the
// first time that everything is a bad request, it is tried without.
type ids struct {
	wanted bool

	mu    sync.Mutex // guards what follows
	known bool       // the stream takes ids, or is known not to
	none  bool
}

// refused reports whether the stream takes no ids.
func (i *ids) refused() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.none
}

// mayRefuse reports whether it may be the ids because of which everything is refused.
func (i *ids) mayRefuse(results []client.Result, err error) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.wanted || i.known {
		return false
	}
	bad := allBad(results, err)
	// Anything stored has been stored with its id.
	i.known = i.known || !bad && stored(results) > 0
	return bad
}

// learn reports whether records were stored without ids, so that none is sent any more.
func (i *ids) learn(results []client.Result, err error) bool {
	if err != nil || stored(results) == 0 {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known, i.none = true, true
	return true
}

func stored(results []client.Result) (n int) {
	for _, r := range results {
		if r.Err == nil {
			n++
		}
	}
	return n
}

// allBad reports whether everything is refused as a bad request.
func allBad(results []client.Result, err error) bool {
	isBad := func(err error) bool {
		refused, ok := errors.AsType[*client.Error](err)
		return ok && refused.Code == "bad_request"
	}
	if err != nil {
		return isBad(err)
	}
	for _, r := range results {
		if !isBad(r.Err) {
			return false
		}
	}
	return len(results) > 0
}
