// Command mercured is a Mercure hub for comparisons: anonymous subscribers, the
// in-memory transport, no limit on the duration of a connection.
//
//	mercured -listen 127.0.0.1:8000 -key SECRET
//
// Publishers need a JWT signed with the key (HS256).
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/dunglas/mercure"
	"go.uber.org/zap"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "address")
	key := flag.String("key", "", "the publishers' HS256 key")
	flag.Parse()
	if err := run(*listen, *key); err != nil {
		fmt.Fprintln(os.Stderr, "mercured:", err)
		os.Exit(1)
	}
}

func run(listen, key string) error {
	if key == "" {
		return errors.New("-key is needed")
	}
	hub, err := mercure.NewHub(
		mercure.WithAnonymous(),
		mercure.WithPublisherJWT([]byte(key), "HS256"),
		mercure.WithTransport(mercure.NewLocalTransport()),
		mercure.WithLogger(zap.NewNop()),
		mercure.WithWriteTimeout(0),
		mercure.WithHeartbeat(0),
	)
	if err != nil {
		return fmt.Errorf("make hub: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/.well-known/mercure", hub)
	server := &http.Server{Addr: listen, Handler: mux}
	return server.ListenAndServe()
}
