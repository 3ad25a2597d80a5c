package stack

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is one Kafka broker.
type Broker struct {
	*Server
	// ID is the broker's node id.
	ID int32
	// Addr is its plain listener.
	Addr string
	// SASLAddr is its SASL_SSL listener, empty without Options.SASL.
	SASLAddr string
	// BearerAddr is its listener with OAUTHBEARER, empty without Options.Bearer.
	BearerAddr string
}

// prepareKafka creates the brokers' directories. A directory is formatted here by
// writing what Kafka's storage tool would write, which saves a Java start: without a
// bootstrap checkpoint a controller begins at its own metadata version.
func (s *Stack) prepareKafka(ctx context.Context, opts Options) error {
	if opts.Brokers == 0 {
		return nil
	}
	lib, err := kafkaJars(ctx)
	if err != nil {
		return err
	}
	var voters []string
	controllers := make([]string, opts.Brokers)
	for i := range opts.Brokers {
		broker := &Broker{ID: int32(i + 1)}
		if controllers[i], err = FreeAddr(); err != nil {
			return err
		}
		if broker.Addr, err = FreeAddr(); err != nil {
			return err
		}
		if opts.SASL {
			if broker.SASLAddr, err = FreeAddr(); err != nil {
				return err
			}
		}
		if opts.Bearer != nil {
			if broker.BearerAddr, err = FreeAddr(); err != nil {
				return err
			}
		}
		voters = append(voters, fmt.Sprintf("%d@%s", broker.ID, controllers[i]))
		s.Brokers = append(s.Brokers, broker)
	}
	if opts.SASL {
		s.Users = []User{{Name: "sluice", Password: secret()}, {Name: "guest", Password: secret()}}
	}
	cluster := uuid()
	for i, broker := range s.Brokers {
		name := fmt.Sprintf("kafka-%d", broker.ID)
		dir := filepath.Join(s.Dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make broker folder: %w", err)
		}
		meta := fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", cluster, broker.ID, uuid())
		if err := os.WriteFile(filepath.Join(dir, "meta.properties"), []byte(meta), 0o600); err != nil {
			return fmt.Errorf("format broker folder: %w", err)
		}
		config := s.brokerConfig(broker, controllers[i], strings.Join(voters, ","), dir, opts)
		file := filepath.Join(s.Dir, name+".properties")
		if err := os.WriteFile(file, properties(config), 0o600); err != nil {
			return fmt.Errorf("write broker properties: %w", err)
		}
		heap := opts.HeapMiB
		if heap == 0 {
			heap = 400
		}
		command := []string{
			"java", "-Xms128m", "-Xmx" + strconv.Itoa(heap) + "m", "-XX:+UseSerialGC",
			"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		}
		for _, logger := range slices.Sorted(maps.Keys(opts.BrokerLog)) {
			command = append(command, "-Dorg.slf4j.simpleLogger.log."+logger+"="+opts.BrokerLog[logger])
		}
		command = append(command, opts.Bearer.java()...)
		if !opts.Steady {
			command = append(command, "-XX:TieredStopAtLevel=1")
		}
		broker.Server = &Server{
			name:    name,
			dir:     s.Dir,
			command: append(command, "-cp", filepath.Join(lib, "*"), "kafka.Kafka", file),
			ready:   func(ctx context.Context) error { return s.brokerReady(ctx, broker) },
		}
		s.servers = append(s.servers, broker.Server)
	}
	return nil
}

func (s *Stack) brokerConfig(broker *Broker, controller, voters, dir string, opts Options) map[string]string {
	replicas, inSync := "1", "1"
	if opts.Brokers >= 3 {
		replicas, inSync = "3", "2"
	}
	config := map[string]string{
		"process.roles":                            "broker,controller",
		"node.id":                                  strconv.Itoa(int(broker.ID)),
		"controller.quorum.voters":                 voters,
		"controller.listener.names":                "CONTROLLER",
		"listeners":                                "PLAINTEXT://" + broker.Addr + ",CONTROLLER://" + controller,
		"advertised.listeners":                     "PLAINTEXT://" + broker.Addr,
		"listener.security.protocol.map":           "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"inter.broker.listener.name":               "PLAINTEXT",
		"log.dirs":                                 dir,
		"auto.create.topics.enable":                "false",
		"log.retention.check.interval.ms":          "1000",
		"log.initial.task.delay.ms":                "1000",
		"log.cleaner.dedupe.buffer.size":           "8388608",
		"default.replication.factor":               replicas,
		"min.insync.replicas":                      inSync,
		"offsets.topic.replication.factor":         replicas,
		"offsets.topic.num.partitions":             "3",
		"transaction.state.log.replication.factor": replicas,
		"transaction.state.log.min.isr":            inSync,
		"transaction.state.log.num.partitions":     "3",
		"group.initial.rebalance.delay.ms":         "0",
		"num.network.threads":                      "2",
		"num.io.threads":                           "4",
		"broker.heartbeat.interval.ms":             "500",
		"broker.session.timeout.ms":                "3000",
		"controller.quorum.election.timeout.ms":    "500",
		"controller.quorum.fetch.timeout.ms":       "1500",
	}
	if opts.SASL {
		config["listeners"] += ",SASL://" + broker.SASLAddr
		config["advertised.listeners"] += ",SASL://" + broker.SASLAddr
		config["listener.security.protocol.map"] += ",SASL:SASL_SSL"
		s.saslConfig(config)
	}
	if opts.Bearer != nil {
		config["listeners"] += ",BEARER://" + broker.BearerAddr
		config["advertised.listeners"] += ",BEARER://" + broker.BearerAddr
		config["listener.security.protocol.map"] += ",BEARER:SASL_PLAINTEXT"
		opts.Bearer.configure(config)
	}
	if opts.Racks {
		config["broker.rack"] = fmt.Sprintf("rack-%d", broker.ID)
		config["replica.selector.class"] = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
	}
	if opts.ACLs {
		config["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
		config["super.users"] = "User:ANONYMOUS"
	}
	maps.Copy(config, opts.BrokerConfig)
	return config
}

// brokerReady returns nil once a broker answers and lists all other running brokers.
func (s *Stack) brokerReady(ctx context.Context, broker *Broker) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr), kgo.RequestTimeoutOverhead(2*time.Second))
	if err != nil {
		return fmt.Errorf("ask broker: %w", err)
	}
	defer client.Close()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	answer, err := client.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return fmt.Errorf("ask broker: %w", err)
	}
	known := make(map[int32]bool)
	for _, node := range answer.(*kmsg.MetadataResponse).Brokers {
		known[node.NodeID] = true
	}
	for _, other := range s.Brokers {
		if other.PID() != 0 && !known[other.ID] {
			return fmt.Errorf("ask broker: node %d has not joined yet", other.ID)
		}
	}
	return nil
}

// finishKafka does the setup that needs a running cluster.
func (s *Stack) finishKafka(ctx context.Context, opts Options) error {
	if opts.Brokers == 0 || !opts.SASL {
		return nil
	}
	return s.addSCRAM(ctx)
}

func properties(config map[string]string) []byte {
	var out []byte
	for _, key := range slices.Sorted(maps.Keys(config)) {
		out = append(out, key+"="+config[key]+"\n"...)
	}
	return out
}

// uuid makes an id in Kafka's form, 16 random bytes in base64url. Kafka's tools
// treat an id that begins with a dash as an option.
func uuid() string {
	for {
		var id [16]byte
		rand.Read(id[:])
		if text := base64.RawURLEncoding.EncodeToString(id[:]); text[0] != '-' {
			return text
		}
	}
}

// secret makes a password.
func secret() string { return rand.Text() }
