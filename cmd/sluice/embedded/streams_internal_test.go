package embedded

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"sluice/hub/schema"
)

// now is an arbitrary time, the same for all tests.
var now = time.Unix(1_795_245_600, 0)

// sample makes a stream's records for some time up to now.
func sample(t *testing.T, stream string, rate float64, length time.Duration) []record {
	t.Helper()
	g, err := newGenerator(stream, 7, rate)
	if err != nil {
		t.Fatal(err)
	}
	var records []record
	for slot := slotOf(now.Add(-length), g.span()); slot < slotOf(now, g.span()); slot++ {
		records = append(records, g.records(slot)...)
	}
	if len(records) == 0 {
		t.Fatalf("%s: no records", stream)
	}
	return records
}

func TestStreamsAreAFunctionOfSeedAndTime(t *testing.T) {
	t.Parallel()
	for stream, rate := range DefaultRates() {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			for _, r := range sample(t, stream, rate, 5*time.Minute) {
				if bytes.Contains(r.value, []byte(`\u00`)) {
					t.Fatalf("people are to read %s", r.value)
				}
			}
			one, _ := newGenerator(stream, 7, rate)
			two, _ := newGenerator(stream, 7, rate)
			other, _ := newGenerator(stream, 8, rate)
			slot := slotOf(now, one.span())
			// The order in which slots are requested must not matter.
			two.records(slot - 3)
			if !reflect.DeepEqual(one.records(slot), two.records(slot)) {
				t.Error("the same seed gives other records")
			}
			if reflect.DeepEqual(one.records(slot), other.records(slot)) {
				t.Error("another seed gives the same records")
			}
		})
	}
}

func TestStreamsKeepTheirShape(t *testing.T) {
	t.Parallel()
	for stream, rate := range DefaultRates() {
		for _, factor := range []float64{1, 4} {
			t.Run(stream, func(t *testing.T) {
				t.Parallel()
				g, _ := newGenerator(stream, 7, rate*factor)
				span := g.span()
				length, total, size, values := 8*time.Minute, 0, 0, 0
				for slot := slotOf(now, span) - int64(length/span); slot < slotOf(now, span); slot++ {
					begin := time.Unix(0, slot*int64(span))
					last := begin
					for _, r := range g.records(slot) {
						if r.due.Before(last) || !r.due.Before(begin.Add(span)) {
							t.Fatalf("due at %v, behind %v, in the slot from %v", r.due, last, begin)
						}
						if r.ts.After(r.due) || r.due.Nanosecond()%1e6 != 0 || r.ts.Nanosecond()%1e6 != 0 {
							t.Fatalf("due %v, timestamp %v", r.due, r.ts)
						}
						if r.key == "" {
							t.Fatal("no key")
						}
						last = r.due
						total++
						if r.value == nil {
							continue
						}
						values, size = values+1, size+len(r.value)
						if len(r.value) > 640 {
							t.Fatalf("%d bytes: %s", len(r.value), r.value)
						}
					}
				}
				if got, want := float64(total), rate*factor*length.Seconds(); math.Abs(got-want) > 0.12*want {
					t.Errorf("%v records, want about %v", got, want)
				}
				if mean := size / values; mean < 150 || mean > 400 {
					t.Errorf("values of %d bytes on average, want 150 to 400", mean)
				}
			})
		}
	}
}

func decode[T any](t *testing.T, r record) T {
	t.Helper()
	var v T
	decoder := json.NewDecoder(bytes.NewReader(r.value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, r.value)
	}
	return v
}

func TestWikiFollowsZipf(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	records := sample(t, "wiki.edits", 40, 5*time.Minute)
	revisions := map[int64]bool{}
	for _, r := range records {
		e := decode[edit](t, r)
		if e.Wiki != r.key || e.Title == "" || e.User == "" || e.Length.New < 0 || revisions[e.Revision] {
			t.Fatalf("edit %s", r.value)
		}
		revisions[e.Revision] = true
		counts[r.key]++
	}
	if len(counts) < len(wikis)*2/3 {
		t.Errorf("only %d wikis", len(counts))
	}
	ranks := make([]int, 0, len(counts))
	for _, n := range counts {
		ranks = append(ranks, n)
	}
	slices.Sort(ranks)
	slices.Reverse(ranks)
	if top := float64(ranks[0]) / float64(len(records)); top < 0.2 || top > 0.5 {
		t.Errorf("the largest wiki has %.2f of all", top)
	}
	if ranks[0] < 6*ranks[9] {
		t.Errorf("the first has %d, the tenth %d", ranks[0], ranks[9])
	}
}

func TestMarketSequencesHaveNoHole(t *testing.T) {
	t.Parallel()
	last := map[string]int64{}
	for _, r := range sample(t, "market.ticks", 40, 5*time.Minute) {
		x := decode[tick](t, r)
		if x.Symbol != r.key {
			t.Fatalf("key %s: %s", r.key, r.value)
		}
		if had, ok := last[x.Symbol]; ok && x.Seq != had+1 {
			t.Fatalf("%s: %d after %d", x.Symbol, x.Seq, had)
		}
		last[x.Symbol] = x.Seq
		if x.Bid >= x.Ask || x.Price < x.Bid || x.Price > x.Ask || x.Bid <= 0 {
			t.Fatalf("price %s", r.value)
		}
	}
	if len(last) != len(symbols) {
		t.Fatalf("%d of %d symbols", len(last), len(symbols))
	}
}

func TestMarketIsBursty(t *testing.T) {
	t.Parallel()
	const rate = 40
	busiest, counts := 0, map[int64]int{}
	for _, r := range sample(t, "market.ticks", rate, 5*time.Minute) {
		tenth := r.due.UnixMilli() / 100
		counts[tenth]++
		busiest = max(busiest, counts[tenth])
	}
	if mean := rate / 10; busiest < 8*mean {
		t.Fatalf("the busiest tenth of a second has %d ticks, the mean is %d", busiest, mean)
	}
}

func TestTelemetryIsLateAndInvalidNowAndThen(t *testing.T) {
	t.Parallel()
	compiled, err := schema.Compile(telemetrySchema)
	if err != nil {
		t.Fatal(err)
	}
	records := sample(t, "iot.telemetry", 40, 12*time.Minute)
	late, invalid, broken := 0, 0, 0
	seen := map[string]map[int64]bool{}
	for _, r := range records {
		if delay := r.due.Sub(r.ts); delay > 0 {
			late++
			if delay > offlineFor+offlineFor/2 {
				t.Fatalf("late by %v", delay)
			}
		}
		if !json.Valid(r.value) {
			broken++
			invalid++
			continue
		}
		m := decode[reading](t, r)
		temp, ok := m.Temp.(float64)
		good := ok && temp <= 60 && temp >= -40
		// Of those that are spoilt, a reading without a device is still one by the schema.
		if checked := compiled.Validate(r.value, schema.Limits{Steps: 100_000, Violations: 1}); (len(checked.Violations) == 0) != good {
			t.Fatalf("%s: %v", r.value, checked.Violations)
		}
		if !good || m.Device != r.key {
			invalid++
			continue
		}
		if seen[r.key] == nil {
			seen[r.key] = map[int64]bool{}
		}
		if seen[r.key][m.Seq] {
			t.Fatalf("%s reports %d twice", r.key, m.Seq)
		}
		seen[r.key][m.Seq] = true
	}
	all := float64(len(records))
	if share := float64(late) / all; share < 0.003 || share > 0.05 {
		t.Errorf("%.4f of all is late", share)
	}
	if share := float64(invalid) / all; share < 0.005 || share > 0.02 {
		t.Errorf("%.4f of all is invalid", share)
	}
	if broken == 0 || broken == invalid {
		t.Errorf("%d invalid, of which %d are no JSON", invalid, broken)
	}
	if len(seen) != devices {
		t.Errorf("%d of %d devices", len(seen), devices)
	}
}

func TestAircraftFlyWithoutJumps(t *testing.T) {
	t.Parallel()
	type fix struct {
		flight
		at time.Time
	}
	last := map[string]fix{}
	aloft := 0
	for _, r := range sample(t, "flights.positions", 6, 2*time.Hour) {
		f := decode[flight](t, r)
		if f.Heading < 0 || f.Heading > 359 || f.Altitude < 0 || f.Altitude > 12500 || f.Lat < 45 || f.Lat > 57 || f.Lon < 0 || f.Lon > 21 {
			t.Fatalf("flight %s", r.value)
		}
		if !f.OnGround {
			aloft++
			if f.Speed < 100 || f.Speed > 1000 {
				t.Fatalf("speed %s", r.value)
			}
		}
		if had, ok := last[r.key]; ok {
			km := arc(city{lat: had.Lat, lon: had.Lon}, city{lat: f.Lat, lon: f.Lon}) * earthKm
			if most := 1100*r.due.Sub(had.at).Hours() + 0.01; km > most {
				t.Fatalf("%s jumps %.2f km in %v", r.key, km, r.due.Sub(had.at))
			}
		}
		last[r.key] = fix{f, r.due}
	}
	if len(last) != aircraft || aloft == 0 {
		t.Fatalf("%d of %d aircraft, %d positions in the air", len(last), aircraft, aloft)
	}
}

func TestOrdersEndInATombstone(t *testing.T) {
	t.Parallel()
	rank := map[string]int{"placed": 1, "paid": 2, "compressed": 3, "shipped": 4, "delivered": 5, "cancelled": 6}
	const gone = 7
	state := map[string]int{}
	began := map[string]time.Time{}
	tombstones := 0
	for _, r := range sample(t, "shop.orders", 8, 20*time.Minute) {
		now := gone
		if r.value != nil {
			o := decode[order](t, r)
			now = rank[o.Status]
			total := 0
			for _, i := range o.Items {
				total += i.Cents * i.Count
			}
			if o.Order != r.key || total != o.Total || total == 0 || now == 0 {
				t.Fatalf("order %s", r.value)
			}
			began[r.key] = time.UnixMilli(o.Placed)
		} else {
			tombstones++
		}
		if now <= state[r.key] {
			t.Fatalf("%s goes from %d to %d", r.key, state[r.key], now)
		}
		state[r.key] = now
	}
	if tombstones < 500 {
		t.Fatalf("%d tombstones", tombstones)
	}
	for key, at := range began {
		if state[key] != gone && now.Sub(at) > longestOrder {
			t.Fatalf("%s, of %v ago, has no tombstone", key, now.Sub(at))
		}
	}
}

func TestWhereAStreamGoesOn(t *testing.T) {
	t.Parallel()
	const history = 5 * time.Minute
	for name, test := range map[string]struct{ written, want time.Time }{
		"nothing written":     {time.Time{}, now.Add(-history)},
		"written just before": {now.Add(-time.Second), now.Add(-time.Second + time.Millisecond)},
		"written long ago":    {now.Add(-time.Hour), now.Add(-history)},
		"in the future":       {now.Add(time.Hour), now},
	} {
		if got := startOf(now, history, test.written); !got.Equal(test.want) {
			t.Errorf("%s: from %v, want %v", name, got, test.want)
		}
	}
}
