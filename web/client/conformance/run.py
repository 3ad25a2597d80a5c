"""Runs a conformance case with the Python client, and prints what it handed on."""

import json
import queue
import sys
import threading
import time

import sluice

PATIENCE = 5  # seconds that a case may be quiet
GRACE = 0.1  # after the last item that is expected


def run(base, test):
    tokens = test.get("tokens", [])
    options = {"backoff": (0.001, 0.02)}
    if tokens:
        options["token"] = lambda: tokens.pop(0) if tokens else "none left"
    if test["transport"] != "any":
        options["transports"] = [test["transport"]]
    client = sluice.Client(base, **options)

    def publish():
        try:
            place = client.publish(test["publish"]["stream"], test["publish"]["record"])
            return {"published": [place["partition"], place["offset"]]}
        except sluice.SluiceError as fault:
            return {"refused": [fault.code, fault.retryable]}

    if "subscribe" not in test:
        return [publish()]
    items = queue.SimpleQueue()

    def place(m):
        return [m["stream"], m["partition"]] if "*" in test["subscribe"]["stream"] else [m["partition"]]

    def notify(m):
        if m["type"] == "gap":
            items.put({"gap": "resync" if m["reason"] == "resync" else place(m) + [m["from"], m["to"], m["reason"]]})
        elif m["type"] == "caught_up":
            items.put({"caught_up": True})
            if "publish" in test:
                items.put(publish())

    bound = {"buffer": 400} if test.get("slow") else {}  # one event fits, and not two
    subscription = client.subscribe(notify=notify, **bound, **test["subscribe"])

    def read():
        try:
            for event in subscription:
                items.put({"event": place(event) + [event["offset"]]})
                if test.get("slow"):
                    time.sleep(0.2)
        except sluice.SluiceError as fault:
            items.put({"end": fault.code})

    threading.Thread(target=read, daemon=True).start()
    got = []
    try:
        while True:
            got.append(items.get(timeout=PATIENCE if len(got) < len(test["items"]) else GRACE))
    except queue.Empty:
        subscription.close()
        return got


print(json.dumps(run(sys.argv[1], json.loads(sys.argv[2]))))
