package wire

import "strconv"

// maxShown is how many characters of a client's text are shown: enough to know
// a name again that is spelt wrong, and too few for a token that stands in its
// place to be of use to whoever reads the answer or the log.
const maxShown = 32

// Shown is a client's text that stands where a name belongs, as messages and logs
// show it: quoted, on one line, and cut at 32 characters.
func Shown(name string) string {
	n := 0
	for i := range name {
		if n++; n > maxShown {
			return strconv.QuoteToGraphic(name[:i] + "…")
		}
	}
	return strconv.QuoteToGraphic(name)
}
