"""Publishes as producers of a REST proxy do, by the documented requests of versions 2 and 3,
and prints for each what is answered: python proxy.py URL USER PASSWORD TOPIC
"""

import base64
import json
import sys

import requests

url, user, password, topic = sys.argv[1:]
session = requests.Session()
session.auth = (user, password)


def b64(data):
    return base64.b64encode(data).decode()


def show(name, response):
    """A line: the name, the status, the media type, and each JSON value of the body."""
    text, values = response.text.strip(), []
    decoder = json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].lstrip()
    print(json.dumps([name, response.status_code, response.headers["Content-Type"], values]))


def v2(name, kind, body, to=topic, **more):
    headers = {"Content-Type": f"application/vnd.kafka.{kind}+json", "Accept": "application/vnd.kafka.v2+json"}
    show(name, session.post(f"{url}/topics/{to}", data=json.dumps(body), headers=headers, **more))


def v3(name, *records, to=topic, data=None, **more):
    if data is None:
        data = "".join(json.dumps(r) for r in records)
    headers = {"Content-Type": "application/json"} | more.pop("headers", {})
    show(name, session.post(f"{url}/kafka/v3/clusters/any/topics/{to}/records", data=data, headers=headers, **more))


v2("v2 json", "json.v2", {"records": [{"key": "alice", "value": {"count": 0}}, {"value": {"count": 1}}, {"key": "alice", "value": None}]})
v2("v2 binary", "binary.v2", {"records": [{"key": b64(b"alice"), "value": b64(b'{"count":2}')}]})
v2("v2 default", "v2", {"records": [{"value": b64(b'{"count":3}')}]})

value = {"type": "JSON", "data": {"count": 4}}
v3("v3 one", {"key": {"type": "STRING", "data": "alice"}, "value": value, "headers": [{"name": "trace", "value": b64(b"7f")}]})
v3("v3 binary", {"key": {"type": "BINARY", "data": b64(b"alice")}, "value": {"type": "BINARY", "data": b64(b'{"count":5}')}})
v3("v3 some", {"value": value}, {"value": {"type": "JSON"}}, {"value": {"type": "STRING", "data": '{"count":6}'}})


def chunks():
    for count in range(7, 10):
        yield json.dumps({"value": {"type": "JSON", "data": {"count": count}}}).encode() + b"\n"


v3("v3 in chunks", data=chunks())

# What is refused, by the numbers of a REST proxy.
v2("v2 no topic", "json.v2", {"records": [{"value": 1}]}, to="nothing")
v3("v3 no topic", {"value": value}, to="nothing")
v2("v2 no right", "json.v2", {"records": [{"value": 1}]}, to=topic + "-seen")
v3("v3 no right", {"value": value}, to=topic + "-seen")
v2("v2 malformed", "json.v2", [])
v2("v2 no records", "json.v2", {"records": []})
v3("v3 no records", data="\n")
v2("v2 of version 1", "json.v1", {"records": [{"value": 1}]})
v2("v2 not base64", "binary.v2", {"records": [{"value": "?"}]})
v3("v3 among others", {"value": value}, {"value": {"type": "STRING", "data": "no JSON"}}, {"value": {"type": "none", "data": 1}}, {"value": value})
v2("v2 among others", "binary.v2", {"records": [{"value": b64(b"1")}, {"value": b64(b"no JSON")}]})
v2("v2 invalid", "binary.v2", {"records": [{"value": b64(b"no JSON")}]})
v2("v2 wrong password", "json.v2", {"records": [{"value": 1}]}, auth=(user, "wrong"))
v3("v3 wrong password", {"value": value}, auth=(user, "wrong"))
v3("v3 of a page", {"value": value}, headers={"Origin": url})
