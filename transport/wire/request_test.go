package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
	"sluice/hub/record"
	"sluice/transport/wire"
)

var limits = wire.Limits{MessageBytes: 65536, Depth: 32, Keys: 1000}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	value := func(s string) []ingest.Message { return []ingest.Message{{Value: []byte(s), JSON: true}} }
	opaque := func(s string) []ingest.Message { return []ingest.Message{{Value: []byte(s)}} }
	tests := map[string]struct {
		in   string
		want wire.Request
	}{
		"auth":        {`{"type":"auth","id":"0","token":"ey.J.x"}`, &wire.Auth{ID: "0", Token: "ey.J.x"}},
		"any order":   {` {"token" : "t" , "id":"0","type":"auth" } `, &wire.Auth{ID: "0", Token: "t"}},
		"escapes":     {`{"t\u0079pe":"\u0061uth","id":"\ud83d\ude00\n","token":"\"\\\/\b\f\r\t"}`, &wire.Auth{ID: "😀\n", Token: "\"\\/\b\f\r\t"}},
		"unsubscribe": {`{"type":"unsubscribe","id":"a"}`, &wire.Unsubscribe{ID: "a"}},
		"ack":         {`{"type":"ack","id":"a","cursor":"v1.kQED4A~2:118274,5:77"}`, &wire.Ack{ID: "a", Cursor: "v1.kQED4A~2:118274,5:77"}},
		"ping":        {`{"type":"ping","id":"x"}`, &wire.Ping{ID: "x"}},
		"bare ping":   {`{"type":"ping"}`, &wire.Ping{}},
		"pong":        {`{"type":"pong"}`, &wire.Pong{}},
		"longest id":  {`{"type":"unsubscribe","id":"` + strings.Repeat("é", 64) + `"}`, &wire.Unsubscribe{ID: strings.Repeat("é", 64)}},
		"subscribe":   {`{"type":"subscribe","id":"a","stream":"orders"}`, &wire.Subscribe{ID: "a", Stream: "orders"}},
		"subscribe with all": {
			`{"type":"subscribe","id":"a","stream":"orders","key":["eu-991",""],"from":"v1.kQEC3g","cursor_name":"web-7","reset":true,"on_gap":"fail","heartbeat":"15s","ack":"manual"}`,
			&wire.Subscribe{ID: "a", Stream: "orders", Ack: wire.AckManual, Reading: wire.Reading{
				From: wire.From{Kind: wire.StartCursor, Cursor: "v1.kQEC3g"}, Keys: []string{"eu-991", ""}, CursorName: "web-7",
				Reset: true, OnGap: wire.OnGapFail, Heartbeat: 15 * time.Second,
			}},
		},
		"bulk": {
			`{"type":"subscribe","id":"s1","subscriptions":[{"id":"a","stream":"x","ack":"auto"},{"id":"b","stream":"y","from":"last:5","on_gap":"continue","reset":false}]}`,
			&wire.SubscribeMany{ID: "s1", Subscriptions: []wire.Subscribe{
				{ID: "a", Stream: "x", Ack: wire.AckAuto},
				{ID: "b", Stream: "y", Reading: wire.Reading{From: wire.From{Kind: wire.StartLast, N: 5}, OnGap: wire.OnGapContinue}},
			}},
		},
		"publish with message ids": {
			`{"type":"publish","id":"p7","stream":"s","records":[{"data":1,"message_id":"a"},{"data":2},{"data":3},{"tombstone":true,"message_id":"b"}]}`,
			&wire.Publish{ID: "p7", Stream: "s", Batch: true, Messages: []ingest.Message{
				{ID: "a", Value: []byte("1"), JSON: true}, {Value: []byte("2"), JSON: true}, {Value: []byte("3"), JSON: true}, {ID: "b"},
			}},
		},
		"publish": {
			`{"type":"publish","id":"p7","stream":"iot.telemetry","key":"dev-1","headers":[["a","b"],["a",null],["c","/w==","base64"],["",""]],"data":{"temp_c":21.7}}`,
			&wire.Publish{ID: "p7", Stream: "iot.telemetry", Messages: []ingest.Message{{
				Key: []byte("dev-1"), Value: []byte(`{"temp_c":21.7}`), JSON: true,
				Headers: []record.Header{
					{Name: []byte("a"), Value: []byte("b")},
					{Name: []byte("a")},
					{Name: []byte("c"), Value: []byte{0xff}},
					{Name: []byte(""), Value: []byte("")},
				},
			}}},
		},
		"exact bytes": {
			"{\"type\":\"publish\",\"id\":\"p\",\"stream\":\"s\",\"data\": \t[ 9007199254740993, 1e400,-0 ,1.50,\"\\u0041\\ud800\",{\"A\":1,\"a\":2}\n] }",
			&wire.Publish{ID: "p", Stream: "s", Messages: value("[ 9007199254740993, 1e400,-0 ,1.50,\"\\u0041\\ud800\",{\"A\":1,\"a\":2}\n]")},
		},
		"number":          {`{"type":"publish","id":"p","stream":"s","data":-0}`, &wire.Publish{ID: "p", Stream: "s", Messages: value(`-0`)}},
		"number in front": {`{"data":12,"type":"publish","id":"p","stream":"s"}`, &wire.Publish{ID: "p", Stream: "s", Messages: value(`12`)}},
		"string":          {`{"type":"publish","id":"p","stream":"s","data":"a\"}"}`, &wire.Publish{ID: "p", Stream: "s", Messages: value(`"a\"}"`)}},
		"JSON null":       {`{"type":"publish","id":"p","stream":"s","data":null}`, &wire.Publish{ID: "p", Stream: "s", Messages: value(`null`)}},
		"null key":        {`{"type":"publish","id":"p","stream":"s","data":1,"key":null}`, &wire.Publish{ID: "p", Stream: "s", Messages: value(`1`)}},
		"empty key": {
			`{"type":"publish","id":"p","stream":"s","data":1,"key":""}`,
			&wire.Publish{ID: "p", Stream: "s", Messages: []ingest.Message{{Key: []byte{}, Value: []byte("1"), JSON: true}}},
		},
		"tombstone": {
			`{"type":"publish","id":"p","stream":"s","key":"k","tombstone":true}`,
			&wire.Publish{ID: "p", Stream: "s", Messages: []ingest.Message{{Key: []byte("k")}}},
		},
		"tombstone as in events": {
			`{"type":"publish","id":"p","stream":"s","key":"k","data":null,"tombstone":true}`,
			&wire.Publish{ID: "p", Stream: "s", Messages: []ingest.Message{{Key: []byte("k")}}},
		},
		"no tombstone": {`{"type":"publish","id":"p","stream":"s","data":1,"tombstone":false}`, &wire.Publish{ID: "p", Stream: "s", Messages: value(`1`)}},
		"base64":       {`{"type":"publish","id":"p","stream":"s","data":"AP8=","encoding":"base64"}`, &wire.Publish{ID: "p", Stream: "s", Messages: opaque("\x00\xff")}},
		"empty base64": {`{"type":"publish","id":"p","stream":"s","data":"","encoding":"base64"}`, &wire.Publish{ID: "p", Stream: "s", Messages: opaque("")}},
		"batch": {
			`{"type":"publish","id":"p8","stream":"s","records":[{"key":"a","data":{}},{"key":"b","data":"AA==","encoding":"base64"},{"key":"c","tombstone":true}]}`,
			&wire.Publish{ID: "p8", Stream: "s", Batch: true, Messages: []ingest.Message{
				{Key: []byte("a"), Value: []byte("{}"), JSON: true}, {Key: []byte("b"), Value: []byte{0}}, {Key: []byte("c")},
			}},
		},
		"batch of one": {`{"type":"publish","id":"p8","stream":"s","records":[{"data":1}]}`, &wire.Publish{ID: "p8", Stream: "s", Batch: true, Messages: value(`1`)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := wire.ParseRequest([]byte(tt.in), limits)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %#v\nwant %#v", got, tt.want)
			}
			if got.RequestID() == "" && !strings.Contains(name, "pong") && name != "bare ping" {
				t.Error("no id")
			}
			if p, ok := got.(*wire.Publish); ok {
				for i, m := range p.Messages {
					if want := tt.want.(*wire.Publish).Messages[i]; (m.Value == nil) != (want.Value == nil) || (m.Key == nil) != (want.Key == nil) {
						t.Errorf("message %d: null and empty are mixed up", i)
					}
				}
			}
		})
	}
}

func TestParseRequestTakesTheBytesThemselves(t *testing.T) {
	t.Parallel()
	in := []byte(`{"type":"publish","id":"p","stream":"s","data":{"a":1}}`)
	got, err := wire.ParseRequest(in, limits)
	if err != nil {
		t.Fatal(err)
	}
	data := got.(*wire.Publish).Messages[0].Value
	if &data[0] != &in[strings.Index(string(in), `{"a"`)] {
		t.Error("the value is a copy")
	}
}

func TestParseRequestRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 65)
	publish := func(fields string) string { return `{"type":"publish","id":"p","stream":"s",` + fields + `}` }
	subscribe := func(fields string) string { return `{"type":"subscribe","id":"a","stream":"s",` + fields + `}` }
	many := `{"type":"publish","id":"p","stream":"s","data":{"n0":0`
	for i := 1; i < 1000; i++ {
		many += fmt.Sprintf(`,"n%d":0`, i)
	}
	twice := strings.Replace(many[:300], "n9\"", "n5\"", 1)
	twice = twice[:strings.LastIndex(twice, ",")] + "}}"
	tests := map[string]struct {
		in      string
		code    wire.Code
		id      string
		pointer string // of the first violation, "-" for none
		message string // a part of it
	}{
		"too large":                  {`{"type":"ping","id":"x` + strings.Repeat(" ", 65536) + `"}`, wire.TooLarge, "", "-", "message_bytes"},
		"empty":                      {``, wire.BadRequest, "", "-", "not JSON"},
		"not JSON":                   {`{"type":"ping","id":"x"`, wire.BadRequest, "", "-", "not JSON"},
		"not UTF-8":                  {"{\"type\":\"ping\",\"id\":\"\xff\"}", wire.BadRequest, "", "-", "not UTF-8"},
		"too deep":                   {publish(`"data":` + strings.Repeat("[", 32) + strings.Repeat("]", 32)), wire.BadRequest, "p", "-", "json_depth"},
		"too deep, not JSON":         {strings.Repeat("[", 60000), wire.BadRequest, "", "-", "json_depth"},
		"too deep in front":          {`{"data":` + strings.Repeat(`{"":`, 6000), wire.BadRequest, "", "-", "json_depth"},
		"too many keys":              {many + "}}", wire.BadRequest, "p", "-", "json_keys"},
		"an array":                   {`[]`, wire.BadRequest, "", "-", "JSON object"},
		"a number":                   {`1`, wire.BadRequest, "", "-", "JSON object"},
		"no type":                    {`{"id":"a"}`, wire.BadRequest, "a", "/type", "type is required"},
		"empty type":                 {`{"id":"a","type":""}`, wire.BadRequest, "a", "/type", "type is required"},
		"type no string":             {`{"id":"a","type":1}`, wire.BadRequest, "a", "/type", "type must be a string"},
		"unknown type":               {`{"id":"a","type":"nope"}`, wire.BadRequest, "a", "-", `unknown message type "nope"`},
		"unknown type on one line":   {`{"id":"a","type":"a\r\n\u0000\u001b[31m` + long + `"}`, wire.BadRequest, "a", "-", `"a\r\n\x00\x1b[31m`},
		"type in capitals":           {`{"id":"a","Type":"ping"}`, wire.BadRequest, "a", "/type", "required"},
		"a server's type":            {`{"id":"a","type":"event"}`, wire.BadRequest, "a", "-", "unknown message type"},
		"pause of a stream":          {`{"id":"a","type":"pause","stream":"s"}`, wire.BadRequest, "a", "", "unknown field"},
		"resume without id":          {`{"type":"resume"}`, wire.BadRequest, "", "/id", "required"},
		"id too long":                {`{"id":"` + long + `","type":"ping"}`, wire.BadRequest, "", "/id", "id is longer than 64 characters"},
		"id no string":               {`{"id":7,"type":"ping"}`, wire.BadRequest, "", "/id", "must be a string"},
		"id null":                    {`{"id":null,"type":"ping"}`, wire.BadRequest, "", "/id", "must be a string"},
		"id of half a character":     {`{"id":"\ud800","type":"ping"}`, wire.BadRequest, "", "/id", "surrogate"},
		"id twice":                   {`{"id":"a","type":"ping","id":"b"}`, wire.BadRequest, "", "-", `duplicate field "id"`},
		"field twice":                {`{"id":"a","type":"ack","cursor":"v1.a","cursor":"v1.b"}`, wire.BadRequest, "a", "-", `duplicate field "cursor"`},
		"twice by an escape":         {`{"id":"a","type":"ping","t\u0079pe":"pong"}`, wire.BadRequest, "a", "-", `duplicate field "type"`},
		"twice in the data":          {publish(`"data":[{"x":{},"y":{"a":1,"b":2,"a":3}}]`), wire.BadRequest, "p", "-", `duplicate field "a"`},
		"twice among many":           {twice, wire.BadRequest, "p", "-", `duplicate field "n5"`},
		"twice the same surrogate":   {publish(`"data":{"\ud800":1,"\uD800":2}`), wire.BadRequest, "p", "-", "duplicate field"},
		"in capitals":                {`{"id":"a","type":"ping","ID":"b"}`, wire.BadRequest, "a", "", `unknown field "ID": field names are in lower case`},
		"unknown field":              {`{"id":"a","type":"ping","foo":1}`, wire.BadRequest, "a", "", `unknown field "foo"`},
		"unknown field on one line":  {`{"id":"a","type":"ping","\r\n":1}`, wire.BadRequest, "a", "", `unknown field "\r\n"`},
		"unknown field of surrogate": {`{"id":"a","type":"ping","\ud800":1}`, wire.BadRequest, "a", "", `unknown field "\xed\xa0\x80"`},
		"long unknown field":         {`{"id":"a","type":"ping","` + strings.Repeat("é", 999) + `":1}`, wire.BadRequest, "a", "", strings.Repeat("é", 32) + `…"`},

		"auth without id":         {`{"type":"auth","token":"t"}`, wire.BadRequest, "", "/id", "id is required"},
		"auth with an empty id":   {`{"type":"auth","id":"","token":"t"}`, wire.BadRequest, "", "/id", "id is required"},
		"auth without token":      {`{"type":"auth","id":"0"}`, wire.BadRequest, "0", "/token", "token is required"},
		"auth with a number":      {`{"type":"auth","id":"0","token":1}`, wire.BadRequest, "0", "/token", "must be a string"},
		"auth with more":          {`{"type":"auth","id":"0","token":"t","stream":"s"}`, wire.BadRequest, "0", "", `unknown field "stream"`},
		"unsubscribe without id":  {`{"type":"unsubscribe"}`, wire.BadRequest, "", "/id", "id is required"},
		"ack without cursor":      {`{"type":"ack","id":"a"}`, wire.BadRequest, "a", "/cursor", "cursor is required"},
		"ack with more":           {`{"type":"ack","id":"a","cursor":"v1.a","key":"k"}`, wire.BadRequest, "a", "", `unknown field "key"`},
		"ack with another cursor": {`{"type":"ack","id":"a","cursor":"v2.abc"}`, wire.BadCursor, "a", "/cursor", "cursor is damaged or of an unknown version"},
		"ack with no cursor":      {`{"type":"ack","id":"a","cursor":"latest"}`, wire.BadCursor, "a", "/cursor", "unknown version"},

		"subscribe without stream": {`{"type":"subscribe","id":"a"}`, wire.BadRequest, "a", "/stream", "stream is required"},
		"stream too long":          {`{"type":"subscribe","id":"a","stream":"` + strings.Repeat("s", 129) + `"}`, wire.BadRequest, "a", "/stream", "longer than 128"},
		"empty filter":             {subscribe(`"filter":""`), wire.BadRequest, "a", "/filter", "is empty"},
		"filter of another type":   {subscribe(`"filter":7`), wire.BadRequest, "a", "/filter", "must be a string"},
		"empty key_prefix":         {subscribe(`"key_prefix":""`), wire.BadRequest, "a", "/key_prefix", "is empty"},
		"header of another type":   {subscribe(`"header.trace":["a"]`), wire.BadRequest, "a", "", `"header.trace" must be a string`},
		"header without a name":    {subscribe(`"header.":"a"`), wire.BadRequest, "a", "", "lacks the name of a header"},
		"from a number":            {subscribe(`"from":5`), wire.BadRequest, "a", "/from", "must be a string"},
		"from nothing":             {subscribe(`"from":""`), wire.BadRequest, "a", "/from", "from must be latest"},
		"from another version":     {subscribe(`"from":"v2.abc"`), wire.BadCursor, "a", "/from", "unknown version"},
		"key a string":             {subscribe(`"key":"a"`), wire.BadRequest, "a", "/key", "array of strings"},
		"key of numbers":           {subscribe(`"key":["a",1]`), wire.BadRequest, "a", "/key/1", "must be a string"},
		"key of nothing":           {subscribe(`"key":[]`), wire.BadRequest, "a", "/key", "is empty"},
		"too many keys to select":  {subscribe(`"key":["a"` + strings.Repeat(`,"b"`, 1000) + `]`), wire.BadRequest, "a", "/key", "more than 1000 entries"},
		"cursor_name":              {subscribe(`"cursor_name":"a/b"`), wire.BadRequest, "a", "/cursor_name", "1 to 128"},
		"cursor_name empty":        {subscribe(`"cursor_name":""`), wire.BadRequest, "a", "/cursor_name", "is empty"},
		"cursor_name too long":     {subscribe(`"cursor_name":"` + strings.Repeat("c", 129) + `"`), wire.BadRequest, "a", "/cursor_name", "1 to 128"},
		"reset":                    {subscribe(`"reset":"true"`), wire.BadRequest, "a", "/reset", "true or false"},
		"on_gap":                   {subscribe(`"on_gap":"stop"`), wire.BadRequest, "a", "/on_gap", "one of: continue, fail"},
		"ack mode":                 {subscribe(`"ack":"never"`), wire.BadRequest, "a", "/ack", "one of: manual, auto"},
		"heartbeat":                {subscribe(`"heartbeat":"15"`), wire.BadRequest, "a", "/heartbeat", "from 1s to 10m0s"},
		"heartbeat a number":       {subscribe(`"heartbeat":15`), wire.BadRequest, "a", "/heartbeat", "must be a string"},
		"heartbeat too often":      {subscribe(`"heartbeat":"1ms"`), wire.BadRequest, "a", "/heartbeat", "from 1s"},
		"a query's parameter":      {subscribe(`"limit":5`), wire.BadRequest, "a", "", `unknown field "limit"`},

		"bulk without id":         {`{"type":"subscribe","subscriptions":[{"id":"a","stream":"s"}]}`, wire.BadRequest, "", "/id", "id is required"},
		"bulk no array":           {`{"type":"subscribe","id":"s1","subscriptions":{}}`, wire.BadRequest, "s1", "/subscriptions", "must be an array"},
		"bulk of none":            {`{"type":"subscribe","id":"s1","subscriptions":[]}`, wire.BadRequest, "s1", "/subscriptions", "is empty"},
		"bulk of numbers":         {`{"type":"subscribe","id":"s1","subscriptions":[1]}`, wire.BadRequest, "s1", "/subscriptions/0", "must be an object"},
		"bulk and single":         {`{"type":"subscribe","id":"s1","stream":"x","subscriptions":[{"id":"a","stream":"s"}]}`, wire.BadRequest, "s1", "/stream", "cannot be combined with subscriptions"},
		"bulk with more":          {`{"type":"subscribe","id":"s1","foo":"x","subscriptions":[{"id":"a","stream":"s"}]}`, wire.BadRequest, "s1", "", `unknown field "foo"`},
		"bulk, second wrong":      {`{"type":"subscribe","id":"s1","subscriptions":[{"id":"a","stream":"s"},{"id":"b"}]}`, wire.BadRequest, "s1", "/subscriptions/1/stream", "subscriptions/1/stream is required"},
		"bulk, pattern":           {`{"type":"subscribe","id":"s1","subscriptions":[{"id":"a","stream":"s","cursor_name":"?"}]}`, wire.BadRequest, "s1", "/subscriptions/0/cursor_name", "1 to 128"},
		"bulk, type":              {`{"type":"subscribe","id":"s1","subscriptions":[{"type":"subscribe","id":"a","stream":"s"}]}`, wire.BadRequest, "s1", "/subscriptions/0", `unknown field "type"`},
		"bulk, filter":            {`{"type":"subscribe","id":"s1","subscriptions":[{"filters":"subscribe","id":"a","stream":"s"}]}`, wire.BadRequest, "s1", "/subscriptions/0", "unknown field"},
		"reset without a name":    {subscribe(`"reset":true`), wire.BadRequest, "a", "/reset", "requires cursor_name"},
		"bulk, reset alone":       {`{"type":"subscribe","id":"s1","subscriptions":[{"id":"a","stream":"s","reset":true}]}`, wire.BadRequest, "s1", "/subscriptions/0/reset", "requires cursor_name"},
		"bulk, ids alike":         {`{"type":"subscribe","id":"s1","subscriptions":[{"id":"a","stream":"s"},{"id":"a","stream":"t"}]}`, wire.BadRequest, "s1", "/subscriptions", "duplicate entries"},
		"bulk, another's version": {`{"type":"subscribe","id":"s1","subscriptions":[{"id":"a","stream":"s","from":"v9.a"}]}`, wire.BadCursor, "s1", "/subscriptions/0/from", "unknown version"},

		"publish without stream":    {`{"type":"publish","id":"p","data":1}`, wire.BadRequest, "p", "/stream", "stream is required"},
		"publish without id":        {`{"type":"publish","stream":"s","data":1}`, wire.BadRequest, "", "/id", "id is required"},
		"publish without data":      {publish(`"key":"k"`), wire.BadRequest, "p", "/data", "data is required"},
		"message_id a number":       {publish(`"data":1,"message_id":7`), wire.BadRequest, "p", "/message_id", "must be a string"},
		"message_id empty":          {publish(`"data":1,"message_id":""`), wire.BadRequest, "p", "/message_id", "is empty"},
		"message_id too long":       {publish(`"data":1,"message_id":"` + strings.Repeat("m", 129) + `"`), wire.BadRequest, "p", "/message_id", "longer than 128 characters"},
		"message_id not ASCII":      {publish(`"data":1,"message_id":"\u00e9"`), wire.BadRequest, "p", "/message_id", "printable characters of ASCII"},
		"message_id with a NUL":     {publish(`"data":1,"message_id":"a\u0000"`), wire.BadRequest, "p", "/message_id", "printable characters of ASCII"},
		"message_id beside records": {publish(`"message_id":"m","records":[{"data":1}]`), wire.BadRequest, "p", "/message_id", "cannot be combined with records"},
		"message_id twice":          {publish(`"records":[{"data":1,"message_id":"m"},{"data":2},{"data":3,"message_id":"m"}]`), wire.BadRequest, "p", "/records/2/message_id", "that of an earlier record"},
		"publish with more":         {publish(`"data":1,"partition":3`), wire.BadRequest, "p", "", `unknown field "partition"`},
		"key_encoding":              {publish(`"data":1,"key":"AA==","key_encoding":"base64"`), wire.BadRequest, "p", "", `unknown field "key_encoding"`},
		"key a number":              {publish(`"data":1,"key":5`), wire.BadRequest, "p", "/key", "must be a string"},
		"key of half a character":   {publish(`"data":1,"key":"\udc00"`), wire.BadRequest, "p", "/key", "surrogate"},
		"encoding":                  {publish(`"data":"a","encoding":"text"`), wire.BadRequest, "p", "/encoding", "one of: base64"},
		"empty encoding":            {publish(`"data":"a","encoding":""`), wire.BadRequest, "p", "/encoding", "one of: base64"},
		"not base64":                {publish(`"data":"a","encoding":"base64"`), wire.BadRequest, "p", "/data", "not base64"},
		"base64 on two lines":       {publish(`"data":"AA=\n=","encoding":"base64"`), wire.BadRequest, "p", "/data", "not base64"},
		"base64 without padding":    {publish(`"data":"AA","encoding":"base64"`), wire.BadRequest, "p", "/data", "not base64"},
		"base64 not canonical":      {publish(`"data":"AB==","encoding":"base64"`), wire.BadRequest, "p", "/data", "not base64"},
		"base64 of an object":       {publish(`"data":{},"encoding":"base64"`), wire.BadRequest, "p", "/data", "must be a string"},
		"tombstone and data":        {publish(`"data":1,"tombstone":true`), wire.BadRequest, "p", "/data", "cannot be combined with tombstone"},
		"tombstone and encoding":    {publish(`"encoding":"base64","tombstone":true`), wire.BadRequest, "p", "/encoding", "cannot be combined with tombstone"},
		"tombstone no flag":         {publish(`"tombstone":1`), wire.BadRequest, "p", "/tombstone", "true or false"},
		"tombstone false":           {publish(`"tombstone":false`), wire.BadRequest, "p", "/data", "is required"},
		"headers no array":          {publish(`"data":1,"headers":{"a":"b"}`), wire.BadRequest, "p", "/headers", "must be an array"},
		"header no array":           {publish(`"data":1,"headers":["a"]`), wire.BadRequest, "p", "/headers/0", "[name, value]"},
		"header of one":             {publish(`"data":1,"headers":[["a"]]`), wire.BadRequest, "p", "/headers/0", "[name, value]"},
		"header of four":            {publish(`"data":1,"headers":[["a","b","base64","c"]]`), wire.BadRequest, "p", "/headers/0", "[name, value]"},
		"header name no string":     {publish(`"data":1,"headers":[["x","y"],[null,"b"]]`), wire.BadRequest, "p", "/headers/1/0", "must be a string"},
		"header value no string":    {publish(`"data":1,"headers":[["a",1]]`), wire.BadRequest, "p", "/headers/0/1", "must be a string"},
		"header in another form":    {publish(`"data":1,"headers":[["a","b","hex"]]`), wire.BadRequest, "p", "/headers/0/2", `must be "base64"`},
		"header not base64":         {publish(`"data":1,"headers":[["a","b","base64"]]`), wire.BadRequest, "p", "/headers/0/1", "not base64"},
		"header of null in base64":  {publish(`"data":1,"headers":[["a",null,"base64"]]`), wire.BadRequest, "p", "/headers/0", "[name, value]"},
		"reserved header":           {publish(`"data":1,"headers":[["sluice-x","b"]]`), wire.ReservedHeader, "p", "/headers/0/0", "reserved for the server"},
		"reserved header, capitals": {publish(`"data":1,"headers":[["a","b"],["Sluice-","b"]]`), wire.ReservedHeader, "p", "/headers/1/0", "reserved for the server"},
		"reserved header, escaped":  {publish(`"data":1,"headers":[["\u0073luice-x",null]]`), wire.ReservedHeader, "p", "/headers/0/0", "reserved for the server"},
		"reserved in a batch":       {publish(`"records":[{"data":1},{"data":1,"headers":[["sluice-x","b"]]}]`), wire.ReservedHeader, "p", "/records/1/headers/0/0", "reserved for the server"},
		"batch no array":            {publish(`"records":{}`), wire.BadRequest, "p", "/records", "must be an array"},
		"batch of none":             {publish(`"records":[]`), wire.BadRequest, "p", "/records", "is empty"},
		"batch of numbers":          {publish(`"records":[{"data":1},2]`), wire.BadRequest, "p", "/records/1", "must be an object"},
		"batch and data":            {publish(`"records":[{"data":1}],"data":2`), wire.BadRequest, "p", "/data", "cannot be combined with records"},
		"batch without data":        {publish(`"records":[{"data":1},{}]`), wire.BadRequest, "p", "/records/1/data", "records/1/data is required"},
		"batch with more":           {publish(`"records":[{"data":1,"stream":"t"}]`), wire.BadRequest, "p", "/records/0", `unknown field "stream"`},
		"batch with a type":         {publish(`"records":[{"data":1,"type":"publish"}]`), wire.BadRequest, "p", "/records/0", `unknown field "type"`},
		"batch, not base64":         {publish(`"records":[{"data":"?","encoding":"base64"}]`), wire.BadRequest, "p", "/records/0/data", "not base64"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := wire.ParseRequest([]byte(tt.in), limits)
			if err == nil {
				t.Fatalf("taken as %#v", request)
			}
			if request != nil {
				t.Errorf("an error and %#v", request)
			}
			if err.Code != tt.code || err.ID != tt.id || !strings.Contains(err.Message, tt.message) {
				t.Errorf("got %s of %q: %s\nwant %s of %q: %s", err.Code, err.ID, err.Message, tt.code, tt.id, tt.message)
			}
			pointer := "-"
			if len(err.Errors) > 0 {
				pointer = err.Errors[0].Pointer
			}
			if pointer != tt.pointer {
				t.Errorf("points at %q, want %q", pointer, tt.pointer)
			}
			if strings.HasPrefix(err.Message, " ") || strings.ContainsAny(err.Message, "\r\n\x00\x1b") {
				t.Errorf("message %q", err.Message)
			}
			if line := err.Append(nil); !json.Valid(line) {
				t.Errorf("not JSON: %s", line)
			}
		})
	}
}

func TestParseRequestTellsInvalidText(t *testing.T) {
	t.Parallel()
	_, err := wire.ParseRequest([]byte("\xff"), limits)
	if !errors.Is(err, jsonscan.ErrNotUTF8) {
		t.Errorf("%v is not ErrNotUTF8", err)
	}
}

func TestParseRequestTellsAllViolations(t *testing.T) {
	t.Parallel()
	_, err := wire.ParseRequest([]byte(`{"type":"subscribe","id":"a","cursor_name":"?","on_gap":"x","ack":"y"}`), limits)
	if err == nil || len(err.Errors) != 4 {
		t.Fatalf("got %+v, want 4 violations", err)
	}
	_, err = wire.ParseRequest([]byte(`{"type":"publish","id":"a","stream":"s","records":[`+strings.TrimSuffix(strings.Repeat(`{"x":1},`, 300), ",")+`]}`), limits)
	if err == nil || len(err.Errors) != 20 {
		t.Fatalf("got %d violations, want the first 20", len(err.Errors))
	}
}

func TestParseRequestWithoutLimits(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"type":"publish","id":"p","stream":"s","data":{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500))
	for i := range 5000 {
		fmt.Fprintf(&b, `,"%d":0`, i)
	}
	b.WriteString(strings.Repeat(" ", 1<<17) + `}}`)
	if _, err := wire.ParseRequest([]byte(b.String()), wire.Limits{}); err != nil {
		t.Error(err)
	}
	deep := `{"type":"publish","id":"p","stream":"s","data":` + strings.Repeat("[", 6_000_000)
	if _, err := wire.ParseRequest([]byte(deep), wire.Limits{}); err == nil || !errors.Is(err, jsonscan.ErrTooDeep) {
		t.Errorf("six million brackets: %v", err)
	}
}

func TestTokenIsRedacted(t *testing.T) {
	t.Parallel()
	request, err := wire.ParseRequest([]byte(`{"type":"auth","id":"0","token":"hunter2"}`), limits)
	if err != nil {
		t.Fatal(err)
	}
	auth := request.(*wire.Auth)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", auth.Token)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "auth", auth)
	encoded, _ := json.Marshal(auth)
	for _, text := range []string{fmt.Sprint(auth), fmt.Sprintf("%v %+v %#v %s %q", *auth, *auth, *auth, auth.Token, auth.Token), log.String(), string(encoded)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "redacted") {
			t.Errorf("the token shows: %s", text)
		}
	}
	if string(auth.Token) != "hunter2" {
		t.Error("the token is gone")
	}
}

func TestParseCursorBody(t *testing.T) {
	t.Parallel()
	if got, err := wire.ParseCursorBody([]byte(` {"cursor":"v1.kQED4A"}`), limits); err != nil || got != "v1.kQED4A" {
		t.Errorf("got %q, %v", got, err)
	}
	for in, code := range map[string]wire.Code{
		`{}`:                             wire.BadRequest,
		`[]`:                             wire.BadRequest,
		`{"cursor":""}`:                  wire.BadRequest,
		`{"cursor":1}`:                   wire.BadRequest,
		`{"cursor":"x"}`:                 wire.BadCursor,
		`{"cursor":"v1.a","type":"ack"}`: wire.BadRequest,
		`{"cursor":"v1.a","x":1}`:        wire.BadRequest,
		`{"cursor"`:                      wire.BadRequest,
		`{` + strings.Repeat(" ", 65536): wire.TooLarge,
	} {
		if got, err := wire.ParseCursorBody([]byte(in), limits); err == nil || err.Code != code || got != "" {
			t.Errorf("%.40s: got %q, %v, want %s", in, got, err, code)
		}
	}
}

// FuzzParseRequest compares parsing with encoding/json: an accepted message is
// JSON with the same id, and published data is a slice of the message.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		`{"type":"auth","id":"0","token":"t"}`,
		`{"type":"subscribe","id":"a","stream":"orders","key":["eu-991"],"from":"v1.kQEC3g","cursor_name":"web-7","ack":"manual","reset":true,"on_gap":"fail","heartbeat":"15s"}`,
		`{"type":"subscribe","id":"s1","subscriptions":[{"id":"a","stream":"x"},{"id":"b","stream":"y"}]}`,
		`{"type":"subscribe","id":"a","stream":"market.*","from":"offset:2:118273,5:77"}`,
		`{"type":"ack","id":"a","cursor":"v1.kQED4A~2:3"}`,
		`{"type":"publish","id":"p7","stream":"s","key":"d","headers":[["a","b"],["a",null],["c","/w==","base64"]],"data":{"t":[1,2.5,"\ud800"]}}`,
		`{"type":"publish","id":"p8","stream":"s","records":[{"key":"a","data":{}},{"key":null,"tombstone":true},{"data":"AA==","encoding":"base64"}]}`,
		`{"type":"ping"}`, `{"t\u0079pe":"pong","id":"\ud83d\ude00"}`, `[`, `{"id":"a","id":"b"}`, `{"a":{"b":1,"b":2}}`, "{\"\xff\":1}",
		`{"id":"a","b":[[],"`, `{"id":"\u12`, `{[["id`, `{"id" "a" [[[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := string(b)
		request, err := wire.ParseRequest(b, limits)
		if string(b) != before {
			t.Fatal("the message was changed")
		}
		// Text that is too deep is searched for an id before it is known to be
		// JSON.
		if _, err := wire.ParseRequest(b, wire.Limits{Depth: 1}); err == nil && request == nil {
			t.Error("only taken within narrower limits")
		}
		if (request == nil) == (err == nil) {
			t.Fatalf("request %#v and error %v", request, err)
		}
		var want struct {
			ID      string            `json:"id"`
			Data    json.RawMessage   `json:"data"`
			Records []json.RawMessage `json:"records"`
		}
		if err != nil {
			if line := err.Append(nil); !json.Valid(line) || len(line) > 20_000 {
				t.Errorf("error %q", line)
			}
			// encoding/json treats names that differ only in case as equal.
			if json.Unmarshal(b, &want) == nil && err.ID != "" && err.ID != want.ID && !strings.Contains(strings.ToUpper(before), `"ID"`) {
				t.Errorf("attributed to %q, want %q", err.ID, want.ID)
			}
			return
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatalf("taken, but encoding/json says %v", err)
		}
		if request.RequestID() != want.ID {
			t.Errorf("id %q, want %q", request.RequestID(), want.ID)
		}
		p, ok := request.(*wire.Publish)
		if !ok {
			return
		}
		if p.Batch != (want.Records != nil) || p.Batch && len(p.Messages) != len(want.Records) || !p.Batch && len(p.Messages) != 1 {
			t.Fatalf("%d messages of %d records", len(p.Messages), len(want.Records))
		}
		for i, m := range p.Messages {
			var data json.RawMessage
			var record struct {
				Data      json.RawMessage `json:"data"`
				Encoding  string          `json:"encoding"`
				Tombstone bool            `json:"tombstone"`
			}
			whole := json.RawMessage(b)
			if p.Batch {
				whole = want.Records[i]
			}
			if err := json.Unmarshal(whole, &record); err != nil {
				t.Fatal(err)
			}
			data = record.Data
			switch {
			case record.Tombstone:
				if m.Value != nil {
					t.Errorf("a tombstone with %q", m.Value)
				}
			case record.Encoding == "base64":
				var decoded []byte
				if err := json.Unmarshal(data, &decoded); err != nil || string(decoded) != string(m.Value) || m.Value == nil {
					t.Errorf("base64 %s is %q: %v", data, m.Value, err)
				}
			case string(m.Value) != string(data):
				t.Errorf("published %q, want %q", m.Value, data)
			}
		}
	})
}

// BenchmarkParseRequest parses a publish of one record, and one of a hundred with values of
// twenty fields.
func BenchmarkParseRequest(b *testing.B) {
	var fields []string
	for i := range 20 {
		fields = append(fields, fmt.Sprintf(`"field_%02d":%q`, i, strings.Repeat("x", i%8)))
	}
	reading := `{"key":"dev-1","data":{` + strings.Join(fields, ",") + `}}`
	for name, text := range map[string]string{
		"one":     `{"type":"publish","id":"p7","stream":"iot.telemetry","key":"dev-1","headers":[["trace","00-4bf92f3577b34da6"]],"data":{"temp_c":21.7,"humidity":40,"battery":0.93,"firmware":"1.4.2","position":{"lat":52.5,"lon":13.4}}}`,
		"hundred": `{"type":"publish","id":"p7","stream":"iot.telemetry","records":[` + strings.Repeat(reading+",", 99) + reading + `]}`,
	} {
		b.Run(name, func(b *testing.B) {
			in := []byte(text)
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if _, err := wire.ParseRequest(in, limits); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
