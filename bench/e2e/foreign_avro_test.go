package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"sluice/bench/stack"
)

// publisher is a page that publishes what it is told to over one WebSocket.
const publisher = `<!doctype html><title>publishing</title><script>
const answers = {};
let ready = false;
const socket = new WebSocket(%q);
const send = message => socket.send(JSON.stringify(message));
socket.onopen = () => send({type: "auth", id: "a", token: %q});
socket.onmessage = event => {
  const message = JSON.parse(event.data);
  if (message.type === "welcome") ready = true;
  if (message.id) answers[message.id] = message.type + " " + (message.code || "");
};
</script>`

// TestJavaReadsPublishedAvro: JSON that a page and a program publish to a stream of Avro is what a Java
// consumer with Apache Avro reads, with all logical types, unions, maps, arrays and a type
// within itself: the same values, byte for byte, as a Java producer has written.
func TestJavaReadsPublishedAvro(t *testing.T) {
	t.Parallel()
	java := javaProgram(t, "Avro.java")
	stack.Check(t, stack.Install(t.Context(), "chromium"))
	r, registry := newRegistry(t)
	schema, err := os.ReadFile("testdata/reading.avsc")
	if err != nil {
		t.Fatal(err)
	}
	r.SeedSchema("published-avro-value", 1, 0x01020304, sr.Schema{Schema: string(schema)})
	topic(t, "written-avro", 1)
	topic(t, "published-avro", 1)
	var document string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, document)
	}))
	defer web.Close()
	i := sluice(t, setup{more: "  written: {topic: written-avro, content: avro, schema: {registry: main}}\n" +
		"  published: {topic: published-avro, content: avro, schema: {registry: main}}\nregistries: {main: {urls: [\"" + registry + "\"], refresh: 1s}}\norigins: [\"" + web.URL + "\"]\n"})
	document = fmt.Sprintf(publisher, "ws://"+i.addr+"/v1/ws", token(t, "page", "writer"))
	ctx := within(t, time.Minute)
	broker := servers(t).Brokers[0].Addr
	java.run(ctx, t, "", "produce", broker, "written-avro", registry, "testdata/reading.avsc")
	all := shownData(ctx, t, i, "written", 2)

	// The first from a page. A number of more than 2^53 it could not send, and it sends 0.5 for
	// what was 0.5000.
	tab := openBrowser(ctx, t)
	if err := chromedp.Do(tab, chromedp.Navigate(web.URL)); err != nil {
		t.Fatal(err)
	}
	evaluate := func(code string) string {
		t.Helper()
		got, err := chromedp.Run(tab, chromedp.Evaluate[string](code))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for evaluate("String(ready)") != "true" {
		if !pause(ctx, 20*time.Millisecond) {
			t.Fatal("there is no welcome")
		}
	}
	exact := strings.Replace(all[0], `"most":9223372036854775807`, `"most":9007199254740991`, 1)
	evaluate(`send({type: "publish", id: "p", stream: "published", data: ` + exact + `}); ""`)
	for {
		answer := evaluate(`answers.p || ""`)
		if answer == "published " {
			break
		}
		if answer != "" || !pause(ctx, 20*time.Millisecond) {
			t.Fatalf("the page is answered %q", answer)
		}
	}
	for _, data := range all {
		if status, answer := post(ctx, t, i, "published", token(t, "writer", "writer"), `{"data":`+data+`}`); status != http.StatusOK {
			t.Fatalf("%s: %d %s", data, status, answer)
		}
	}
	if status, answer := post(ctx, t, i, "published", token(t, "writer", "writer"), `{"data":`+strings.Replace(all[0], `"day":20777`, `"day":"x"`, 1)+`}`); status != http.StatusUnprocessableEntity {
		t.Errorf("a value that is not valid: %d %s", status, answer)
	}
	want := java.run(ctx, t, "", "consume", broker, "written-avro", registry, "2")
	page, _, _ := strings.Cut(want, "\n")
	want = strings.Replace(page, "9223372036854775807", "9007199254740991", 1) + "\n" + want
	if got := java.run(ctx, t, "", "consume", broker, "published-avro", registry, "3"); got != want || strings.Count(got, "\n") != 3 {
		t.Errorf("Java reads\n%s\nwant\n%s", got, want)
	}
	values := make(map[string][]string)
	log := kafkaClient(t, kgo.ConsumeTopics("written-avro", "published-avro"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for n := 0; n < 5; {
		fetches := log.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			values[r.Topic] = append(values[r.Topic], fmt.Sprintf("%q", r.Value[5:]))
			if id := string(r.Value[:5]); r.Topic == "published-avro" && id != "\x00\x01\x02\x03\x04" {
				t.Errorf("a value begins with %q", id)
			}
		})
	}
	if got, want := fmt.Sprint(values["published-avro"][1:]), fmt.Sprint(values["written-avro"]); got != want {
		t.Errorf("published is\n%s\nwant\n%s", got, want)
	}
}

// TestPythonReadsPublishedAvro: JSON that clients publish to a stream of Avro, also as producers
// of a REST proxy do, is read by the deserializer of Confluent's client for Python like what its
// serializer has written.
func TestPythonReadsPublishedAvro(t *testing.T) {
	t.Parallel()
	python := pythonProgram(t, "registry.py")
	r, registry := newRegistry(t)
	topic(t, "python-published", 1)
	i := sluice(t, setup{more: "  orders: {topic: python-published, content: avro, schema: {registry: main}}\nregistries: {main: {urls: [\"" + registry + "\"], refresh: 1s}}\n"})
	ctx := within(t, time.Minute)
	broker := servers(t).Brokers[0].Addr
	python.run(ctx, t, "", "produce", broker, registry, "avro", "python-published")
	schema, ok := r.GetSchema("python-published-value", 1)
	if !ok {
		t.Fatal("the serializer has registered no schema")
	}
	all := shownData(ctx, t, i, "orders", 3)
	for _, data := range all {
		for {
			status, answer := post(ctx, t, i, "orders", token(t, "writer", "writer"), `{"data":`+data+`}`)
			if status == http.StatusOK {
				break
			}
			// The schema is asked for again after a second.
			if status != http.StatusServiceUnavailable || !pause(ctx, 100*time.Millisecond) {
				t.Fatalf("%s: %d %s", data, status, answer)
			}
		}
	}
	for _, data := range all {
		body := fmt.Sprintf(`{"value_schema_id":%d,"records":[{"value":%s}]}`, schema.ID, data)
		status, answer := send(ctx, t, i, "/topics/orders", "application/vnd.kafka.avro.v2+json", body)
		if status != http.StatusOK || !strings.Contains(answer, `"error_code":null`) {
			t.Errorf("version 2, %s: %d %s", body, status, answer)
		}
	}
	for _, data := range all {
		for n, report := range proxied3(ctx, t, i, "orders", token(t, "writer", "writer"), fmt.Sprintf(`{"value":{"schema_id":%d,"data":%s}}`, schema.ID, data)) {
			if report.ErrorCode != 200 {
				t.Errorf("version 3, record %d, %s: %+v", n, data, report)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(python.run(ctx, t, "", "consume", broker, registry, "avro", "python-published", "12")), "\n")
	if len(lines) != 12 {
		t.Fatalf("it reads %q", lines)
	}
	for n := 3; n < len(lines); n++ {
		if lines[n] != lines[n%3] {
			t.Errorf("it reads %s, want %s", lines[n], lines[n%3])
		}
	}
}

// send sends a body of a content type as a writer.
func send(ctx context.Context, t *testing.T, i *instance, path, contentType, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+i.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token(t, "writer", "writer"))
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
