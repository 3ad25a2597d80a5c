package terminal_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/terminal"
)

func TestColorsOnlyWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	for when, want := range map[terminal.When]bool{terminal.Auto: false, terminal.Always: true, terminal.Never: false} {
		if got := when.Colors(&strings.Builder{}, none); got != want {
			t.Errorf("%s, not to a terminal: got %v", when, got)
		}
	}
	var w terminal.When
	if err := w.Set("sometimes"); err == nil || w != "" {
		t.Errorf("sometimes is taken for %q", w)
	}
	if err := w.Set("never"); err != nil || w != terminal.Never {
		t.Errorf("never is %q, %v", w, err)
	}
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	strip := strings.NewReplacer("\x1b[34m", "N(", "\x1b[32m", "T(", "\x1b[36m", "#(", "\x1b[35m", "W(", "\x1b[0m", ")")
	for in, want := range map[string]string{
		`{"a" : "b","n":[-1.5e+3,true,null],"q":"\":\\"}`: `{N("a") : T("b"),N("n"):[#(-1.5e+3),W(true),W(null)],N("q"):T("\":\\")}`,
		`"cut off`: `T("cut off)`,
		``:         ``,
	} {
		if got := strip.Replace(string(terminal.AppendJSON(nil, []byte(in)))); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,"x\"",true]}`))
	colors := strings.NewReplacer("\x1b[34m", "", "\x1b[32m", "", "\x1b[36m", "", "\x1b[35m", "", "\x1b[0m", "")
	f.Fuzz(func(t *testing.T, in []byte) {
		in = terminal.AppendSafe(nil, in)
		if got := colors.Replace(string(terminal.AppendJSON(nil, in))); got != string(in) {
			t.Errorf("%q became %q", in, got)
		}
	})
}

// TestAppendSafe: nothing that others have written can command the terminal.
func TestAppendSafe(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ü 漢\t\n":         "plain ü 漢\t\n",
		"\x1b]0;title\x07\r":    `\u001b]0;title\u0007\u000d`,
		"\u009b31m\x7f":         `\u009b31m\u007f`,
		"\xff\x9b":              `\xff\x9b`,
		"a\u202egnp.exe\u2066b": `a\u202egnp.exe\u2066b`,
	} {
		if got := string(terminal.AppendSafe(nil, []byte(in))); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		terminal.Count(1, "gap"):                "1 gap",
		terminal.Count(0, "gap"):                "0 gaps",
		terminal.Bytes(1023):                    "1023 B",
		terminal.Bytes(1536):                    "1.5 KiB",
		terminal.Bytes(200 << 20):               "200 MiB",
		terminal.Bytes(5 << 50):                 "5120 TiB",
		terminal.Span(1234567):                  "1ms",
		terminal.Span(2340 * time.Millisecond):  "2.3s",
		terminal.Span(83400 * time.Millisecond): "1m23s",
		terminal.Bar(0.5):                       "[##########..........]  50 %",
		terminal.Bar(7):                         "[####################] 100 %",
		terminal.Left(0.25, time.Minute):        "3m0s left",
		terminal.Left(0, time.Minute):           "",
		terminal.Left(0.5, time.Millisecond):    "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNoLineWithoutATerminal: a nil line takes everything.
func TestNoLineWithoutATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	line := terminal.NewLine(&out)
	line.Show(func() string { return "progress" })
	_, _ = io.WriteString(line.Above(&out), "text\n")
	line.Clear()
	if out.String() != "text\n" {
		t.Errorf("it wrote %q", out.String())
	}
}

// TestGone: the end of the reader of a pipe is noticed without a write.
func TestGone(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gone := make(chan bool)
	go func() { gone <- terminal.Gone(ctx, w) }()
	_ = r.Close()
	if !<-gone {
		t.Error("it was not noticed")
	}
	go func() { gone <- terminal.Gone(ctx, &strings.Builder{}) }()
	cancel()
	if <-gone {
		t.Error("what is no file counts as gone")
	}
}
