// Publishes events with the CloudEvents SDK for JavaScript in each of its ways, and reads them
// again with its parsers: over HTTP, and, from the standard input, what Kafka has. What it
// gets is compared with what it sent; differences are printed.
//
//     node cloudevents.cjs publish URL TOKEN      prints [[way, answer], …]
//     node cloudevents.cjs read URL TOKEN COUNT
//     node cloudevents.cjs kafka < records        prints the events in the Kafka binding
const assert = require("node:assert");
const {CloudEvent, HTTP, Kafka, Mode, emitterFor, httpTransport} = require("cloudevents");

const source = "https://example.com/checkout?from=node";
const common = {source, type: "com.example.order", time: "2026-11-29T12:00:00.123Z"};

// Those of binary are sent in both modes of the HTTP binding. In the binary mode, the SDK
// escapes nothing in headers, so that they are ASCII without a percent sign, and sends data
// that is an object, a text or bytes.
const events = {
  binary: [
    {id: "object", datacontenttype: "application/json", data: {total: 13, text: "Ünïcödé 👩‍🚀", list: [1, null, {}]}},
    {id: "attributes", subject: "orders/eu-991", dataschema: "https://example.com/schema#1", partitionkey: "eu-991", datacontenttype: "application/json", data: {n: 1}},
    {id: "extensions", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", count: "7", flag: "true", datacontenttype: "application/json", data: []},
    {id: "quotes \" and a space", datacontenttype: "application/json", data: {text: "\""}},
    {id: "text", datacontenttype: "text/plain", data: "a plain text\nof two lines, Ünïcödé"},
    {id: "xml", datacontenttype: "application/xml", data: "<much wow=\"xml\"/>"},
  ],
  structured: [
    {id: "bytes", datacontenttype: "application/octet-stream", data: new Uint8Array([0, 255, 254, 10, 13])},
    {id: "ünïcödé", subject: "日本語 %", partitionkey: "Ü", datacontenttype: "application/json", data: {n: 2}},
    {id: "none"},
    {id: "typed", count: 7, flag: true, datacontenttype: "application/json", data: {n: 3}},
    {id: "number", datacontenttype: "application/json", data: 13.5},
    {id: "null", datacontenttype: "application/json", data: null},
    {id: "suffix", datacontenttype: "application/vnd.example+json", data: {n: 4}},
  ],
  batch: [
    {id: "batch-1", datacontenttype: "application/json", data: {n: 5}},
    {id: "batch-2", partitionkey: "eu-991", datacontenttype: "text/plain", data: "six"},
  ],
};
const event = (mode, e) => new CloudEvent({...common, ...e, id: mode + " " + e.id});

function sent() {
  const all = new Map();
  const add = e => all.set(e.id, e);
  for (const e of events.binary) {
    for (const mode of ["http", "fetch", "structured"]) add(event(mode, e));
  }
  for (const e of events.structured) add(event("structured", e));
  for (const e of events.batch) add(event("batch", e));
  return all;
}

// An event as comparable values. An attribute whose value is no string comes back from
// headers as one: in the Kafka and HTTP bindings, headers have no types.
function plain(e) {
  const all = {};
  for (const [name, value] of Object.entries(e.toJSON())) {
    if (name === "data" || name === "data_base64" || value === undefined) continue;
    all[name] = name === "time" ? new Date(value).toISOString() : String(value);
  }
  let data = e.data;
  if (ArrayBuffer.isView(data)) data = "base64:" + Buffer.from(data).toString("base64");
  // From Kafka, the SDK parses data of application/json only.
  if (typeof data === "string" && /\+json$/.test(e.datacontenttype)) data = JSON.parse(data);
  if (data === undefined || data === "" || data === " ") data = null;
  all.data = data;
  return all;
}

function same(got, way) {
  const of = sent(), seen = new Set();
  for (const e of got) {
    const want = of.get(e.id);
    if (!want) throw new Error(`${way}: an event that was not sent: ${e}`);
    if (seen.has(e.id)) throw new Error(`${way}: ${e.id} twice`);
    seen.add(e.id);
    try {
      assert.deepStrictEqual(plain(e), plain(want));
    } catch (err) {
      console.log(`${way}: ${e.id}: ${err.message}`);
    }
  }
  for (const id of of.keys()) {
    if (!seen.has(id)) console.log(`${way}: ${id} is missing`);
  }
}

async function publish(url, token) {
  const answers = [];
  const authorization = "Bearer " + token;
  const byFetch = async message => {
    const answer = await fetch(url, {method: "POST", headers: {...message.headers, authorization}, body: message.body});
    return {status: answer.status, body: await answer.text()};
  };
  const emitters = {
    http: emitterFor(httpTransport(url)),
    fetch: emitterFor(byFetch),
    structured: emitterFor(httpTransport(url), {binding: HTTP, mode: Mode.STRUCTURED}),
  };
  const emit = async (mode, e) => {
    const answer = await emitters[mode](event(mode, e), {headers: {authorization}});
    answers.push([mode + " " + e.id, answer.body]);
  };
  for (const e of events.binary) {
    for (const mode of Object.keys(emitters)) await emit(mode, e);
  }
  for (const e of events.structured) await emit("structured", e);
  const batch = {headers: {"content-type": "application/cloudevents-batch+json"}, body: JSON.stringify(events.batch.map(e => event("batch", e)))};
  assert.ok(HTTP.isEvent(batch));
  answers.push(["batch", (await byFetch(batch)).body]);
  console.log(JSON.stringify(answers));
}

async function read(url, token, count) {
  const headers = {authorization: "Bearer " + token};
  const page = await fetch(url + "/records?from=earliest&limit=1000", {headers: {...headers, accept: "application/cloudevents-batch+json"}});
  const body = await page.text();
  assert.strictEqual(page.status, 200, body);
  const all = HTTP.toEvent({headers: Object.fromEntries(page.headers), body});
  same(all, "page");

  const stream = await fetch(url + "/events?from=earliest", {headers: {...headers, accept: "application/cloudevents+json"}});
  const lines = [];
  let rest = "";
  for await (const chunk of stream.body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    for (const line of parts) {
      const e = HTTP.toEvent({headers: {"content-type": "application/cloudevents+json"}, body: line});
      if (!e.type.startsWith("sluice.")) lines.push(e);
    }
    if (lines.length >= count) break;
  }
  same(lines, "event stream");
}

async function kafka() {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  const got = [];
  for (const line of text.trim().split("\n")) {
    const record = JSON.parse(line);
    const message = {value: Buffer.from(record.value, "base64"), headers: record.headers};
    if (record.key !== null) message.key = record.key;
    assert.ok(Kafka.isEvent(message));
    // Clients give bytes, of which the SDK parses texts only.
    if (!/octet-stream/.test(record.headers["content-type"] || "")) message.value = message.value.toString();
    // It takes no data for no record, and a space is none here.
    if (message.value.length === 0) message.value = " ";
    got.push(Kafka.toEvent(message));
  }
  same(got, "Kafka");
}

const [mode, ...args] = process.argv.slice(2);
({publish, read, kafka})[mode](...args).catch(err => {
  console.error(err);
  process.exit(1);
});
