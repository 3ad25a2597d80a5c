package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/bench/stack"
)

// TestNamedCursorsInEveryKindOfRedis: named cursors must work with a single server,
// a server behind Sentinel, and a Cluster, with a password and over TLS.
func TestNamedCursorsInEveryKindOfRedis(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		redis  stack.RedisOptions
		config func(s *stack.Stack, passwordFile string) string
	}{
		"password and TLS": {stack.RedisOptions{Mode: stack.RedisSingle, Password: true, TLS: true}, func(s *stack.Stack, passwordFile string) string {
			return fmt.Sprintf("{url: \"rediss://%s/0\", password_file: %s, tls: {ca_file: %s}}", s.Redis.Nodes[0].Addr, passwordFile, s.CAFile)
		}},
		"Sentinel": {stack.RedisOptions{Mode: stack.RedisSentinel, Password: true}, func(s *stack.Stack, passwordFile string) string {
			return fmt.Sprintf("{sentinel: {master: %s, addresses: [%s], password_file: %s}, password_file: %s}",
				stack.SentinelMaster, strings.Join(s.Redis.SentinelAddrs(), ", "), passwordFile, passwordFile)
		}},
		"Cluster": {stack.RedisOptions{Mode: stack.RedisCluster}, func(s *stack.Stack, _ string) string {
			return fmt.Sprintf("{cluster: [%s]}", strings.Join(s.Redis.Addrs(), ", "))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 90*time.Second)
			own, err := stack.Start(ctx, stack.Options{Redis: c.redis})
			stack.Check(t, err)
			t.Cleanup(func() {
				if err := own.Close(); err != nil {
					t.Error(err)
				}
			})
			passwordFile := filepath.Join(t.TempDir(), "redis.password")
			if err := os.WriteFile(passwordFile, []byte(own.Redis.Password+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			kind := "modes." + strings.ToLower(strings.Fields(name)[0])
			topic(t, kind, 1)
			i := sluice(t, setup{streams: map[string]string{"modes": kind}, redisConfig: c.config(own, passwordFile)})
			bearer := token(t, "reader-"+kind, "reader")
			page, err := get(ctx, "http://"+i.addr+"/v1/streams/modes/records?from=earliest", bearer)
			if err != nil {
				t.Fatal(err)
			}
			cursor := gjson.Get(page, "cursor").Str
			address := "http://" + i.addr + "/v1/cursors/modes/phone"
			request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, strings.NewReader(fmt.Sprintf(`{"cursor":%q}`, cursor)))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+bearer)
			request.Header.Set("Content-Type", "application/json")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Fatalf("the ack is answered %s", response.Status)
			}
			if stored, err := get(ctx, address, bearer); err != nil || gjson.Get(stored, "cursor").Str == "" {
				t.Errorf("stored is %q, %v", stored, err)
			}
		})
	}
}
