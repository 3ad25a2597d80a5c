"""Prints what becomes of the records of a spool: its arguments are the server and the spool's file."""

import sys

import sluice

client = sluice.Client(sys.argv[1], backoff=(0.001, 0.01))


def stored(stream, record, place):
    print(record["message_id"], "stored", place["partition"], place["offset"])


def refused(stream, record, fault):
    print(record["message_id"], "refused", fault.code)


sluice.Spool._run, run = lambda spool: None, sluice.Spool._run  # nothing is sent until all is there
spool = client.spool(sys.argv[2], most=5, on_stored=stored, on_refused=refused)
for n, key in enumerate(["a", "a", "b", "c", None]):
    spool.put("orders", {"key": key, "data": n, "message_id": "m%d" % n})
try:
    spool.put("orders", {"data": 5})
except BufferError as full:
    print(full)
spool.close()
spool._db.close()
sluice.Spool._run = run
spool = client.spool(sys.argv[2], on_stored=stored, on_refused=refused)
print("flushed" if spool.flush(120) else "left")
spool.close()
