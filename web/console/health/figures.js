// What is drawn, and from which metrics.

import { amount, bytes, bytesPerSecond, count, perSecond, seconds } from "../shared/units.js";

// How many series a chart has; those with the smallest values are one, "others".
const seriesOfChart = 7;

// figures are drawn. of(interval) returns pairs of a series and its value; in those that are
// sparse, a series that is not named is zero.
export const figures = [
  {
    name: "records", title: "Records", unit: perSecond,
    says: "read from Kafka (in), delivered to subscribers (out) and published by clients",
    of: (i) => [
      ["in", i.rate("sluice_stream_records_read_total") ?? idle(i)], ["out", i.rate("sluice_events_sent_total")],
      ["published", i.rate("sluice_publishes_total") ?? idle(i)],
    ],
  },
  {
    name: "bytes", title: "Bytes", unit: bytesPerSecond, scale: "bytes",
    says: "of the events that were read, and sent to clients",
    of: (i) => [["in", i.rate("sluice_stream_events_bytes_total") ?? idle(i)], ["out", i.rate("sluice_sent_bytes_total")]],
  },
  {
    name: "latency", title: "Latency", unit: seconds,
    says: "from a publish to its answer (p50, p99), and how long new records wait for the slowest worker",
    of: (i) => [
      ["publish p50", i.quantile("sluice_publish_seconds", 0.5)], ["publish p99", i.quantile("sluice_publish_seconds", 0.99)],
      ["delivery", i.value("sluice_delivery_lag_seconds")],
    ],
  },
  {
    name: "publishes", sparse: true, title: "Publishes", unit: perSecond, says: "by result", empty: "Nothing has been published.",
    of: (i) => largest(i.rates("sluice_publishes_total", "result")),
  },
  {
    name: "sessions", sparse: true, title: "Sessions", unit: count, says: "by protocol", empty: "No sessions.",
    of: (i) => largest(i.values("sluice_sessions", "protocol")),
  },
  {
    name: "errors", sparse: true, title: "Errors", unit: perSecond, says: "faults sent to clients, by code", empty: "No errors.",
    of: (i) => largest(i.rates("sluice_faults_total", "code")),
  },
  {
    name: "trouble", title: "Trouble in delivery", unit: perSecond,
    says: "gaps sent to subscribers, subscriptions that fell behind, connections cut off",
    of: (i) => [["gaps", i.rate("sluice_gaps_sent_total")], ["fell behind", i.rate("sluice_stream_slow_total") ?? idle(i)], ["cut off", i.rate("sluice_cut_off_total") ?? idle(i)]],
  },
  {
    name: "memory", title: "Memory", unit: bytes, scale: "bytes",
    says: "of the process, of the Go heap, and of the logs of streams",
    of: (i) => [["resident", i.value("process_resident_memory_bytes")], ["heap", i.value("go_memstats_heap_alloc_bytes")], ["logs", i.value("sluice_stream_log_bytes") ?? 0]],
  },
  {
    name: "processors", title: "Processors", unit: amount, says: "in use by the process, of how many it may use at once",
    of: (i) => [["in use", i.rate("process_cpu_seconds_total")], ["usable", i.value("go_sched_gomaxprocs_threads")]],
  },
];

// idle is the rate of what has no series yet, once a rate is known at all.
const idle = (interval) => (interval.before ? 0 : undefined);

// largest are the series that are not zero. The others that there is no room for are one.
function largest(values) {
  const all = [...values].filter(([, value]) => value !== 0).sort(([, a], [, b]) => b - a);
  const shown = all.slice(0, seriesOfChart);
  const rest = all.slice(seriesOfChart).reduce((sum, [, value]) => sum + value, 0);
  return rest > 0 ? [...shown, ["others", rest]] : shown;
}

const breaker = (n) => (n === undefined ? undefined : n > 0 ? "open: it has failed" : "closed: it works");
const or = (unit) => (n) => (n === undefined ? undefined : unit(n));

// tables are figures that are told in words. Those that an instance does not have are left out.
export const tables = [
  {
    name: "memory", title: "Memory in use", rows: [
      ["Logs of streams", (i) => i.value("sluice_stream_log_bytes") ?? 0, bytes],
      ["Records for late subscriptions", (i) => i.value("sluice_late_bytes"), or(bytes)],
      ["Publishes in flight", (i) => i.value("sluice_publish_bytes"), or(bytes)],
      ["Pages not yet received", (i) => i.value("sluice_page_bytes"), or(bytes)],
      ["Filters", (i) => i.value("sluice_filter_bytes"), or(bytes)],
      ["Keys of conflation", (i) => i.value("sluice_conflation_bytes"), or(bytes)],
      ["Windows of compressed bodies", (i) => i.value("sluice_inflate_bytes"), or(bytes)],
      ["Open files", (i) => i.value("process_open_fds"), or(count)],
      ["Goroutines", (i) => i.value("go_goroutines"), or(count)],
    ],
  },
  {
    name: "replays", title: "Replays and subscriptions", rows: [
      ["Subscriptions", (i) => i.value("sluice_subscriptions"), or(count)],
      ["Paused by their clients", (i) => i.value("sluice_subscriptions_paused"), or(count)],
      ["Waiting for Kafka or their turn", (i) => i.value("sluice_late_waiting"), or(count)],
      ["Reads of Kafka for replays", (i) => i.rate("sluice_late_reads_total"), or(perSecond)],
      ["Filters waiting for their turn", (i) => i.value("sluice_filter_turns_waiting"), or(count)],
      ["Replies awaited", (i) => i.value("sluice_replies_waiting"), or(count)],
      ["Connections cut off", (i) => i.rate("sluice_cut_off_total"), or(perSecond)],
    ],
  },
  {
    name: "breakers", title: "Breakers and what others do", rows: [
      ["Webhook", (i) => i.value("sluice_webhook_breaker_open"), breaker],
      ["Partitions that refuse publishes", (i) => i.value("sluice_publish_unavailable_partitions"), or(count)],
      ["Subjects without a schema", (i) => i.values("sluice_registry_subjects", "state").get("unknown"), or(count)],
      ["Subjects with an old schema", (i) => i.values("sluice_registry_subjects", "state").get("stale"), or(count)],
      ["Schemas of values awaited", (i) => i.values("sluice_registry_schemas", "state").get("awaited"), or(count)],
      ["Message ids not settled", (i) => i.value("sluice_message_ids_unsettled"), or(count)],
      ["Revocations in force", (i) => i.value("sluice_revocations"), or(count)],
      ["Audit events waiting", (i) => i.value("sluice_audit_queued_events"), or(amount)],
    ],
  },
];

// wanted says whether a metric is used; the others are not parsed.
const names = /^(process_(start_time_seconds|cpu_seconds_total|resident_memory_bytes|open_fds)|go_(memstats_heap_alloc_bytes|goroutines|sched_gomaxprocs_threads)|sluice_(?!tenant_|stream_(live|gaps|subscribers|und)|gaps_|webhook_(request|unasked|cached)).*)$/;
export const wanted = (name) => names.test(name);
