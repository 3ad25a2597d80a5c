// The schema of a stream, as a form.

import { server, streamPath } from "../shared/server.js";
import { fromAvro } from "./avro.js";
import { fromJSONSchema } from "./jsonschema.js";
import { fromProtobuf } from "./protobuf.js";

// A server's schemas have at most 1 MiB, with what they refer to.
const longest = 2 << 20;

const kinds = {
  "application/schema+json": ["JSON Schema", (text) => one(fromJSONSchema(text))],
  "application/vnd.apache.avro+json": ["Avro", (text) => one(fromAvro(text))],
  "text/x-protobuf": ["Protobuf", fromProtobuf],
};

const one = (shape) => ({ messages: [], shape: () => shape });

// schemaOf returns {kind, messages, shape(message)} of a stream, null if it has no schema.
// Messages are those of which a value can be. What it throws says why there is no form.
export async function schemaOf(stream, signal) {
  if (!stream.schema) return null;
  const response = await server.fetch(streamPath(stream.stream, "/schema"), { signal });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`The server answers ${response.status} to the request for the schema.`);
  const type = (response.headers.get("content-type") ?? "").split(";")[0].trim();
  const text = await response.text();
  if (!Object.hasOwn(kinds, type)) throw new Error(`There is no form for schemas of the type ${type.slice(0, 100)}.`);
  if (text.length > longest) throw new Error("The schema is too long for a form.");
  const [kind, read] = kinds[type];
  return { kind, ...read(text) };
}
