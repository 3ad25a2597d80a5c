package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sluice/cmd/sluice/embedded"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sluice": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestCommands(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(fakePublish))
	t.Cleanup(server.Close)
	kafka, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("FAKE_SERVER", server.URL)
			env.Setenv("TAKEN", server.Listener.Addr().String())
			env.Setenv("BROKER", kafka.Brokers[0])
			env.Setenv("REDIS", kafka.RedisAddr)
			return nil
		},
	})
}

// fakeRevoke answers like the admin listener, with the body in place of what is stored, and an end.
func fakeRevoke(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	body = append(bytes.TrimSuffix(bytes.TrimSpace(body), []byte("}")), `,"until_at":1795255200000}`...)
	switch {
	case r.URL.Path != "/revocations" || r.Header.Get("Content-Type") != "application/json":
		http.NotFound(w, r)
	case strings.Contains(string(body), "refused"):
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"code":"forbidden","detail":"the host is unknown","status":403}`)
	case strings.Contains(string(body), "away"):
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprintf(w, `{"revocation":%s,"scope":"this_instance_until_redis_is_back"}`, body)
	default:
		_, _ = fmt.Fprintf(w, `{"revocation":%s,"scope":"all_instances"}`, body)
	}
}

// fakePublish reports the same partition and offset for every record, and requires
// the token for private streams. The offset of a message id "file-N" is N.
func fakePublish(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/revocations") {
		fakeRevoke(w, r)
		return
	}
	switch r.URL.Path {
	case "/v1/streams":
		if r.Header.Get("Authorization") == "Bearer norights" {
			_, _ = io.WriteString(w, `{"streams":[]}`)
			return
		}
		_, _ = io.WriteString(w, `{"streams":[{"stream":"chat","content":"json","partitions":3,"subscribe":true,"publish":true,"replay_ms":-1},`+
			`{"stream":"lost","topic_missing":true,"subscribe":true,"publish":false,"replay_ms":600000}]}`)
		return
	case "/v1/ws":
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"code":"unauthenticated","detail":"the token is not valid","status":401,"retryable":false,"action":"stop"}`)
		return
	}
	if strings.Contains(r.URL.Path, "/private/") && r.Header.Get("Authorization") != "Bearer letmein" {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"code":"unauthenticated","title":"give a token","status":401}`))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	var batch struct {
		ID      string `json:"message_id"`
		Records []struct {
			ID string `json:"message_id"`
		} `json:"records"`
	}
	err := json.NewDecoder(r.Body).Decode(&batch)
	if batch.ID == "lost" {
		w.WriteHeader(http.StatusGatewayTimeout)
		_, _ = io.WriteString(w, `{"code":"publish_unknown","title":"unknown","status":504,"retryable":true,"action":"resume","retry_after_ms":2000}`)
		return
	}
	if err == nil && batch.Records != nil {
		results := slices.Repeat([]string{`{"partition":2,"offset":5}`}, len(batch.Records))
		for n, r := range batch.Records {
			if line, ok := strings.CutPrefix(r.ID, "file-"); ok {
				results[n] = `{"partition":7,"offset":` + line + `}`
			}
		}
		_, _ = fmt.Fprintf(w, `{"failed":0,"results":[%s]}`, strings.Join(results, ","))
		return
	}
	_, _ = w.Write([]byte(`{"type":"published","partition":2,"offset":5,"ts":1795245600123}`))
}
