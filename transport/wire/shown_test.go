package wire_test

import (
	"strings"
	"testing"

	"sluice/transport/wire"
)

func TestShown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":                                `""`,
		"strem":                           `"strem"`,
		strings.Repeat("a", 32):           `"` + strings.Repeat("a", 32) + `"`,
		strings.Repeat("a", 33):           `"` + strings.Repeat("a", 32) + `…"`,
		strings.Repeat("é", 500):          `"` + strings.Repeat("é", 32) + `…"`,
		strings.Repeat("\xff", 40):        `"` + strings.Repeat(`\xff`, 32) + `…"`,
		"a\r\nb\x00\u2028\u202e\"`\ufeff": `"a\r\nb\x00\u2028\u202e\"` + "`" + `\ufeff"`,
	} {
		if got := wire.Shown(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
