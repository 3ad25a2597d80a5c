package transport

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sluice/auth"
	"sluice/transport/wire"
)

// A page may be stored by caches between the server and its clients, which answer
// everybody with it, if it is the same for everybody and does not change: it begins at
// a place that is the same whenever it is asked for, is full of records of which none is
// missing, and was asked for without a credential by a client with the right to all
// records. What can change even so, as Kafka compacts or deletes, and rights are
// withdrawn, is noticed when the cache asks again.

// isAbsolute reports whether a query names the place at which a page begins in every
// partition. offsets are those at which it has begun.
func isAbsolute(query wire.Query, offsets int) bool {
	switch {
	case query.LastEventID != "" || query.CursorName != "":
		return false
	case query.From.Kind == wire.StartCursor:
		return true // partitions that it does not have begin at their beginnings
	case query.From.Kind == wire.StartOffset:
		return len(query.From.Offsets) == offsets
	}
	return false
}

// cacheable reports whether a page may be stored by caches. absolute is whether the
// query names its place, and full whether it has all records that it has room for.
func (s *Server) cacheable(c *client, sub *subscription, page *wire.Page, absolute, full bool) bool {
	return s.limits().PageCache > 0 &&
		c.bare && c.principal.Anonymous() && s.config.Approve == nil &&
		sub.rows == nil &&
		absolute && full && len(page.Gaps) == 0 && !page.CaughtUp && sub.Ended() == ""
}

// writePage answers with a page.
func (s *Server) writePage(w http.ResponseWriter, r *http.Request, page *wire.Page, cacheable bool) {
	if !cacheable {
		writeJSON(w, http.StatusOK, page.Append(make([]byte, 0, page.Size())))
		return
	}
	h, tag := w.Header(), pageTag(page)
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(s.limits().PageCache.Seconds())))
	h.Set("ETag", tag)
	// In one line: of several, nginx before 1.23 regards the last one only.
	h.Set("Vary", strings.Join(append(h.Values("Vary"), append(auth.CredentialHeaders(), "Last-Event-ID", "Accept")...), ", "))
	if hasTag(r.Header, tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeBody(w, http.StatusOK, page.Append(make([]byte, 0, page.Size())))
}

// pageTag returns the entity tag of a page (RFC 9110, section 8.8.3). It depends on the
// records, and not on the cursor, whose text has the time at which it was created:
// therefore it is weak. Where the records lie in the topic, and the next page begins,
// follows from them, as the page has no gaps.
func pageTag(page *wire.Page) string {
	hash := sha256.New()
	var size [8]byte
	for _, event := range page.Events {
		binary.BigEndian.PutUint64(size[:], uint64(len(event)))
		hash.Write(size[:])
		hash.Write(event)
	}
	return `W/"` + base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:16]) + `"`
}

// hasTag reports whether a client has a representation with a tag already (RFC 9110,
// section 13.1.2).
func hasTag(h http.Header, tag string) bool {
	bare := strings.TrimPrefix(tag, "W/")
	return slices.ContainsFunc(listOf(h, "If-None-Match"), func(one string) bool {
		return one == "*" || strings.TrimPrefix(one, "W/") == bare
	})
}
