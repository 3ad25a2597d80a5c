package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/hub/jsonscan"
)

// typicalValue is a typical record value of 200 bytes.
var typicalValue = []byte(`{"order":118273,"customer":"eu-991","total":129.95,"currency":"EUR","state":"paid","lines":[{"sku":"A-17","n":2},{"sku":"B-4","n":1}],"note":"leave it at the door","placed_at":1795245600123,"gift":false}`)

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in    string
		depth int
		want  error
	}{
		"scalar needs no depth":      {`1`, 0, nil},
		"object needs one":           {`{}`, 0, jsonscan.ErrTooDeep},
		"object of depth one":        {`{}`, 1, nil},
		"many side by side":          {`[[],[],[],{"a":[]}]`, 3, nil},
		"one too deep":               {`[[],[],[],{"a":[]}]`, 2, jsonscan.ErrTooDeep},
		"brackets in strings":        {`["[[[[[","{{{{\"[["]`, 1, nil},
		"escaped quote":              {`["\\",[]]`, 1, jsonscan.ErrTooDeep},
		"unterminated string":        {`["[[[[[`, 1, jsonscan.ErrNotJSON},
		"ends in a backslash":        {`["[[[\`, 1, jsonscan.ErrNotJSON},
		"closed before open":         {`]]]][[[[[`, 4, jsonscan.ErrNotJSON},
		"empty":                      {``, 9, jsonscan.ErrNotJSON},
		"white space":                {" \n", 9, jsonscan.ErrNotJSON},
		"two texts":                  {`1 2`, 9, jsonscan.ErrNotJSON},
		"leading zero":               {`01`, 9, jsonscan.ErrNotJSON},
		"raw control character":      {"\"\x01\"", 9, jsonscan.ErrNotJSON},
		"byte order mark":            {"\ufeff{}", 9, jsonscan.ErrNotJSON},
		"invalid UTF-8 in a string":  {"\"\xff\"", 9, jsonscan.ErrNotUTF8},
		"surrogate encoded in UTF-8": {"\"\xed\xa0\x80\"", 9, jsonscan.ErrNotUTF8},
		"huge numbers":               {`[9007199254740993,1e400,-0]`, 9, nil},
		"escaped lone surrogate":     {`"\ud800"`, 9, nil},
		"six million brackets":       {strings.Repeat("[", 6_000_000), 1000, jsonscan.ErrTooDeep},
		"six million braces":         {strings.Repeat(`{"":`, 6_000_000), 1000, jsonscan.ErrTooDeep},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := jsonscan.Check([]byte(tt.in), tt.depth); !errors.Is(got, tt.want) {
				t.Errorf("Check = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                      `""`,
		"eu-991":                `"eu-991"`,
		"a\"b\\c/":              `"a\"b\\c/"`,
		"\r\n\t\x00\x1f\x7f":    "\"\\r\\n\\t\\u0000\\u001f\x7f\"",
		"x\u2028y\u2029z\u2027": "\"x\\u2028y\\u2029z\u2027\"",
		"é€😀":                   `"é€😀"`,
		"a\xffb\xe2\x80":        "\"a\ufffdb\ufffd\ufffd\"",
		"real \ufffd stays":     "\"real \ufffd stays\"",
	}
	for in, want := range tests {
		if got := string(jsonscan.AppendString(nil, in)); got != want {
			t.Errorf("AppendString(%q) = %s, want %s", in, got, want)
		}
		if got := string(jsonscan.AppendString([]byte("x"), []byte(in))); got != "x"+want {
			t.Errorf("AppendString(%q as bytes) = %s, want x%s", in, got, want)
		}
	}
}

// FuzzCheck compares Check with encoding/json, which accepts the same texts
// (within its own depth limit of 10,000).
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{``, `{}`, `[1,2.5e+7,-0]`, `{"a":{"b":["]",null]}}`, "\"\xff\"", `[[[[`, `"\u12g4"`, `1.e5`, "[1,\n2\r]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := json.Valid(b) && utf8.Valid(b)
		if got := jsonscan.Check(b, 10_000) == nil; got != want {
			t.Errorf("Check(%q) accepts: %v, encoding/json: %v", b, got, want)
		}
		if want {
			d := depth(b)
			if err := jsonscan.Check(b, d); err != nil {
				t.Errorf("Check(%q) at its own depth %d: %v", b, d, err)
			}
			if err := jsonscan.Check(b, d-1); d > 0 && !errors.Is(err, jsonscan.ErrTooDeep) {
				t.Errorf("Check(%q) below its depth %d: %v", b, d, err)
			}
		}
	})
}

// TestCheckAgrees compares Check with encoding/json on texts that are nearly
// JSON: a byte or two of them changed, left out or inserted.
func TestCheckAgrees(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	texts := []string{
		string(typicalValue), `{}`, `[ ]`, ` {"a" : [1, -2.5e+7 ,0.1E-2, true,false ,null]} `, `"x\u00e9\ud800\n\"\\/é€😀"`,
		`{"":{"":[[[],[{}]],"0123456","01234567","012345678"]}}`, `-0`, `[1e5,10,0]`, "\"\t\u007f\"", "[\n\r\t 1\n]",
	}
	const alphabet = "{}[]\",:\\/ \n\t\x00\x1f\x7f\x80\xc3\xa9\xff0123456789-+.eEtruefalsnbdc!#[]\"\\"
	valid := 0
	for range 50_000 {
		b := []byte(texts[random.IntN(len(texts))])
		for range 1 + random.IntN(2) {
			at, c := random.IntN(len(b)), alphabet[random.IntN(len(alphabet))]
			switch random.IntN(3) {
			case 0:
				b[at] = c
			case 1:
				b = slices.Insert(b, at, c)
			default:
				b = append(slices.Delete(b, at, at+1), ' ')
			}
		}
		want := json.Valid(b) && utf8.Valid(b)
		if want {
			valid++
		}
		if got := jsonscan.Check(b, 100) == nil; got != want {
			t.Fatalf("seed %d: Check(%q) accepts: %v, encoding/json: %v", seed, b, got, want)
		}
	}
	if valid < 2_500 {
		t.Errorf("only %d texts were JSON", valid)
	}
}

// depth counts nesting with encoding/json's tokens.
func depth(b []byte) int {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	now, most := 0, 0
	for {
		token, err := dec.Token()
		if err != nil {
			return most
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			now++
			most = max(most, now)
		case json.Delim('}'), json.Delim(']'):
			now--
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	b.SetBytes(int64(len(typicalValue)))
	b.ReportAllocs()
	for b.Loop() {
		if err := jsonscan.Check(typicalValue, 512); err != nil {
			b.Fatal(err)
		}
	}
}
