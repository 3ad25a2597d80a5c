package main

import (
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sluice/cmd/sluice/embedded"
)

// maxOwnPartitions bounds the partitions of a stream of --stream.
const maxOwnPartitions = 100

// ownName is what stream_name is in package config.
var ownName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// parseStreams returns the topics of streams that are named as NAME or NAME:PARTITIONS.
func parseStreams(chosen []string) ([]embedded.Topic, error) {
	taken := topicNames()
	var topics []embedded.Topic
	for _, text := range chosen {
		name, count, several := strings.Cut(text, ":")
		partitions := int64(1)
		if several {
			var err error
			if partitions, err = strconv.ParseInt(count, 10, 32); err != nil || partitions < 1 || partitions > maxOwnPartitions {
				return nil, usage("--stream %s: the number of partitions must be 1 to %d", text, maxOwnPartitions)
			}
		}
		switch {
		case !ownName.MatchString(name):
			return nil, usage("--stream %s: a name has 1 to 128 of the characters A-Z a-z 0-9 . _ - and begins with a letter or a digit", text)
		case slices.Contains(taken, name):
			return nil, usage("--stream %s: there is a stream of that name", text)
		}
		taken = append(taken, name)
		topics = append(topics, embedded.Topic{Name: name, Partitions: int32(partitions)})
	}
	return topics, nil
}

// localPort returns the port of an address on 127.0.0.1, at which the embedded Kafka can
// listen.
func localPort(address string) (int, error) {
	host, text, err := net.SplitHostPort(address)
	port, portErr := strconv.ParseUint(text, 10, 16)
	if err != nil || portErr != nil || host != "127.0.0.1" && host != "localhost" {
		return 0, usage("--kafka-listen %s: must be 127.0.0.1:PORT, as anybody may write to the embedded Kafka", address)
	}
	return int(port), nil
}

// parseRates returns the default rates, overridden by the chosen ones.
func parseRates(chosen map[string]string) (map[string]float64, error) {
	rates := embedded.DefaultRates()
	for _, stream := range slices.Sorted(maps.Keys(chosen)) {
		rate, err := strconv.ParseFloat(chosen[stream], 64)
		if err != nil || !(rate >= 0 && rate <= 100_000) {
			return nil, usage("--rate %s=%s: must be records per second, 0 to 100000", stream, chosen[stream])
		}
		if _, ok := rates[stream]; !ok {
			return nil, usage("--rate %s: the streams with a rate are %s", stream, strings.Join(slices.Sorted(maps.Keys(rates)), ", "))
		}
		rates[stream] = rate
	}
	return rates, nil
}
