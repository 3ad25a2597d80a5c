package embedded

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// orders is shop.orders: the orders of a shop in fast motion, keyed by order. Each
// record is the whole state of an order, so that the topic can be compacted; when an
// order is done its key ends with a tombstone.
type orders struct {
	seed uint64
	rate float64 // of new orders, per second
}

const (
	ordersSpan = 5 * time.Second
	// longestOrder is the maximum time from an order to its tombstone.
	longestOrder = 9 * time.Minute
	cancelOdds   = 0.12
	// recordsAnOrder is the mean number of records per order.
	recordsAnOrder = (1-cancelOdds)*6 + cancelOdds*3
)

func newOrders(seed uint64, rate float64) *orders {
	return &orders{seed: seed, rate: rate / recordsAnOrder}
}

type order struct {
	Order    string `json:"order"`
	Status   string `json:"status"`
	Customer string `json:"customer"`
	City     string `json:"ship_to"`
	Items    []item `json:"items"`
	Total    int    `json:"total_cents"`
	Currency string `json:"currency"`
	Payment  string `json:"payment"`
	Placed   int64  `json:"placed_at"`
	Updated  int64  `json:"updated_at"`
}

type item struct {
	SKU   string `json:"sku"`
	Name  string `json:"name"`
	Count int    `json:"count"`
	Cents int    `json:"cents"`
}

func (o *orders) span() time.Duration { return ordersSpan }

func (o *orders) records(slot int64) []record {
	begin := time.Unix(0, slot*int64(ordersSpan))
	end := begin.Add(ordersSpan)
	var records []record
	for second := begin.Add(-longestOrder).Unix(); second < end.Unix(); second++ {
		r := chance(o.seed, uint64(second))
		for i := range poisson(r, o.rate) {
			records = append(records, o.course(second, i, begin, end)...)
		}
	}
	slices.SortStableFunc(records, func(a, b record) int { return a.due.Compare(b.due) })
	return records
}

// course returns the records of one order between two times.
func (o *orders) course(second int64, i int, from, to time.Time) []record {
	r := chance(o.seed, uint64(second), uint64(i)+1)
	placed := time.Unix(second, r.Int64N(1000)*int64(time.Millisecond))
	steps := stepsOf(r)
	var state order
	var records []record
	at := placed
	for _, step := range steps {
		at = at.Add(step.after)
		if at.Before(from) {
			continue
		}
		if !at.Before(to) {
			break
		}
		if state.Order == "" {
			// The details of an order are computed only if they are needed.
			state = o.place(chance(o.seed, uint64(second), uint64(i)+1, 1), second, i, placed)
		}
		written := record{due: at, ts: at, key: state.Order}
		if step.status != "" {
			state.Status, state.Updated = step.status, at.UnixMilli()
			written.value = encode(state)
		}
		records = append(records, written)
	}
	return records
}

// step is the next event of an order; an empty status is the tombstone.
type step struct {
	status string
	after  time.Duration
}

func stepsOf(r *rand.Rand) []step {
	within := func(from, to int) time.Duration {
		return time.Duration(from*1000+r.IntN((to-from)*1000)) * time.Millisecond
	}
	if r.Float64() < cancelOdds {
		return []step{{"placed", 0}, {"cancelled", within(3, 60)}, {"", within(60, 120)}}
	}
	return []step{
		{"placed", 0},
		{"paid", within(1, 12)},
		{"compressed", within(15, 60)},
		{"shipped", within(20, 70)},
		{"delivered", within(60, 180)},
		{"", within(90, 200)},
	}
}

func (o *orders) place(r *rand.Rand, second int64, i int, placed time.Time) order {
	placement := order{
		Order:    "o-" + strconv.FormatInt(second, 36) + "-" + strconv.Itoa(i),
		Customer: fmt.Sprintf("c-%05d", r.IntN(20_000)),
		City:     pick(r, subjects),
		Currency: "EUR",
		Payment:  pick(r, payments),
		Placed:   placed.UnixMilli(),
	}
	for range 1 + r.IntN(3) {
		bought := pick(r, goods)
		bought.Count = 1 + int(r.ExpFloat64())
		placement.Items = append(placement.Items, bought)
		placement.Total += bought.Count * bought.Cents
	}
	return placement
}

var payments = []string{"card", "invoice", "transfer", "wallet"}

var goods = []item{
	{SKU: "TEE-041", Name: "Ostfriesentee 250 g", Cents: 690},
	{SKU: "RAD-118", Name: "Fahrradlicht USB-C", Cents: 2495},
	{SKU: "BUC-207", Name: "Sternkarte, drehbar", Cents: 1290},
	{SKU: "KUE-012", Name: "Gusspfanne 28 cm", Cents: 3990},
	{SKU: "GAR-330", Name: "Wildblumensamen", Cents: 449},
	{SKU: "TEX-076", Name: "Wool socks, grey", Cents: 1350},
	{SKU: "ELK-501", Name: "Soldering iron 60 W", Cents: 4590},
	{SKU: "PAP-019", Name: "Notizbuch A5, kariert", Cents: 899},
	{SKU: "OUT-222", Name: "Enamel mug", Cents: 1150},
	{SKU: "HON-005", Name: "Lindenhonig 500 g", Cents: 820},
	{SKU: "LED-144", Name: "Desk lamp, dimmable", Cents: 5400},
	{SKU: "SPI-090", Name: "Holzpuzzle Alpen", Cents: 2190},
}
