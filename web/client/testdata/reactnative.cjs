// Runs a program of modules in the environment of React Native: its own JavaScript for fetch,
// WebSocket, URL and AbortController, compiled by its own preset as Metro does it, on a native
// side that is made of Node.js. Nothing else of Node.js is left in the global scope.
//
// Arguments: the folder of the packages, the program, and what that has as process.argv.

const http = require("node:http");
const Module = require("node:module");
const path = require("node:path");

const [, , modules, program] = process.argv;
process.argv.splice(1, 2);
const load = Module.createRequire(path.join(modules, "index.js"));
const babel = load("@babel/core");
const NodeSocket = Module.createRequire(path.join(modules, "react-native", "index.js"))("ws");
const ours = path.join(modules, "react-native");

// What both have, of the names that are global in Node.js.
const kept = new Set(["global", "process", "console", "queueMicrotask", "setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate", "performance", "Buffer"]);
const language = new Set(require("node:vm").runInNewContext("Object.getOwnPropertyNames(globalThis)"));
for (const name of Object.getOwnPropertyNames(globalThis)) {
  if (!kept.has(name) && !language.has(name)) delete globalThis[name];
}

const compile = Module._extensions[".js"];
Module._extensions[".js"] = (module, file) => {
  if (!file.startsWith(ours) && file.startsWith(modules)) return compile(module, file);
  const { code } = babel.transformFileSync(file, { presets: [[load.resolve("@react-native/babel-preset"), { enableBabelRuntime: false }]], babelrc: false, configFile: false, cwd: modules, caller: { name: "metro", bundler: "metro", platform: "ios" } });
  module._compile(code, file);
};
const resolve = Module._resolveFilename;
Module._resolveFilename = (request, parent, ...rest) => {
  if (request[0] === "." && parent?.filename.startsWith(ours)) {
    try {
      return resolve(request + ".ios", parent, ...rest);
    } catch {}
  }
  return resolve(request, parent, ...rest);
};

// The native side tells of what happens by events.
const tell = (type, ...values) => load("react-native/Libraries/EventEmitter/RCTDeviceEventEmitter").default.emit(type, ...values);
const requests = new Map();
const sockets = new Map();
const blobs = new Map();
const blob = (bytes) => {
  const blobId = String(blobs.size);
  blobs.set(blobId, bytes);
  return { blobId, offset: 0, size: bytes.length };
};
const native = {
  PlatformConstants: { getConstants: () => ({ osVersion: "18", systemName: "iOS", interfaceIdiom: "phone", isTesting: true, reactNativeVersion: { major: 0, minor: 88, patch: 0 } }) },
  Networking: {
    addListener() {},
    removeListeners() {},
    clearCookies() {},
    sendRequest({ method, url, headers, data, responseType }, callback) {
      const id = requests.size + 1;
      const ended = (error) => tell("didCompleteNetworkResponse", [id, error?.message ?? "", false]);
      // What has come is told when it is whole, as to all who do not ask for text.
      const request = http.request(url, { method, headers }, (response) => {
        tell("didReceiveNetworkResponse", [id, response.statusCode, response.headers, url]);
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk)).on("error", ended);
        response.on("end", () => {
          const whole = Buffer.concat(chunks);
          tell("didReceiveNetworkData", [id, responseType === "blob" ? blob(whole) : whole.toString(responseType === "base64" ? "base64" : "utf8")]);
          ended();
        });
      });
      requests.set(id, request);
      callback(id);
      request.on("error", ended).end(data?.string);
    },
    abortRequest: (id) => requests.get(id)?.destroy(),
  },
  BlobModule: { getConstants: () => ({ BLOB_URI_SCHEME: "blob", BLOB_URI_HOST: null }), addNetworkingHandler() {}, release() {} },
  FileReaderModule: { readAsText: async ({ blobId }) => blobs.get(blobId).toString() },
  WebSocketModule: {
    addListener() {},
    removeListeners() {},
    connect(url, protocols, { headers }, id) {
      const socket = new NodeSocket(url, protocols ?? [], { headers });
      sockets.set(id, socket);
      socket.on("open", () => tell("websocketOpen", { id, protocol: socket.protocol }));
      socket.on("message", (data) => tell("websocketMessage", { id, type: "text", data: String(data) }));
      socket.on("error", ({ message }) => tell("websocketFailed", { id, message }));
      socket.on("close", (code, reason) => tell("websocketClosed", { id, code, reason: String(reason), clean: true }));
    },
    send: (text, id) => sockets.get(id).send(text),
    close: (code, reason, id) => sockets.get(id).close(code, reason),
  },
};

Object.assign(globalThis, { window: globalThis, __DEV__: false, nativeModuleProxy: native });
load("react-native/Libraries/Core/setUpXHR");
require(path.resolve(program));
