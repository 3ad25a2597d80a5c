package e2e_test

import (
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TestProtobufBothWays: with a real Kafka, what clients publish as JSON is what a plain consumer
// with another decoder of Protobuf reads; what a plain producer writes is what subscribers see
// as JSON, and values that lie are gaps between them.
func TestProtobufBothWays(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	topic(t, "registry-protobuf", 1)
	r := srfake.New()
	t.Cleanup(r.Close)
	const order = `syntax = "proto3";
package shop;
import "shop/user.proto";
import "google/protobuf/timestamp.proto";
message Other { string text = 1; }
message Order { int64 id = 1; User by = 2; repeated int32 sizes = 3; map<string, double> prices = 4; google.protobuf.Timestamp at = 5; Order parent = 6; repeated bool flags = 7; }`
	const user = `syntax = "proto3"; package shop; message User { string name = 1; }`
	r.SeedSchema("user", 1, 50, sr.Schema{Schema: user, Type: sr.TypeProtobuf})
	r.SeedSchema("registry-protobuf-value", 1, 51, sr.Schema{Schema: order, Type: sr.TypeProtobuf, References: []sr.SchemaReference{{Name: "shop/user.proto", Subject: "user", Version: 1}}})
	in := newInstance(t, setup{
		more: "  proto: {topic: registry-protobuf, content: protobuf, schema: {registry: main, record: shop.Order}}\n" +
			"registries: {main: {urls: [\"" + r.URL() + "\"], refresh: 1s}}\n",
	})
	if err := in.Start(ctx); err != nil {
		t.Fatal(err)
	}
	reader, writer := token(t, "reader", "reader"), token(t, "writer", "writer")
	const first = `{"id":9007199254740993,"by":{"name":"Änn"},"sizes":[1,-2],"prices":{"b":1.5,"a":2},"at":"2026-11-29T12:00:00.25Z"}`
	for _, one := range []struct {
		body string
		want int
	}{
		{`{"data":` + first + `}`, http.StatusOK},
		{`{"data":{"id":9223372036854775808,"sizes":["x"]}}`, http.StatusUnprocessableEntity},
	} {
		if status, answer := post(ctx, t, in, "proto", writer, one.body); status != one.want || status == http.StatusUnprocessableEntity && !strings.Contains(answer, `"pointer":"/sizes/0"`) {
			t.Errorf("publish %s: %d %s", one.body, status, answer)
		}
	}

	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"order.proto": order, "shop/user.proto": user})})}
	files, err := compiler.Compile(ctx, "order.proto")
	if err != nil {
		t.Fatal(err)
	}
	of := files[0].FindDescriptorByName("shop.Order").(protoreflect.MessageDescriptor)
	kafka := kafkaClient(t, kgo.ConsumeTopics("registry-protobuf"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	read := 0
	take := func(one *kgo.Record) {
		read++
		if len(one.Value) < 7 || string(one.Value[:7]) != "\x00\x00\x00\x00\x33\x02\x02" {
			t.Fatalf("stored is %x", one.Value)
		}
		got, want := dynamicpb.NewMessage(of), dynamicpb.NewMessage(of)
		if err := proto.Unmarshal(one.Value[7:], got); err != nil {
			t.Errorf("stored is %x: %v", one.Value, err)
		}
		if err := protojson.Unmarshal([]byte(first), want); err != nil || !proto.Equal(got, want) {
			t.Errorf("stored is %v, want %v, %v", got, want, err)
		}
	}
	for read == 0 && ctx.Err() == nil {
		kafka.PollFetches(ctx).EachRecord(take)
	}
	if read != 1 {
		t.Errorf("read %d records", read)
	}

	// A plain producer, of the message that the stream has, of another one, and of lies.
	message := dynamicpb.NewMessage(of)
	if err := protojson.Unmarshal([]byte(`{"id":"7","by":{"name":"Bob"},"parent":{"sizes":[5]}}`), message); err != nil {
		t.Fatal(err)
	}
	binaryOrder, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	framed := func(indexes string, value []byte) []byte {
		return append(append(binary.BigEndian.AppendUint32([]byte{0}, 51), indexes...), value...)
	}
	deep := []byte{}
	for range 5000 {
		deep = protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), deep)
	}
	lie := protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.BytesType), 1<<62)
	flags := protowire.AppendBytes(protowire.AppendTag(nil, 7, protowire.BytesType), make([]byte, 900_000))
	for _, value := range [][]byte{
		framed("\x02\x02", binaryOrder),
		framed("\x02\x02", deep), framed("\x02\x02", lie), framed("\x02\x02", flags), framed("\x02\x04", nil), framed("\xff\xff\xff\xff\x0f", nil),
		framed("\x00", []byte("\x0a\x02hi")), framed("\x02\x00", []byte("\x0a\x04long")),
	} {
		if err := kafka.ProduceSync(ctx, &kgo.Record{Topic: "registry-protobuf", Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var page string
	for ctx.Err() == nil && !strings.Contains(page, `"data":{"text":"long"}`) {
		if page, err = get(ctx, "http://"+in.addr+"/v1/streams/proto/records?from=earliest", reader); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		`"data":{"id":"9007199254740993","by":{"name":"Änn"},"sizes":[1,-2],"prices":{"a":2,"b":1.5},"at":"2026-11-29T12:00:00.250Z"}`,
		`"data":{"id":"7","by":{"name":"Bob"},"parent":{"sizes":[5]}}`, `"data":{"text":"hi"}`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in %.5000s", want, page)
		}
	}
	if strings.Count(page, `"type":"event"`) != 4 || !strings.Contains(page, `"unreadable"`) || !strings.Contains(page, `"too_large"`) {
		t.Errorf("shown is %.5000s", page)
	}
	if text, err := get(ctx, "http://"+in.addr+"/v1/streams/proto/schema", reader); err != nil || !strings.HasPrefix(text, order) || !strings.Contains(text, user) {
		t.Errorf("the schema is %s, %v", text, err)
	}
}
