"""Has the disk be full at times: its arguments are the server, the spool's file, and the file for the position."""

import os
import resource
import sqlite3
import sys

import sluice

url, path, store = sys.argv[1:]
client = sluice.Client(url, transports=["sse"], backoff=(0.001, 0.01))


def full(is_full):
    """A file larger than the limit cannot be written, as on a full disk."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0 if is_full else most, most))


class Broken:
    """A database that removes nothing for a while."""

    def __init__(self, db):
        self.db, self.left = db, 3

    def execute(self, statement, *rest):
        if statement.startswith("DELETE") and self.left:
            self.left -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return self.db.execute(statement, *rest)

    def close(self):
        self.db.close()


# A reading that the disk does not take is not in the spool.
errors = []
spool = client.spool(path, on_error=lambda error: errors.append(type(error).__name__))
spool._db = Broken(spool._db)
full(True)
for n in range(3):
    try:
        spool.put("readings", {"data": "lost %d" % n})
        print("put with a full disk")
    except sqlite3.Error:
        pass
full(False)
print("count", spool.count, spool.bytes)
# What is stored, and cannot be removed, is not sent again.
spool.put("readings", {"data": "once", "message_id": None})
print("flushed", spool.flush(120), spool.count, spool.bytes, errors)
spool.close()
try:
    spool.put("readings", {"data": "closed"})
except ValueError as closed:
    print(closed)
print("flushed", spool.flush())

# A position that is not written is not stored, and the application hears of it.
heard = []
subscription = client.subscribe("orders", store=store, notify=lambda m: heard.append(m.get("code")))
next(subscription)
full(True)
print(next(subscription)["offset"], heard, os.path.exists(store))
try:
    subscription.close()
except OSError:
    print("close says so")
full(False)
subscription.close()
with open(store) as file:
    print(file.read() == subscription.cursor != "")

# Without a function that hears of it, the iterator raises it, and no record is left out.
subscription = client.subscribe("orders", from_="earliest", store=store + "2")
print(next(subscription)["offset"])
full(True)
try:
    next(subscription)
except OSError:
    print("next says so")
full(False)
print(next(subscription)["offset"])
subscription.close()
