package embedded

import (
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// telemetry is iot.telemetry: readings of a fleet of weather boxes, keyed by device.
// Now and then a device is offline for a while; its readings of that time arrive
// late, all at once, with the timestamps of the measurements. One reading in a
// hundred is invalid, as with real devices: of the wrong type, out of range,
// incomplete, or truncated and thus not JSON at all.
type telemetry struct {
	seed uint64
	rota rota
}

const (
	devices       = 120
	telemetrySpan = 5 * time.Second
	// In each window a device is offline, with some odds, for the first part of it.
	offlineWindow = 3 * time.Minute
	offlineFor    = 40 * time.Second
	offlineOdds   = 0.05
	// lateGap is the time between two readings that arrive late.
	lateGap     = 5 * time.Millisecond
	invalidOdds = 0.01
)

func newTelemetry(seed uint64, rate float64) *telemetry {
	return &telemetry{seed: seed, rota: newRota(seed, devices, rate)}
}

// telemetrySchema is what readings are, unless they are spoilt.
//
//go:embed telemetry.schema.json
var telemetrySchema []byte

type reading struct {
	Device     string   `json:"device,omitempty"`
	Site       string   `json:"site"`
	Seq        int64    `json:"seq"`
	MeasuredAt int64    `json:"measured_at"`
	Temp       any      `json:"temp_c"`
	Humidity   float64  `json:"humidity_pct"`
	Pressure   float64  `json:"pressure_hpa"`
	Battery    float64  `json:"battery_v"`
	RSSI       int      `json:"rssi_dbm"`
	Firmware   string   `json:"fw"`
	Position   position `json:"position"`
}

type position struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

func (t *telemetry) span() time.Duration { return telemetrySpan }

func (t *telemetry) records(slot int64) []record {
	begin := time.Unix(0, slot*int64(telemetrySpan))
	end := begin.Add(telemetrySpan)
	var records []record
	t.rota.each(begin.Add(-offlineFor-offlineFor/2), end, func(device int, turn int64, at time.Time) {
		due := t.due(device, at).Truncate(time.Millisecond)
		if due.Before(begin) || !due.Before(end) {
			return
		}
		records = append(records, record{
			due:   due,
			ts:    at.Truncate(time.Millisecond),
			key:   deviceName(device),
			value: t.reading(device, turn, at),
		})
	})
	slices.SortStableFunc(records, func(a, b record) int { return a.due.Compare(b.due) })
	return records
}

// due returns when a reading arrives: when it was measured, or when the device is
// back online.
func (t *telemetry) due(device int, at time.Time) time.Time {
	// Each device's windows begin at a different time.
	shift := time.Duration(fraction(t.seed, 2, uint64(device)) * float64(offlineWindow))
	window := (at.UnixNano() + int64(shift)) / int64(offlineWindow)
	start := time.Unix(0, window*int64(offlineWindow)-int64(shift))
	since := at.Sub(start)
	if since >= offlineFor || fraction(t.seed, 3, uint64(device), uint64(window)) >= offlineOdds {
		return at
	}
	// In order, and within half of offlineFor even for thousands of readings.
	gap := min(lateGap, t.rota.interval/2)
	return start.Add(offlineFor).Add(since / t.rota.interval * gap)
}

func deviceName(device int) string { return fmt.Sprintf("box-%03d", device) }

func (t *telemetry) reading(device int, turn int64, at time.Time) []byte {
	own := mix(t.seed, 4, uint64(device))
	r := chance(own, uint64(turn))
	home := append(slices.Clone(western), eastern...)[device%(len(western)+len(eastern))]
	x := seconds(at)
	// Afternoons are warm, and the weather changes.
	day := math.Sin((x/86400 - 0.375) * 2 * math.Pi)
	temp := 11 + 6*day + 5*wave(own, x/40000) + 0.6*wave(own+1, x/120) + 0.1*r.NormFloat64()
	m := reading{
		Device:     deviceName(device),
		Site:       pick(chance(own), sites) + " " + home.name,
		Seq:        turn,
		MeasuredAt: at.UnixMilli(),
		Temp:       round(temp, 2),
		Humidity:   round(62-12*day+15*wave(own+2, x/9000)+r.NormFloat64(), 1),
		Pressure:   round(1013+14*wave(own+3, x/50000)+0.2*r.NormFloat64(), 1),
		Battery:    round(3.45+0.3*day/2+0.2*wave(own+4, x/200000), 2),
		RSSI:       -60 - int(12*fraction(own, 5)) - r.IntN(14),
		Firmware:   firmware[int(own>>8)%len(firmware)],
		Position: position{
			Lat: round(home.lat+0.08*(fraction(own, 6)-0.5), 4),
			Lon: round(home.lon+0.12*(fraction(own, 7)-0.5), 4),
		},
	}
	if r.Float64() < invalidOdds {
		return spoil(r, m)
	}
	return encode(m)
}

// spoil makes a reading invalid in one of the ways of real devices.
func spoil(r *rand.Rand, m reading) []byte {
	switch r.IntN(4) {
	case 0:
		m.Temp = "n/a"
	case 1:
		m.Temp = 999.9
	case 2:
		m.Device = ""
	default:
		whole := encode(m)
		return whole[:len(whole)/2+r.IntN(len(whole)/3)]
	}
	return encode(m)
}

var (
	sites    = []string{"Klärwerk", "Wetterpark", "Umspannwerk", "Gewächshaus", "Hafenbecken", "Rooftop", "Depot", "Solarfeld", "Cold store", "Pumpwerk"}
	firmware = []string{"2.4.1", "2.4.1", "2.4.1", "2.5.0-rc2", "2.3.9"}
)
