package transport

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"sluice/transport/wire"
)

// about is what the paths of the protocol are for. Those without a text are not in the
// index.
var about = map[string]string{ //nolint:gosec // a path with tokens in its name is no secret
	"/v1/ws":                       "WebSocket",
	"/v1/events":                   "several streams as server-sent events or NDJSON: stream=a, stream=b",
	"/v1/principal":                "who you are, by your credential",
	"/v1/streams":                  "the streams that you may read or publish to",
	"/v1/streams/{stream}":         "one of them",
	"/v1/streams/{stream}/events":  "a stream as server-sent events or NDJSON",
	"/v1/streams/{stream}/schema":  "the schema of its values",
	"/v1/streams/{stream}/records": "a page of records; publish",
	"/v1/cursors/{stream}/{name}":  "a named cursor",
	"/v1/admin":                    "what operators may do",
	"/v1/dev/tokens":               "make a token, for development",
	"/v1/tickets":                  "a ticket in place of a credential",
	"/v1/cookie":                   "set and clear the cookie",
	"/v1/backchannel-logout":       "logout by the issuer",
	"/topics/{topic}":              "publish, as to a REST proxy for Kafka",
	"/kafka/v3/clusters/{cluster}/topics/{topic}/records": "publish, as to a REST proxy for Kafka",
}

// indexEntry is a path as an index shows it.
type indexEntry struct {
	Path    string   `json:"path"`
	Methods []string `json:"methods"`
	About   string   `json:"about"`
}

// indexOf returns the index of routes, by path.
func indexOf(routes map[string]byMethod) []indexEntry {
	index := make([]indexEntry, 0, len(routes))
	for path, methods := range routes {
		if about[path] != "" {
			index = append(index, indexEntry{path, slices.Sorted(maps.Keys(methods)), about[path]})
		}
	}
	slices.SortFunc(index, func(a, b indexEntry) int { return cmp.Compare(a.Path, b.Path) })
	return index
}

// handleIndex serves an index, and links to where more is said.
func (s *Server) handleIndex(index []indexEntry, links []wire.Link) http.HandlerFunc {
	targets := make(map[string]string, len(links))
	for _, l := range links {
		targets[l.Name] = l.Target
	}
	body, err := json.Marshal(map[string]any{"paths": index, "links": targets})
	return func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			s.refuse(w, r, faultOf(err))
			return
		}
		writeJSON(w, http.StatusOK, body)
	}
}
