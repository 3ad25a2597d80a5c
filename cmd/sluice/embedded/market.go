package embedded

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// market is market.ticks: trades on a fictitious exchange, keyed by symbol. Each
// symbol's sequence number rises by one from tick to tick, so that a missing record
// is visible: a symbol always has the same number of ticks in a period, and only
// their times vary, mostly in bursts that the symbols share. Another rate makes
// other sequence numbers.
type market struct {
	seed  uint64
	rate  float64
	ticks []int64 // ticks per period, by symbol
}

const (
	marketPeriod = 10 * time.Second
	// marketEpoch is the period before the first tick.
	marketEpoch = 1_700_000_000 / 10
	// bursts is the number of bursts in a period, burstShare the fraction of the
	// ticks in them, burstLength the time constant of a burst's decay.
	bursts      = 3
	burstShare  = 0.7
	burstLength = 180 * time.Millisecond
)

func newMarket(seed uint64, rate float64) *market {
	m := &market{seed: seed, rate: rate, ticks: make([]int64, len(symbols))}
	total := 0.0
	for i := range symbols {
		total += weight(i)
	}
	for i := range symbols {
		share := rate * marketPeriod.Seconds() * weight(i) / total
		m.ticks[i] = max(1, int64(math.Round(share)))
	}
	return m
}

// weight makes the first symbols trade more.
func weight(i int) float64 { return 1 / math.Pow(float64(i+2), 0.8) }

type tick struct {
	Symbol   string  `json:"symbol"`
	Name     string  `json:"name"`
	Seq      int64   `json:"seq"`
	Price    float64 `json:"price"`
	Size     int     `json:"size"`
	Side     string  `json:"side"`
	Bid      float64 `json:"bid"`
	Ask      float64 `json:"ask"`
	Change   float64 `json:"change_pct"`
	Currency string  `json:"currency"`
	Venue    string  `json:"venue"`
	At       int64   `json:"at"`
}

func (m *market) span() time.Duration { return marketPeriod }

func (m *market) records(slot int64) []record {
	begin := time.Unix(0, slot*int64(marketPeriod))
	r := chance(m.seed, uint64(slot))
	var centres [bursts]time.Duration
	for i := range centres {
		centres[i] = time.Duration(r.Int64N(int64(marketPeriod)))
	}
	var records []record
	for i := range symbols {
		moments := make([]time.Time, m.ticks[i])
		for j := range moments {
			moments[j] = begin.Add(moment(r, centres[:])).Truncate(time.Millisecond)
		}
		slices.SortFunc(moments, time.Time.Compare)
		first := (slot-marketEpoch)*m.ticks[i] + 1
		for j, due := range moments {
			records = append(records, record{
				due:   due,
				ts:    due,
				key:   symbols[i].symbol,
				value: m.tick(r, i, first+int64(j), due),
			})
		}
	}
	// Stable, because a symbol's ticks in the same millisecond keep their order.
	slices.SortStableFunc(records, func(a, b record) int { return a.due.Compare(b.due) })
	return records
}

// moment returns the time of a tick within its period.
func moment(r *rand.Rand, centres []time.Duration) time.Duration {
	if r.Float64() >= burstShare {
		return time.Duration(r.Int64N(int64(marketPeriod)))
	}
	behind := time.Duration(r.ExpFloat64() * float64(burstLength))
	return (pick(r, centres) + behind) % marketPeriod
}

func (m *market) tick(r *rand.Rand, i int, seq int64, at time.Time) []byte {
	s := symbols[i]
	price := m.price(i, at)
	spread := max(0.01, price*0.0003*(1+r.Float64()))
	t := tick{
		Symbol:   s.symbol,
		Name:     s.name,
		Seq:      seq,
		Size:     (1 + int(r.ExpFloat64()*6)) * 10,
		Side:     "buy",
		Bid:      round(price-spread/2, 2),
		Ask:      round(price+spread/2, 2),
		Change:   round((price/m.price(i, at.Truncate(24*time.Hour))-1)*100, 2),
		Currency: "EUR",
		Venue:    pick(r, venues),
		At:       at.UnixMilli(),
	}
	t.Price = t.Ask
	if r.Float64() < 0.5 {
		t.Side, t.Price = "sell", t.Bid
	}
	return encode(t)
}

// price varies on the scale of hours, minutes and seconds, partly with the whole
// market.
func (m *market) price(i int, at time.Time) float64 {
	s, x := mix(m.seed, uint64(i)+1), seconds(at)
	drift := 0.06*wave(s, x/7200) + 0.012*wave(s+1, x/300) + 0.003*wave(s+2, x/20) + 0.0008*wave(s+3, x/1.5) +
		0.02*wave(m.seed, x/3600) + 0.004*wave(m.seed+1, x/90)
	return symbols[i].price * math.Exp(drift)
}

var venues = []string{"XSLU", "XNRD", "XALP"}

var symbols = []struct {
	symbol, name string
	price        float64
}{
	{"ALPN", "Alpenstrom AG", 84.2},
	{"HAFN", "Hafenlogistik Nord SE", 41.75},
	{"KRNK", "Kornkammer Brot AG", 17.3},
	{"OPTX", "Optexa Photonik", 212.4},
	{"WNDR", "Windrad Küste AG", 33.05},
	{"BRNS", "Bernsteinbank", 9.82},
	{"QRTZ", "Quartz Semiconductor", 388.6},
	{"GLDN", "Gulden Versicherung", 127.9},
	{"ZUGK", "Zugkraft Schienen AG", 55.15},
	{"MOOR", "Moorland Estates plc", 22.6},
	{"FNKT", "Funkturm Telekom", 14.28},
	{"SALZ", "Salzach Chemie", 63.7},
	{"TUCH", "Tuchfabrik Aue", 7.94},
	{"LKRN", "Leuchtkern Energie", 101.3},
	{"PPLR", "Poplar Paper Mills", 28.45},
	{"STHL", "Stahlwerk Ruhrtal", 19.6},
	{"OBST", "Obsthof Altes Land", 12.15},
	{"NMBS", "Nimbus Data Centres", 244.0},
	{"KFFR", "Koffer & Reisen", 5.38},
	{"GRNT", "Granit Bau AG", 46.9},
	{"SEGL", "Segelwerft Flensburg", 88.8},
	{"HOPF", "Hopfenhaus Brauerei", 71.25},
	{"URWK", "Uhrwerk Glashütte Tal", 502.0},
	{"DRNX", "Dronix Robotics", 156.7},
}
