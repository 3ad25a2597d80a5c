package app

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"sluice/hub/filter/expr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

func newLanguage(t *testing.T) *expr.Language {
	t.Helper()
	l, err := expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
