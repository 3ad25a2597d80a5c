package e2e_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"sluice/bench/check"
)

// TestDeadLettersAreKeptOnce is about promise 17: an invalid record that clients publish at two
// instances at once, while answers of brokers are lost, is kept as one dead letter, and answered
// alike each time; what is valid is stored once; and other clients have ids of their own.
func TestDeadLettersAreKeptOnce(t *testing.T) {
	const ids, partitions = 30, 2
	kafka := threeBrokers(t)
	topic(t, "judged", partitions)
	topic(t, "judged-letters", partitions)
	ctx := within(t, time.Minute)
	between := betweenBrokers(t, kafka)
	config := setup{
		kafka: between.config(), limits: "publish_timeout: 2s",
		more: `  judged_: {topic: judged, content: json, ingest: {key: /device/id, on_invalid: dead_letter, dead_letter: letters_}}
  letters_: {topic: judged-letters}
message_ids: {wait: 300ms, margin: 2s}
`,
	}
	both := []*instance{sluice(t, config), sluice(t, config)}
	var mu sync.Mutex
	letters, stored := make(map[string]int), make(map[string]int) // how often an answer did not say again
	told := map[string]int{}
	publish := func(at int, who, id, value string) {
		bearer := token(t, who, "writer")
		for ; ctx.Err() == nil; at++ {
			answer, err := publishOnce(ctx, both[at%2], bearer, "judged_", id, "d", value)
			first := 1
			if answer.Duplicate {
				first = 0
			}
			mu.Lock()
			told[answer.Code]++
			// It is unknown, too, after a time in which a busy broker has not answered.
			if answer.Code == "publish_unknown" && between.lost.Load() > 0 {
				between.lose.Store(300)
			}
			final := true
			switch {
			case err == nil && answer.Status == http.StatusAccepted && answer.Code == "dead_lettered":
				letters[who+id] += first
			case err == nil && answer.Status == http.StatusOK:
				stored[who+id] += first
			case err == nil && !answer.Retryable:
				t.Errorf("%s: %+v", id, answer)
			default:
				final = false
			}
			mu.Unlock()
			if final {
				return
			}
			pause(ctx, 50*time.Millisecond)
		}
	}
	between.lose.Store(1000) // until that has struck
	var all sync.WaitGroup
	for n := range ids {
		for at := range 4 {
			for _, who := range []string{"u1", "u2"} {
				all.Go(func() { publish(at, who, fmt.Sprint("m", n), fmt.Sprintf(`{"who":%q,"n":%d}`, who, n)) })
				all.Go(func() {
					publish(at, who, fmt.Sprint("v", n), fmt.Sprintf(`{"who":%q,"n":%d,"device":{"id":"d"}}`, who, n))
				})
			}
		}
	}
	all.Wait()
	between.lose.Store(0)
	for n := range ids {
		answer, err := publishOnce(ctx, both[n%2], token(t, "u1", "writer"), "judged_", fmt.Sprint("m", n), "d", `{"device":{"id":"d"}}`)
		for err == nil && answer.Retryable && pause(ctx, 50*time.Millisecond) { // a connection to a broker may still be broken
			answer, err = publishOnce(ctx, both[n%2], token(t, "u1", "writer"), "judged_", fmt.Sprint("m", n), "d", `{"device":{"id":"d"}}`)
		}
		if err != nil || answer.Code != "idempotency_conflict" {
			t.Errorf("another record under the id: %+v, %v", answer, err)
		}
	}
	pause(ctx, 3*time.Second) // for what comes late
	for name, firsts := range map[string]map[string]int{"judged": stored, "judged-letters": letters} {
		writeEnds(ctx, t, name, partitions)
		log := readLog(ctx, t, name, partitions).Log
		seen := make(map[uint64]int)
		for _, entries := range log.Visible {
			for _, entry := range entries {
				seen[entry.Sum]++
			}
		}
		if len(firsts) != 2*ids || log.Len()-partitions != 2*ids || len(seen)-partitions != 2*ids {
			t.Errorf("%s: %d ids were answered, and there are %d records, %d of them different; want %d", name, len(firsts), log.Len()-partitions, len(seen)-partitions, 2*ids)
		}
		for id, n := range firsts {
			if n > 1 {
				t.Errorf("%s: %d answers for %s do not say that it was there before", name, n, id)
			}
		}
		for n := range ids {
			value := fmt.Sprintf(`{"who":"u1","n":%d}`, n)
			if got := seen[check.Sum([]byte("d"), []byte(value))]; got != 1 && name != "judged" || got != 0 && name == "judged" {
				t.Errorf("%s: %s is there %d times", name, value, got)
			}
		}
	}
	t.Logf("%d answers of brokers were lost after all was stored; answers: %v", between.lost.Load(), told)
	if between.lost.Load() == 0 || told["publish_unknown"] == 0 {
		t.Error("the faults did not strike")
	}
}
