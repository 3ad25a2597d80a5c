package record

// Gap is a range of offsets, To exclusive, that will not be delivered.
type Gap struct {
	Partition int32
	From, To  int64
	Reason    GapReason
}

// Behind returns the offset at which reading continues. After a truncation that
// is where the gap begins, because the offsets from there on are used again.
func (g Gap) Behind() int64 {
	if g.Reason == GapTruncated {
		return g.From
	}
	return g.To
}

// GapReason is the reason why records cannot be delivered.
type GapReason string

// The reasons for gaps.
const (
	// GapRetention: Kafka no longer keeps these records.
	GapRetention GapReason = "retention"
	// GapLogChanged: the topic was created again; earlier offsets are void.
	GapLogChanged GapReason = "log_changed"
	// GapTruncated: an unclean leader election removed records that had been
	// read; offsets from From on are used again.
	GapTruncated GapReason = "truncated"
	// GapUnreadable: a batch is damaged or in an unknown format.
	GapUnreadable GapReason = "unreadable"
	// GapTooLarge: a record is larger than the limit for subscribers.
	GapTooLarge GapReason = "too_large"
	// GapPolicy: records were skipped because of the stream's policy or the
	// grant.
	GapPolicy GapReason = "policy"
)

// GapCode is a GapReason in one byte.
type GapCode uint8

// GapReasons holds the reasons by code; the first stands for none.
var GapReasons = [...]GapReason{
	"", GapRetention, GapLogChanged, GapTruncated, GapUnreadable, GapTooLarge, GapPolicy,
}

// Code returns the reason's code, 0 for an unknown reason.
func (r GapReason) Code() GapCode {
	for i, reason := range GapReasons {
		if reason == r {
			return GapCode(i)
		}
	}
	return 0
}

// Reason returns the reason with the code.
func (c GapCode) Reason() GapReason { return GapReasons[c] }
