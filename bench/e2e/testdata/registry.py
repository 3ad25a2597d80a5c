"""Produces and consumes values of a schema registry with Confluent's client for Python.

    python registry.py produce BROKER REGISTRY FORMAT TOPIC    FORMAT is avro, json or protobuf
    python registry.py consume BROKER REGISTRY FORMAT TOPIC COUNT    prints a value a line

The values in Protobuf, of the latest schema, are read from the standard input, in JSON.
"""

import base64
import datetime
import decimal
import json
import sys
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

mode, broker, registry, form, topic = sys.argv[1:6]
client = SchemaRegistryClient({"url": registry})
context = SerializationContext(topic, MessageField.VALUE)

AVRO = """{"type": "record", "name": "Order", "fields": [
  {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
  {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
  {"name": "day", "type": {"type": "int", "logicalType": "date"}},
  {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "note", "type": ["null", "string", "long"]},
  {"name": "lines", "type": {"type": "array", "items": {"type": "map", "values": "double"}}}
]}"""

JSON = """{"$schema": "http://json-schema.org/draft-07/schema#", "title": "Order", "type": "object",
  "properties": {"n": {"type": "integer", "maximum": 100}, "note": {"type": "string"}}, "required": ["n"]}"""


def plain(value):
    if isinstance(value, (datetime.date, datetime.datetime, decimal.Decimal, uuid.UUID)):
        return str(value)
    raise TypeError(value)


def message_type():
    """The first message of the latest schema of the topic."""
    latest = client.get_latest_version(topic + "-value", fmt="serialized")
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(latest.schema.schema_str))
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    descriptor = descriptor_pool.Default().FindFileByName(file.name).message_types_by_name[file.message_type[0].name]
    return message_factory.GetMessageClass(descriptor)


if mode == "produce":
    if form == "protobuf":
        kind = message_type()
        serializer = ProtobufSerializer(kind, client, {"auto.register.schemas": False, "use.latest.version": True})
        values = [json_format.Parse(line, kind()) for line in sys.stdin]
    elif form == "avro":
        serializer = AvroSerializer(client, AVRO)
        values = [
            {
                "id": uuid.UUID(int=n),
                "total": decimal.Decimal("12.50"),
                "day": datetime.date(2026, 11, 29),
                "at": datetime.datetime(2026, 11, 29, 12, 0, 0, 123000, datetime.timezone.utc),
                "note": note,
                "lines": [{"a": 1.5}, {}],
            }
            for n, note in enumerate([None, "Ünïcödé", 7])
        ]
    else:
        serializer = JSONSerializer(JSON, client)
        values = [{"n": 1, "note": "Ünïcödé"}, {"n": 2}]
    producer = Producer({"bootstrap.servers": broker})
    for value in values:
        producer.produce(topic, value=serializer(value, context))
    producer.flush()
else:
    if form == "protobuf":
        read = ProtobufDeserializer(message_type(), {}, client)
        deserializer = lambda value, context: json_format.MessageToDict(read(value, context), preserving_proto_field_name=True)
    elif form == "avro":
        deserializer = AvroDeserializer(client)
    else:
        deserializer = JSONDeserializer(None, schema_registry_client=client)
    consumer = Consumer({"bootstrap.servers": broker, "group.id": topic, "auto.offset.reset": "earliest"})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    for _ in range(int(sys.argv[6])):
        message = None
        while message is None:
            message = consumer.poll(1)
        if message.error():
            raise Exception(message.error())
        print(json.dumps(deserializer(message.value(), context), default=plain, sort_keys=True, ensure_ascii=False))
    consumer.close()
