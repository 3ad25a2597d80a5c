package elements

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// collect reads all elements of a body.
func collect(e *Reader) (all [][]byte, err error) {
	for {
		if element, ok := e.Next(); ok {
			all = append(all, bytes.Clone(element))
			continue
		}
		if err = e.Fill(); err == nil {
			continue
		}
		if element, ok := e.Last(); errors.Is(err, io.EOF) && ok {
			all = append(all, bytes.Clone(element))
		}
		return all, err
	}
}

// FuzzLines: however a body arrives, its lines are those of the whole, in bounded memory.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbc\n\nlast"), 3)
	f.Add(bytes.Repeat([]byte("some line\n"), 9999), 20)
	f.Add(bytes.Repeat([]byte("x"), 200_000), 150_000)
	f.Fuzz(func(t *testing.T, body []byte, most int) {
		most = 1 + max(0, most)%(200<<10)
		for name, r := range map[string]io.Reader{
			"at once": bytes.NewReader(body), "by bytes": iotest.OneByteReader(bytes.NewReader(body)), "with its end": iotest.DataErrReader(bytes.NewReader(body)),
		} {
			e := &Reader{body: r, end: Lines{}, most: most}
			all, err := collect(e)
			if cap(e.buf) > max(2*most, ReadBytes)+1 {
				t.Errorf("%s: a buffer of %d bytes for elements of %d", name, cap(e.buf), most)
			}
			joined := bytes.Join(all, nil)
			if errors.Is(err, ErrTooLong) {
				if rest := body[len(joined):]; bytes.IndexByte(rest, '\n') >= 0 && bytes.IndexByte(rest, '\n') < most {
					t.Errorf("%s: a line of %d bytes is too long for %d", name, bytes.IndexByte(rest, '\n')+1, most)
				}
				continue
			}
			if !errors.Is(err, io.EOF) || !bytes.Equal(joined, body) {
				t.Errorf("%s: got %d bytes of %d, %v", name, len(joined), len(body), err)
			}
			for i, element := range all {
				if n := bytes.IndexByte(element, '\n'); len(element) == 0 || n != len(element)-1 && (n >= 0 || i < len(all)-1) {
					t.Fatalf("%s: element %d is %q", name, i, element)
				}
			}
		}
	})
}

// FuzzObjects: however a body arrives, its objects are those that a decoder finds.
func FuzzObjects(f *testing.F) {
	f.Add([]byte(`{"a":"}{\"\\"}{"b":[{}]} {}`))
	f.Add([]byte(`{} 1 {}`))
	f.Add([]byte(`{"a`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var want []string
		d := json.NewDecoder(bytes.NewReader(body))
		for {
			var object json.RawMessage
			if d.Decode(&object) != nil || object[0] != '{' {
				break
			}
			want = append(want, string(object))
		}
		for name, r := range map[string]io.Reader{"at once": bytes.NewReader(body), "by bytes": iotest.OneByteReader(bytes.NewReader(body))} {
			e := &Reader{body: r, end: &Objects{}, most: 1 << 20}
			all, _ := collect(e)
			for i := range want {
				if i >= len(all) || string(bytes.TrimSpace(all[i])) != want[i] {
					t.Fatalf("%s: got %q, want %q", name, all, want)
				}
			}
		}
	})
}

// TestElementsReadMuchAtOnce: of a client that sends much, much is read at once, and for one
// that sends little the buffer stays small.
func TestElementsReadMuchAtOnce(t *testing.T) {
	t.Parallel()
	const lines, line = 100_000, "a line of some length\n"
	reads := 0
	e := &Reader{end: Lines{}, most: 1 << 30}
	e.body = io.LimitReader(readerFunc(func(p []byte) (int, error) {
		reads++
		for i := range p {
			p[i] = 'a'
		}
		p[len(p)-1] = '\n'
		return len(p), nil
	}), lines*int64(len(line)))
	if _, err := collect(e); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if most := lines*len(line)/ReadBytes + 10; reads > most {
		t.Errorf("%d reads, want %d at most", reads, most)
	}
	little := &Reader{body: iotest.OneByteReader(bytes.NewReader(bytes.Repeat([]byte(line), 1000))), end: Lines{}, most: 1 << 30}
	if _, err := collect(little); !errors.Is(err, io.EOF) || cap(little.buf) > firstRead {
		t.Errorf("a buffer of %d bytes, %v", cap(little.buf), err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
