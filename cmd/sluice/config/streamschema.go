package config

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	schemas "sluice/hub/schema"
)

// Schema is what the values of a stream match.
type Schema struct {
	JSON     Path          `koanf:"json" validate:"omitempty,readable_file" doc:"file that contains a JSON Schema, at most 1 MiB, which refers to nothing outside of it. Its $schema chooses the draft: draft-04, draft-06, draft-07, 2019-09, or 2020-12, which it is without $schema. Read again on SIGHUP"`
	Registry string        `koanf:"registry" doc:"name of a registry in registries that has the schema, instead of json"`
	Subject  string        `koanf:"subject" validate:"omitempty,subject_name" doc:"subject of the schema in the registry; if left out, the one of strategy"`
	Strategy string        `koanf:"strategy" default:"topic" validate:"oneof=topic record topic_record" doc:"how the subject is named if subject is left out: topic is TOPIC-value, record is RECORD, topic_record is TOPIC-RECORD, with record in the place of RECORD. Nothing that a client sends has a part in it"`
	Record   string        `koanf:"record" validate:"omitempty,subject_name" doc:"full name of the record type, for the strategies record and topic_record. With content: protobuf or auto, also the message that clients publish, of those that a file of Protobuf has; if left out, the first"`
	Version  SchemaVersion `koanf:"version" default:"latest" validate:"schema_version" doc:"version of the subject: latest, which is followed, or a number"`

	// Text is the content of the file, Draft its version of JSON Schema, and Unknown and
	// Misplaced are the pointers of its keywords that have no effect.
	Text               []byte        `koanf:"-" validate:"-"`
	Draft              schemas.Draft `koanf:"-" validate:"-"`
	Unknown, Misplaced []string      `koanf:"-" validate:"-"`
}

// SchemaName returns the name of the schema of a stream, "" for none: of its file, without
// the folder, or of its registry and its subject.
func (s Stream) SchemaName() string {
	switch {
	case s.Schema == nil:
		return ""
	case s.Schema.Registry != "":
		return s.Schema.Registry + "/" + s.SchemaSubject()
	}
	return filepath.Base(string(s.Schema.JSON))
}

// checkSchemas checks that the values of streams with a schema are JSON.
func checkSchemas(c *Config, f *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		stream, path := c.Streams[name], join("streams", name)+"/schema"
		switch {
		case stream.DecodedByID() && (stream.Schema == nil || stream.Schema.Registry == ""):
			f.addOnce(path, "content: %s needs the registry with the schemas of values: set registry", stream.Content)
		case stream.DecodedByID() && name == c.Audit.Stream:
			f.addOnce(path, "the server itself writes this stream: remove schema and content")
		case stream.Schema == nil:
		case !stream.IsJSON():
			f.addOnce(path, "values can match a schema only if they are JSON: set content: json, or json_schema, avro or protobuf to store them after the id of a schema of a registry")
		case stream.Framed() && stream.Schema.Registry == "":
			f.addOnce(path, "content: json_schema stores values after the id of a schema, which a file does not have: set registry, or content: json")
		case stream.Schema.Record != "" && stream.Schema.Strategy == "topic" && stream.Content != "protobuf" && stream.Content != "auto":
			f.addOnce(path+"/record", "has no effect without strategy: record or topic_record, or content: protobuf or auto")
		case name == c.Audit.Stream:
			f.addOnce(path, "the server itself writes this stream: remove schema")
		}
	}
}

// readSchemas reads the schemas, and checks that they are some.
func readSchemas(c *Config, f *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s, path := c.Streams[name].Schema, join("streams", name)+"/schema/json"
		if s == nil || s.JSON == "" || f.below(path) {
			continue
		}
		var err error
		if s.Text, err = readAtMost(string(s.JSON), schemas.MaxText+1); err != nil {
			f.add(path, "%s", err)
			continue
		}
		compiled, err := schemas.Compile(s.Text)
		if err != nil {
			f.add(path, "%s: %s", s.JSON, err)
			continue
		}
		s.Draft, s.Unknown, s.Misplaced = compiled.Draft(), compiled.Unknown(), compiled.Misplaced()
	}
}

// readAtMost reads the beginning of a file.
func readAtMost(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}

// schemaWarnings returns warnings about keywords that have no effect.
func (c *Config) schemaWarnings() []string {
	const most = 10
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s := c.Streams[name].Schema
		if s == nil {
			continue
		}
		for _, pointer := range s.Unknown[:min(len(s.Unknown), most)] {
			list = append(list, fmt.Sprintf("the schema of stream %s has an unknown keyword, which has no effect, at %s in %s; names that begin with x- are not reported", name, pointer, c.Streams[name].SchemaName()))
		}
		for _, pointer := range s.Misplaced[:min(len(s.Misplaced), most)] {
			list = append(list, fmt.Sprintf("the schema of stream %s has a keyword without effect at %s in %s: %s does not have it, or ignores it beside $ref", name, pointer, c.Streams[name].SchemaName(), s.Draft))
		}
	}
	return list
}
