"""The Python client of Sluice, for devices: web/docs/devices.md.

One file for Python 3.9 or newer, with the standard library only. Where the package
`websockets` (15 or newer) is installed, subscriptions use a WebSocket, and otherwise
server-sent events.
"""

import asyncio
import base64
import collections
import http.client
import itertools
import json
import logging
import math
import os
import queue
import random
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

__version__ = "0.0.0.dev0"  # in the one that a server gives out, that of the server

__all__ = ["Client", "SluiceError", "Spool", "Subscription"]

PATIENCE = 5  # seconds in which a transport gets through
SLACK = 10  # seconds beyond the server's ping interval
HEARTBEAT = 15  # seconds, of event streams
ANSWER = 40  # seconds in which a publish is answered, longer than the server's publish_timeout
MOST_CURSOR = 4096  # the server's default for the length of a cursor
EARLY = 0.8  # of a token's time have passed when the next is asked for
RENEWALS = 2  # tokens in a row that may be refused
TOKEN = 30  # seconds in which a function returns a token
MOST_ANSWER = 16 << 20  # bytes of an answer, and of a message
MOST_WAIT = 86400000  # milliseconds for which a server can have the client wait
CREDENTIALS = ("token_expired", "revoked", "unauthenticated")


class SluiceError(Exception):
    """A fault: `code`, `retryable`, `action`, `retry_after_ms`, `status`, and `fault`, all of its fields."""

    def __init__(self, fault, skip=False, quiet=False):
        super().__init__(fault.get("message") or fault.get("detail") or fault["code"])
        self.fault, self.code, self.skip, self.quiet = fault, fault["code"], skip, quiet
        self.status = fault.get("status")
        after = fault.get("retry_after_ms")
        self.retry_after_ms = min(max(after, 0), MOST_WAIT) if isinstance(after, (int, float)) else 0
        self.action = fault.get("action") or ("resume" if fault.get("retryable") else "stop")
        self.retryable = fault.get("retryable", self.action == "resume")


def _lost(message, action="resume", skip=False, quiet=False):
    """A connection that ended without a word. With skip, another transport may get through."""
    return SluiceError({"code": "connection_lost", "message": str(message), "action": action}, skip, quiet)


def _problem(status, text):
    """The fault that an answer describes. A proxy that has answered knows nothing of codes."""
    try:
        fault = json.loads(text)
        return SluiceError({"status": status, **fault, "code": fault["code"]})
    except (ValueError, KeyError, TypeError, RecursionError):
        fault = _lost("status %d" % status, "stop" if 400 <= status <= 404 else "resume", skip=True)
        fault.status = status
        return fault


def _closed(code):
    action = "resume"
    if code == 4201:
        action = "reauthenticate"
    elif code >= 4500:
        action = "stop"
    elif 4300 <= code < 4400:
        action = "resync"
    return _lost("closed %d" % code, action)


# Of the package websockets, which logs errors of connections that are being closed. Without a handler of the
# application they are not printed: what matters of them is handed on.
_log = logging.getLogger("sluice")
_log.addHandler(logging.NullHandler())

# What reading an answer that is not the server's can raise.
_GARBAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def _read(answer):
    """Reads an answer, which must not be endless, nor come a byte at a time for ever."""
    end, parts, size = time.monotonic() + ANSWER, [], 0
    while True:
        part = answer.read1(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > MOST_ANSWER or time.monotonic() > end:
            raise ValueError("the answer does not end")


def _stored(result):
    """Says whether a result is a place. What answers without one is not the server."""
    return isinstance(result.get("partition"), int) and isinstance(result.get("offset"), int)


class _Backoff:
    """Waits with full jitter, whose bound doubles."""

    def __init__(self, bounds):
        self.bounds, self.attempts = bounds, 0

    def delay(self, retry_after_ms=0):
        least, most = self.bounds
        bound = min(most, least * 2 ** min(self.attempts, 30))
        self.attempts += 1
        return retry_after_ms / 1000 + random.uniform(0, bound)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would take the token to another server, and make a GET of a POST."""

    def redirect_request(self, *_):
        return None


class Client:
    """A server. `token` is a token or a function that returns one, asked again before it expires."""

    def __init__(self, url, token=None, transports=("websocket", "sse"), backoff=(0.5, 30), context=None):
        address = urllib.parse.urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("%r is not the URL of a server: it begins with http:// or https:// and has a host" % url)
        self.base, self.token, self.transports = url.rstrip("/"), token, transports
        self.context, self.backoff = context, backoff
        self._opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))
        self._bearer, self._plain, self._sessions = None, set(), []
        self._answer = None  # where the function for tokens that is running answers
        self._asking, self._ids = threading.Lock(), itertools.count(1)

    def _renew(self):
        self._bearer = None

    def _credential(self):
        if not callable(self.token):
            return self.token
        with self._asking:
            if self._bearer is None:
                self._bearer = self._ask()
            return self._bearer

    def _ask(self):
        """Asks the function for a token. One that never answers stops nothing, and is not asked twice at a time."""
        if not self._answer:
            box = self._answer = queue.SimpleQueue()

            def ask():
                try:
                    box.put((self.token(), None))
                except Exception as error:
                    box.put((None, error))

            threading.Thread(target=ask, daemon=True).start()
        try:
            token, error = self._answer.get(timeout=TOKEN)
        except queue.Empty:
            raise _lost("no token: the function for tokens has not answered") from None
        self._answer = None
        if error:
            raise _lost("no token: %s" % type(error).__name__) from error
        return token

    def _open(self, method, path, body=None, timeout=ANSWER):
        token = self._credential()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(self.base + path, body, headers, method=method)
        try:
            return self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as refused:
            with refused:
                try:
                    text = _read(refused)
                except (OSError, ValueError, http.client.HTTPException):
                    text = b""  # its status says enough
                raise _problem(refused.code, text) from None
        except (OSError, http.client.HTTPException) as error:
            raise _lost(error, skip=True) from error

    def _post(self, stream, body):
        """Sends text to a stream, and asks for another token once."""
        for again in (True, False):
            try:
                with self._open("POST", _path(stream) + "records", body.encode()) as answer:
                    result = json.loads(_read(answer))
                if not (_stored(result) or "code" in result or isinstance(result.get("results"), list)):
                    raise ValueError("no answer of Sluice: is the URL right?")
                return result
            except SluiceError as fault:
                if fault.code not in CREDENTIALS or not callable(self.token):
                    raise
                self._renew()
                if not again:
                    raise
            except (OSError, http.client.HTTPException, *_GARBAGE) as error:
                raise _lost(error) from error  # of a portal or a proxy, perhaps

    def _send(self, stream, body):
        for session in list(self._sessions):
            if not session.busy():
                result = session.call({"type": "publish", "stream": stream, **body})
                if not (_stored(result) or "code" in result):
                    raise _lost("the answer does not say where the record is stored")
                return result
        return self._post(stream, json.dumps(body))

    def publish(self, stream, record, timeout=60):
        """Publishes a record, `{"key": …, "data": …}`, and returns its place.

        An unknown outcome is asked about with the same message id until the timeout.
        Raises SluiceError; `retryable` says whether the record can be sent again.
        """
        body, named = _record(record), "message_id" in record
        if stream in self._plain and not named:
            del body["message_id"]
        backoff, end = _Backoff(self.backoff), time.monotonic() + timeout
        again = False
        while True:
            try:
                result = self._send(stream, body)
                if "code" in result:
                    raise SluiceError(result)  # a dead letter
                return {k: v for k, v in result.items() if k not in ("type", "id")}
            except SluiceError as error:
                fault = error
            identified = "message_id" in body
            if fault.code == "bad_request" and identified and not named and not again:
                del body["message_id"]  # does the stream take no ids? Then the record is not at fault
                result = self._send(stream, body)
                self._plain.add(stream)
                return result
            # What is refused for now after an attempt that may have stored it is still unknown.
            if fault.code == "connection_lost" or again and fault.retryable:
                fault = SluiceError({"code": "publish_unknown", "message": str(fault)})
            if fault.code != "publish_unknown":
                raise fault
            left = end - time.monotonic()
            if not identified or left <= 0:
                fault.retryable = identified
                fault.message_id = body.get("message_id")
                raise fault
            # The last attempt is at the end.
            time.sleep(min(backoff.delay(fault.retry_after_ms), left))
            again = True

    def spool(self, path, **options):
        """Opens a spool on disk, see Spool."""
        return Spool(self, path, **options)

    def subscribe(self, stream, store=None, notify=None, buffer=1 << 20, **parameters):
        """Reads a stream: `for event in client.subscribe("orders", from_="last:5", key="k")`.

        `parameters` are the reading parameters of the protocol; `from` is written `from_`.
        `store` names a file that keeps the position. `notify` is called, between the records,
        with each gap, `caught_up`, and each error after which the client tries again.
        """
        return Subscription(self, stream, store, notify, buffer, {k.rstrip("_"): v for k, v in parameters.items()})


def _path(stream):
    return "/v1/streams/%s/" % urllib.parse.quote(stream, "")


def _record(record):
    body = {"message_id": str(uuid.uuid4()), **record}
    if isinstance(body.get("data"), (bytes, bytearray)):
        body.update(data=base64.b64encode(body["data"]).decode(), encoding="base64")
    return body


class Spool:
    """Records on disk, each with its message id until it is stored or finally refused.

    `put` returns when the record is on disk, and a thread sends it. Records of a key are
    stored in the order of `put`. `on_refused(stream, record, fault)` is told of dead letters
    and refusals, and `on_stored(stream, record, place)` of the others, before they are
    forgotten: after a crash perhaps again. `on_error(error)` is told of what is tried again.
    The stream has to take message ids. One process at a time has the file.
    """

    def __init__(self, client, path, most=100000, most_bytes=64 << 20, batch=100,
                 on_refused=None, on_stored=None, on_error=None):
        self.client, self.most, self.most_bytes, self.batch = client, most, most_bytes, batch
        self.on_refused, self.on_stored, self.on_error = on_refused, on_stored, on_error
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            for statement in (
                "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                "CREATE TABLE IF NOT EXISTS records (n INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT, key TEXT, body TEXT)",
                "CREATE INDEX IF NOT EXISTS keys ON records (stream, key, n)",
            ):
                self._db.execute(statement)
        except sqlite3.Error as error:  # which does not name the file
            use = ": another spool has it open, and each needs a file of its own" if "locked" in str(error) else ""
            raise type(error)("open the spool %s: %s%s" % (path, error, use)) from error
        self.count, self.bytes = self._db.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM records").fetchone()
        self._changed, self._stop = threading.Condition(), False
        self._done = {}  # records, by number, that are dealt with and could not be removed: they are not sent again
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, stream, record):
        """Stores a record on disk, and returns its message id.

        Raises BufferError if there is no room, sqlite3.Error if the disk does not take it, and
        ValueError after close: the record is not stored then.
        """
        record = _record({k: v for k, v in record.items() if k != "message_id" or v})
        body = json.dumps(record)  # in ASCII, so that its length is that in bytes
        with self._changed:
            if self._stop:
                raise ValueError("the spool is closed")
            if self.count >= self.most or self.bytes + len(body) > self.most_bytes:
                raise BufferError("the spool is full: %d records in %d bytes" % (self.count, self.bytes))
            self._db.execute("INSERT INTO records (stream, key, body) VALUES (?, ?, ?)", (stream, record.get("key"), body))
            self.count += 1
            self.bytes += len(body)
            self._changed.notify_all()
        return record["message_id"]

    def flush(self, timeout=None):
        """Waits until all records are stored or refused, or the spool is closed, and says whether they are."""
        with self._changed:
            self._changed.wait_for(lambda: not self.count or self._stop, timeout)
            return not self.count

    def close(self):
        """Ends the thread, once it has the answer that it waits for. What is not stored stays on disk."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _heads(self, waiting, most):
        """The first record of each key, and all without: records of a key wait for the one before."""
        rows = self._db.execute(
            "SELECT n, stream, key, body FROM records AS r WHERE key IS NULL OR NOT EXISTS"
            " (SELECT 1 FROM records AS o WHERE o.stream = r.stream AND o.key = r.key AND o.n < r.n) ORDER BY n")
        heads, size = [], 0
        for row in rows:
            if row[0] in waiting or row[0] in self._done or (heads and row[1] != heads[0][1]):
                continue
            size += len(row[3])
            if heads and size > 60000:  # of limits/message_bytes
                break
            heads.append(row)
            if len(heads) >= most:
                break
        return heads

    def _run(self):
        backoff, waiting, alone = _Backoff(self.client.backoff), {}, set()
        while not self._stop:
            try:
                delay = self._step(backoff, waiting, alone)
            except Exception as error:  # such as a full disk: what was stored is sent again under its id
                _tell(self.on_error, error)
                delay = backoff.delay()
            with self._changed:
                self._changed.wait_for(lambda: self._stop, delay)
        with self._changed:
            self._db.close()

    def _step(self, backoff, waiting, alone):
        """Sends what can be sent, and returns how long to wait after that."""
        now = time.monotonic()
        with self._changed:
            for n, size in list(self._done.items()):
                self._remove(n, size)
            for n in [n for n, at in waiting.items() if at <= now]:
                del waiting[n]
            heads = self._heads(waiting, self.batch)
            if not heads:
                if not self._stop:
                    self._changed.wait(min(waiting.values()) - now if waiting else None)
                return 0
        if heads[0][0] in alone:
            heads = heads[:1]
            alone.discard(heads[0][0])
        heads = [row for row in heads if row[0] not in alone]
        return self._try(heads, backoff, waiting, alone)

    def _try(self, heads, backoff, waiting, alone):
        """Sends records of a stream, and deals with the answer."""
        try:
            answer = self.client._post(heads[0][1], '{"records":[%s]}' % ",".join(row[3] for row in heads))
            results = answer.get("results")
            if not isinstance(results, list) or len(results) != len(heads):
                raise _lost("the answer has other records")
            if not all(isinstance(r, dict) and ("code" in r or _stored(r)) for r in results):
                raise _lost("the answer does not say what has become of the records")
        except SluiceError as error:
            kept = error.retryable or error.code in CREDENTIALS or error.code == "connection_lost"
            large = error.code == "connection_lost" and error.status == 413  # for a proxy, which knows no codes
            if large and len(heads) == 1:  # it is kept, and the others go on
                _tell(self.on_error, error)
                waiting[heads[0][0]] = time.monotonic() + backoff.delay()
                return 0
            if kept and not large:
                _tell(self.on_error, error)
                return backoff.delay(error.retry_after_ms)
            if len(heads) > 1:  # one of them is at fault: each is sent by itself
                alone.update(row[0] for row in heads)
                return 0
            results = [error.fault]
        backoff.attempts = 0 if any("code" not in r for r in results) else backoff.attempts
        for (n, stream, _, body), result in zip(heads, results):
            code = result.get("code")
            if code and (result.get("retryable") or code == "publish_unknown"):
                # Later, and before any other of its key.
                _tell(self.on_error, SluiceError(result))
                waiting[n] = time.monotonic() + backoff.delay(SluiceError(result).retry_after_ms)
                continue
            if code:
                _tell(self.on_refused, stream, json.loads(body), SluiceError(result))
            else:
                _tell(self.on_stored, stream, json.loads(body), result)
            self._done[n] = len(body)
        with self._changed:
            for n, size in list(self._done.items()):
                self._remove(n, size)
        return 0

    def _remove(self, n, size):
        """Forgets a record that is stored or refused."""
        self._db.execute("DELETE FROM records WHERE n = ?", (n,))
        del self._done[n]
        self.count -= 1
        self.bytes -= size
        self._changed.notify_all()


def _tell(function, *what):
    """What a function of the application throws does not end a thread of the client."""
    try:
        if function:
            function(*what)
    except Exception:
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


class _Position:
    """The server's last cursor, and the offset after the last record of each partition."""

    def __init__(self, stream, cursor=""):
        self.several = "*" in stream  # in cursors of a pattern, partitions name their streams
        self.cursor, self.offsets, self.ahead = cursor, {}, set()

    def take(self, m, cursor):
        """Moves over a message, and says whether it is news."""
        news = self._move(m)
        if cursor:
            self.cursor = cursor
            self.ahead.clear()
        return news

    def _move(self, m):
        kind, reason = m["type"], m.get("reason")
        if kind == "streams":  # one that comes back goes on where it was, or has other offsets
            for place in [p for p in self.offsets if p.split("/")[0] in m["removed"]]:
                del self.offsets[place]
                self.ahead.discard(place)
        elif reason == "resync":
            self.cursor, self.offsets, self.ahead = "", {}, set()
        elif kind in ("event", "gap"):
            place = (m["stream"] + "/" if self.several else "") + str(m["partition"])
            back = kind == "gap" and reason in ("log_changed", "truncated")
            after = m["offset"] + 1 if kind == "event" else m["from"] if reason == "truncated" else m["to"]
            if not back and after <= self.offsets.get(place, 0):
                return False
            self.offsets[place] = after
            (self.ahead.discard if back else self.ahead.add)(place)  # a cursor of the old log has no new offsets
        return True

    def __str__(self):
        if not self.cursor or not self.ahead:
            return self.cursor
        text = self.cursor + "~" + ",".join("%s:%d" % (p, self.offsets[p]) for p in sorted(self.ahead))
        return text if len(text) <= MOST_CURSOR else self.cursor


class _Session:
    """A WebSocket, and requests on it."""

    def __init__(self, client, ws):
        self.client, self.ws, self.limits, self.draining = client, ws, None, False
        self.calls, self.over = {}, False

    def busy(self):
        return self.over or self.draining or not self.limits or len(self.calls) >= self.limits["publishes_per_session"]

    def send(self, m):
        from websockets.exceptions import ConnectionClosed

        try:
            self.ws.send(json.dumps(m))
        except (ConnectionClosed, OSError):
            pass  # the reader sees it, too

    def call(self, m):
        name = "p%d" % next(self.client._ids)
        box = self.calls[name] = queue.SimpleQueue()
        try:
            if not self.over:
                self.send({**m, "id": name})
                answer = box.get(timeout=ANSWER)
                if answer and answer["type"] == "error":
                    raise SluiceError(answer)
                if answer:
                    return answer
            raise _lost("the session has ended")
        except queue.Empty:
            raise _lost("no answer") from None
        finally:
            self.calls.pop(name, None)

    def end(self):
        self.over = True
        try:
            self.client._sessions.remove(self)
        except ValueError:
            pass  # it has not begun, or another thread was faster
        for box in list(self.calls.values()):
            box.put(None)
        self.ws.close()


class Subscription:
    """An iterator over records, for `for` and `async for`, which resumes by itself."""

    def __init__(self, client, stream, store, notify, buffer, parameters):
        if isinstance(parameters.get("key"), str):
            parameters["key"] = [parameters["key"]]
        self._client, self._stream, self._parameters = client, stream, parameters
        self._store, self._notify, self._buffer = store, notify, buffer
        stored = ""
        if store and os.path.exists(store):
            with open(store, encoding="ascii") as file:
                stored = file.read().strip()
        self._seen, self._handed = _Position(stream, stored), _Position(stream, stored)  # received, taken
        self._queue, self._held, self._full = collections.deque(), 0, False
        self._changed, self._wake, self._over, self.error = threading.Condition(), None, False, None
        self._backoff, self._refused, self._session, self._id = _Backoff(client.backoff), 0, None, None
        self._pausing = False  # the server has not answered a pause
        self._saved, self._saved_at = stored, 0
        self._large = 0  # messages in a row that were too large
        self._storing = threading.Lock()  # one writes the file at a time
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def cursor(self):
        """The position after what the application was handed, to be passed as `from_`."""
        return str(self._handed)

    def close(self):
        """Ends the subscription, and stores its position; an OSError says that this has failed.

        An event stream ends at its next message.
        """
        self._finish(None)
        self._save()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self._finish(None)
        if not kind:  # otherwise the record that has failed comes again
            self._save()

    # What the application takes.

    def _poll(self):
        """The next record, or None. The application is done with the one before."""
        if time.monotonic() > self._saved_at + 1:
            self._keep()
        while True:
            with self._changed:
                if not self._queue:
                    return None
                m, cursor, size = self._queue.popleft()
                self._held -= size
                room = self._full and not self._queue
                if room:
                    self._full = False
                    self._changed.notify_all()
                # Before the server has answered a pause, it is not asked to resume.
                session, name = self._session, None if self._pausing else self._id
            if room and session and name:
                session.send({"type": "resume", "id": name})
            news = m["type"] == "error" or self._handed.take(m, cursor)
            if news and m["type"] == "event":
                return m
            if news and self._notify and m["type"] in ("gap", "caught_up", "error"):
                self._notify(m)

    def _end(self, stop):
        try:
            self._keep()
        except (OSError, ValueError) as error:
            if not self.error:
                raise
            raise self.error from error
        raise self.error or stop

    def __iter__(self):
        return self

    def __next__(self):
        while True:
            m = self._poll()
            if m:
                return m
            with self._changed:
                if self._queue:
                    continue
                if self._over:
                    break
                self._changed.wait(self._unsaved())
        self._end(StopIteration)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            loop, event = asyncio.get_running_loop(), asyncio.Event()
            self._wake = lambda: loop.call_soon_threadsafe(event.set)
            m = self._poll()
            if m:
                return m
            with self._changed:
                if self._queue:
                    continue
                if self._over:
                    break
            try:
                await asyncio.wait_for(event.wait(), self._unsaved())
            except asyncio.TimeoutError:
                pass  # the next poll stores the position
        self._end(StopAsyncIteration)

    def _unsaved(self):
        """How long to wait for a record before the position is stored, None if it is stored."""
        return 1 if self._store and self.cursor != self._saved else None

    def _save(self):
        """Stores the position. What has failed is not stored, and tried again."""
        with self._storing:
            cursor = self.cursor
            if not self._store or cursor == self._saved:
                return
            self._saved_at = time.monotonic()
            with open(self._store + ".new", "w", encoding="ascii") as file:
                file.write(cursor)
                file.flush()
                os.fsync(file.fileno())
            os.replace(self._store + ".new", self._store)
            self._saved = cursor

    def _keep(self):
        """Stores the position between records. The application hears of it where that fails."""
        try:
            self._save()
        except (OSError, ValueError) as error:
            if not self._notify:
                raise
            self._notify({"type": "error", "code": "position_not_stored", "message": str(error), "retryable": True, "action": "resume"})

    # What the thread receives.

    def _signal(self):
        self._changed.notify_all()
        if self._wake:
            try:
                self._wake()
            except RuntimeError:
                pass  # the application's loop is closed

    def _put(self, m, cursor="", size=0):
        with self._changed:
            if self._over:
                return
            self._queue.append((m, cursor, size + 200))
            self._held += size + 200
            pause = not self._full and self._held > self._buffer
            self._full = self._full or pause
            pause = pause and self._session and self._id and not self._pausing
            self._pausing = bool(self._pausing or pause)
            self._signal()
        if pause:
            self._session.send({"type": "pause", "id": self._id})

    def _take(self, m, cursor, size=0):
        if m["type"] in ("event", "caught_up"):
            self._refused = self._large = self._backoff.attempts = 0
        if self._seen.take(m, cursor):
            self._put(m, cursor, size)

    def _finish(self, error):
        with self._changed:
            if not self._over:
                self._over, self.error = True, error
                if not error:
                    self._queue.clear()
            session = self._session
            self._signal()
        if session and not error:
            session.end()

    def _request(self):
        """The parameters that go on after the position."""
        position, parameters = str(self._seen), self._parameters
        if not position:
            return parameters
        if self._seen.several:
            return {**parameters, "last_event_id": position}
        return {**parameters, "from": position, **({"reset": True} if "cursor_name" in parameters else {})}

    def _decide(self, fault):
        """How long to wait before it goes on after a fault. Raises the fault if it does not."""
        if fault.action == "resync" and self._seen.cursor:
            self._take({"type": "gap", "stream": self._stream, "reason": "resync", "code": fault.code}, "")
        elif fault.action == "reauthenticate" and callable(self._client.token) and self._refused < RENEWALS:
            self._refused += not fault.quiet
            self._client._renew()
            return 0 if fault.quiet else fault.retry_after_ms / 1000
        elif fault.action != "resume":
            raise fault
        if fault.quiet:
            return 0
        self._put({**fault.fault, "type": "error"})
        return self._backoff.delay(fault.retry_after_ms)

    def _run(self):
        carriers = {"websocket": self._websocket, "sse": self._events}
        transports, rung = list(self._client.transports), 0
        if "sse" in transports and "websocket" in transports:
            try:
                import websockets.sync.client  # noqa: F401
            except ImportError:
                transports.remove("websocket")
        while not self._over:
            try:
                try:
                    carriers[transports[rung]]()
                    continue
                except (OSError, http.client.HTTPException, *_GARBAGE) as error:
                    raise _lost(error) from error
            except SluiceError as fault:
                if fault.skip and rung + 1 < len(transports):
                    rung += 1
                    continue
                if fault.code == "connection_lost":
                    rung = 0
                try:
                    delay = self._decide(fault)
                except SluiceError:
                    return self._finish(fault)
            except Exception as error:  # nothing must end the thread without a word
                return self._finish(error)
            with self._changed:
                self._changed.wait_for(lambda: self._over, delay)

    def _events(self):
        parameters = {**self._request(), "heartbeat": "%ds" % HEARTBEAT}
        path = _path(self._stream) + "events?"
        if self._seen.several:
            path, parameters = "/v1/events?", {"stream": self._stream, **parameters}
        parameters = {k: "true" if v is True else v for k, v in parameters.items()}
        with self._client._open("GET", path + urllib.parse.urlencode(parameters, True), timeout=2 * HEARTBEAT) as answer:
            m, cursor, begun = None, "", time.monotonic()
            for line in iter(lambda: answer.readline(MOST_ANSWER), b""):
                if len(line) == MOST_ANSWER:
                    raise ValueError("a message does not end")
                name, _, text = line.decode().rstrip("\r\n").partition(":")
                if name == "data":
                    m, size = {"type": "cursor", **json.loads(text)}, len(text)
                elif name == "id":
                    cursor = text.strip()
                elif not name and not text and m:
                    if m["type"] == "closing":
                        raise SluiceError(m)
                    # A token that was short-lived from the start is replaced when it has expired.
                    short = time.monotonic() - begun < m.get("expires_in_ms", 0) / 4000
                    if m["type"] == "token_expiring" and callable(self._client.token) and not short:
                        raise _lost("the token expires", "reauthenticate", quiet=True)
                    self._take(m, cursor or m.get("cursor", ""), size)
                    m, cursor = None, ""
                with self._changed:  # nothing is read while the application is slow
                    self._changed.wait_for(lambda: self._over or not self._full)
                    if self._over:
                        return
        raise _lost("the stream has ended")

    def _websocket(self):
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.sync.client import connect

        client = self._client
        token = client._credential()
        try:
            ws = connect(
                "ws" + client.base[4:] + "/v1/ws", subprotocols=["sluice.v1.json"], ssl=client.context,
                additional_headers={"Authorization": "Bearer " + token} if token else {},
                open_timeout=PATIENCE, close_timeout=1, ping_interval=None, max_size=MOST_ANSWER, logger=_log)
        except InvalidStatus as refused:
            raise _problem(refused.response.status_code, refused.response.body or b"") from None
        except (OSError, EOFError, WebSocketException) as error:
            raise _lost(error, skip=True) from error
        session = _Session(client, ws)
        with self._changed:
            self._session, self._id, self._pausing = session, None, False
        try:
            if not token:
                session.send({"type": "ping"})  # the server waits for a first message
            self._converse(session)
        finally:
            with self._changed:
                self._session = self._id = None
            session.end()

    def _converse(self, session):
        from websockets.exceptions import ConnectionClosed

        client, feeds = self._client, set()
        patient, heard, due, renewal, drain = PATIENCE, time.monotonic(), 0, math.inf, math.inf
        life = math.inf  # of the token, in milliseconds
        left = asked = None  # ids of a subscription that is being left, and of a renewal
        while not self._over:
            now = time.monotonic()
            if now >= drain:
                raise _lost("drain", quiet=True)
            if now >= heard + patient:
                raise _lost("silence", skip=not session.limits)
            if now >= renewal and callable(client.token):
                renewal = now + PATIENCE  # if it fails
                try:
                    client._renew()
                    asked = "a%d" % next(client._ids)
                    session.send({"type": "auth", "id": asked, "token": client._credential()})
                except SluiceError as error:
                    self._put({**error.fault, "type": "error"})
            waiting = session.limits and not self._id and not left
            if waiting and self._full:
                due = max(due, now + 0.05)
            elif waiting and now >= due:
                feeds, self._id, self._pausing = set(), "s%d" % next(client._ids), False
                session.send({"type": "subscribe", "id": self._id, "stream": self._stream, **self._request()})
                waiting = False
            try:
                text = session.ws.recv(timeout=max(0, min(heard + patient, renewal, drain, due if waiting else math.inf) - now))
            except TimeoutError:
                continue
            except ConnectionClosed as closed:
                if closed.sent and closed.sent.code == 1009:
                    self._large += 1
                    if self._large > RENEWALS:  # it would come again
                        raise SluiceError({"code": "too_large", "message": "a message has more than %d bytes" % MOST_ANSWER, "action": "stop"}) from None
                code = closed.rcvd.code if closed.rcvd else 1006
                raise (_closed(code) if session.limits else _lost("closed", skip=True)) from None
            heard, m = time.monotonic(), json.loads(text)
            kind, name = m["type"], m.get("id")
            if kind in ("welcome", "authenticated") and m.get("expires_in_ms"):
                life = m["expires_in_ms"]
                renewal = heard + life * EARLY / 1000
            if kind == "welcome":
                patient = min(max(m["ping_ms"], 0), MOST_WAIT) / 1000 + SLACK
                session.limits = {"publishes_per_session": int(m["limits"]["publishes_per_session"])}
                client._sessions.append(session)
            elif kind == "token_expiring":
                if m["expires_in_ms"] < life * EARLY:  # it may have been short-lived from the start
                    renewal = heard
            elif kind == "drain":
                session.draining, drain = True, heard + m.get("reconnect_ms", 0) / 1000
            elif kind == "closing":
                raise SluiceError(m)
            elif name in session.calls:
                session.calls[name].put(m)
            elif kind == "error" and name == asked:
                self._put(m)
            elif kind == "unsubscribed" and name == left:
                left = None
            elif kind in ("event", "gap", "cursor"):
                if self._id and m.get("feed", m.get("stream")) in feeds:
                    self._take(m, m.get("cursor", ""), len(text))
            elif name and name == self._id:
                if kind == "error" and feeds:  # of a pause: it is unsubscribed in place of that
                    left, self._id = name, None
                    session.send({"type": "unsubscribe", "id": name})
                elif kind in ("error", "unsubscribed"):
                    self._id = None
                    due = heard + self._decide(_ended(m))
                elif kind == "paused":
                    with self._changed:
                        self._pausing, room = False, not self._full
                    self._take(m, m.get("cursor", ""), len(text))
                    if room:
                        session.send({"type": "resume", "id": name})
                else:
                    feeds.update([m["feed"]] if "feed" in m else [], (m.get("feeds") or {}).values(), m.get("streams") or [], m.get("added") or [])
                    self._take(m, m.get("cursor", ""), len(text))


def _ended(m):
    """The fault that ends a subscription. One that needs another token ends its session, too."""
    fault = SluiceError({**m, "code": m.get("code") or m["reason"]})
    if m["type"] == "unsubscribed" and not fault.retryable and m["reason"] in ("log_changed", "truncated", "retention", "moved"):
        fault.action = "resync"
    if fault.action == "reauthenticate":
        raise fault
    return fault
