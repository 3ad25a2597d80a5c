// Run in the console by TestLiveModules: what is wrong is added to faults.

const base = document.querySelector("script[type=module]").src;
const from = (name) => import(new URL(name, base));
const equal = (what, got, want) => JSON.stringify(got) === JSON.stringify(want) || faults.push(what + ": got " + JSON.stringify(got) + ", want " + JSON.stringify(want));
window.faults = [];
(async () => {
  const { members, elements } = await from("shared/raw.js");
  equal("members", members('{"a":{"b":[1,"}"]}, "c\\"d":"x,\\"data\\":1","data":1.10,"e":[]}'), { a: '{"b":[1,"}"]}', 'c"d': '"x,\\"data\\":1"', data: "1.10", e: "[]" });
  equal("elements", elements('[{"n":90071992547409931},[1,2],"]",null]'), ['{"n":90071992547409931}', "[1,2]", '"]"', "null"]);
  equal("no elements", elements("[]"), []);

  const { Rows } = await from("live/rows.js");
  const rows = new Rows();
  const add = (n) => { for (let i = 0; i < n; i++) rows.add({ kind: "record", text: "x", place: i % 2, offset: rows.n = (rows.n ?? -1) + 1 }); };
  add(3); rows.take();
  rows.prepend([{ kind: "record", text: "y", place: 0, offset: -1 }]);
  equal("ids", [rows.shown.first().id, rows.shown.last().id, rows.get(-1).text, rows.get(5) ?? null], [-1, 2, "y", null]);
  add(10005);
  equal("waiting", rows.waiting, 10005);
  rows.take();
  equal("skipped", [rows.get(3).kind, rows.get(3).count, rows.shown.length], ["skipped", 5, 10005]);
  equal("trim", [rows.trim(), rows.shown.length, rows.shown.last().offset], [true, 10000, 10007]);

  const { parse, format } = await from("live/address.js");
  const read = (text) => parse(new URLSearchParams(text)).map((p) => [p.stream, p.from, p.key, p.filter].join("|"));
  equal("of both", read("stream=a&stream=b&from=-5m&key=k"), ["a|-5m|k|", "b|-5m|k|"]);
  equal("of each", read("stream=a&from=-5m&stream=b&from=latest"), ["a|-5m||", "b|latest||"]);
  equal("of none", read("from=latest"), ["|latest||"]);
  const panes = parse(new URLSearchParams("stream=a&key=&stream=b&key=k&filter=true"));
  equal("written", parse(new URLSearchParams(format(panes))), panes);

  const { positionAt, cursorAfter, written } = await from("live/positions.js");
  const few = new Rows();
  for (const [place, offset, cursor] of [[0, 5, ""], [1, 7, "v1.a~1:8"], [0, 6, ""], [2, 9, ""]]) few.add({ kind: "record", text: "", place, offset, cursor });
  few.take();
  equal("including", written(positionAt(few, few.get(2), { including: true })), "0:6,1:8,2:9");
  equal("after", written(positionAt(few, few.get(2))), "0:7,1:8,2:9");
  equal("cursor", [cursorAfter(few, few.get(0)), cursorAfter(few, few.get(1)), cursorAfter(few, few.get(3))], ["", "v1.a~1:8", "v1.a~0:7,1:8,2:10"]);

  // Where reading has begun is known too: also of rows from before the first cursor, in a pattern, and
  // after the oldest rows have been dropped. Rows that were fetched later are from before it.
  const { cursorBefore, oldest } = await from("live/positions.js");
  const { gapRow, recordRow } = await from("live/rows.js");
  const many = new Rows();
  many.begin("v1.b~a/0:3");
  const record = (stream, partition, offset, ts = 1) => recordRow({ stream, partition, offset, ts }, "x", true);
  for (const [stream, partition, offset] of [["a", 0, 3], ["b", 0, 3], ["a", 1, 9]]) many.add(record(stream, partition, offset));
  many.add(gapRow({ stream: "b", partition: 0, from: 4, to: 6, reason: "unreadable" }, true));
  many.take();
  equal("begun", [0, 1, 3].map((id) => cursorBefore(many, many.get(id))), ["v1.b~a/0:3", "v1.b~a/0:4", "v1.b~a/0:4,a/1:10,b/0:4"]);
  equal("after a gap", cursorAfter(many, many.get(3)), "v1.b~a/0:4,a/1:10,b/0:6");
  many.prepend([record("a", 0, 2), record("a", 0, 1)]);
  equal("fetched later", [cursorBefore(many, many.get(-1)), cursorAfter(many, many.get(-1)), cursorBefore(many, many.get(0))], ["", "v1.b~a/0:3", "v1.b~a/0:3"]);
  for (let i = 0; i < 4; i++) many.drop();
  equal("dropped", cursorAfter(many, many.get(2)), "v1.b~a/0:4,a/1:10,b/0:4");
  equal("oldest", [...oldest(many)], [["a/1", 9], ["b/0", 4]]);
  many.add(record("b", 0, 6));
  many.add(gapRow({ stream: "b", partition: 0, from: 2, to: 7, reason: "truncated" }, true));
  equal("offsets that were used again", oldest(many).get("b/0"), 2);

  // Older rows have the gaps of all reasons at their places, each once, wherever windows end.
  const { History } = await from("live/history.js");
  const past = async ({ log, below, read = {}, partitions = 1, changes = {} }) => {
    const asked = [];
    const server = { fetch: async (address) => {
      const query = new URL(address, base).searchParams;
      const [, partition, first] = /^offset:(\d+):(\d+)$/.exec(query.get("from"))?.map(Number) ?? [0, Number(query.get("filter")?.match(/partition == (\d+)/)?.[1] ?? 0), 0];
      asked.push(query.get("from"));
      const within = log.filter((m) => m.partition === partition && (m.to ?? m.offset + 1) > first).slice(0, Math.min(200, query.get("limit") ?? 200))
        .map((m) => (m.from < first ? { ...m, from: first } : m));
      const gaps = [...within.filter((m) => m.reason), ...(changes[asked.length] ?? [])];
      const last = within.at(-1) ?? { to: first };
      const page = { records: changes[asked.length] ? [] : within.filter((m) => !m.reason), gaps, cursor: `offset:${partition}:${last.to ?? last.offset + 1}`, caught_up: last === log.at(-1) };
      return { ok: true, text: async () => JSON.stringify(page) };
    } };
    const all = Array.from({ length: partitions }, (_, partition) => ({ stream: "s", partition, place: partition }));
    const history = new History(server, { stream: "s", key: "", filter: "", ...read }, all, new Map(below));
    const rows = [];
    for (let end; !end?.over && asked.length < 100;) rows.push(...(end = await history.older()).rows), rows.end = end.reason;
    return [rows.map(({ place, offset, gap }) => `${place}:${offset}${gap ? `-${gap.to} ${gap.reason}` : ""}`).join(" "), rows.end];
  };
  const range = (from, to, partition = 0) => Array.from({ length: to - from }, (_, i) => ({ partition, offset: from + i, ts: from + i }));
  const places = (from, to) => range(from, to).map(({ offset }) => `0:${offset}`).reverse().join(" ");
  const gap = (from, to, reason, partition = 0) => ({ type: "gap", stream: "s", partition, from, to, reason });
  equal("gaps", await past({ log: [...range(0, 3), gap(3, 4, "unreadable"), gap(4, 6, "too_large"), ...range(6, 9)], below: [[0, 8]] }),
    ["0:7 0:6 0:4-6 too_large 0:3-4 unreadable 0:2 0:1 0:0", "retention"]);
  equal("up to what is held", await past({ log: [...range(0, 3), gap(3, 9, "unreadable")], below: [[0, 5]] }), ["0:3-5 unreadable 0:2 0:1 0:0", "retention"]);
  equal("across windows", await past({ log: [...range(0, 100), gap(100, 800, "unreadable"), ...range(800, 1001)], below: [[0, 1000]] }),
    [`${places(800, 1000)} 0:100-800 unreadable ${places(0, 100)}`, "retention"]);
  equal("longer than any window", (await past({ log: [...range(0, 2), gap(2, 50000, "unreadable"), ...range(50000, 50002)], below: [[0, 50001]] }))[0],
    "0:50000 0:30000-50000 unreadable 0:10000-30000 unreadable 0:2-10000 unreadable 0:1 0:0");
  for (const reason of ["retention", "policy"]) {
    equal(reason, await past({ log: [gap(0, 990, reason), ...range(990, 1001)], below: [[0, 1000]] }), [`${places(990, 1000)} 0:0-990 ${reason}`, reason]);
  }
  // A gap has the time of what follows it, beside records of other partitions.
  equal("by time", await past({ partitions: 2, log: [...range(0, 2), gap(2, 4, "too_large"), ...range(4, 6), ...range(0, 6, 1)], below: [[0, 6], [1, 6]] }),
    ["0:5 1:5 0:4 0:2-4 too_large 1:4 1:3 1:2 0:1 1:1 0:0 1:0", "retention"]);
  // What is told while a window is read, of a log that is another now, or has lost its end, ends the window.
  const changed = (gap) => past({ log: range(0, 500), below: [[0, 400]], changes: { 2: [gap] } });
  equal("created again", await changed(gap(300, 0, "log_changed")), [`0:300-0 log_changed ${places(100, 300)}`, "log_changed"]);
  equal("lost", await changed(gap(250, 300, "truncated")), [`0:250-300 truncated ${places(100, 300)} ${places(0, 100)}`, "retention"]);

  const { dump, showValue } = await from("live/value.js");
  equal("dump", dump(new Uint8Array([0, 65, 255])), "000000  00 41 ff                                          ·A·");
  const shown = (text) => { const into = document.createElement("pre"); return [showValue(text, into), into.textContent]; };
  equal("text", shown('{"data":"a\\nb","encoding":"text"}'), ["text", "a\nb"]);
  equal("bytes", shown('{"data":"AEH/","encoding":"base64"}'), ["3 bytes", dump(new Uint8Array([0, 65, 255]))]);
  equal("digits", shown('{"data":[1.10,90071992547409931]}'), ["JSON", "[1.10, 90071992547409931]"]);
  equal("tombstone", shown('{"data":null,"tombstone":true}'), ["tombstone: the key was deleted", "null"]);

  // The program of a former row, or language, is gone at once, and cannot be copied any more.
  const { Drawer } = await from("live/drawer.js");
  const pane = (await from("shared/dom.js")).fromTemplate("live").querySelector("#live-pane").content.firstElementChild.cloneNode(true);
  let know;
  const drawer = new Drawer(pane.querySelector(".drawer"), { follow: () => {}, cursor: async () => "", reading: () => new Promise((resolve) => { know = resolve; }) });
  const program = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    return [pane.querySelector(".program").textContent.includes("from=earliest"), pane.querySelector(".copy-program").disabled];
  };
  const position = { stream: "s", from: "earliest", key: "", filter: "", base: "http://127.0.0.1:1/", token: false };
  equal("no program yet", await program(), [false, true]);
  know(position);
  equal("a program", await program(), [true, false]);
  drawer.look(recordRow({ stream: "s", partition: 0, offset: 7, ts: 1 }, '{"stream":"s","partition":0,"offset":7,"ts":1,"key":null,"data":1}', false), true);
  equal("the program of another row", await program(), [false, true]);
  know(position);
  equal("is known", await program(), [true, false]);

  const { Latency } = await from("live/latency.js");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const [label, figures] = [document.createElement("p"), document.createElement("p")];
  const latency = new Latency(svg, label, figures);
  const drawn = (tap) => { latency.draw(tap); return [label.textContent, figures.textContent]; };
  equal("no latency", drawn({ ahead: 0 }), ["no live records yet", "–"]);
  for (let i = 1; i <= 100; i++) latency.sample(i < 99 ? 10 : 2000);
  const [says, quantiles] = drawn({ ahead: 20 });
  equal("latency", [says, /^p50 1\d ms · p99 2\.\d s$/.test(quantiles)], ["record time to screen", true]);
  equal("clocks", drawn({ ahead: -5000 }), ["clocks differ by 5.0 s", "–"]);
  for (let i = 0; i < 20; i++) latency.sample(-400);
  equal("future", drawn({ ahead: 0 }), ["records are from the future: clocks differ", "–"]);
  window.ended = true;
})().catch((error) => { faults.push(String(error)); window.ended = true; })
