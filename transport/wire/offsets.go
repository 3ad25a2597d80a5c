package wire

import (
	"strconv"
	"strings"

	"sluice/hub/record"
)

// MaxStartOffsets is the maximum number of partitions that `offset:` names.
const MaxStartOffsets = 1000

const offsetForm = "offset: must be followed by partition:offset, and further ones after commas, like offset:2:118273,5:77"

// parseOffsets parses the list of `offset:`, partition:offset pairs. The result is in
// the order of partitions.
func parseOffsets(list string) ([]record.PartitionOffset, *Error) {
	var places []record.PartitionOffset
	for part := range strings.SplitSeq(list, ",") {
		if len(places) == MaxStartOffsets {
			return nil, Errorf(BadRequest, "offset: names more than %d partitions", MaxStartOffsets)
		}
		partition, offset, ok := strings.Cut(part, ":")
		p, valid := parseDigits(partition, 1<<31-1)
		o, exact := parseDigits(offset, record.MaxOffset+1)
		if !ok || !valid || !exact {
			return nil, Errorf(BadRequest, offsetForm)
		}
		places = append(places, record.PartitionOffset{Partition: int32(p), Offset: o, Epoch: -1})
	}
	record.SortOffsets(places)
	for i := 1; i < len(places); i++ {
		if places[i].Partition == places[i-1].Partition {
			return nil, Errorf(BadRequest, "offset: names a partition twice")
		}
	}
	return places, nil
}

// offsetsText is the opposite of parseOffsets.
func offsetsText(places []record.PartitionOffset) string {
	var b strings.Builder
	for i, at := range places {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(int64(at.Partition), 10))
		b.WriteByte(':')
		b.WriteString(strconv.FormatInt(at.Offset, 10))
	}
	return b.String()
}

// parseDigits parses a decimal number that has no sign, up to most.
func parseDigits(text string, most int64) (n int64, ok bool) {
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n <= most
}
