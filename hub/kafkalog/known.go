package kafkalog

import (
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// avoidFor is how long a broker that did not answer is tried after the others.
const avoidFor = 5 * time.Second

// known is the set of brokers that can be asked: those of the configuration, and
// those that the cluster last reported. It is safe for concurrent use.
type known struct {
	bootstrap []string

	mu      sync.Mutex
	cluster string               // its id, empty until a broker has reported it
	brokers map[int32]string     // addresses by broker id
	failed  map[string]time.Time // when an address last did not answer
}

func newKnown(bootstrap []string) *known {
	return &known{bootstrap: bootstrap, failed: make(map[string]time.Time)}
}

// belongs records the cluster id that the broker at address reports. It reports
// whether that is the cluster of the known brokers, and returns that cluster's
// id.
func (k *known) belongs(address, cluster string) (ours string, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cluster == "" || slices.Contains(k.bootstrap, address) {
		k.cluster = cluster
	}
	return k.cluster, cluster == k.cluster
}

// learn records the brokers that a broker of the cluster has reported.
func (k *known) learn(described []kmsg.MetadataResponseBroker) {
	brokers := make(map[int32]string, len(described))
	for _, b := range described {
		brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(brokers) == 0 || maps.Equal(brokers, k.brokers) {
		return
	}
	k.brokers = brokers
	still := k.all()
	maps.DeleteFunc(k.failed, func(address string, _ time.Time) bool { return !slices.Contains(still, address) })
}

// all returns the addresses, each once. The caller holds mu.
func (k *known) all() []string {
	all := slices.Clone(k.bootstrap)
	all = slices.AppendSeq(all, maps.Values(k.brokers))
	slices.Sort(all)
	return slices.Compact(all)
}

// addresses returns all addresses in the order in which to try them: at random,
// with those that have lately not answered last.
func (k *known) addresses() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.order(k.all())
}

// target is a broker to ask.
type target struct {
	id      int32
	address string
}

// targets returns the brokers of the cluster, in the same order as addresses.
func (k *known) targets() []target {
	k.mu.Lock()
	defer k.mu.Unlock()
	ids := make(map[string]int32, len(k.brokers))
	for id, address := range k.brokers {
		ids[address] = id
	}
	var all []target
	for _, address := range k.order(slices.Collect(maps.Keys(ids))) {
		all = append(all, target{ids[address], address})
	}
	return all
}

// order sorts addresses as addresses describes. The caller holds mu.
func (k *known) order(all []string) []string {
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // nothing secret depends on it
	avoided := func(address string) int {
		if at, ok := k.failed[address]; ok && time.Since(at) < avoidFor {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b string) int { return avoided(a) - avoided(b) })
	return all
}

// note records whether an address has answered.
func (k *known) note(address string, answered bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if answered {
		delete(k.failed, address)
		return
	}
	k.failed[address] = time.Now()
}
