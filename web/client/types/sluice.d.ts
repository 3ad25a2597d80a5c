// Types of the JavaScript client of Sluice.

/** The version of the server that this module belongs to. */
export const version: string;

/** A record of a stream, as the wire protocol has it. */
export interface Event<Data = unknown> {
  type: "event";
  stream: string;
  partition: number;
  offset: number;
  /** Unix time in milliseconds; null for none. */
  ts: number | null;
  key: string | null;
  key_encoding?: "base64";
  headers?: Header[];
  /** JSON, a string for text, base64 for other bytes (see encoding), null for a tombstone. */
  data: Data;
  encoding?: "text" | "base64";
  tombstone?: true;
  redacted?: true;
  undecrypted?: string[];
}

export type Header = [name: string, value: string | null] | [name: string, value: string, encoding: "base64"];

/** Records that will not be delivered: the offsets from `from` up to, but not including, `to`. */
export interface Gap {
  type: "gap";
  stream: string;
  /** Without partition and offsets where the whole position was void (reason "resync"). */
  partition?: number;
  from?: number;
  to?: number;
  reason: "retention" | "log_changed" | "truncated" | "unreadable" | "too_large" | "policy" | "resync" | (string & {});
  /** The server's code, where the reason is "resync". */
  code?: string;
}

export interface State {
  /**
   * connecting; live (it has caught up); stale (the server cannot read the stream at the
   * moment); paused (the application has more than it takes); waiting (for the next
   * attempt); closed.
   */
  state: "connecting" | "live" | "stale" | "paused" | "waiting" | "closed";
  error?: unknown;
  /** Milliseconds until the next attempt. */
  retryIn?: number;
}

/** A fault, with the server's code. */
export class SluiceError extends Error {
  name: "SluiceError";
  /** A code of the protocol, or "connection_lost". */
  code: string;
  /** Whether the same request can succeed later. */
  retryable: boolean;
  action?: "resume" | "reauthenticate" | "resync" | "stop";
  retry_after_ms?: number;
  /** What is wrong with the request or the record, and where. */
  errors?: { pointer?: string; message: string }[];
  /** The HTTP status, where there was one. */
  status?: number;
  /** The close code, where there was one. */
  close?: number;
  /** The id under which a record of unknown outcome can be published again. */
  message_id?: string;
}

export interface Storage {
  getItem(name: string): string | null | undefined | Promise<string | null | undefined>;
  setItem(name: string, value: string): unknown;
}

export interface Options {
  /** A token, or a function that returns one, which is asked again before it expires. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** For cookies in requests to another origin: "include". */
  credentials?: RequestCredentials;
  /** Ends the client when it aborts. */
  signal?: AbortSignal;
  /** A WebSocket for platforms without one. */
  WebSocket?: new (url: string, protocols?: string | string[]) => any;
  fetch?: typeof fetch;
  /** Which transports to try, in this order. */
  transports?: ("websocket" | "sse" | "pages")[];
  /** Bounds of waits between attempts, in milliseconds: 500 and 30000. */
  backoff?: { min?: number; max?: number };
  /** Many events in one message, for thousands of events a second, without compression. */
  lines?: boolean;
}

/** What is read: the reading parameters of the protocol. */
export interface Reading {
  key?: string | string[];
  key_prefix?: string;
  /** An expression in CEL. */
  filter?: string;
  /** "latest", "earliest", "last:10", "-5m", a time, "offset:0:12", or a cursor. */
  from?: string | Date;
  cursor_name?: string;
  reset?: boolean;
  on_gap?: "continue" | "fail";
  [header: `header.${string}`]: string;
  signal?: AbortSignal;
}

export interface SubscribeOptions extends Reading {
  /** Where the position is kept: localStorage, or any object with these two functions. */
  store?: Storage;
  /** "auto" stores the position under cursor_name, at the server, from time to time. */
  ack?: "auto" | "manual";
  /** How many characters of events may wait for the application; 1048576. */
  buffer?: number;
}

export interface SubscriptionHandlers<Data> {
  event: Event<Data>;
  gap: Gap;
  caughtup: { type: "caught_up"; cursor?: string };
  subscribed: { type: "subscribed"; start?: string; recovered?: boolean; short?: boolean; streams?: string[] };
  streams: { type: "streams"; added: string[]; removed: string[]; omitted?: number };
  state: State;
  /** A connection that was lost (retryable) or what has ended the subscription. */
  error: SluiceError;
}

export interface Subscription<Data = unknown> extends AsyncIterable<Event<Data>> {
  /** Calls a handler, until the function that is returned is called. */
  on<Type extends keyof SubscriptionHandlers<Data>>(type: Type, handler: (value: SubscriptionHandlers<Data>[Type]) => void): () => void;
  readonly state: State["state"];
  /** The position after what the application was handed: to be passed as `from`. */
  readonly cursor: string;
  /** Stores a position under cursor_name, at the server, and returns what is stored. */
  ack(cursor?: string): Promise<string>;
  close(): void;
  [Symbol.asyncIterator](): AsyncIterableIterator<Event<Data>>;
}

export interface Outgoing {
  key?: string | null;
  headers?: Header[];
  data?: unknown;
  encoding?: "base64";
  tombstone?: true;
  ts?: number;
  /** The record is stored once under this id. Where it is left out, the client makes one up, if the stream takes ids; undefined is none. */
  message_id?: string | undefined;
}

export interface Published {
  partition: number;
  offset: number;
  ts?: number;
  /** The record had been stored already, under the same message id. */
  duplicate?: true;
}

export interface Batch {
  failed: number;
  results: (Published | { code: string; message?: string; retryable: boolean })[];
}

export interface PublishOptions {
  signal?: AbortSignal;
  /** How long a record of unknown outcome is repeated, in milliseconds; 60000. */
  timeout?: number;
}

export interface Page<Data = unknown> {
  records: Event<Data>[];
  gaps: Gap[];
  cursor: string;
  caught_up: boolean;
}

export interface Sluice {
  subscribe<Data = any>(stream: string, options?: SubscribeOptions): Subscription<Data>;
  publish(stream: string, record: Outgoing, options?: PublishOptions): Promise<Published>;
  publish(stream: string, records: Outgoing[], options?: PublishOptions): Promise<Batch>;
  /** Pages up to the newest record, or, with wait, for ever. */
  pages<Data = any>(stream: string, options?: Reading & { limit?: number; wait?: string }): AsyncIterableIterator<Page<Data>>;
  /** Any other request of the protocol, such as `request("GET", "v1/streams")`, with JSON both ways. */
  request<Answer = any>(method: string, path: string, content?: unknown, signal?: AbortSignal): Promise<Answer>;
  on(type: "state", handler: (value: { transport: "websocket" | "sse" | "pages" }) => void): () => void;
  on(type: "error", handler: (value: SluiceError) => void): () => void;
  /** Checks the connections at once: for platforms that have no events for a wake, such as React Native's AppState. */
  wake(moved?: boolean): void;
  close(): void;
}

/** Returns a client of a server; without a URL, of the page's own. */
export function connect(url?: string | URL, options?: Options): Sluice;
