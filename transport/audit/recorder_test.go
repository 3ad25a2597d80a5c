package audit_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/transport/audit"
)

func TestNewRefusesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*audit.Config){
		"no sink":         func(c *audit.Config) { c.Log, c.Stream = false, "" },
		"no store":        func(c *audit.Config) { c.Store = nil },
		"no source":       func(c *audit.Config) { c.Source = "" },
		"no time":         func(c *audit.Config) { c.PublishTimeout = 0 },
		"no queue":        func(c *audit.Config) { c.Queue = 0 },
		"no bytes":        func(c *audit.Config) { c.QueueBytes = 0 },
		"no span":         func(c *audit.Config) { c.SumEvery = 0 },
		"no logger":       func(c *audit.Config) { c.Logger = nil },
		"no clock":        func(c *audit.Config) { c.Now = nil },
		"other token ids": func(c *audit.Config) { c.TokenIDs = "all" },
	} {
		c := config(&book{})
		spoil(&c)
		if r, err := audit.New(c); err == nil || r != nil {
			t.Errorf("%s: got %v, %v", name, r, err)
		}
	}
	logOnly := config(&book{})
	logOnly.Stream, logOnly.Store, logOnly.Source, logOnly.PublishTimeout = "", nil, "", 0
	if _, err := audit.New(logOnly); err != nil {
		t.Errorf("the log alone: %v", err)
	}
}

// TestBothSinksGetEveryEvent: every type of event arrives in the log and in the stream,
// with the same id, time and attributes, and in order.
func TestBothSinksGetEveryEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r, stop := run(t, config(b))
		synctest.Wait() // for started
		all := samples()
		if len(all) != len(audit.Types()) {
			t.Fatalf("%d samples for %d types", len(all), len(audit.Types()))
		}
		for _, kind := range audit.Types() {
			r.Record(all[kind])
			time.Sleep(time.Millisecond)
		}
		stop()
		want := []string{string(audit.TypeStarted)}
		for _, kind := range audit.Types() {
			want = append(want, string(kind))
		}
		want = append(want, string(audit.TypeStopped))
		ids := map[string]bool{}
		var got []string
		for i, logged := range b.logged {
			got = append(got, logged.kind)
			ids[logged.id] = true
			stored := b.stored[i]
			for name, value := range logged.attrs {
				if n, ok := value.(int64); ok {
					logged.attrs[name] = float64(n)
				}
			}
			if stored.kind != logged.kind || stored.id != logged.id || !stored.at.Equal(logged.at) || !maps.Equal(stored.attrs, logged.attrs) {
				t.Errorf("the log has %+v, the stream %+v", logged, stored)
			}
			if of, _ := stored.attrs["principal"].(string); string(stored.key) != of {
				t.Errorf("%s of %q has the key %q", stored.kind, of, stored.key)
			}
			if stored.key != nil && len(stored.key) == 0 {
				t.Errorf("%s has an empty key instead of none", stored.kind)
			}
		}
		if !slices.Equal(got, want) || len(ids) != len(want) {
			t.Errorf("got %q with %d ids, want %q", got, len(ids), want)
		}
		for _, sink := range []string{"log", "stream"} {
			if n := counted(t, r, sink, "stored"); n != len(want) {
				t.Errorf("%s: %d are counted as stored, of %d", sink, n, len(want))
			}
		}
	})
}

// TestRefusalsAreToldApartByTheirReason: what one client was refused for in a second is
// counted by message and cause; of many reasons, the first eight are named.
func TestRefusalsAreToldApartByTheirReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r, stop := run(t, config(b))
		refuse := func(address, message, cause string, n int64) {
			r.Refuse(audit.Refused{Client: audit.Client{Address: address}, Code: "unauthenticated", Message: message, Cause: cause, Count: n})
		}
		refuse("a", "no", "the API key does not exist", 1)
		refuse("a", "no", "the token has expired", 5)
		refuse("a", "no", "the API key does not exist", 1)
		refuse("a", "never", "the API key does not exist", 1)
		long := strings.Repeat("x", 300)
		refuse("b", "no", long+"1", 1)
		refuse("b", "no", long+"2", 1) // alike as far as it is recorded
		for i := range 20 {
			refuse("c", "no", fmt.Sprint("reason ", i%10), 1)
		}
		stop()
		got := map[string]int64{}
		for _, e := range only(b.logged, audit.TypeRefused) {
			cause := fmt.Sprint(e.attrs["cause"])
			got[fmt.Sprint(e.attrs["address"], " ", e.attrs["message"], " ", cause[:min(len(cause), 40)])] += e.attrs["count"].(int64)
		}
		want := map[string]int64{
			"a no the API key does not exist": 2, "a no the token has expired": 5, "a never the API key does not exist": 1,
			"b no " + long[:40]: 2, "c <nil> <nil>": 4,
		}
		for i := range 8 {
			want[fmt.Sprint("c no reason ", i)] = 2
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestRefusalsOfASecondAreOneEvent: refusals are told apart by address, code, principal
// and reason only.
func TestRefusalsOfASecondAreOneEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r, stop := run(t, config(b))
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		for i := range 1000 {
			r.Refuse(audit.Refused{
				Client: audit.Client{Address: "192.0.2.1"}, Code: "unauthenticated", Stream: fmt.Sprint("s", i), Count: 1,
			})
			time.Sleep(time.Millisecond / 2)
		}
		r.Refuse(audit.Refused{Client: audit.Client{Address: "192.0.2.2"}, Code: "unauthenticated", Count: 1})
		r.Refuse(audit.Refused{Client: audit.Client{Address: "192.0.2.1"}, Code: "forbidden", Count: 2})
		r.Refuse(audit.Refused{Client: audit.Client{Address: "192.0.2.1", Principal: "user:a:b"}, Code: "forbidden", Count: 1})
		if n := len(only(b.read(&b.logged), audit.TypeRefused)); n > 0 {
			t.Errorf("%d refusals are recorded before their second has passed", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got := only(b.read(&b.logged), audit.TypeRefused)
		var shown []string
		for _, e := range got {
			shown = append(shown, fmt.Sprint(e.attrs["address"], " ", e.attrs["principal"], " ", e.attrs["code"], " ", e.attrs["stream"], " ", e.attrs["count"]))
		}
		want := []string{
			"192.0.2.1 <nil> unauthenticated s0 1000", "192.0.2.2 <nil> unauthenticated <nil> 1",
			"192.0.2.1 <nil> forbidden <nil> 2", "192.0.2.1 user:a:b forbidden <nil> 1",
		}
		slices.Sort(shown[1:])
		slices.Sort(want[1:])
		if !slices.Equal(shown, want) {
			t.Errorf("got %q, want %q", shown, want)
		}
		if !got[0].at.Equal(began) {
			t.Errorf("the time is %v after that of the first", got[0].at.Sub(began))
		}
		// The next second has an event of its own; at the end nothing is left out.
		r.Refuse(audit.Refused{Client: audit.Client{Address: "192.0.2.1"}, Code: "unauthenticated", Count: 1})
		stop()
		if n := len(only(b.logged, audit.TypeRefused)); n != 5 {
			t.Errorf("%d events in the end", n)
		}
	})
}

// TestRefusalsOfManyAddressesAreBounded: past 4096 addresses in a second, refusals are
// told by code only, and still counted.
func TestRefusalsOfManyAddressesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		c := config(b)
		c.Queue, c.QueueBytes, c.Stream = 10_000, 1<<30, ""
		r, stop := run(t, c)
		const addresses = 6000
		for i := range addresses {
			for _, code := range []string{"unauthenticated", "forbidden"} {
				r.Refuse(audit.Refused{Client: audit.Client{Address: fmt.Sprint("10.0.", i/250, ".", i%250)}, Code: code, Count: 3})
			}
		}
		stop()
		named, others, count := 0, 0, int64(0)
		for _, e := range only(b.logged, audit.TypeRefused) {
			count += e.attrs["count"].(int64)
			if e.attrs["others"] == true {
				others++
				if e.attrs["address"] != nil || e.attrs["code"] == nil {
					t.Errorf("of others: %+v", e.attrs)
				}
			} else {
				named++
			}
		}
		if named != 4096 || others != 2 || count != addresses*2*3 {
			t.Errorf("%d named, %d of others, %d refusals", named, others, count)
		}
	})
}

// TestPublishesOfRequestsAreSummedUp: in every SumEvery there is one event for a
// principal, address and stream.
func TestPublishesOfRequestsAreSummedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r, stop := run(t, config(b))
		began := time.Now()
		for range 100 {
			r.Publish(audit.Published{Client: audit.Client{Principal: "user:a:b", Address: "192.0.2.1"}, Stream: "orders", Records: 2})
			r.Publish(audit.Published{Client: audit.Client{Principal: "user:a:b", Address: "192.0.2.1"}, Stream: "other", Records: 1, Unknown: 1})
			time.Sleep(time.Second / 2)
		}
		synctest.Wait()
		if n := len(only(b.read(&b.logged), audit.TypePublished)); n > 0 {
			t.Errorf("%d events before the minute has passed", n)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		got := only(b.read(&b.logged), audit.TypePublished)
		if len(got) != 2 {
			t.Fatalf("got %d events", len(got))
		}
		for _, e := range got {
			want := map[string]any{
				"principal": "user:a:b", "address": "192.0.2.1", "stream": "orders", "records": int64(200),
				"since": began.UTC().Format(time.RFC3339Nano),
			}
			if e.attrs["stream"] == "other" {
				want["stream"], want["records"], want["unknown"] = "other", int64(100), int64(100)
			}
			if !reflect.DeepEqual(e.attrs, want) {
				t.Errorf("got %v, want %v", e.attrs, want)
			}
		}
		r.Publish(audit.Published{Client: audit.Client{Principal: "user:a:b"}, Stream: "orders", Records: 1})
		stop()
		if n := len(only(b.logged, audit.TypePublished)); n != 3 {
			t.Errorf("%d events in the end", n)
		}
	})
}

// TestSumsOfPublishesAreBounded: what does not fit makes events of all the sums that
// there are, and none is lost.
func TestSumsOfPublishesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		c := config(b)
		c.Queue, c.QueueBytes, c.Stream = 50_000, 1<<30, ""
		r, stop := run(t, c)
		for i := range 10_000 {
			r.Publish(audit.Published{Client: audit.Client{Principal: fmt.Sprint("user:a:", i)}, Stream: "orders", Records: 1})
		}
		synctest.Wait()
		if n := len(only(b.read(&b.logged), audit.TypePublished)); n != 2*4096 {
			t.Errorf("%d events before the minute has passed", n)
		}
		stop()
		if n := len(only(b.logged, audit.TypePublished)); n != 10_000 {
			t.Errorf("%d events in the end", n)
		}
	})
}

// TestTextsAreCut: how much of a text is kept, in characters.
func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	for most, cut := range map[int]func(string) string{
		32: audit.Cut,
		256: func(text string) string {
			b := &book{}
			r, stop := run(t, config(b))
			r.Record(audit.Reconfigured{Detail: text})
			stop()
			got, _ := only(b.logged, audit.TypeReconfigured)[0].attrs["detail"].(string)
			return got
		},
	} {
		for _, one := range []string{"a", "é", "日"} {
			if got, want := cut(strings.Repeat(one, most)), strings.Repeat(one, most); got != want {
				t.Errorf("%d characters have become %q", most, got)
			}
			if got, want := cut(strings.Repeat(one, 1000)), strings.Repeat(one, most)+"…"; got != want {
				t.Errorf("1000 characters are cut to %q, not to %d", got, most)
			}
		}
		if got := cut("a\nb"); got != `a\nb` {
			t.Errorf("two lines have become %q", got)
		}
	}
}

// TestTokenIDs: how the id of a token is recorded, and what is no plain id.
func TestTokenIDs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 129)
	digest := func(id string) string {
		sum := sha256.Sum256([]byte(id))
		return "sha256:" + fmt.Sprintf("%x", sum)[:32]
	}
	for _, c := range []struct {
		how      audit.TokenIDs
		id, want string
	}{
		{audit.TokenIDsPlain, "jti-1", "jti-1"},
		{audit.TokenIDsPlain, "", ""},
		{audit.TokenIDsPlain, long[:128], long[:128]},
		{audit.TokenIDsPlain, long, digest(long)},
		{audit.TokenIDsPlain, "a b", digest("a b")},
		{audit.TokenIDsPlain, "a\nb", digest("a\nb")},
		{audit.TokenIDsDigest, "jti-1", digest("jti-1")},
		{audit.TokenIDsNone, "jti-1", ""},
	} {
		b := &book{}
		conf := config(b)
		conf.TokenIDs = c.how
		r, stop := run(t, conf)
		r.Record(audit.Connected{Client: audit.Client{TokenID: c.id}})
		stop()
		got, _ := only(b.logged, audit.TypeConnected)[0].attrs["token_id"].(string)
		if got != c.want {
			t.Errorf("%s of %.10q: got %q, want %q", c.how, c.id, got, c.want)
		}
	}
}
