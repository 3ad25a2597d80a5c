package embedded

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// flights is flights.positions: aircraft that shuttle between western and eastern
// cities, keyed by the aircraft's address. Each leg has a slot in an endless
// timetable, so that the position at any time can be computed directly.
type flights struct {
	seed uint64
	rota rota
}

const (
	aircraft    = 36
	flightsSpan = 5 * time.Second
	// A leg fills a slot of the timetable, from one gate to the next; the aircraft
	// is in the air between these fractions of it.
	legSlot    = 90 * time.Minute
	takeOff    = 0.07
	touchDown  = 0.93
	climbs     = 0.18 // of the flight
	descends   = 0.24
	sampleStep = 1e-4 // of the flight, to measure speed and direction
)

func newFlights(seed uint64, rate float64) *flights {
	return &flights{seed: seed, rota: newRota(seed, aircraft, rate)}
}

type flight struct {
	ICAO     string  `json:"icao24"`
	Callsign string  `json:"callsign"`
	From     string  `json:"from"`
	To       string  `json:"to"`
	Lat      float64 `json:"lat"`
	Lon      float64 `json:"lon"`
	Altitude int     `json:"altitude_m"`
	Speed    int     `json:"speed_kmh"`
	Heading  int     `json:"heading"`
	Vertical float64 `json:"vertical_ms"`
	OnGround bool    `json:"on_ground"`
	Progress float64 `json:"progress"`
	Squawk   string  `json:"squawk"`
	At       int64   `json:"at"`
}

func (f *flights) span() time.Duration { return flightsSpan }

func (f *flights) records(slot int64) []record {
	begin := time.Unix(0, slot*int64(flightsSpan))
	var records []record
	f.rota.each(begin, begin.Add(flightsSpan), func(i int, _ int64, at time.Time) {
		at = at.Truncate(time.Millisecond)
		now := f.position(i, at)
		records = append(records, record{due: at, ts: at, key: now.ICAO, value: encode(now)})
	})
	slices.SortStableFunc(records, func(a, b record) int { return a.due.Compare(b.due) })
	return records
}

// position returns the position of an aircraft.
func (f *flights) position(i int, at time.Time) flight {
	own := mix(f.seed, 1, uint64(i))
	x := at.UnixNano() + int64(fraction(own)*float64(legSlot))
	leg := x / int64(legSlot)
	elapsed := float64(x%int64(legSlot)) / float64(legSlot)
	from, to := f.stop(own, leg), f.stop(own, leg+1)
	progress := min(1, max(0, (elapsed-takeOff)/(touchDown-takeOff)))

	lat, lon := between(from, to, progress)
	now := flight{
		ICAO:     fmt.Sprintf("f%02x%03x", i, own&0xfff),
		Callsign: fmt.Sprintf("%s%d", airlines[i%len(airlines)], 100+mix(own, uint64(leg))%900),
		From:     from.code,
		To:       to.code,
		Lat:      round(lat, 5),
		Lon:      round(lon, 5),
		OnGround: progress == 0 || progress == 1,
		Progress: round(progress, 4),
		Squawk:   fmt.Sprintf("%04o", mix(own, 2, uint64(leg))%0o7000+0o1000),
		At:       at.UnixMilli(),
	}
	ahead := min(progress, 1-sampleStep)
	lat1, lon1 := between(from, to, ahead)
	lat2, lon2 := between(from, to, ahead+sampleStep)
	now.Heading = int(bearing(lat1, lon1, lat2, lon2)) % 360
	if now.OnGround {
		return now
	}
	cruise := 7600 + 300*float64(mix(own, 3, uint64(leg))%14)
	hours := legSlot.Hours() * (touchDown - takeOff)
	now.Altitude = int(cruise * profile(progress))
	now.Vertical = round(cruise*(profile(progress+sampleStep)-profile(progress))/(sampleStep*hours*3600), 1)
	now.Speed = int(arc(from, to)*earthKm/hours) + int(8*wave(own, seconds(at)/20))
	return now
}

// stop returns the city where a leg begins: alternately in the west and the east.
func (f *flights) stop(own uint64, leg int64) city {
	cities := western
	if leg%2 == 0 {
		cities = eastern
	}
	return cities[mix(own, 4, uint64(leg))%uint64(len(cities))]
}

// profile returns the height at a fraction of a flight, as a fraction of cruise
// height.
func profile(progress float64) float64 {
	height := min(1, progress/climbs, (1-progress)/descends)
	return math.Sin(max(0, height) * math.Pi / 2)
}

var airlines = []string{"SLX", "NRD", "ALP", "HNS"}
