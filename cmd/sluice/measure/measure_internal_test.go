package measure

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`{"type":"event","stream":"s","data":{"type":"gap"}}`:         "1 ",
		`{"stream":"s","type":"event"}`:                               "1 ",
		`{"type":"gap","stream":"s"}`:                                 "2 ",
		`{"type":"subscribed","id":"0"}`:                              "3 ",
		`{"type":"ready","session":"s_1"}`:                            "3 ",
		`{"type":"error","id":"0","code":"forbidden"}`:                "4 forbidden",
		`{"type":"closing","code":"draining"}`:                        "4 draining",
		`{"type":"unsubscribed","id":"0","reason":"slow_consumer"}`:   "4 slow_consumer",
		`{"type":"cursor","cursor":"v1.x"}`:                           "0 ",
		`not JSON`:                                                    "0 ",
		`{"type":"error"}`:                                            "4 error",
		`{"type":"closing","reason":"a","code":"b","message":"code"}`: "4 b",
	} {
		k, code := kindOf([]byte(message))
		if got := fmt.Sprint(int(k), " ", code); got != want {
			t.Errorf("%s: got %s, want %s", message, got, want)
		}
	}
}

func TestStamps(t *testing.T) {
	t.Parallel()
	begin := stampBegin("run")
	line := `{"type":"event","stream":"s","partition":0,"offset":1,"ts":1795245600123,"key":"\"bench\",\"run-1-2\"","headers":[["a","run"],["bench","` +
		stampText("run", 7, 1795245600123456789) + `"]],"data":{"ts":5}}`
	number, due, ok := findStamp([]byte(line), begin)
	if !ok || number != 7 || due != 1795245600123456789 {
		t.Errorf("got %d, %d, %v", number, due, ok)
	}
	if ms, ok := findTime([]byte(line)); !ok || ms != 1795245600123 {
		t.Errorf("got %d, %v", ms, ok)
	}
	for _, text := range []string{"", `{"type":"event"}`, `"bench","run-`, `"bench","run-1`, `"bench","run-1"`, `"bench","run-x-1"`, `"bench","run--1-1"`, `"bench","other-1-1"`} {
		if _, _, ok := findStamp([]byte(text), begin); ok {
			t.Errorf("%s has a stamp", text)
		}
	}
	for _, text := range []string{"", `"ts":null,`, `"ts":1`} {
		if _, ok := findTime([]byte(text)); ok {
			t.Errorf("%s has a time", text)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	check := func(have, want []uint8) bool {
		var a, b numbers
		all := map[uint8]bool{}
		for _, n := range want {
			if a.add(int64(n)) == all[n] {
				return false
			}
			all[n] = true
		}
		if a.count != int64(len(all)) {
			return false
		}
		for _, n := range have {
			b.add(int64(n))
			delete(all, n)
		}
		return a.missing(&b) == int64(len(all))
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestConfigs(t *testing.T) {
	t.Parallel()
	good := func() Config {
		return Config{URL: "http://127.0.0.1:1", Stream: "s", Transport: SSE, Clients: 101, ConnectRate: 10, Duration: time.Minute}
	}
	for name, change := range map[string]func(*Config){
		"stream": func(c *Config) { c.Stream = "" }, "transport": func(c *Config) { c.Transport = "udp" },
		"clients": func(c *Config) { c.Clients = MaxClients + 1 }, "connect rate": func(c *Config) { c.ConnectRate = 0 },
		"duration": func(c *Config) { c.Duration = 0 }, "rate": func(c *Config) { c.Rate = -1 },
		"value": func(c *Config) { c.Value = make([]byte, MaxSize+1) },
	} {
		c := good()
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if c.Check() == nil {
			t.Errorf("%s: it is not noticed", name)
		}
	}
	for url, modest := range map[string]bool{"http://127.0.0.1:1": true, "http://[::1]:80/x": true, "http://localhost": true, "https://example.com": false, "http://10.0.0.1:8080": false, "http://127.0.0.1.example.com": false} {
		c := good()
		if c.URL = url; (c.Modest() == nil) != modest {
			t.Errorf("%s: got %v", url, c.Modest())
		}
	}
	c := good()
	c.URL, c.Clients = "https://example.com", 100
	if err := c.Modest(); err != nil {
		t.Error(err)
	}
	c.Rate = ModestRate + 1
	if c.Modest() == nil {
		t.Error("the rate is not noticed")
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"read tcp 127.0.0.1:4711->127.0.0.1:8080: connection reset by peer": "connection reset by peer",
		"unexpected EOF": "unexpected EOF",
	} {
		if got := reason(errors.New(text)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	h := newHistogram()
	record(h, 1500*time.Microsecond)
	record(h, -time.Second)
	record(h, time.Hour)
	r := Report{
		URL: "http://127.0.0.1:1", Stream: "s", Transport: SSE, Clients: 2, Connected: 1, Connect: timesOf(h), Seconds: 2, Records: 10, RecordsPerSecond: 5,
		Bytes: 4096, Latency: timesOf(h), RecordAge: timesOf(h), Ahead: 1, Published: &Published{Due: 3, Stored: 1, Refused: 1, Unknown: 1},
		Missing: 1, Gaps: 1, Lost: 1, Errors: map[string]int{"forbidden": 1}, CPUSeconds: 3, Cores: 2,
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"clients    1 of 2 over sse", "p50 1.50, ", "max 120", "10 in 2.0 s, 5.0 a second, 4.0 KiB (2.0 KiB a second)", "1 records are from the future",
		"1 of 3 stored, 1 refused, 1 unknown", "1 missing, 0 repeated, 1 gap, 1 lost connection", "1 times forbidden", "used 1.50 of 2 cores", "may be those of the bench",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
	if r.Faultless() || !(&Report{Clients: 1, Connected: 1}).Faultless() {
		t.Error("faults are not told from none")
	}
}
