package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"
)

// serve answers the records of asks in the topic answers, as a service that knows nothing
// but Kafka does: it copies the header, and handles the records as they come.
func serve(ctx context.Context, t *testing.T) (handled func() int) {
	t.Helper()
	kafka := kafkaClient(t, kgo.ConsumeTopics("asks"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerLinger(0))
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	n := 0
	var serving sync.WaitGroup
	serving.Go(func() {
		for ctx.Err() == nil {
			kafka.PollFetches(ctx).EachRecord(func(ask *kgo.Record) {
				answer := &kgo.Record{Topic: "answers", Value: fmt.Appendf(nil, `{"to":%s}`, ask.Value)}
				for _, h := range ask.Headers {
					if h.Key == "kafka_correlationId" {
						answer.Headers = append(answer.Headers, h)
					}
				}
				mu.Lock()
				n++
				mu.Unlock()
				kafka.Produce(ctx, answer, nil)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// TestRequestsAreAnsweredByAService: clients of two instances get the replies to their own
// requests from a service that reads and writes Kafka, and those who send a request again, with
// its message id, get the reply to the first.
func TestRequestsAreAnsweredByAService(t *testing.T) {
	t.Parallel()
	const clients, requests = 8, 50
	topic(t, "asks", 3)
	topic(t, "answers", 3)
	config := setup{streams: map[string]string{"asks": "asks", "answers": "answers"}, more: "replies: {header: kafka_correlationId}\n"}
	both := []*instance{sluice(t, config), sluice(t, config)}
	ctx := within(t, 2*time.Minute)
	handled := serve(ctx, t)
	var (
		mu   sync.Mutex
		took []time.Duration
		all  sync.WaitGroup
	)
	for client := range clients {
		credential := token(t, fmt.Sprint("asker-", client), "reader", "writer")
		all.Go(func() {
			for n := range requests {
				began := time.Now()
				ask := fmt.Sprintf(`{"data":"%d-%d"}`, client, n)
				if n%2 == 0 {
					ask = fmt.Sprintf(`{"data":"%d-%d","message_id":"%d"}`, client, n, n)
				}
				status, body, err := request(ctx, both[client%2].addr, credential, ask)
				if err != nil || status != http.StatusOK || gjson.Get(body, "reply.data.to").Str != fmt.Sprintf("%d-%d", client, n) {
					t.Errorf("request %d of client %d: %d %s, %v", n, client, status, body, err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
				if n%2 != 0 {
					continue
				}
				status, again, err := request(ctx, both[1-client%2].addr, credential, ask)
				if err != nil || status != http.StatusOK || gjson.Get(again, "reply").Raw != gjson.Get(body, "reply").Raw || !gjson.Get(again, "duplicate").Bool() {
					t.Errorf("request %d of client %d, again: %d %s (%v), first %s", n, client, status, again, err, body)
					return
				}
			}
		})
	}
	all.Wait()
	if n := handled(); n != clients*requests {
		t.Errorf("the service handled %d requests", n)
	}
	if slices.Sort(took); len(took) > 0 {
		t.Logf("%d requests of %d clients: p50 %s, p99 %s", len(took), clients, took[len(took)/2], took[len(took)*99/100])
	}
}

func request(ctx context.Context, address, token, body string) (status int, text string, err error) {
	asked, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v1/streams/asks/records?reply=answers&wait=30s", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	asked.Header.Set("Authorization", "Bearer "+token)
	asked.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(asked)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}
