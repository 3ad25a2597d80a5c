package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/bench/check"
	"sluice/bench/stack"
)

// said is the answer to a publish with a message id.
type said struct {
	Status    int
	Partition *int32 `json:"partition"`
	Offset    *int64 `json:"offset"`
	Duplicate bool   `json:"duplicate"`
	Code      string `json:"code"`
	Retryable bool   `json:"retryable"`
}

// publishOnce publishes a record with a message id, once.
func publishOnce(ctx context.Context, i *instance, bearer, stream, id, key, value string) (said, error) {
	body := fmt.Sprintf(`{"message_id":%q,"key":%q,"data":%s}`, id, key, value)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+i.addr+"/v1/streams/"+stream+"/records", strings.NewReader(body))
	if err != nil {
		return said{}, err
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return said{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return said{}, err
	}
	answer := said{Status: response.StatusCode}
	if err := json.Unmarshal(text, &answer); err != nil {
		return said{}, fmt.Errorf("%s: %w", text, err)
	}
	return answer, nil
}

// TestMessageIDsOutliveInstances: an id is known on every instance, and after all have been
// started again; `sluice publish --id` can be repeated.
func TestMessageIDsOutliveInstances(t *testing.T) {
	t.Parallel()
	topic(t, "outlive", 3)
	config := setup{streams: map[string]string{"outlive": "outlive"}}
	a, b := sluice(t, config), sluice(t, config)
	ctx := within(t, time.Minute)
	bearer := token(t, "outlive", "writer")
	first, err := publishOnce(ctx, a, bearer, "outlive", "m1", "k", `{"n":1}`)
	if err != nil || first.Status != http.StatusOK || first.Duplicate {
		t.Fatalf("%+v, %v", first, err)
	}
	again := func(i *instance) {
		t.Helper()
		answer, err := publishOnce(ctx, i, bearer, "outlive", "m1", "k", `{"n":1}`)
		if err != nil || !answer.Duplicate || *answer.Partition != *first.Partition || *answer.Offset != *first.Offset {
			t.Errorf("%+v, %v", answer, err)
		}
	}
	again(a)
	again(b)
	for _, i := range []*instance{a, b} {
		if err := i.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := i.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	again(b)
	if answer, err := publishOnce(ctx, b, bearer, "outlive", "m1", "k", `{"n":2}`); err != nil || answer.Status != http.StatusConflict || answer.Code != "idempotency_conflict" {
		t.Errorf("%+v, %v", answer, err)
	}

	binary, err := shared.binary()
	if err != nil {
		t.Fatal(err)
	}
	lines := "1\n2\n\n3\n"
	var printed []string
	for _, i := range []*instance{a, b} {
		cmd := exec.CommandContext(ctx, binary, "publish", "outlive", "--id-prefix", "file", "--server", "http://"+i.addr)
		cmd.Env = append(cmd.Environ(), "SLUICE_TOKEN="+bearer)
		cmd.Stdin = strings.NewReader(lines)
		var errors bytes.Buffer
		cmd.Stderr = &errors
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, errors.String())
		}
		printed = append(printed, string(out))
	}
	if printed[0] != printed[1] || strings.Count(printed[0], "\n") != 3 {
		t.Errorf("printed %q", printed)
	}
	writeEnds(ctx, t, "outlive", 3)
	if log := kcatLog(ctx, t, "outlive", 3); log.Len()-3 != 4 {
		t.Errorf("%d records are stored, want 4", log.Len()-3)
	}
}

// idWriter publishes records with message ids, each until it is told where it is stored.
type idWriter struct {
	name, bearer string
	instances    []*instance

	records int
	sent    []check.Publish
	told    map[string]int // answers by code
	odd     []string
}

// next publishes one record, at any instance, as long as nobody can tell where it is. Some of
// those that are certainly not stored it gives up.
func (w *idWriter) next(ctx context.Context) {
	n := w.records
	w.records++
	id, key, value := fmt.Sprintf("%s-%d", w.name, n), fmt.Sprint("key-", n%5), fmt.Sprintf(`{"writer":%q,"n":%d}`, w.name, n)
	possible := false
	for ctx.Err() == nil {
		w.sent = append(w.sent, check.Publish{Session: id, Key: key, ID: id, Sum: check.Sum([]byte(key), []byte(value))})
		publish := &w.sent[len(w.sent)-1]
		// Some clients do not wait for the answer.
		patience := 10 * time.Second
		if rand.IntN(4) == 0 {
			patience = rand.N(20 * time.Millisecond)
		}
		asking, cancel := context.WithTimeout(ctx, patience)
		answer, err := publishOnce(asking, w.instances[rand.IntN(len(w.instances))], w.bearer, "at-most-once", id, key, value)
		cancel()
		switch {
		case err != nil:
			w.told["no answer"]++
			possible = true
		case answer.Status == http.StatusOK && answer.Partition != nil && answer.Offset != nil:
			publish.Answer, publish.Partition, publish.Offset, publish.Duplicate = check.Stored, *answer.Partition, *answer.Offset, answer.Duplicate
			if w.told["stored"]++; answer.Duplicate {
				w.told["duplicate"]++
			}
			return
		case answer.Code == "publish_unknown" && answer.Retryable:
			w.told[answer.Code]++
			possible = true
		case answer.Code == "publish_unavailable", answer.Code == "draining", answer.Code == "overloaded", answer.Code == "rate_limited":
			w.told[answer.Code]++
			if publish.Answer = check.NotStored; !possible && rand.IntN(3) == 0 {
				w.told["given up"]++
				return
			}
		default:
			w.odd = append(w.odd, fmt.Sprintf("%s: %+v", id, answer))
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// persistent makes a Redis keep what it has over a restart.
func persistent(ctx context.Context, t *testing.T) *stack.Redis {
	t.Helper()
	own, _ := ownRedis(t, stack.RedisOptions{Mode: stack.RedisSingle})
	if err := own.Persist(ctx); err != nil {
		t.Fatal(err)
	}
	return own
}

// TestMessageIDsAreStoredOnceWhateverDies is about promise 17: while instances, brokers and
// Redis are killed and stopped, answers of brokers that have stored records are lost, and clients
// publish each record at both instances until they are told where it is, each is stored once, at
// the place that they were told. With -long it takes a minute:
//
//	go test ./bench/e2e -run TestMessageIDsAreStoredOnceWhateverDies -v -long
func TestMessageIDsAreStoredOnceWhateverDies(t *testing.T) {
	const partitions = 3
	span := lasting(30*time.Second, time.Minute)
	kafka := threeBrokers(t)
	topic(t, "at-most-once", partitions)
	ctx := within(t, 2*span+2*time.Minute)
	own := persistent(ctx, t)
	between := betweenBrokers(t, kafka)
	config := setup{
		streams: map[string]string{"at-most-once": "at-most-once"}, redis: own, limits: "publish_timeout: 2s", kafka: between.config(),
		more: "message_ids: {wait: 300ms, margin: 4s}\n",
	}
	both := []*instance{sluice(t, config), sluice(t, config)}
	var writing sync.WaitGroup
	var writers []*idWriter
	stop := make(chan struct{})
	for n := range 12 {
		w := &idWriter{name: fmt.Sprint("w", n), bearer: token(t, fmt.Sprint("w", n), "writer"), instances: both, told: map[string]int{}}
		writers = append(writers, w)
		writing.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-stop:
					return
				default:
				}
				w.next(ctx)
			}
		})
	}
	restart := func(s *stack.Server) {
		t.Helper()
		before := s.PID()
		defer func() {
			if after := s.PID(); before == 0 || before == after {
				t.Errorf("%s was not killed: process %d, then %d", s.Name(), before, after)
			}
		}()
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		pause(ctx, 300*time.Millisecond)
		if err := s.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	hang := func(s *stack.Server, d time.Duration) {
		t.Helper()
		if err := s.Pause(); err != nil {
			t.Fatal(err)
		}
		pause(ctx, d)
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID())); err != nil || !strings.Contains(string(stat), ") T ") {
			t.Errorf("%s was not stopped: %s (%v)", s.Name(), stat, err)
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	strikes := []struct {
		name   string
		strike func()
	}{
		{"an instance killed", func() { restart(both[0].Server) }},
		{"a leader stopped for 3 s", func() { hang(leaderOf(ctx, t, kafka, "at-most-once", 0).Server, 3*time.Second) }},
		{"redis killed", func() { restart(own.Nodes[0].Server) }},
		{"the other instance killed", func() { restart(both[1].Server) }},
		{"an instance stopped for 5 s", func() { hang(both[0].Server, 5*time.Second) }},
		{"redis stopped for 2 s", func() { hang(own.Nodes[0].Server, 2*time.Second) }},
		{"a leader killed", func() { restart(leaderOf(ctx, t, kafka, "at-most-once", 1).Server) }},
	}
	begun := time.Now()
	between.lose.Store(30)
	for n := 0; n < len(strikes) || time.Since(begun) < span; n++ {
		pause(ctx, time.Second)
		t.Logf("%5.1fs %s", time.Since(begun).Seconds(), strikes[n%len(strikes)].name)
		strikes[n%len(strikes)].strike()
	}
	between.lose.Store(0)
	close(stop)
	writing.Wait()
	t.Logf("%5.1fs all are told", time.Since(begun).Seconds())
	pause(ctx, 5*time.Second) // for what comes late
	writeEnds(ctx, t, "at-most-once", partitions)
	log := readLog(ctx, t, "at-most-once", partitions).Log
	var sent []check.Publish
	told := map[string]int{}
	for _, w := range writers {
		sent = append(sent, w.sent...)
		for code, n := range w.told {
			told[code] += n
		}
		for _, odd := range w.odd {
			t.Error(odd)
		}
	}
	if err := check.Publishers(log, sent).Err(); err != nil {
		t.Error(err)
	}
	stored := make(map[string]bool)
	for _, p := range sent {
		if p.Answer == check.Stored {
			stored[p.ID] = true
		}
	}
	if log.Len()-partitions != len(stored) {
		t.Errorf("%d ids were answered as stored, and %d records are", len(stored), log.Len()-partitions)
	}
	t.Logf("%d ids sent %d times, %d stored; %d answers of brokers were lost after all was stored; answers: %v", len(stored)+told["given up"], len(sent), len(stored), between.lost.Load(), told)
	if told["duplicate"] == 0 || told["publish_unknown"] == 0 || told["no answer"] == 0 || told["publish_unavailable"] == 0 || between.lost.Load() < 5 {
		t.Error("the faults did not strike")
	}
	for _, i := range both {
		page, err := i.ask(ctx, "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(page, "\n") {
			if strings.HasPrefix(line, "sluice_message_id") {
				t.Logf("%s: %s", i.Name(), line)
			}
		}
	}
}
