package measure

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"sluice/cmd/sluice/terminal"
)

// Report is the result of a run. Times are in milliseconds, unless their names say otherwise.
type Report struct {
	URL       string `json:"url"`
	Stream    string `json:"stream"`
	Transport string `json:"transport"`
	Clients   int    `json:"clients"`
	// Connected is how many clients have subscribed, in ConnectSeconds; Connect is the time that
	// each took, from the begin of the connection to that of the subscription.
	Connected      int     `json:"connected"`
	ConnectSeconds float64 `json:"connect_seconds"`
	Connect        Times   `json:"connect_ms"`
	// Seconds is the length of the window.
	Seconds float64 `json:"seconds"`
	// Records are those that clients have received, all together.
	Records          int64   `json:"records"`
	RecordsPerSecond float64 `json:"records_per_second"`
	// Bytes were read from the connections in the window and until the end of the run.
	Bytes int64 `json:"bytes"`
	// Latency is from when a record of the run was due to its arrival, RecordAge from the time of
	// other records to their arrival; Ahead are those of which the time was still to come.
	Latency   Times `json:"latency_ms"`
	RecordAge Times `json:"record_age_ms"`
	Ahead     int64 `json:"records_ahead"`
	// Published is what the run has published, nil for nothing.
	Published *Published `json:"published,omitempty"`
	// Missing are records of the run that clients have not received, summed over the clients that had
	// subscribed, Repeated are records that they have received again.
	Missing  int64 `json:"missing"`
	Repeated int64 `json:"repeated"`
	Gaps     int64 `json:"gaps"`
	// Lost are the connections that clients have lost, CameBack is for how long they were without one, and
	// Away are the clients that were not back at the end.
	Lost     int            `json:"lost_connections"`
	CameBack Times          `json:"came_back_ms"`
	Away     int            `json:"away"`
	Errors   map[string]int `json:"errors,omitempty"`
	// Messages is what the server has said with the first of such errors.
	Messages map[string]string `json:"messages,omitempty"`
	// CPUSeconds is the CPU time of this process in the window, of Cores that it may use.
	CPUSeconds float64 `json:"cpu_seconds"`
	Cores      int     `json:"cores"`
	OpenFiles  uint64  `json:"open_files_limit,omitempty"`
}

// Published is what a run has published. Took is from when a record was due to the answer.
type Published struct {
	Due     int64 `json:"due"`
	Stored  int64 `json:"stored"`
	Refused int64 `json:"refused"`
	Unknown int64 `json:"unknown"`
	Took    Times `json:"took_ms"`
}

// Times summarizes a histogram.
type Times struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99_9"`
	Max   float64 `json:"max"`
}

func timesOf(h *hdr.Histogram) Times {
	ms := func(micros int64) float64 { return float64(micros) / 1000 }
	return Times{
		Count: h.TotalCount(), P50: ms(h.ValueAtQuantile(50)), P90: ms(h.ValueAtQuantile(90)), P99: ms(h.ValueAtQuantile(99)),
		P999: ms(h.ValueAtQuantile(99.9)), Max: ms(h.Max()),
	}
}

// Faultless reports whether nothing went wrong.
func (r *Report) Faultless() bool {
	return r.Connected == r.Clients && r.Missing == 0 && r.Repeated == 0 && r.Gaps == 0 && r.Lost == 0 && len(r.Errors) == 0
}

// report makes the report of a run.
func (r *run) report(p *publisher, clients []subscriber, connecting, took, used time.Duration) *Report {
	counts, own, others := r.tally.sum()
	out := &Report{
		URL: r.config.URL, Stream: r.config.Stream, Transport: r.config.Transport, Clients: r.config.Clients,
		ConnectSeconds: connecting.Seconds(), Seconds: took.Seconds(),
		Records: counts.records, RecordsPerSecond: float64(counts.records) / max(took.Seconds(), 0.001), Bytes: r.read.Load(),
		Latency: timesOf(own), RecordAge: timesOf(others), Ahead: counts.ahead,
		Missing: missing(p, clients), Repeated: counts.repeated, Gaps: counts.gaps, Lost: counts.lost,
		CPUSeconds: used.Seconds(), Cores: runtime.GOMAXPROCS(0),
	}
	out.OpenFiles, _ = OpenFiles()
	out.Away, _ = away(clients)
	r.tally.mu.Lock()
	out.CameBack = timesOf(r.tally.back)
	out.Connected, out.Connect, out.Errors = r.tally.begun, timesOf(r.tally.connect), maps.Clone(r.tally.errors)
	out.Messages = maps.Clone(r.tally.said)
	r.tally.mu.Unlock()
	if r.config.Rate > 0 {
		p.mu.Lock()
		out.Published = &Published{Due: p.due, Stored: p.stored.count, Refused: p.refused, Unknown: p.unknown, Took: timesOf(p.took)}
		maps.Copy(out.Errors, p.errors)
		maps.Copy(out.Messages, p.said)
		p.mu.Unlock()
	}
	return out
}

// busy is the part of the cores from which on the bench may measure itself.
const busy = 0.7

// Print writes the report for people.
func (r *Report) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("server", "%s, stream %s", r.URL, r.Stream)
	row("clients", "%d of %d over %s in %.1f s", r.Connected, r.Clients, r.Transport, r.ConnectSeconds)
	row("connect", "%s", r.Connect)
	row("records", "%d in %.1f s, %.1f a second, %s (%s a second)", r.Records, r.Seconds, r.RecordsPerSecond,
		terminal.Bytes(r.Bytes), terminal.Bytes(int64(float64(r.Bytes)/max(r.Seconds, 0.001))))
	if r.Latency.Count > 0 {
		row("latency", "%s (from when a record was due, by this clock)", r.Latency)
	}
	if r.RecordAge.Count > 0 {
		row("age", "%s (from the record's time, in whole ms, by the clock of who wrote it)", r.RecordAge)
	}
	if r.Ahead > 0 {
		row("", "%d records are from the future: that clock is ahead of this one", r.Ahead)
	}
	if p := r.Published; p != nil {
		row("published", "%d of %d stored, %d refused, %d unknown", p.Stored, p.Due, p.Refused, p.Unknown)
		row("", "%s", p.Took)
	}
	row("missing", "%d missing, %d repeated, %s, %s", r.Missing, r.Repeated, terminal.Count(r.Gaps, "gap"), terminal.Count(r.Lost, "lost connection"))
	if r.Lost > 0 {
		row("back", "%s, after %s; %s away", terminal.Count(r.CameBack.Count, "time"), r.CameBack, terminal.Count(r.Away, "client"))
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Errors)) {
		text := fmt.Sprintf("%d times %s", r.Errors[reason], reason)
		if said := r.Messages[reason]; said != "" {
			text += ": " + said
		}
		row("error", "%s", text)
	}
	used := 0.0
	if r.Seconds > 0 {
		used = r.CPUSeconds / r.Seconds
	}
	row("bench", "used %.2f of %d cores", used, r.Cores)
	if used > busy*float64(r.Cores) {
		row("", "that is most of this machine: the figures may be those of the bench")
	}
	return w.Flush()
}

// String implements fmt.Stringer.
func (t Times) String() string {
	if t.Count == 0 {
		return "nothing"
	}
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, p99.9 %s, max %s ms", digits(t.P50), digits(t.P90), digits(t.P99), digits(t.P999), digits(t.Max))
}

// digits returns a time in three digits or so.
func digits(ms float64) string {
	if ms < 10 {
		return fmt.Sprintf("%.2f", ms)
	}
	if ms < 100 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}
