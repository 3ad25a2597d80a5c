// Package kafkalog reads Kafka topics by position and produces to them.
package kafkalog
