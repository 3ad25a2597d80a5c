package wire

import (
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"

	"sluice/hub/jsonscan"
)

// ListQuery is the query of an operator's request for a list.
type ListQuery struct {
	// Limit is how many entries the answer may have.
	Limit int
	// After is where the answer before this one ended, empty for the first.
	After string
	// Principal and Stream select entries, empty for all.
	Principal, Stream string
	// Order is what entries are ordered by, empty for the usual order.
	Order string
}

// ParseListQuery parses the query of a request for a list, whose parameters are `limit`, of
// at most most, `after`, and those named. Others are refused by name, except those for
// credentials, which are ignored. The error's code is BadRequest.
func ParseListQuery(rawQuery string, limit, most int, names ...string) (ListQuery, *Error) {
	q := ListQuery{Limit: limit}
	found, err := parseOperatorsQuery(rawQuery, append([]string{"limit", "after"}, names...))
	if err != nil {
		return q, err
	}
	q.After, q.Principal, q.Stream, q.Order = found.Get("after"), found.Get("principal"), found.Get("stream"), found.Get("order")
	if found.Has("limit") {
		var bad error
		if q.Limit, bad = strconv.Atoi(found.Get("limit")); bad != nil || q.Limit < 1 || q.Limit > most {
			return q, Errorf(BadRequest, "limit is not a number from 1 to %d", most)
		}
	}
	return q, nil
}

// ParseCursorOwner parses the query of a request to delete the named cursor of a principal.
func ParseCursorOwner(rawQuery string) (principal string, err *Error) {
	found, err := parseOperatorsQuery(rawQuery, []string{"principal"})
	if err == nil && found.Get("principal") == "" {
		err = Errorf(BadRequest, "principal is missing: whose cursor it is, as in the list of cursors")
	}
	return found.Get("principal"), err
}

// parseOperatorsQuery parses a query in which each of the names may be once.
func parseOperatorsQuery(rawQuery string, names []string) (url.Values, *Error) {
	pairs, err := splitQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	p, found := &parser{}, url.Values{}
	for _, pair := range pairs {
		switch {
		case pair.name == "ticket" || pair.name == "access_token":
		case !slices.Contains(names, pair.name):
			p.unknownParameter(pair.name)
		case found.Has(pair.name):
			p.refuse("/"+pair.name, "is given twice")
		case !utf8.ValidString(pair.value):
			p.refuse("/"+pair.name, "is not UTF-8")
		default:
			found.Set(pair.name, pair.value)
		}
	}
	if p.failed() {
		return nil, p.queryFault()
	}
	return found, nil
}

// CursorMove is what an operator asks for a named cursor.
type CursorMove struct {
	// Principal is whose cursor it is.
	Principal string
	// From is where the cursor is moved to.
	From From
}

// ParseCursorMove parses the body of a request to move a named cursor:
//
//	{"principal":"…","from":"earliest"}
//
// The error's code is BadRequest or BadCursor.
func ParseCursorMove(b []byte) (CursorMove, *Error) {
	if err := checkText(b, Limits{Depth: 2, Keys: 8}); err != nil {
		err.ID = ""
		return CursorMove{}, err
	}
	if b = jsonscan.TrimSpace(b); b[0] != '{' {
		return CursorMove{}, Errorf(BadRequest, "the body must be a JSON object")
	}
	p, m := &parser{}, CursorMove{}
	p.fields("", b, func(name, at string, value []byte) bool {
		switch name {
		case "principal":
			m.Principal = p.text(at, value)
		case "from":
			m.From = p.from(at, p.text(at, value))
		default:
			return false
		}
		return true
	})
	switch {
	case p.failed():
		return CursorMove{}, p.fault()
	case m.Principal == "":
		return CursorMove{}, Errorf(BadRequest, "principal is missing: whose cursor it is, as in the list of cursors")
	}
	return m, nil
}
