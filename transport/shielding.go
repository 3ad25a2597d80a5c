package transport

import "net/http"

// shieldPolicy is the Content Security Policy of everything that is no page: it loads
// nothing, and is in no frame. The console sets one of its own.
const shieldPolicy = "default-src 'none'; frame-ancestors 'none'"

// shielded sets the headers by which browsers take answers for nothing but data, also
// those of faults: they are not sniffed for another type, not shown in frames, not
// embedded by other origins without CORS, and links in them tell nobody their URL, which
// can have a credential in its query. Nothing is stored by caches unless a handler says
// otherwise.
func shielded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", shieldPolicy)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
