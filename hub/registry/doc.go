// Package registry checks and encodes values with the schemas of a schema registry that has
// the REST interface of Confluent's, and follows their versions.
//
// # Guarantees
//
//   - Nothing that a client sends has a part in a request. The subjects that streams name are asked
//     for at start, and then at intervals, by the goroutine of [Registry.Run]; a publish
//     uses the schema that is in force, and without one it is refused for now.
//   - While the registry is away, or answers with something else than a schema that can be
//     used, the schemas that are in force stay so. How each subject fares is told by
//     [Registry.Check].
//   - Requests go to the configured URLs and nowhere else: redirects are not followed, and
//     an answer has at most 4 MiB and takes at most Config.Timeout. After a failure the time
//     between attempts grows, up to Config.Refresh or 30 seconds, if that is longer. A
//     subject that fails does not keep others from being asked for.
//   - A schema with all that it refers to is bounded: its bytes, how many references there
//     are, and how deep they go. It is compiled before it is in force.
//   - Errors and logs contain neither a credential nor anything of an answer but its status,
//     the registry's error code, and what is wrong in a schema and where.
//   - The schema of a value that was read is asked for by its id before the value is passed
//     on to be decoded, which itself never waits. A topic waits for a schema for at most
//     Config.Wait, and other topics go on meanwhile. At most 2,000 schemas of 64 MiB are
//     kept, and at most 256 awaited.
//
// [New] starts no goroutine, and a Registry is used by many at once.
//
// # Files
//
// A file uses those listed after it.
//
//	source.go      Source: what was read, which waits for the schemas that it needs
//	decoding.go    Decoding: values as JSON, by the ids of their schemas
//	conforms.go    Conforms: the step of a stream that checks and encodes values; ReadOnly
//	round.go       asking for what is due
//	answer.go      asking for schemas by id
//	renew.go       other settings while it is asked
//	registry.go    Registry: the subjects that are followed
//	subject.go     Subject: the schema that is in force
//	written.go     schemas by id
//	languages.go   all kinds of schemas
//	jsonschema.go  values of JSON Schemas
//	avro.go        values of schemas of Avro
//	protobuf.go    values of schemas of Protobuf
//	kind.go        Kind, Encoder: what is known of a kind of schema
//	gather.go      a schema with all that it refers to
//	bundle.go      JSON Schemas that refer to each other, as one
//	settings.go    how the registry is asked
//	client.go      requests to the registry
//	config.go      Config
//	bounded.go     bounds of answers, and after which of them the next instance is asked
//	failed.go      why a request has failed
//	stats.go       what is counted
//	frame.go       the five bytes before a value
package registry
