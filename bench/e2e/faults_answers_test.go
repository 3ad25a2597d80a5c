package e2e_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/bench/stack"
)

// lossy stands between instances and brokers, and loses some answers to requests that store
// records: the broker has stored them and has said so, and the connection breaks before the
// instance hears it.
type lossy struct {
	addrs map[string]string // of the listeners, by broker
	// lose is how many of a thousand answers are lost.
	lose atomic.Int32
	// lost counts those that said that all was stored.
	lost atomic.Int64

	listeners []net.Listener
	serving   sync.WaitGroup
}

// betweenBrokers listens for each broker until the test ends.
func betweenBrokers(t *testing.T, kafka *stack.Stack) *lossy {
	t.Helper()
	between := &lossy{addrs: make(map[string]string)}
	for _, broker := range kafka.Brokers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		between.listeners = append(between.listeners, listener)
		between.addrs[broker.Addr] = listener.Addr().String()
		between.serving.Go(func() { between.accept(listener, broker.Addr) })
	}
	t.Cleanup(func() {
		for _, listener := range between.listeners {
			_ = listener.Close()
		}
		between.serving.Wait()
	})
	return between
}

// config is the section kafka of instances that reach the brokers through it.
func (l *lossy) config() string {
	var all []string
	for _, addr := range l.addrs {
		all = append(all, addr)
	}
	return fmt.Sprintf("kafka: {brokers: [%s]}", strings.Join(all, ", "))
}

func (l *lossy) accept(listener net.Listener, broker string) {
	var conns sync.WaitGroup
	defer conns.Wait()
	ended := make(chan struct{})
	defer close(ended)
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		conns.Go(func() {
			server, err := net.Dial("tcp", broker)
			if err != nil {
				_ = client.Close()
				return
			}
			closing := sync.OnceFunc(func() { _ = client.Close(); _ = server.Close() })
			defer closing()
			done := make(chan struct{})
			defer close(done)
			go func() {
				select {
				case <-done:
				case <-ended:
					closing()
				}
			}()
			waiting := make(chan asked, 1000)
			go func() {
				defer close(waiting)
				defer closing()
				forwardRequests(server, client, waiting)
			}()
			l.forwardAnswers(client, server, waiting)
			closing()
			for range waiting { // until the other goroutine has ended
			}
		})
	}
}

// asked is what a broker is asked for. The answers come in the same order; instances ask for an
// answer to all.
type asked struct{ key, version int16 }

func forwardRequests(to io.Writer, from io.Reader, waiting chan<- asked) {
	for {
		frame, err := readFrame(from)
		if err != nil || len(frame) < 8 {
			return
		}
		r := asked{int16(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))}
		waiting <- r
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

const (
	produceKey  = 0
	metadataKey = 3
)

// forwardAnswers passes answers on, until it loses one.
func (l *lossy) forwardAnswers(to io.Writer, from io.Reader, waiting <-chan asked) {
	for r := range waiting {
		frame, err := readFrame(from)
		if err != nil {
			return
		}
		switch {
		case r.key == metadataKey:
			frame = l.renamed(r, frame)
		case r.key == produceKey && rand.Int32N(1000) < l.lose.Load():
			if allStored(r, frame) {
				l.lost.Add(1)
			}
			return
		}
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

// renamed returns metadata that leads to the listeners.
func (l *lossy) renamed(r asked, frame []byte) []byte {
	answer := kmsg.NewPtrMetadataResponse()
	head, err := parseAnswer(answer, r, frame)
	if err != nil {
		return frame
	}
	for i, b := range answer.Brokers {
		host, port, _ := net.SplitHostPort(l.addrs[net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))])
		n, _ := strconv.Atoi(port)
		answer.Brokers[i].Host, answer.Brokers[i].Port = host, int32(n)
	}
	out := answer.AppendTo(append(make([]byte, 4), head...))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// allStored reports whether an answer says that everything was stored.
func allStored(r asked, frame []byte) bool {
	answer := kmsg.NewPtrProduceResponse()
	if _, err := parseAnswer(answer, r, frame); err != nil || len(answer.Topics) == 0 {
		return false
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return false
			}
		}
	}
	return true
}

// parseAnswer parses an answer, and returns the header before it.
func parseAnswer(into kmsg.Response, r asked, frame []byte) (head []byte, err error) {
	into.SetVersion(r.version)
	n := 8
	if into.IsFlexible() {
		n++ // no tags
	}
	if len(frame) < n {
		return nil, io.ErrUnexpectedEOF
	}
	return frame[4:n], into.ReadFrom(frame[n:])
}

// readFrame reads a request or an answer with its length.
func readFrame(from io.Reader) ([]byte, error) {
	frame := make([]byte, 4)
	if _, err := io.ReadFull(from, frame); err != nil {
		return nil, err
	}
	frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
	_, err := io.ReadFull(from, frame[4:])
	return frame, err
}
