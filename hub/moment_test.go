package hub_test

import (
	"testing"
	"time"

	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// TestTimesBetweenMillisecondsAreRoundedUp: no record before the requested time is
// returned.
func TestTimesBetweenMillisecondsAreRoundedUp(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	topic, _ := topics.Topic(t.Context(), "orders.v1")
	for n := range int64(5) {
		topics.Append("orders.v1", record.Record{Timestamp: 1000 + n})
	}
	for at, want := range map[time.Time]int64{
		time.UnixMilli(1002):                       2,
		time.UnixMilli(1002).Add(1):                3,
		time.UnixMicro(1_002_999):                  3,
		time.UnixMilli(1003).UTC():                 3,
		time.UnixMilli(-7).Add(time.Microsecond):   0,
		time.UnixMilli(1004).Add(time.Microsecond): 5,
	} {
		places, err := topics.Offsets(t.Context(), topic, upstream.At(at))
		if err != nil || places[0].Offset != want {
			t.Errorf("%v is at %v, %v; want %d", at.UnixMicro(), places, err, want)
		}
	}
}
