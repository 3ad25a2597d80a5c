package transport

import (
	"errors"

	"sluice/hub/ingest"
	"sluice/hub/upstream"
)

// refusals name the reasons for which records are not stored, for metrics, where the code
// of the fault has several. For all others the code is the reason.
var refusals = []struct {
	err    error
	reason string
}{
	{errTenantPublishes, "tenant_publishes"},
	{upstream.ErrPublishOverloaded, "publish_memory"},
	{upstream.ErrPublishLate, "late"},
}

// reasons returns the reasons for which an operator may wait, so that they are counted from
// zero.
func reasons() []string {
	all := []string{"load"}
	for _, scope := range []string{"principal", "address", "stream"} {
		for _, unit := range []string{"records", "bytes", "publishes"} {
			all = append(all, "quota_"+scope+"_"+unit)
		}
	}
	for _, row := range refusals {
		all = append(all, row.reason)
	}
	return all
}

// refusalOf returns the reason for which a record is not stored. There are few, and none is
// made of what a client has sent.
func refusalOf(err error) string {
	if used, ok := errors.AsType[*ingest.QuotaError](err); ok {
		return "quota_" + used.Scope + "_" + used.Unit
	}
	if _, ok := errors.AsType[*overloadError](err); ok {
		return "load"
	}
	for _, row := range refusals {
		if errors.Is(err, row.err) {
			return row.reason
		}
	}
	return string(faultOf(err).Code)
}
