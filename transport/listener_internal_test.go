package transport

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
)

// readyListener returns a connection at once, whenever Accept is called.
type readyListener struct{ net.Listener }

func (readyListener) Accept() (net.Conn, error) { return nil, nil } //nolint:nilnil // none is looked at

// TestAcceptingWaitsForItsTurn: while connections wait to be accepted, goroutines
// that are already runnable run before the next one is accepted.
func TestAcceptingWaitsForItsTurn(t *testing.T) { //nolint:paralleltest // it takes the processors from all others
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l := patientListener{readyListener{}}
	for range 10 {
		var ran atomic.Bool
		go ran.Store(true)
		// Occasionally the scheduler first takes a goroutine from elsewhere.
		for range 3 {
			if _, err := l.Accept(); err != nil {
				t.Fatal(err)
			}
		}
		if !ran.Load() {
			t.Fatal("connections were accepted before a goroutine that could run")
		}
	}
}
