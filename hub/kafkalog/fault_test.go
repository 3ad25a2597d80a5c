package kafkalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"sluice/hub/kafkalog"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

func TestFollowBeginsBeforeKafkaIsThere(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	begin := func() *kfake.Cluster {
		k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.SeedTopics(1, "a"))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := begin()
	brokers := k.ListenAddrs()
	s := startSource(t, kafkalog.Config{Brokers: brokers}, nil)
	topic, err := s.Topic(context.Background(), "a")
	if err != nil {
		t.Fatal(err)
	}
	k.Close()
	if _, err := s.Topic(context.Background(), "a"); !errors.Is(err, upstream.ErrSourceUnavailable) {
		t.Errorf("topic of a cluster that is away: %v", err)
	}

	fresh := startSource(t, kafkalog.Config{Brokers: brokers}, nil)
	j := newJournal()
	follow(t, fresh, topic, zero(topic), j)
	j.until(t, "it is said that Kafka is away", func() bool { return len(j.lives) == 1 })
	if j.lives[0] || !errors.Is(j.cause, upstream.ErrSourceUnavailable) {
		t.Errorf("live %v, cause %v", j.lives, j.cause)
	}

	k = begin()
	c := writer(t, k)
	write(t, c, "a", 0, "x", 3)
	j.until(t, "it goes on", func() bool { return len(j.lives) == 2 && j.lives[1] && j.count() == 3 })

	// Once more, with a position to keep.
	c.Close()
	k.Close()
	j.until(t, "the outage is noticed", func() bool { return len(j.lives) == 3 })
	k = begin()
	defer k.Close()
	write(t, writer(t, k), "a", 0, "y", 3)
	j.until(t, "it goes on again", func() bool { return len(j.lives) == 4 && j.count() == 6 })
	if want := []int64{0, 1, 2, 3, 4, 5}; !slices.Equal(j.offsets[0], want) || len(j.gaps) > 0 {
		t.Errorf("offsets %v, gaps %v", j.offsets[0], j.gaps)
	}
}

func TestFollowSurvivesAStoppedBroker(t *testing.T) {
	t.Parallel()
	g := newGate()
	f := start(t, kfake.SeedTopics(1, "a"), g.listen())
	topic := f.topic("a")
	j := newJournal()
	follow(t, f.source, topic, zero(topic), j)
	w := f.writer()
	write(t, w, "a", 0, "x", 1)
	j.until(t, "it runs", func() bool { return j.count() == 1 && j.live() })
	g.shut()
	j.until(t, "the silence is noticed", func() bool { return !j.live() })
	g.reopen()
	write(t, w, "a", 0, "x", 1)
	j.until(t, "it goes on", func() bool { return j.count() == 2 && j.live() })
}

// answerFetch changes Kafka's answers to fetches of one partition at an offset,
// for the given number of times.
func answerFetch(f *fixture, offset int64, times int, answer func(*kmsg.FetchResponseTopicPartition)) *atomic.Int64 {
	var struck atomic.Int64
	f.kafka.ControlKey(1, func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.kafka.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 ||
			req.Topics[0].Partitions[0].FetchOffset != offset || struck.Load() >= int64(times) {
			return nil, nil, false
		}
		struck.Add(1)
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		p := kmsg.NewFetchResponseTopicPartition()
		p.RecordBatches = []byte{}
		answer(&p)
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	return &struck
}

func TestFollowRetriesErrors(t *testing.T) {
	t.Parallel()
	for _, code := range []int16{3, 5, 6, 9, 56, 74, 75, 78, 100, 103, -1} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			f := start(t, kfake.SeedTopics(1, "a"))
			w := f.writer()
			write(t, w, "a", 0, "x", 5)
			struck := answerFetch(f, 0, 4, func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = code })
			topic := f.topic("a")
			j := newJournal()
			follow(t, f.source, topic, zero(topic), j)
			j.until(t, "all has come", func() bool { return j.count() == 5 })
			if struck.Load() != 4 || len(j.gaps) > 0 {
				t.Errorf("struck %d times, gaps %v", struck.Load(), j.gaps)
			}
		})
	}
}

func TestFollowSaysWhatWasTruncated(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	w := f.writer()
	write(t, w, "a", 0, "x", 10)
	f.lead("a", 7)
	topic := f.topic("a")
	t.Run("above the end", func(t *testing.T) {
		j := newJournal()
		follow(t, f.source, topic, []record.PartitionOffset{{Offset: 100, Epoch: -1}}, j)
		j.until(t, "it is said", func() bool { return len(j.gaps) == 1 && j.next[0].Offset == 10 })
		want := record.Gap{From: 10, To: 100, Reason: record.GapTruncated}
		if j.gaps[0] != want {
			t.Errorf("got %v, want %v", j.gaps[0], want)
		}
	})
	t.Run("diverging epoch", func(t *testing.T) {
		struck := answerFetch(f, 8, 1, func(p *kmsg.FetchResponseTopicPartition) {
			p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 0, 6
			p.LastStableOffset, p.LogStartOffset = 10, 0
		})
		j := newJournal()
		follow(t, f.source, topic, []record.PartitionOffset{{Offset: 8, Epoch: 3}}, j)
		j.until(t, "what is new has come", func() bool { return j.count() == 4 })
		want := []record.Gap{{From: 6, To: 8, Reason: record.GapTruncated}}
		if !slices.Equal(j.gaps, want) || struck.Load() != 1 || j.offsets[0][0] != 6 {
			t.Errorf("gaps %v, struck %d, offsets %v", j.gaps, struck.Load(), j.offsets[0])
		}
	})
	t.Run("epoch that the log does not know", func(t *testing.T) {
		struck := answerFetch(f, 9, 4, func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = 1 })
		j := newJournal()
		follow(t, f.source, topic, []record.PartitionOffset{{Offset: 9, Epoch: 7}}, j)
		j.until(t, "it begins anew", func() bool { return j.count() == 10 })
		want := []record.Gap{{From: 0, To: 9, Reason: record.GapTruncated}}
		if !slices.Equal(j.gaps, want) || struck.Load() != 4 {
			t.Errorf("gaps %v, struck %d", j.gaps, struck.Load())
		}
	})
}

// TestReadBehindALeaderThatWroteNothing: an offset can have the epoch of a leader
// that was deposed before it wrote anything. Nothing is lost then, and a reader
// with that offset must be able to continue.
func TestReadBehindALeaderThatWroteNothing(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	write(t, f.writer(), "a", 0, "x", 10)
	f.lead("a", 3)
	topic := f.topic("a")
	struck := answerFetch(f, 8, 1, func(p *kmsg.FetchResponseTopicPartition) {
		p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 0, 8
		p.LastStableOffset, p.LogStartOffset = 10, 0
	})
	var offsets []int64
	err := f.source.Read(t.Context(), topic, []record.PartitionOffset{{Offset: 8, Epoch: 3}}, 1<<20, func(got *upstream.Fetched) {
		if got.Gap != nil {
			t.Errorf("a gap: %v", *got.Gap)
		}
		if got.Each != nil {
			got.Each(func(r *record.Record) bool {
				offsets = append(offsets, r.Offset)
				return true
			})
		}
	})
	if err != nil || !slices.Equal(offsets, []int64{8, 9}) || struck.Load() != 1 {
		t.Errorf("read %v (%v), struck %d times; want 8 and 9 at once", offsets, err, struck.Load())
	}
}

// TestADeposedLeaderIsNotBelieved: a broker that was paused while another one
// took over, and that metadata still reports as the leader, does not have the
// records written since. They are not lost.
func TestADeposedLeaderIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*kmsg.FetchResponseTopicPartition){
		"diverging": func(p *kmsg.FetchResponseTopicPartition) {
			p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 0, 6
			p.LastStableOffset, p.LogStartOffset = 6, 0
		},
		"out of range": func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = 1 },
	} {
		for _, reads := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", read ", reads), func(t *testing.T) {
				t.Parallel()
				f := start(t, kfake.SeedTopics(1, "a"))
				write(t, f.writer(), "a", 0, "x", 10)
				topic := f.topic("a")
				struck := answerFetch(f, 8, 3, answer)
				go func() {
					for struck.Load() < 3 {
						time.Sleep(time.Millisecond)
					}
					f.lead("a", 1) // as metadata reports at last
				}()
				from := []record.PartitionOffset{{Offset: 8, Epoch: 1}}
				if !reads {
					j := newJournal()
					follow(t, f.source, topic, from, j)
					j.until(t, "what is new has come", func() bool { return j.count() == 2 })
					if len(j.gaps) > 0 || struck.Load() != 3 {
						t.Errorf("gaps %v, struck %d times", j.gaps, struck.Load())
					}
					return
				}
				var offsets []int64
				err := f.source.Read(t.Context(), topic, from, 1<<20, func(got *upstream.Fetched) {
					if got.Gap != nil {
						t.Errorf("a gap: %v", *got.Gap)
					}
					if got.Each != nil {
						got.Each(func(r *record.Record) bool { offsets = append(offsets, r.Offset); return true })
					}
				})
				if err != nil || !slices.Equal(offsets, []int64{8, 9}) || struck.Load() != 3 {
					t.Errorf("read %v (%v), struck %d times; want 8 and 9", offsets, err, struck.Load())
				}
			})
		}
	}
}

// TestADeposedLeaderIsNotBelievedAlone: if only the broker that was paused
// reports who leads, nothing is lost either, however often it is asked. The
// partition is unavailable until the other brokers answer.
func TestADeposedLeaderIsNotBelievedAlone(t *testing.T) {
	t.Parallel()
	const strikes = 10
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprint("read ", reads), func(t *testing.T) {
			t.Parallel()
			f := start(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "a"))
			f.lead("a", 1) // broker 0
			write(t, f.writer(), "a", 0, "x", 10)
			topic := f.topic("a")
			places, err := f.source.Offsets(t.Context(), topic, upstream.Tip())
			if err != nil {
				t.Fatal(err)
			}
			struck := answerFetch(f, 8, strikes, func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = 1 })
			var silent atomic.Bool
			silent.Store(true)
			f.kafka.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
				f.kafka.KeepControl()
				if silent.Load() && f.kafka.CurrentNode() != 0 {
					return nil, errors.New("it does not answer"), true
				}
				return nil, nil, false
			})
			go func() {
				for struck.Load() < strikes {
					time.Sleep(time.Millisecond)
				}
				f.lead("a", 1)
				silent.Store(false)
			}()
			from := []record.PartitionOffset{{Offset: 8, Epoch: places[0].Epoch + 1}}
			if !reads {
				j := newJournal()
				follow(t, f.source, topic, from, j)
				j.until(t, "what is new has come", func() bool { return j.count() == 2 })
				if len(j.gaps) > 0 || struck.Load() != strikes {
					t.Errorf("gaps %v, struck %d times", j.gaps, struck.Load())
				}
				return
			}
			var offsets []int64
			for err = upstream.ErrSourceUnavailable; errors.Is(err, upstream.ErrSourceUnavailable) && t.Context().Err() == nil; {
				err = f.source.Read(t.Context(), topic, from, 1<<20, func(got *upstream.Fetched) {
					if got.Gap != nil {
						t.Errorf("a gap: %v", *got.Gap)
					}
					if got.Each != nil {
						got.Each(func(r *record.Record) bool { offsets = append(offsets, r.Offset); return true })
					}
				})
			}
			if err != nil || !slices.Equal(offsets, []int64{8, 9}) || struck.Load() != strikes {
				t.Errorf("read %v (%v), struck %d times; want 8 and 9", offsets, err, struck.Load())
			}
		})
	}
}

// TestAnEpochThatNoBrokerKnowsIsBelieved: a position with a later epoch than that
// of any leader belongs to no existing log, once all brokers agree.
func TestAnEpochThatNoBrokerKnowsIsBelieved(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "a"))
	write(t, f.writer(), "a", 0, "x", 10)
	topic := f.topic("a")
	from := []record.PartitionOffset{{Offset: 20, Epoch: 1000}}
	var gap *record.Gap
	if err := f.source.Read(t.Context(), topic, from, 1<<20, func(got *upstream.Fetched) { gap = got.Gap }); err != nil {
		t.Fatal(err)
	}
	if gap == nil || gap.Reason != record.GapTruncated || gap.From != 10 || gap.To != 20 {
		t.Errorf("read a gap of %v", gap)
	}
	j := newJournal()
	follow(t, f.source, topic, from, j)
	j.until(t, "it is told", func() bool { return len(j.gaps) == 1 })
	if j.gaps[0] != *gap {
		t.Errorf("told %v, want %v", j.gaps[0], *gap)
	}
}

func TestFollowGoesOnBehindADamagedBatch(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	w := f.writer()
	write(t, w, "a", 0, "x", 12)
	damaged := kafkalog.NewBatch(3, "b", "b", "b")
	damaged[len(damaged)-1] ^= 1
	records := slices.Concat(kafkalog.NewBatch(0, "a", "a", "a"), damaged, kafkalog.NewBatch(6, "c", "c", "c"))
	answerFetch(f, 0, 1, func(p *kmsg.FetchResponseTopicPartition) {
		p.RecordBatches, p.LastStableOffset, p.HighWatermark = records, 12, 12
	})
	topic := f.topic("a")
	j := newJournal()
	follow(t, f.source, topic, zero(topic), j)
	j.until(t, "all has come", func() bool { return j.next[0].Offset == 12 })
	want := []record.Gap{{From: 3, To: 6, Reason: record.GapUnreadable}}
	if !slices.Equal(j.gaps, want) || !slices.Equal(j.offsets[0], []int64{0, 1, 2, 6, 7, 8, 9, 10, 11}) {
		t.Errorf("gaps %v, offsets %v", j.gaps, j.offsets[0])
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "a"), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "root", "root-secret"), kfake.User("PLAIN", "nobody", "nobody-secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	// Kfake only closes the connection for a wrong password; real brokers report
	// the error.
	k.ControlKey(36, func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		req := r.(*kmsg.SASLAuthenticateRequest)
		if !bytes.Contains(req.SASLAuthBytes, []byte("wrong-secret")) {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode, resp.ErrorMessage = 58, kmsg.StringPtr("Authentication failed: Invalid username or password")
		return resp, nil, true
	})
	for name, test := range map[string]struct {
		user, password, want string
	}{
		"wrong password": {"root", "wrong-secret", "Invalid username or password"},
		"missing ACL":    {"nobody", "nobody-secret", "Topic Authorization Failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSource(t, kafkalog.Config{
				Brokers: k.ListenAddrs(), SASL: plain.Mechanism{Username: test.user, Password: test.password},
			}, nil)
			_, err := s.Topic(context.Background(), "a")
			if !errors.Is(err, upstream.ErrSourceUnavailable) || !strings.Contains(err.Error(), test.want) ||
				strings.Contains(err.Error(), test.password) {
				t.Errorf("topic: %v", err)
			}
			j := newJournal()
			follow(t, s, record.Topic{Name: "a", ID: record.TopicID{1}, Partitions: 1}, nil, j)
			j.until(t, "it is said", func() bool { return len(j.lives) == 1 })
			if j.lives[0] || !strings.Contains(j.cause.Error(), test.want) || strings.Contains(j.cause.Error(), test.password) {
				t.Errorf("live %v, cause %v", j.lives, j.cause)
			}
		})
	}
}

// lines collects log output.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestOldBrokersAreReadByName(t *testing.T) {
	t.Parallel()
	for name, versions := range map[string]*kversion.Versions{
		"2.4, fetch 11": kversion.V2_4_0(),
		"2.8, fetch 12": kversion.V2_8_0(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "a"), kfake.MaxVersions(versions))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.Close)
			var log lines
			s := startSource(t, kafkalog.Config{Brokers: k.ListenAddrs()}, func(c *kafkalog.SourceConfig) {
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			topic, err := s.Topic(context.Background(), "a")
			if err != nil {
				t.Fatal(err)
			}
			j := newJournal()
			follow(t, s, topic, zero(topic), j)
			w := writer(t, k, kgo.MaxVersions(versions))
			write(t, w, "a", 0, "x", 5)
			write(t, w, "a", 1, "x", 5)
			j.until(t, "all has come", func() bool { return j.count() == 10 })
			if !strings.Contains(log.String(), "does not support fetch by topic ID") {
				t.Errorf("the log does not say what is not guarded:\n%s", log.String())
			}
			if got, err := s.Offsets(context.Background(), topic, upstream.Tip()); err != nil || got[1].Offset != 5 {
				t.Errorf("offsets: %v, %v", got, err)
			}
		})
	}
}
