package wire

import "strconv"

// maxShown is how many characters of a client's text are shown: enough to
// recognize a misspelt name, and too few for a token in its place to be of use to
// a reader of the response or the log.
const maxShown = 32

// Shown returns a client's text that is in the place of a name, as messages and
// logs show it: quoted, on one line, and cut at 32 characters.
func Shown(name string) string {
	n := 0
	for i := range name {
		if n++; n > maxShown {
			return strconv.QuoteToGraphic(name[:i] + "…")
		}
	}
	return strconv.QuoteToGraphic(name)
}
