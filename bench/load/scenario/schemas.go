package scenario

import "slices"

// Schema is one way in which a server can validate the readings that clients publish.
type Schema struct {
	// Name is how scenarios name it, empty for no schema, and Title its title in tables.
	Name, Title string
	// Content is the content of the stream.
	Content string
	// Type is the type of the schema in a schema registry (JSON, AVRO, PROTOBUF). If
	// it is empty, the schema is in a file.
	Type string
	// Text is the schema of readings.
	Text string
}

// Schemas are all schemas. A scenario with `vary: {of: schema}` has a run for each, in
// this order. What is added here has a row in the tables.
var Schemas = []Schema{
	{Name: "", Title: "no schema", Content: "json"},
	{Name: "json", Title: "JSON Schema", Content: "json", Text: readingJSONSchema},
	{Name: "registry-json", Title: "JSON Schema of a registry", Content: "json_schema", Type: "JSON", Text: readingJSONSchema},
	{Name: "avro", Title: "Avro", Content: "avro", Type: "AVRO", Text: readingAvro},
	{Name: "protobuf", Title: "Protobuf", Content: "protobuf", Type: "PROTOBUF", Text: readingProtobuf},
}

// SchemaOf returns the schema with a name.
func SchemaOf(name string) (Schema, bool) {
	i := slices.IndexFunc(Schemas, func(s Schema) bool { return s.Name == name })
	if i < 0 {
		return Schema{}, false
	}
	return Schemas[i], true
}

func schemaNames() []string {
	var names []string
	for _, s := range Schemas {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	return names
}

// readingJSONSchema describes what AppendReading makes, in JSON Schema.
const readingJSONSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["at", "s", "n", "device", "site", "temp_c", "humidity", "battery", "mode"],
  "properties": {
    "at": {"type": "integer", "minimum": 0},
    "s": {"type": "integer", "minimum": 0},
    "n": {"type": "integer", "minimum": 0},
    "device": {"type": "string", "pattern": "^dev-[0-9]{6}$"},
    "site": {"type": "string", "minLength": 1, "maxLength": 64},
    "firmware": {"type": "string", "maxLength": 32},
    "measured_at": {"type": "string", "format": "date-time"},
    "mode": {"enum": ["idle", "run", "fault"]},
    "online": {"type": "boolean"},
    "charging": {"type": "boolean"},
    "temp_c": {"type": "number", "minimum": -90, "maximum": 150},
    "humidity": {"type": "number", "minimum": 0, "maximum": 100},
    "pressure": {"type": "number", "exclusiveMinimum": 0},
    "lat": {"type": "number", "minimum": -90, "maximum": 90},
    "lon": {"type": "number", "minimum": -180, "maximum": 180},
    "speed": {"type": "number", "minimum": 0},
    "battery": {"type": "integer", "minimum": 0, "maximum": 100},
    "signal": {"type": "integer", "minimum": -150, "maximum": 0},
    "restarts": {"type": "integer", "minimum": 0},
    "note": {"type": "string", "maxLength": 200}
  }
}`

// readingAvro describes the same in Avro.
const readingAvro = `{
  "type": "record", "name": "Reading", "fields": [
    {"name": "at", "type": "long"},
    {"name": "s", "type": "long"},
    {"name": "n", "type": "long"},
    {"name": "device", "type": "string"},
    {"name": "site", "type": "string"},
    {"name": "firmware", "type": ["null", "string"], "default": null},
    {"name": "measured_at", "type": "string"},
    {"name": "mode", "type": {"type": "enum", "name": "Mode", "symbols": ["idle", "run", "fault"]}},
    {"name": "online", "type": "boolean"},
    {"name": "charging", "type": "boolean"},
    {"name": "temp_c", "type": "double"},
    {"name": "humidity", "type": "double"},
    {"name": "pressure", "type": ["null", "double"], "default": null},
    {"name": "lat", "type": "double"},
    {"name": "lon", "type": "double"},
    {"name": "speed", "type": "double"},
    {"name": "battery", "type": "int"},
    {"name": "signal", "type": "int"},
    {"name": "restarts", "type": "int"},
    {"name": "note", "type": ["null", "string"], "default": null}
  ]
}`

// readingProtobuf describes the same in Protobuf.
const readingProtobuf = `syntax = "proto3";

enum Mode {
  idle = 0;
  run = 1;
  fault = 2;
}

message Reading {
  int64 at = 1;
  int64 s = 2;
  int64 n = 3;
  string device = 4;
  string site = 5;
  optional string firmware = 6;
  string measured_at = 7;
  Mode mode = 8;
  bool online = 9;
  bool charging = 10;
  double temp_c = 11;
  double humidity = 12;
  optional double pressure = 13;
  double lat = 14;
  double lon = 15;
  double speed = 16;
  int32 battery = 17;
  int32 signal = 18;
  int32 restarts = 19;
  optional string note = 20;
}`
