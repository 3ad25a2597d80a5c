package config

import (
	"time"

	"sluice/auth"
)

// Kafka is one cluster, or several by name.
type Kafka struct {
	Cluster  `koanf:",squash"`
	Clusters map[string]Cluster `koanf:"clusters" validate:"dive,keys,cluster_name,endkeys" doc:"several clusters by name, instead of brokers; streams then name theirs"`
}

// Cluster says how to reach a Kafka cluster.
type Cluster struct {
	Brokers     []string      `koanf:"brokers" validate:"unique,dive,dial_address" doc:"addresses to begin with, host:port"`
	TLS         *ClientTLS    `koanf:"tls" doc:"connect over TLS; {} takes the system's authorities. Certificates are always verified"`
	SASL        *SASL         `koanf:"sasl" doc:"credentials for the brokers"`
	Rack        string        `koanf:"rack" doc:"read from replicas of this rack (KIP-392); left out, from the leaders"`
	DialTimeout time.Duration `koanf:"dial_timeout" default:"5s" validate:"between=100ms..1m" doc:"bound for connecting to a broker"`
}

// ClientTLS says how a server that Sluice connects to is verified, and what it
// is shown.
type ClientTLS struct {
	CAFile     Path   `koanf:"ca_file" validate:"omitempty,readable_file" doc:"certificate authorities, PEM; left out, the system's"`
	CertFile   Path   `koanf:"cert_file" validate:"required_with=KeyFile,omitempty,readable_file" doc:"client certificate chain, PEM"`
	KeyFile    Path   `koanf:"key_file" validate:"required_with=CertFile,omitempty,readable_file" doc:"client private key, PEM"`
	ServerName string `koanf:"server_name" validate:"omitempty,hostname_rfc1123|ip" doc:"name that the server's certificate must have; left out, the host connected to"`
}

// SASL holds credentials for Kafka.
type SASL struct {
	Mechanism    string `koanf:"mechanism" validate:"required,oneof=PLAIN SCRAM-SHA-256 SCRAM-SHA-512" doc:"how the password is proven"`
	Username     string `koanf:"username" validate:"required" doc:"user name"`
	PasswordFile Path   `koanf:"password_file" validate:"required,readable_file" doc:"file that holds the password; one line end after it is ignored"`

	// Password is what PasswordFile holds.
	Password auth.Secret `koanf:"-" validate:"-"`
}

// DefaultCluster is the name of the cluster that kafka/brokers describes, in
// the map that All returns. No cluster of kafka/clusters can have it.
const DefaultCluster = "default"

// All returns every cluster by its name.
func (k Kafka) All() map[string]Cluster {
	if len(k.Clusters) > 0 {
		return k.Clusters
	}
	return map[string]Cluster{DefaultCluster: k.Cluster}
}
