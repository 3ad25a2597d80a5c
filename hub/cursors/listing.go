package cursors

import (
	"context"
	"errors"
)

// Listing asks for named cursors.
type Listing struct {
	// KeyPrefix selects the cursors of principals whose keys begin with it, Principal those of
	// one, by its key, and Stream those in one stream. Empty ones select all.
	KeyPrefix, Principal, Stream string
	// After is where the page before ended, empty for the first page.
	After string
	// Limit is about how many cursors a page has. It may have some more, or fewer although
	// others follow, as a page looks at a part of the store only.
	Limit int
}

// Listed is a named cursor that is stored.
type Listed struct {
	Key
	Stored
}

// Page is a part of the named cursors that are stored.
type Page struct {
	Cursors []Listed
	// Next is After of the next page, empty if this is the last.
	Next string
}

// ErrBadPage means that Listing.After is not the Next of a page.
var ErrBadPage = errors.New("the page does not follow another one")

// Lister lists what a Store keeps. It returns every cursor that is stored from the first
// page to the last at least once. It does not hold up other calls of the store for longer
// than they take themselves.
type Lister interface {
	List(ctx context.Context, asked Listing) (Page, error)
}
