package transport

import (
	"crypto/tls"
	"net"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowUnderTLS: a client that continuously accepts some data is not cut off,
// however much it is behind, although TLS cannot continue after a partial record.
func TestSlowUnderTLS(t *testing.T) {
	t.Parallel()
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	certificates := borrowed.TLS.Certificates
	borrowed.Close()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		server := tls.Server(ours, &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS13})
		client := tls.Client(theirs, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		shaken := make(chan error, 1)
		go func() { shaken <- client.Handshake() }()
		if err := server.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-shaken; err != nil {
			t.Fatal(err)
		}
		const size, piece, every, progress = 60 << 10, 1 << 10, 100 * time.Millisecond, 2 * time.Second
		ended := make(chan struct{})
		go func() { // below TLS, which reads whole records at once
			defer close(ended)
			buf := make([]byte, piece)
			for err := error(nil); err == nil; _, err = theirs.Read(buf) {
				time.Sleep(every)
			}
		}()
		begun := time.Now()
		if err := (blockingWriter{server}).WriteAll(make([]byte, size), progress, time.Time{}); err != nil {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		if took := time.Since(begun); took < 2*progress {
			t.Errorf("it took %v, so that the client was not slow", took)
		}
		_ = ours.Close()
		<-ended
		_ = theirs.Close()
	})
}

// TestNothingReadUnderTLS: a client that accepts nothing is cut off.
func TestNothingReadUnderTLS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		defer ours.Close()
		const progress = 2 * time.Second
		begun := time.Now()
		err := blockingWriter{ours}.WriteAll(make([]byte, 60<<10), progress, time.Time{})
		if err != errNoProgress { //nolint:errorlint // it is this one, as it is
			t.Errorf("got %v, want %v", err, errNoProgress)
		}
		if took := time.Since(begun); took != progress {
			t.Errorf("it was cut off after %v, want %v", took, progress)
		}
	})
}
