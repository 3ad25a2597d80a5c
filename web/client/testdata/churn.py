"""Opens and leaves hundreds of subscriptions in every way; its arguments are the server and the transport."""

import random
import sys
import threading
import time

import sluice

url, transport = sys.argv[1:]
client = sluice.Client(url, token=lambda: "t", transports=[transport], backoff=(0.001, 0.01))
faults = []
threading.excepthook = lambda what: faults.append(repr(what.exc_value))


def leave():
    try:
        subscription = client.subscribe("orders")
        closing = threading.Timer(random.uniform(0, 0.05), subscription.close)
        closing.start()
        left = random.randrange(4)
        for event in subscription:
            if event["offset"] < 5:
                faults.append(event)
            if not left:
                break
            left -= 1
        try:
            client.publish("orders", {"data": 1}, timeout=0.05)
        except sluice.SluiceError as fault:
            if fault.code != "publish_unknown":
                faults.append(fault.code)
        closing.join()
        subscription.close()
    except Exception as error:
        faults.append(repr(error))


for _ in range(10):
    threads = [threading.Thread(target=leave) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
end = time.monotonic() + 20
while threading.active_count() > 1 and time.monotonic() < end:
    time.sleep(0.01)
print(faults[:5], threading.active_count(), len(client._sessions))
