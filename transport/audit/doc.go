// Package audit records who did what: an [Event] for each session, each use of a
// right, each refusal and each administrative act. Events are written to the log, or
// stored in a stream as CloudEvents, or both.
//
// The package guarantees:
//
//   - Recording never waits: not for Kafka, not for the log, not for another event.
//     Each place where events are kept has a queue of its own, bounded in events and
//     in bytes. When the queue is full, events are lost.
//   - Events that are lost are counted, by place and reason. Each bout of loss is
//     logged, and the place itself gets an event with the number.
//   - No event contains a credential. Texts that a client chooses are cut, and their
//     control characters are escaped, so that an event is one line.
//   - A flood of refusals becomes one event a second for each address, code and
//     principal, with their number.
//   - An event that is not lost is stored at least once, with the same id each time.
//     The events of one principal are stored in the order in which they were recorded,
//     unless Kafka stores a part of an attempt only.
//
// A nil Recorder records nothing and costs nothing. New starts no goroutine. Run starts
// one for each place and waits for them; it needs one more, its own, to sum up
// refusals. Events that are recorded before Run wait in the queues.
//
// # Files
//
// A file uses those listed after it.
//
//	metrics.go        the metrics of a Recorder
//	recorder.go       Config, Recorder: recording and running
//	sums.go           refusals and publishes that become one event
//	lane.go           the way of events to one place: queue, attempts, losses
//	queue.go          a bounded queue
//	written.go        the log as a place
//	stored.go         a stream as a place
//	cloudevent.go     an event as a CloudEvent in Kafka's binary content mode
//	sessions.go       events of sessions
//	reading.go        events of reading
//	publishing.go     events of publishing
//	refusals.go       events of refusals
//	acts.go           events of operators and of the instance
//	event.go          Event, its types, Client
//	attributes.go     attributes, and how texts are shortened
package audit
