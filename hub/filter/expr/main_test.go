package expr_test

import (
	"testing"

	"go.uber.org/goleak"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/filter/expr"
	"sluice/hub/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

func newLanguage() *expr.Language {
	return must(expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 8 << 20}))
}

var encoder = event.NewEncoder("orders", event.ContentAny)

// row is a record with a key, headers as name, value pairs, and a value.
func row(key, value string, headers ...string) *filter.Record {
	r := record.Record{Partition: 2, Offset: 7, Timestamp: 1795245600123, Value: []byte(value)}
	if key != "" {
		r.Key = []byte(key)
	}
	if value == "" {
		r.Value = nil
	}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, record.Header{Name: []byte(headers[i]), Value: []byte(headers[i+1])})
	}
	return rowOf(&r)
}

func rowOf(r *record.Record) *filter.Record {
	text, _, err := encoder.Append(nil, r)
	if err != nil {
		panic(err)
	}
	var seen filter.Record
	seen.Set(text, r.Partition, r.Offset, r.Timestamp)
	return &seen
}
