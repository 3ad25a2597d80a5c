package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKeysOfJavaMeet: the default partitioner of Kafka's Java client, librdkafka's of the same
// name and the server put each key into the same partition, whatever its bytes and however
// many partitions there are, so that producers and clients share the order of a key.
func TestKeysOfJavaMeet(t *testing.T) {
	t.Parallel()
	java := javaProgram(t, "Keys.java")
	// A null key, the empty one, texts, and bytes that are no text, of all lengths that the
	// hash treats apart.
	keys := []*string{nil}
	for _, key := range []string{"", "k", "eu-991", "Ünïcödé", "日本語", "👩‍🚀", "null", "\"quoted\"", "a\tb", "\x00", "\xff\xfe", "\x80", strings.Repeat("long", 1000)} {
		keys = append(keys, &key)
	}
	for n := range 150 {
		text, b := fmt.Sprint("key-", n), make([]byte, n%17)
		for i := range b {
			b[i] = byte(n*31 + i*131)
		}
		bytes := string(b) + string([]byte{byte(n)})
		keys = append(keys, &text, &bytes)
	}
	var lines strings.Builder
	for _, key := range keys {
		if key == nil {
			lines.WriteString("null\n")
			continue
		}
		lines.WriteString(base64.StdEncoding.EncodeToString([]byte(*key)) + "\n")
	}
	streams := make(map[string]string)
	topics := map[string]int{"keys-1": 1, "keys-6": 6, "keys-97": 97}
	for name, partitions := range topics {
		topic(t, name, partitions)
		streams[name] = name
	}
	i := sluice(t, setup{more: func() (text string) {
		for _, name := range slices.Sorted(maps.Keys(topics)) {
			text += fmt.Sprintf("  %s: {topic: %s}\n", name, name)
		}
		return text
	}(), limits: "batch_records: 1000"})
	writer := token(t, "writer", "writer")
	for name := range topics {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			answers := strings.Fields(java.run(ctx, t, lines.String(), servers(t).Brokers[0].Addr, name))
			if len(answers) != len(keys) {
				t.Fatalf("%d answers to %d records", len(answers), len(keys))
			}
			// Over HTTP, keys that are no text are sent as producers of a REST proxy do.
			var records, texts []map[string]any
			var kcat strings.Builder
			for _, key := range keys {
				one := map[string]any{"value": map[string]string{"type": "STRING", "data": "proxy"}}
				if key != nil {
					one["key"] = map[string]string{"type": "BINARY", "data": base64.StdEncoding.EncodeToString([]byte(*key))}
				}
				records = append(records, one)
				if key != nil && utf8.ValidString(*key) {
					texts = append(texts, map[string]any{"key": *key, "data": "http"})
				}
				// kcat ends a record at a line, and takes an empty key for none.
				if key != nil && *key != "" && !strings.ContainsAny(*key, "\n\t\x00") && utf8.ValidString(*key) {
					kcat.WriteString(*key + "\tkcat\n")
				}
			}
			batch, err := json.Marshal(map[string]any{"records": texts})
			if err != nil {
				t.Fatal(err)
			}
			if status, answer := post(ctx, t, i, name, writer, string(batch)); status != 200 {
				t.Fatalf("%d %s", status, answer)
			}
			var stream strings.Builder
			for _, one := range records {
				text, err := json.Marshal(one)
				if err != nil {
					t.Fatal(err)
				}
				stream.Write(text)
			}
			for n, report := range proxied3(ctx, t, i, name, writer, stream.String()) {
				if report.ErrorCode != 200 {
					t.Fatalf("record %d: %+v", n, report)
				}
				if java := answers[n]; keys[n] != nil && strconv.Itoa(report.PartitionID) != java {
					t.Errorf("key %q: partition %d, and Java's %s", *keys[n], report.PartitionID, java)
				}
			}
			cmd := exec.CommandContext(ctx, "kcat", "-P", "-b", servers(t).Brokers[0].Addr, "-t", name, "-K", `\t`, "-X", "partitioner=murmur2_random")
			cmd.Stdin = strings.NewReader(kcat.String())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("run kcat: %v: %s", err, out)
			}

			// What counts is the log.
			want := len(keys)*2 + len(texts) + strings.Count(kcat.String(), "\n")
			placed := make(map[string]map[int32]map[string]bool)
			log := kafkaClient(t, kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			for n := 0; n < want; {
				fetches := log.PollFetches(ctx)
				if err := fetches.Err0(); err != nil {
					t.Fatalf("%d of %d records: %v", n, want, err)
				}
				fetches.EachRecord(func(r *kgo.Record) {
					n++
					key := fmt.Sprintf("%q", r.Key)
					if r.Key == nil {
						return // any partition does
					}
					if placed[key] == nil {
						placed[key] = make(map[int32]map[string]bool)
					}
					if placed[key][r.Partition] == nil {
						placed[key][r.Partition] = make(map[string]bool)
					}
					placed[key][r.Partition][string(r.Value)] = true
				})
			}
			used := make(map[int32]bool)
			for key, partitions := range placed {
				if len(partitions) != 1 {
					t.Errorf("key %s is in several partitions: %v", key, partitions)
				}
				for partition := range partitions {
					used[partition] = true
				}
			}
			if topics[name] <= 6 && len(used) != topics[name] || len(used) < topics[name]/2 {
				t.Errorf("%d partitions of %d have keys", len(used), topics[name])
			}
		})
	}
}
