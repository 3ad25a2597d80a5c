package record

// Gap is a range of offsets, To exclusive, that will not be delivered.
type Gap struct {
	Partition int32
	From, To  int64
	Reason    GapReason
}

// Behind is where reading goes on: where the log was cut short its offsets are
// given out anew, so that is in front of what is missing.
func (g Gap) Behind() int64 {
	if g.Reason == GapTruncated {
		return g.From
	}
	return g.To
}

// GapReason says why records cannot be delivered.
type GapReason string

// The reasons for gaps.
const (
	// GapRetention: Kafka no longer keeps these records.
	GapRetention GapReason = "retention"
	// GapLogChanged: the topic was made again; offsets known so far are void.
	GapLogChanged GapReason = "log_changed"
	// GapTruncated: an unclean leader election cut off records that had been
	// read; offsets from From on are given out anew.
	GapTruncated GapReason = "truncated"
	// GapUnreadable: a batch is damaged or in an unknown form.
	GapUnreadable GapReason = "unreadable"
	// GapTooLarge: a record is larger than a subscriber may be sent.
	GapTooLarge GapReason = "too_large"
	// GapPolicy: the stream's policy or the grant passed over records.
	GapPolicy GapReason = "policy"
)

// GapCode is a GapReason in one byte.
type GapCode uint8

// GapReasons are the reasons by code; the first stands for none.
var GapReasons = [...]GapReason{
	"", GapRetention, GapLogChanged, GapTruncated, GapUnreadable, GapTooLarge, GapPolicy,
}

// Code is the reason in one byte, 0 for one that there is not.
func (r GapReason) Code() GapCode {
	for i, reason := range GapReasons {
		if reason == r {
			return GapCode(i)
		}
	}
	return 0
}

// Reason is what the code stands for.
func (c GapCode) Reason() GapReason { return GapReasons[c] }
