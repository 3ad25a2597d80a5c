package kafkalog

// NewBatch builds an uncompressed record batch with the given values.
var NewBatch = newTestBatch
