package producer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/upstream"
)

// TestProducerAfterUnknown: a message whose answer never arrives is unknown, and
// those after it are stored in order, whether it was appended or not.
func TestProducerAfterUnknown(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]networkFault{"appended": faultSwallow, "not appended": faultLoseRequest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
			p := newProducer(t, k.ListenAddrs(), nil)
			var want []string
			for round := range 3 {
				for i := range 3 {
					value := fmt.Sprintf("%d.%d", round, i)
					if s := produce(t, p, "t", message(value)); s[0].Err != nil {
						t.Fatal(s[0].Err)
					}
					want = append(want, value)
				}
				hits := k.hits()
				k.fail(slices.Repeat([]networkFault{fault}, 1000)...)
				ctx, cancel := context.WithCancel(t.Context())
				lost := fmt.Sprintf("%d.lost", round)
				first := begin(ctx, p, "t", message(lost))
				k.awaitHit(t, hits)
				// No attempt sends this message, as the lane is busy with the
				// first one as long as that is waited for.
				if fault == faultSwallow {
					awaitEnd(t, k, int64(len(want)+1))
				}
				behind, forget := context.WithTimeout(t.Context(), 2*time.Second) // longer than a busy machine takes for a record
				if s := await(t, begin(behind, p, "t", message("never"))); !errors.Is(s[0].Err, upstream.ErrPublishUnavailable) {
					t.Errorf("second: %v, want unavailable", s[0].Err)
				}
				forget()
				cancel()
				if s := await(t, first); !errors.Is(s[0].Err, upstream.ErrPublishUnknown) {
					t.Errorf("first: %v, want unknown", s[0].Err)
				}
				k.mu.Lock()
				k.faults = nil
				k.mu.Unlock()
				want = append(want, lost)
			}
			last := produce(t, p, "t", message("last"))
			if last[0].Err != nil {
				t.Fatal(last[0].Err)
			}
			want = append(want, "last")
			var got []string
			for _, r := range logOf(t, k.Cluster, "t") {
				got = append(got, string(r.Value))
			}
			// An attempt that had begun when its message was given up can still
			// be stored, in its place in the order: that is what unknown means.
			want = slices.DeleteFunc(want, func(value string) bool {
				return fault == faultLoseRequest && strings.HasSuffix(value, "lost") && !slices.Contains(got, value)
			})
			if !slices.Equal(got, want) {
				t.Errorf("in the log: %v\nwant: %v", got, want)
			}
		})
	}
}

// awaitEnd returns once the topic's log ends at an offset.
func awaitEnd(t *testing.T, k *fakeKafka, end int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); k.PartitionInfo("t", 0).HighWatermark != end; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not end at %d", end)
		}
	}
}

// TestProducerNeverResendsTheUnknown: once an attempt may have been appended, the
// batch is not sent under another sequence to a broker that then refuses its
// sequence.
func TestProducerNeverResendsTheUnknown(t *testing.T) {
	t.Parallel()
	for _, refusal := range []*kerr.Error{
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch,
		kerr.TopicAuthorizationFailed, kerr.MessageTooLarge, kerr.InvalidRecord,
	} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
			p := newProducer(t, k.ListenAddrs(), nil)
			k.Fault(
				kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend},
				kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: refusal},
			)
			if s := produce(t, p, "t", message("a"), message("b")); !errors.Is(s[0].Err, upstream.ErrPublishUnknown) || !errors.Is(s[1].Err, upstream.ErrPublishUnknown) {
				t.Errorf("got %v, %v, want unknown", s[0].Err, s[1].Err)
			}
			if s := produce(t, p, "t", message("c")); s[0].Err != nil || s[0].Offset != 2 {
				t.Errorf("afterwards: %+v", s[0])
			}
			if log := logOf(t, k.Cluster, "t"); len(log) != 3 {
				t.Errorf("%d records in the log, want 3", len(log))
			}
		})
	}
}

func TestProducerDuplicateIsStored(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), nil)
	k.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.DuplicateSequenceNumber},
	)
	if s := produce(t, p, "t", message("a"))[0]; s.Err != nil || s.Offset != -1 {
		t.Errorf("got %+v, want stored at an unknown offset", s)
	}
	if s := produce(t, p, "t", message("b"))[0]; s.Err != nil || s.Offset != 1 {
		t.Errorf("afterwards: %+v", s)
	}
}

// TestProducerFencesLateRequests: a request that was given up never takes effect
// after messages that have been stored since.
func TestProducerFencesLateRequests(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), nil)
	for i := range 3 {
		if s := produce(t, p, "t", message("warm"))[0]; s.Err != nil || s.Offset != int64(i) {
			t.Fatalf("got %+v", s)
		}
	}
	arrived := make(chan struct{}, 1)
	k.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if produced, ok := req.(*kmsg.ProduceRequest); ok && bytes.Contains(produced.Topics[0].Partitions[0].Records, []byte("late")) {
			select {
			case arrived <- struct{}{}:
			default:
			}
		}
		return nil, nil, false
	})
	k.fail(faultLate)
	ctx, cancel := context.WithCancel(t.Context())
	late := begin(ctx, p, "t", message("late"))
	k.awaitHit(t, 0)
	cancel()
	if s := await(t, late)[0]; !errors.Is(s.Err, upstream.ErrPublishUnknown) {
		t.Fatalf("error %v, want unknown", s.Err)
	}
	if s := produce(t, p, "t", message("next"))[0]; s.Err != nil || s.Offset != 3 {
		t.Fatalf("next: %+v", s)
	}
	// The broker executes one request after the other: the late one before the last.
	select {
	case <-arrived:
	case <-time.After(time.Minute):
		t.Fatal("the late request did not arrive")
	}
	if s := produce(t, p, "t", message("last"))[0]; s.Err != nil || s.Offset != 4 {
		t.Errorf("last: %+v: the late request was stored behind its successor", s)
	}
}
