"""A device with the Python client: readings are on disk until they are stored, each once, and commands
are obeyed, also those that were sent while it was off.

    python3 device.py [DEVICE] [READINGS]     READINGS 0, the default: without end

It needs sluice.py beside it, which the server has at /sluice.py. SLUICE is the server,
http://127.0.0.1:8080 by default; TOKEN the device's token, if it needs one; EVERY the time between two
readings in seconds, 5 by default. With BAD=1 the readings are no numbers, and are rejected. Readings on
their way and the position among the commands are in files DEVICE.*.
"""

import os
import random
import signal
import sys
import threading
import time

import sluice

device = sys.argv[1] if len(sys.argv) > 1 else "pump-7"
readings = int(sys.argv[2]) if len(sys.argv) > 2 else 0
every = float(os.environ.get("EVERY", "5"))


def say(*what):
    print(*what, flush=True)


def told(message):
    if message["type"] != "caught_up":
        say(message["type"], message.get("code") or message.get("reason"))


client = sluice.Client(os.environ.get("SLUICE", "http://127.0.0.1:8080"), token=os.environ.get("TOKEN"))

# A thread sends what is in the spool, for as long as it takes, and after a restart what is left. Each
# reading has a message id, so that it is stored once however often it is sent.
spool = client.spool(
    device + ".spool",
    on_stored=lambda stream, record, place: say("stored", place),
    on_refused=lambda stream, record, fault: say("rejected" if fault.code == "dead_lettered" else "refused", fault),
    on_error=lambda error: say("again, after", error),
)
commands = client.subscribe("iot.commands", store=device + ".position", notify=told, key=device)


def measure(**identity):
    """Takes a reading, which is on disk when put returns."""
    temp = "n/a" if os.environ.get("BAD") else round(random.uniform(20, 23), 2)
    data = {"device": device, "site": "device.py", "measured_at": int(time.time() * 1000), "temp_c": temp}
    try:
        spool.put("iot.telemetry", {"key": device, "data": data, **identity})
    except BufferError as full:  # which readings to give up then is for the application to say
        say("given up:", full)


def publish():
    sent = 0
    while not readings or sent < readings:
        measure()
        sent += 1
        if sent != readings:
            time.sleep(every)
    spool.flush()
    commands.close()


def obey():
    """Obeys commands. The position is stored when the next one is asked for, so that none is left out."""
    for command in commands:
        say("command", command["data"])
        if isinstance(command["data"], dict) and command["data"].get("command") == "measure":
            # The id follows from the command: one that comes again after a crash is no second reading.
            measure(message_id="%s-command-%d" % (device, command["offset"]))


for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: commands.close())
publisher = threading.Thread(target=publish, daemon=True)
publisher.start()
try:
    obey()
except sluice.SluiceError as fault:  # such as a missing right
    say("no commands:", fault)
    publisher.join()
spool.close()
