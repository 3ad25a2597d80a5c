"""Puts readings into a spool: its arguments are the server, the spool's file, the run, and how many."""

import os
import sys
import time

import sluice

url, path, run, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
client = sluice.Client(url, backoff=(0.01, 0.1))
spool = client.spool(path, on_refused=lambda stream, record, fault: print("refused", record["data"], fault.code))
for n in range(count):
    spool.put("readings", {"key": "k%d" % (n % 5) if n % 3 else None, "data": {"run": run, "n": n}})
    os.write(1, b"put %d\n" % n)  # as a whole, also if it is killed meanwhile
    time.sleep(0.002)
if spool.flush(60):
    print("flushed")
spool.close()
