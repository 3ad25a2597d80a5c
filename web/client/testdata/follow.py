"""Follows a stream: its arguments are the server, where tokens are, the stream, the file for the position, and how it iterates."""

import asyncio
import os
import sys
import urllib.request

import sluice

url, tokens, stream, store, how = sys.argv[1:]


def token():
    with urllib.request.urlopen(tokens) as answer:
        return answer.read().decode()


def say(*what):
    """Prints a line as a whole, also if the program is killed meanwhile."""
    os.write(1, (" ".join(map(str, what)) + "\n").encode())


def notify(m):
    if m["type"] != "error":
        say(m["type"], m.get("reason", ""))


def show(event):
    say("event", event["partition"], event["offset"], event["data"]["n"])


client = sluice.Client(url, token, transports=[how.split("+")[0]], backoff=(0.02, 0.2))
subscription = client.subscribe(stream, store=store, notify=notify, from_="earliest")
if how.endswith("async"):

    async def follow():
        async for event in subscription:
            show(event)

    asyncio.run(follow())
for event in subscription:
    show(event)
