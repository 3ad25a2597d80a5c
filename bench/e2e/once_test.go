package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
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
		cmd := exec.CommandContext(ctx, binary, "publish", "outlive", "--id", "file", "--server", "http://"+i.addr)
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

	sent []check.Publish
	told map[string]int // answers by code
	odd  []string
}

// next publishes one record, at any instance, as long as nobody can tell where it is.
func (w *idWriter) next(ctx context.Context) {
	n := len(w.sent)
	id, key, value := fmt.Sprintf("%s-%d", w.name, n), fmt.Sprint("key-", n%5), fmt.Sprintf(`{"writer":%q,"n":%d}`, w.name, n)
	publish := check.Publish{Session: id, Key: key, Sum: check.Sum([]byte(key), []byte(value))}
	for ctx.Err() == nil && publish.Answer != check.Stored {
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
		case answer.Status == http.StatusOK && answer.Partition != nil && answer.Offset != nil:
			publish.Answer, publish.Partition, publish.Offset = check.Stored, *answer.Partition, *answer.Offset
			if w.told["stored"]++; answer.Duplicate {
				w.told["duplicate"]++
			}
			continue
		case answer.Code == "publish_unknown", answer.Code == "publish_unavailable", answer.Code == "draining", answer.Code == "overloaded", answer.Code == "rate_limited":
			w.told[answer.Code]++
		default:
			w.odd = append(w.odd, fmt.Sprintf("%s: %+v", id, answer))
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
	w.sent = append(w.sent, publish)
}

// persistent makes a Redis keep what it has over a restart.
func persistent(ctx context.Context, t *testing.T) *stack.Redis {
	t.Helper()
	own, nodes := ownRedis(t, stack.RedisOptions{Mode: stack.RedisSingle})
	for _, set := range [][2]string{{"appendonly", "yes"}, {"appendfsync", "always"}} {
		if err := nodes[0].ConfigSet(ctx, set[0], set[1]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes[0].ConfigRewrite(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	return own
}

// TestMessageIDsAreStoredOnceWhateverDies is about promise 15: while instances, brokers and
// Redis are killed and stopped, and clients publish each record at both instances until they are
// told where it is, each is stored once, at the place that they were told.
func TestMessageIDsAreStoredOnceWhateverDies(t *testing.T) {
	const partitions = 3
	span := lasting(30*time.Second, time.Minute)
	kafka := threeBrokers(t)
	topic(t, "at-most-once", partitions)
	ctx := within(t, 2*span+2*time.Minute)
	own := persistent(ctx, t)
	config := setup{
		streams: map[string]string{"at-most-once": "at-most-once"}, redis: own, limits: "publish_timeout: 2s",
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
	for n := 0; n < len(strikes) || time.Since(begun) < span; n++ {
		pause(ctx, time.Second)
		t.Logf("%5.1fs %s", time.Since(begun).Seconds(), strikes[n%len(strikes)].name)
		strikes[n%len(strikes)].strike()
	}
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
	if left := slices.ContainsFunc(sent, func(p check.Publish) bool { return p.Answer != check.Stored }); left || log.Len()-partitions != len(sent) {
		t.Errorf("%d records with as many ids were sent, and %d are stored; some are not known: %v", len(sent), log.Len()-partitions, left)
	}
	t.Logf("%d records; answers: %v", len(sent), told)
	if told["duplicate"] == 0 || told["publish_unknown"] == 0 || told["no answer"] == 0 {
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
