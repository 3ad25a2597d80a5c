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
  const add = (n) => { for (let i = 0; i < n; i++) rows.add({ kind: "record", text: "x", partition: i % 2, offset: rows.n = (rows.n ?? -1) + 1 }); };
  add(3); rows.take();
  rows.prepend([{ kind: "record", text: "y", partition: 0, offset: -1 }]);
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
  for (const [partition, offset, cursor] of [[0, 5, ""], [1, 7, "v1.a~1:8"], [0, 6, ""], [2, 9, ""]]) few.add({ kind: "record", text: "", partition, offset, cursor });
  few.take();
  equal("including", written(positionAt(few, few.get(2), { including: true })), "0:6,1:8,2:9");
  equal("after", written(positionAt(few, few.get(2))), "0:7,1:8,2:9");
  equal("cursor", [cursorAfter(few, few.get(0)), cursorAfter(few, few.get(1)), cursorAfter(few, few.get(3))], ["", "v1.a~1:8", "v1.a~0:7,1:8,2:10"]);

  const { dump, showValue } = await from("live/value.js");
  equal("dump", dump(new Uint8Array([0, 65, 255])), "000000  00 41 ff                                          ·A·");
  const shown = (text) => { const into = document.createElement("pre"); return [showValue(text, into), into.textContent]; };
  equal("text", shown('{"data":"a\\nb","encoding":"text"}'), ["text", "a\nb"]);
  equal("bytes", shown('{"data":"AEH/","encoding":"base64"}'), ["3 bytes", dump(new Uint8Array([0, 65, 255]))]);
  equal("digits", shown('{"data":[1.10,90071992547409931]}'), ["JSON", "[1.10, 90071992547409931]"]);
  equal("tombstone", shown('{"data":null,"tombstone":true}'), ["tombstone: the key was deleted", "null"]);

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
