package app

import (
	"fmt"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"sluice/cmd/sluice/config"
	"sluice/hub/kafkalog"
)

// clientID is what brokers log and account for.
const clientID = "sluice"

// newCluster makes the connections to a Kafka cluster, without connecting.
func newCluster(c config.Cluster) (*kafkalog.Cluster, error) {
	tls, err := c.TLS.Load()
	if err != nil {
		return nil, err
	}
	mechanism, err := newMechanism(c.SASL)
	if err != nil {
		return nil, err
	}
	return kafkalog.NewCluster(kafkalog.Config{
		Brokers:     c.Brokers,
		ClientID:    clientID,
		TLS:         tls,
		SASL:        mechanism,
		Rack:        c.Rack,
		DialTimeout: c.DialTimeout,
	})
}

func newMechanism(s *config.SASL) (sasl.Mechanism, error) {
	if s == nil {
		return nil, nil
	}
	switch s.Mechanism {
	case "PLAIN":
		return plain.Mechanism{Username: s.Username, Password: s.Password.Reveal()}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, s.Username, s.Password.Reveal())
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, s.Username, s.Password.Reveal())
	}
	return nil, fmt.Errorf("unknown SASL mechanism %q", s.Mechanism)
}
