// Dialogues in which it matters what comes first, over a WebSocket that the program itself
// answers.

import assert from "node:assert/strict";
import { connect } from "./client/sluice.js";

let socket;
class Socket {
  readyState = 0;
  sent = []; // what the client has sent, pings left out

  constructor() {
    socket = this;
    queueMicrotask(() => {
      this.readyState = 1;
      this.onopen();
    });
  }

  send(text) {
    const m = JSON.parse(text);
    if (m.type === "ping") this.answer({ type: "welcome", ping_ms: 25000, limits: { publishes_per_session: 1 } });
    else this.sent.push(m);
  }

  answer(m) {
    this.onmessage({ data: JSON.stringify(m) });
  }

  close() {}
}

const subscribed = (cursor) => {
  const { id } = socket.sent.at(-1);
  socket.answer({ type: "subscribed", id, stream: "orders", feed: "orders", cursor });
  return id;
};
const event = (offset) => socket.answer({ type: "event", stream: "orders", partition: 0, offset, data: {} });
const turn = () => new Promise((resolve) => setTimeout(resolve)); // lets the client go on
const types = () => socket.sent.map(({ type }) => type);
const begin = async (options) => {
  const sluice = connect("http://127.0.0.1/", { WebSocket: Socket });
  const subscription = sluice.subscribe("orders", options);
  await turn();
  return { sluice, subscription, id: subscribed("v1.a") };
};

// What comes while an application is busy with an event is handed on after that, and all of it.
{
  const { sluice, subscription, id } = await begin();
  const items = [];
  subscription.on("caughtup", () => items.push("caught_up"));
  event(5);
  event(6);
  socket.answer({ type: "caught_up", id, cursor: "v1.b" });
  for await (const { offset } of subscription) {
    await turn();
    if (offset === 6) {
      event(7);
      await turn();
      event(8);
      assert.equal(subscription.cursor, "v1.a~0:7");
    }
    items.push(offset);
    if (offset === 8) break;
  }
  assert.deepEqual(items, [5, 6, "caught_up", 7, 8]);
  await turn();
  assert.deepEqual(types(), ["subscribe", "unsubscribe"]);
  sluice.close();
}

// An application is slow, and has taken everything before the pause is answered.
for (const pauses of [true, false]) {
  const { sluice, subscription, id } = await begin({ buffer: 500 });
  const items = [];
  for (const offset of [5, 6, 7]) event(offset);
  assert.deepEqual(types(), ["subscribe", "pause"]);
  const whole = (async () => {
    for await (const { offset } of subscription) {
      items.push(offset);
      if (offset === 9) break;
    }
  })();
  await turn();
  assert.deepEqual(items, [5, 6, 7]);
  assert.deepEqual(types(), ["subscribe", "pause", "resume"]);
  event(8); // on its way when the pause came
  if (pauses) {
    socket.answer({ type: "paused", id, cursor: "v1.b" });
    socket.answer({ type: "resumed", id, cursor: "v1.b" });
  } else {
    for (let i = 0; i < 2; i++) socket.answer({ type: "error", id, code: "bad_request", action: "stop" });
    assert.deepEqual(types(), ["subscribe", "pause", "resume", "unsubscribe"]);
    event(9); // is not taken any more, and comes again
    socket.answer({ type: "unsubscribed", id, reason: "requested", retryable: true });
    await turn();
    assert.equal(socket.sent.at(-1).from, "v1.a~0:9");
    subscribed("v1.c");
  }
  event(9);
  await whole;
  assert.deepEqual(items, [5, 6, 7, 8, 9]);
  sluice.close();
}

// Nothing is sent for a subscription that was left, also if it was paused.
{
  const { sluice, subscription } = await begin({ buffer: 500 });
  for (const offset of [5, 6, 7]) event(offset);
  subscription.close();
  await turn();
  assert.deepEqual(types(), ["subscribe", "pause", "unsubscribe"]);
  sluice.close();
}

// Parts of an event stream come faster than the application takes what is in them.
for (let depth = 1; depth < 5; depth++) {
  let count = 0;
  const parts = Array.from({ length: 20 }, (_, i) => {
    const events = Array.from({ length: depth }, () => `data: {"type":"event","stream":"orders","partition":0,"offset":${count++},"data":{}}\n\n`);
    return new TextEncoder().encode(events.join("") + `event: sluice.cursor\nid: v1.${i}\ndata: {"cursor":"v1.${i}"}\n\n`);
  });
  const body = new ReadableStream({ start: (stream) => parts.forEach((part) => stream.enqueue(part)) });
  const sluice = connect("http://127.0.0.1/", { transports: ["sse"], fetch: async () => ({ ok: true, body }) });
  let next = 0;
  for await (const { offset } of sluice.subscribe("orders")) {
    assert.equal(offset, next++);
    if (next === count) break;
  }
  sluice.close();
}
process.exit(); // what was left open would end by itself
