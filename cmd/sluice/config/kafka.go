package config

import "time"

// Kafka is one cluster, or several by name.
type Kafka struct {
	Cluster  `koanf:",squash"`
	Clusters map[string]Cluster `koanf:"clusters" validate:"dive,keys,cluster_name,endkeys" doc:"several clusters by name, instead of brokers; each stream then names its cluster"`
}

// Cluster configures the connection to a Kafka cluster.
type Cluster struct {
	Brokers     []string      `koanf:"brokers" validate:"unique,dive,dial_address" doc:"addresses of initial brokers, host:port; the other brokers of the cluster are discovered"`
	TLS         *ClientTLS    `koanf:"tls" doc:"connect over TLS; {} uses the system's certificate authorities. Certificates are always verified"`
	SASL        *SASL         `koanf:"sasl" doc:"credentials for the brokers"`
	Rack        string        `koanf:"rack" doc:"read from replicas in this rack (KIP-392); if left out, from the leaders"`
	DialTimeout time.Duration `koanf:"dial_timeout" default:"5s" validate:"between=100ms..1m" doc:"timeout for connecting to a broker"`
	Fetch       Fetch         `koanf:"fetch" doc:"how records are read"`
	Produce     Produce       `koanf:"produce" doc:"how records are written"`
}

// Fetch configures how records are read.
type Fetch struct {
	Wait           time.Duration `koanf:"wait" default:"500ms" validate:"between=10ms..10s" doc:"how long a broker may hold a fetch request without new records; a broker that does not answer is detected about a second later"`
	Bytes          Size          `koanf:"bytes" default:"16MiB" validate:"between=64KiB..256MiB" doc:"maximum size of a fetch from a broker, as stored in Kafka"`
	PartitionBytes Size          `koanf:"partition_bytes" default:"1MiB" validate:"between=16KiB..64MiB" doc:"maximum size of a fetch from a partition; keep well below bytes, so that a busy partition leaves room for the others"`
	InflatedBytes  Size          `koanf:"inflated_bytes" default:"64MiB" validate:"between=1MiB..1GiB" doc:"maximum decompressed size of a batch; a larger batch is reported as a gap"`
	MetadataEvery  time.Duration `koanf:"metadata_every" default:"5s" validate:"between=1s..10m" doc:"interval of metadata refreshes, which discover added partitions"`
}

// Produce configures how records are written.
type Produce struct {
	BatchBytes Size          `koanf:"batch_bytes" default:"900KiB" validate:"between=16KiB..64MiB" doc:"maximum size of a batch before compression; keep below the topics' max.message.bytes"`
	AtOnce     int           `koanf:"at_once" default:"32" validate:"between=1..1000" unit:"requests" doc:"maximum number of produce requests in flight, each on its own connection; a single broker has three quarters of them at most, so that one that does not answer leaves some to the others"`
	Attempt    time.Duration `koanf:"attempt" default:"5s" validate:"between=100ms..1m" doc:"timeout of one attempt"`
	FailAfter  time.Duration `koanf:"fail_after" default:"2s" validate:"between=100ms..1m" doc:"a partition that accepts no records for this time refuses new records immediately"`
	Drain      time.Duration `koanf:"drain" default:"3s" validate:"between=0s..1m" doc:"how long requests in flight may take when the server shuts down"`
}

// ClientTLS configures how a server that Sluice connects to is verified, and which
// certificate Sluice presents to it.
type ClientTLS struct {
	CAFile     Path   `koanf:"ca_file" validate:"omitempty,readable_file" doc:"certificate authorities, PEM; if left out, the system's"`
	CertFile   Path   `koanf:"cert_file" validate:"required_with=KeyFile,omitempty,readable_file" doc:"client certificate chain, PEM"`
	KeyFile    Path   `koanf:"key_file" validate:"required_with=CertFile,omitempty,readable_file" doc:"client private key, PEM"`
	ServerName string `koanf:"server_name" validate:"omitempty,hostname_rfc1123|ip" doc:"name that the server's certificate must have; if left out, the host of the address"`
}

// DefaultCluster is the name of the cluster of kafka/brokers in the map that All
// returns. No cluster of kafka/clusters can have this name.
const DefaultCluster = "default"

// All returns every cluster by its name.
func (k Kafka) All() map[string]Cluster {
	if len(k.Clusters) > 0 {
		return k.Clusters
	}
	return map[string]Cluster{DefaultCluster: k.Cluster}
}
