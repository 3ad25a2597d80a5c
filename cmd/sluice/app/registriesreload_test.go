package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sluice/cmd/sluice/config"
)

// guarded is a registry that accepts one token, which can be exchanged, and counts requests.
type guarded struct {
	*srfake.Registry
	*httptest.Server
	token atomic.Value
	asked atomic.Int64
}

func newGuarded(t *testing.T, token, schema string) *guarded {
	t.Helper()
	g := &guarded{Registry: srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatNone))}
	g.token.Store(token)
	g.SeedSchema("readings-value", 1, 7, sr.Schema{Schema: schema, Type: sr.TypeJSON})
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.asked.Add(1)
		if r.Header.Get("Authorization") != "Bearer "+g.token.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		g.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(g.Server.Close)
	return g
}

// TestRegistriesAreReloaded: a registry that is new, has another credential or another URL, or
// is removed takes effect with the reload. The schemas of new streams are known right after
// it, and those of a registry that has other settings stay known.
func TestRegistriesAreReloaded(t *testing.T) {
	t.Parallel()
	servers, dir := embed(t), t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const upTo10, upTo20, upTo30 = `{"properties": {"t": {"maximum": 10}}}`, `{"properties": {"t": {"maximum": 20}}}`, `{"properties": {"t": {"maximum": 30}}}`
	one, two, three := newGuarded(t, "a", upTo10), newGuarded(t, "a", upTo20), newGuarded(t, "b", upTo30)
	tokenA, tokenB := file("a", "a\n"), file("b", "b\n")
	configured := func(registries, streams string) string {
		return fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
grants: [{anonymous: true, subscribe: ["*"], publish: ["*"], replay: unlimited}]
registries: {%s}
streams: {plain: {topic: plain, partitions: 1}, %s}
`, servers.Brokers[0], registries, streams)
	}
	at := func(name string, of *guarded, token string) string {
		return fmt.Sprintf(`%s: {urls: [%q], token_file: %q, refresh: 1h, timeout: 10s}`, name, of.Server.URL, token)
	}
	stream := func(name, registry string) string {
		return fmt.Sprintf(`%s: {topic: %s, partitions: 1, content: json_schema, schema: {registry: %s, subject: readings-value}}`, name, name, registry)
	}
	r := &ruled{t: t, startedApp: run(t, load(t, "%s", configured(at("main", one, tokenA), stream("first", "main"))), Options{})}
	reload := func(registries, streams string) {
		t.Helper()
		if restart, err := r.Reload(load(t, "%s", configured(registries, streams))); err != nil || len(restart) > 0 {
			t.Fatalf("needs a restart: %v, %v", restart, err)
		}
	}
	publish := func(stream string, n, want int) {
		t.Helper()
		if status, answer := r.post(stream, "", "application/json", "", fmt.Sprintf(`{"data":{"t":%d}}`, n)); status != want {
			t.Errorf("%s, %d: got %d %v, want %d", stream, n, status, answer, want)
		}
	}
	eventually := func(what string, met func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !met(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not within 20 s: %s", what)
			}
		}
	}
	publish("first", 10, 200)
	publish("first", 11, 422)
	main := r.registries.now()["main"]

	// A new one.
	both := stream("first", "main") + ", " + stream("second", "other")
	reload(at("main", one, tokenA)+", "+at("other", two, tokenA), both)
	publish("first", 10, 200)
	publish("second", 20, 200)
	publish("second", 21, 422)

	// Another credential: what is known stays known, and the registry is asked again at once.
	one.token.Store("b")
	one.SeedSchema("readings-value", 2, 8, sr.Schema{Schema: upTo20, Type: sr.TypeJSON})
	reload(at("main", one, tokenB)+", "+at("other", two, tokenA), both)
	if r.registries.now()["main"] != main {
		t.Error("the registry was made anew")
	}
	if status, _ := r.post("first", "", "application/json", "", `{"data":{"t":10}}`); status != 200 {
		t.Errorf("just after the reload: got %d", status)
	}
	eventually("the version is in force that the new credential shows", func() bool { return r.body("/v1/streams/first/schema") == upTo20 })

	// A credential that is exchanged in its file.
	one.token.Store("c")
	file("b", "c\n")
	one.SeedSchema("readings-value", 3, 9, sr.Schema{Schema: upTo30, Type: sr.TypeJSON})
	reload(at("main", one, tokenB)+", "+at("other", two, tokenA), both)
	eventually("the version is in force that the exchanged credential shows", func() bool { return r.body("/v1/streams/first/schema") == upTo30 })

	// Another registry under the same name.
	file("b", "b\n")
	reload(at("other", three, tokenB), stream("second", "other"))
	publish("second", 30, 200)
	publish("second", 31, 422)
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range r.front.without() {
			if strings.HasPrefix(name, "schema registry") && !yield(name) {
				return
			}
		}
	})
	if !slices.Equal(names, []string{"schema registry other"}) {
		t.Errorf("checked are %v", names)
	}
	if got := gathered(t, r.front.registry); strings.Contains(got, "main") || !strings.Contains(got, "other") {
		t.Errorf("counted are %s", got)
	}

	// One that is away delays the reload by a request at most, and one that cannot be made
	// changes nothing.
	two.Server.Close()
	reload(at("other", three, tokenB)+", "+strings.Replace(at("away", two, tokenA), "timeout: 10s", "timeout: 1s", 1), stream("first", "away")+", "+stream("second", "other"))
	publish("first", 1, 503)
	publish("second", 30, 200)

	// None.
	reload("", "more: {topic: more, partitions: 1}")
	asked := one.asked.Load() + three.asked.Load()
	if got := gathered(t, r.front.registry); got != "" || len(r.registries.wanted()) != 0 {
		t.Errorf("counted are %s", got)
	}
	if n := one.asked.Load() + three.asked.Load(); n != asked {
		t.Errorf("asked %d times more", n-asked)
	}
}

// gathered returns the labels of the metrics of schema registries.
func gathered(t *testing.T, from prometheus.Gatherer) (labels string) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "sluice_registry_") {
			for _, m := range family.GetMetric() {
				labels += fmt.Sprint(m.GetLabel())
			}
		}
	}
	return labels
}

// TestClientCertificateIsReadAgain: for each connection, and the last one is used while its
// files are exchanged.
func TestClientCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := newCertificate(t)
	made, err := renewingTLS(&config.ClientTLS{CertFile: config.Path(certFile), KeyFile: config.Path(keyFile)})
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		t.Helper()
		pair, err := made.GetClientCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(pair.Certificate[0])
	}
	exchange := func(to, from string) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	first := shown()
	otherCert, otherKey, _ := newCertificate(t)
	exchange(certFile, otherCert)
	if shown() != first {
		t.Error("with half of the files exchanged, it is another one")
	}
	exchange(keyFile, otherKey)
	if shown() == first {
		t.Error("with both files exchanged, it is the first one")
	}
	if none, err := renewingTLS(nil); none != nil || err != nil {
		t.Errorf("without TLS: %v, %v", none, err)
	}
	if _, err := renewingTLS(&config.ClientTLS{CAFile: "missing"}); err == nil {
		t.Error("a file that is missing is accepted")
	}
	if plain, err := renewingTLS(&config.ClientTLS{ServerName: "r"}); err != nil || plain.GetClientCertificate != nil || plain.ServerName != "r" {
		t.Errorf("got %v, %v", plain, err)
	}
}
