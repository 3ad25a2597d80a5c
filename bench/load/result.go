package main

import (
	"sluice/bench/load/scenario"
)

// result is the result of one run of a scenario.
type result struct {
	scenario.Scenario
	// Server names the server measured.
	Server      string  `json:"server"`
	Open        int     `json:"open"`
	OpenSeconds float64 `json:"open_seconds"`
	// BytesPerClient is the growth of the server's memory per client.
	BytesPerClient float64 `json:"server_rss_bytes_per_client,omitempty"`
	ServerRSS      int64   `json:"server_rss_bytes,omitempty"`
	phase
	// Before was measured before clients stalled, or hostile ones came, After once those
	// who stalled had disconnected.
	Before *phase `json:"before,omitempty"`
	After  *phase `json:"after,omitempty"`
	// BackSeconds is the time until all clients were subscribed again after a storm,
	// or until all returning clients had caught up.
	BackSeconds float64 `json:"back_seconds,omitempty"`
	// Bare is the result of the peer bare, measured beside this one in the same run,
	// nil if it was not: the full result is separate.
	Bare *phase `json:"-"`
	// OfBare has the ratios of the measures to those of bare.
	OfBare *ratios `json:"of_bare,omitempty"`
	// Returned is what the returning clients received of what they were to receive.
	Returned *returned `json:"returned,omitempty"`
	// Faults counts failed handshakes, disconnects, and error messages, by their
	// text.
	Faults map[string]int `json:"faults,omitempty"`
	// Unmeasured is the reason why there are no figures.
	Unmeasured string             `json:"unmeasured,omitempty"`
	Verdicts   []scenario.Verdict `json:"verdicts,omitempty"`
}

// phase is what was measured over one window.
type phase struct {
	Seconds       float64 `json:"seconds,omitempty"`
	Produced      int64   `json:"produced,omitempty"`
	NotStored     int64   `json:"not_stored,omitempty"`
	WriterLateMax float64 `json:"writer_late_max_ms,omitempty"`
	Expected      int64   `json:"expected,omitempty"`
	Deliveries    int64   `json:"deliveries,omitempty"`
	Missing       int64   `json:"missing"`
	Duplicated    int64   `json:"duplicated"`
	Foreign       int64   `json:"foreign,omitempty"`
	// Meanwhile is how many deliveries were read in the period of the CPU times
	// below, whenever they were made, or how many published records were answered.
	Meanwhile int64 `json:"deliveries_meanwhile,omitempty"`
	// CPU time of the server, of the bridge that feeds it, and of the clients.
	// Requests is how many the server sent to Kafka in the meantime.
	Requests  int64   `json:"requests_to_kafka,omitempty"`
	ServerCPU float64 `json:"server_cpu_seconds,omitempty"`
	BesideCPU float64 `json:"beside_cpu_seconds,omitempty"`
	ClientCPU float64 `json:"client_cpu_seconds,omitempty"`
	// OtherCPU is the CPU time that the machine spent outside this run in the
	// meantime, in seconds: how much the figures were disturbed.
	OtherCPU    float64 `json:"other_cpu_seconds"`
	ClientReads int64   `json:"client_reads,omitempty"`
	// Latency is that of the clients, from a record's due time to the read. If
	// clients publish it is from a publish's due time to its answer.
	Latency  summary `json:"latency"`
	Floor    summary `json:"floor"`
	FloorAck summary `json:"floor_ack"`
}

// values returns the phase's measures by the names that targets use.
func (p phase) values(publishes bool) scenario.Values {
	v := scenario.Values{"missing": float64(p.Missing), "duplicated": float64(p.Duplicated)}
	prefix := ""
	if publishes {
		prefix = "ack_"
	}
	if p.Latency.Count > 0 {
		v[prefix+"p50_ms"], v[prefix+"p99_ms"] = p.Latency.P50, p.Latency.P99
		if !publishes {
			v["p999_ms"] = p.Latency.P999
		}
	}
	if p.Seconds > 0 {
		v["deliveries_per_second"] = float64(p.Deliveries) / p.Seconds
		if p.Requests > 0 {
			v["requests_per_second"] = float64(p.Requests) / p.Seconds
		}
		if p.ServerCPU > 0 {
			v["server_cores"] = p.ServerCPU / p.Seconds
		}
	}
	if p.ServerCPU > 0 && publishes {
		v["records_per_cpu_second"] = float64(p.Meanwhile) / p.ServerCPU
		if p.Meanwhile > 0 {
			v["cpu_us_per_record"] = p.ServerCPU * 1e6 / float64(p.Meanwhile)
		}
	} else if p.ServerCPU > 0 {
		v["deliveries_per_cpu_second"] = float64(p.Meanwhile) / p.ServerCPU
		if p.Meanwhile > 0 {
			v["cpu_us_per_delivery"] = p.ServerCPU * 1e6 / float64(p.Meanwhile)
		}
		if p.Produced > 0 {
			v["cpu_us_per_record"] = p.ServerCPU * 1e6 / float64(p.Produced)
		}
	}
	return v
}

// floorValues returns the measures of the floor, and of the plain producer.
func (p phase) floorValues() scenario.Values {
	v := scenario.Values{}
	if p.Floor.Count > 0 {
		v["p50_ms"], v["p99_ms"], v["p999_ms"] = p.Floor.P50, p.Floor.P99, p.Floor.P999
	}
	if p.FloorAck.Count > 0 {
		v["ack_p50_ms"], v["ack_p99_ms"] = p.FloorAck.P50, p.FloorAck.P99
	}
	return v
}

func (r *result) values() scenario.Values {
	v := r.phase.values(r.Publish > 0)
	if n := r.Filters(); n > 0 && v["cpu_us_per_record"] > 0 {
		v["cpu_us_per_record_and_filter"] = v["cpu_us_per_record"] / float64(n)
	}
	if r.BytesPerClient != 0 {
		v["rss_bytes_per_client"] = r.BytesPerClient
	}
	if back := r.Returned; back != nil {
		v["missing"] += float64(back.Missing)
		v["duplicated"] += float64(back.Duplicated)
		if back.Blocks > 0 {
			v["reads_per_block"] = float64(back.Reads) / float64(back.Blocks)
		}
	}
	if r.BackSeconds > 0 {
		v["back_seconds"] = r.BackSeconds
	}
	return v
}

// ratios are ratios to the peer bare: of CPU time per delivery or published record, and
// of latencies. 0 if one of the two was not measured.
type ratios struct {
	CPU float64 `json:"cpu_us_per_delivery,omitempty"`
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
}

// beside sets the ratios to a result of bare.
func (r *result) beside(bare phase) {
	publishes := r.Publish > 0
	ours, its, measures := r.phase.values(publishes), bare.values(publishes), r.ofBare()
	of := func(i int) float64 {
		if its[measures[i]] == 0 {
			return 0
		}
		return ours[measures[i]] / its[measures[i]]
	}
	r.Bare = &bare
	r.OfBare = &ratios{CPU: of(0), P50: of(1), P99: of(2)}
}

// judge compares a run with its targets. If the scenario varies something, first is
// the first run; it is nil otherwise. Only the last run is compared with first.
func (r *result) judge(first *result) {
	reference := map[string]scenario.Values{scenario.OfFloor: r.floorValues()}
	if r.Bare != nil {
		reference[scenario.OfBare] = r.Bare.values(r.Publish > 0)
	}
	if r.Before != nil {
		// The mean of both, so that a change of the machine's speed in between
		// favors neither side.
		before := r.Before.values(false)
		if r.After != nil {
			after := r.After.values(false)
			for measure := range before {
				before[measure] = (before[measure] + after[measure]) / 2
			}
		}
		reference[scenario.OfBefore] = before
	}
	growth := 0.0
	if first != nil {
		reference[scenario.OfFirst] = first.values()
		growth = r.Vary.Growth()
	}
	r.Verdicts = nil
	for _, t := range r.Targets {
		relative := t.Of == scenario.OfFirst || t.Of == scenario.OfLinear
		if relative && first == nil {
			continue
		}
		r.Verdicts = append(r.Verdicts, t.Judge(r.values(), reference, growth))
	}
}
