package terminal

import (
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	// lineEvery is the least time between two texts of a Line.
	lineEvery = 100 * time.Millisecond
	// lineWidth is the width of a terminal that does not tell its own.
	lineWidth = 80
	// erase goes to the beginning of the line and erases it (ECMA-48, sections 8.3.15 and
	// 8.3.41).
	erase = "\r\x1b[K"
)

// Line is a line of progress at the end of a terminal. A nil Line shows nothing.
type Line struct {
	out   io.Writer
	width func() int
	now   func() time.Time

	mu    sync.Mutex // guards what follows, and what is written
	shown bool
	last  time.Time
}

// NewLine returns the line of progress of an output, nil if that is no terminal.
func NewLine(out any) *Line {
	f, ok := out.(*os.File)
	if !ok || !Is(f) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	width := func() int {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
		return lineWidth
	}
	return &Line{out: f, width: width, now: time.Now}
}

// Show replaces the line, unless the last one is too recent to have been read.
func (l *Line) Show(text func() string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.shown && now.Sub(l.last) < lineEvery {
		return
	}
	l.shown, l.last = true, now
	// The last column stays free: some terminals begin a line after it.
	_, _ = io.WriteString(l.out, erase+cut(text(), l.width()-1))
}

// Clear removes the line.
func (l *Line) Clear() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

func (l *Line) clear() {
	if l.shown {
		l.shown = false
		_, _ = io.WriteString(l.out, erase)
	}
}

// Above returns a writer for texts of whole lines to the same terminal, which stand above the
// line of progress.
func (l *Line) Above(out io.Writer) io.Writer {
	if l == nil {
		return out
	}
	return above{line: l, out: out}
}

type above struct {
	line *Line
	out  io.Writer
}

func (a above) Write(b []byte) (int, error) {
	a.line.mu.Lock()
	defer a.line.mu.Unlock()
	a.line.clear()
	return a.out.Write(b)
}

// cut shortens a text to a number of characters.
func cut(text string, most int) string {
	for most = max(most, 0); utf8.RuneCountInString(text) > most; {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
