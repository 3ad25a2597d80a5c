// Package show prints the events of a subscription for `sluice tail`: records as lines in
// several forms, remarks about everything else, how far a replay is, and a summary.
//
// Nothing in it is safe for concurrent use, except a Path, which is immutable.
//
// # Files
//
//	printer.go  records as lines
//	record.go   the form of a line without other wishes
//	path.go     fields, by paths in the manner of jq
//	remark.go   events other than records, in words, and as on the wire
//	replay.go   how much of a replay is done
//	tally.go    the summary at the end
package show
