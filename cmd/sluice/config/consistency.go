package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"

	"sluice/hub/filter/expr"
	"sluice/hub/redact"
)

// consistent is the tag of faults that a section reports as a whole. Its parameter
// is the message.
const consistent = "consistent"

// conflict reports a fault of a section, at one of its fields.
func conflict(level validator.StructLevel, field, format string, args ...any) {
	level.ReportError("", field, field, consistent, fmt.Sprintf(format, args...))
}

// checkIssuer checks that there is exactly one kind of key, and that it fits the
// algorithms.
func checkIssuer(level validator.StructLevel) {
	i := level.Current().Interface().(Issuer)
	keys := map[string]bool{"secret_file": i.SecretFile != "", "jwks_file": i.JWKSFile != "", "jwks_url": i.JWKSURL != "", "discovery": i.Discovery}
	var given []string
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if keys[name] {
			given = append(given, name)
		}
	}
	switch {
	case len(given) == 0:
		conflict(level, "issuer", "has no keys: set one of secret_file, jwks_file, jwks_url, discovery")
	case len(given) > 1:
		conflict(level, given[1], "cannot be combined with %s", given[0])
	case keys["secret_file"] && slices.ContainsFunc(i.Algorithms, func(a string) bool { return a != "HS256" }):
		conflict(level, "algorithms", "secret_file can be used with HS256 only")
	case !keys["secret_file"] && slices.Contains(i.Algorithms, "HS256"):
		conflict(level, "algorithms", "HS256 requires secret_file: a public key is not secret")
	}
	if i.Discovery && i.Issuer != "" && (!isJWKSURL(i.Issuer) || strings.ContainsAny(i.Issuer, "?#")) {
		conflict(level, "issuer", "%s is not an https URL without a query, which discovery requires; http is allowed on loopback only", show(i.Issuer))
	}
}

// checkGrant checks that a grant names its principals and gives a right.
func checkGrant(level validator.StructLevel) {
	g := level.Current().Interface().(Grant)
	switch {
	case g.Anonymous && len(g.When) > 0:
		conflict(level, "anonymous", "cannot be combined with when: clients without a token have no claims")
	case !g.Anonymous && g.When == nil:
		conflict(level, "when", "is missing: set the claims that a token must have ({} for any token), or anonymous: true for all clients")
	}
	if g.Admin && !g.Anonymous && g.When != nil && len(g.When) == 0 {
		conflict(level, "admin", "requires claims in when: without them, every token would give the right to operate the server")
	}
	if len(g.Subscribe) == 0 && len(g.Publish) == 0 && !g.Admin {
		conflict(level, "subscribe", "the grant allows nothing: list streams in subscribe or publish")
	}
	if g.Replay > 0 && len(g.Subscribe) == 0 {
		conflict(level, "replay", "replay requires subscribe")
	}
	if g.Filter != "" && len(g.Subscribe) == 0 {
		conflict(level, "filter", "filter requires subscribe")
	}
	checkRedaction(level, g)
	if len(g.Decrypt) > 0 && len(g.Subscribe) == 0 {
		conflict(level, "decrypt", "decrypt requires subscribe")
	}
	if g.PublishFilter != "" && len(g.Publish) == 0 {
		conflict(level, "publish_filter", "publish_filter requires publish")
	}
	switch {
	case g.Quota == nil:
	case len(g.Publish) == 0:
		conflict(level, "quota", "quota requires publish")
	case g.Anonymous:
		conflict(level, "quota", "clients without a token count by their address: set quotas/address")
	}
	if g.Filter != "" {
		if _, err := filters().Rule(g.Filter); err != nil {
			conflict(level, "filter", "%s", err)
		}
	}
	if g.PublishFilter != "" {
		if _, err := filters().PublishRule(g.PublishFilter); err != nil {
			conflict(level, "publish_filter", "%s", err)
		}
	}
}

// checkRedaction checks the paths of what a grant does not show.
func checkRedaction(level validator.StructLevel, g Grant) {
	fields := map[string][]string{"redact": g.Redact, "mask": g.Mask}
	valid := true
	for field, paths := range fields {
		if len(paths) > 0 && len(g.Subscribe) == 0 {
			conflict(level, field, "%s requires subscribe", field)
		}
		if _, err := redact.New(paths, nil); err != nil {
			conflict(level, field, "%s", err)
			valid = false
		}
	}
	if !valid {
		return
	}
	if _, err := redact.New(g.Redact, g.Mask); err != nil {
		conflict(level, "mask", "together with redact: %s", err)
	}
}

// filters compiles filters, to find their faults.
var filters = sync.OnceValue(func() *expr.Language {
	l, err := expr.New(expr.Limits{Bytes: int(maxFilterBytes), Cost: 1, Memory: 8 << 20})
	if err != nil {
		panic("config: filters: " + err.Error())
	}
	return l
})

// maxFilterBytes is the upper bound of limits/filter_bytes.
const maxFilterBytes = 64 << 10

func checkDrain(level validator.StructLevel) {
	if d := level.Current().Interface().(Drain); d.Spread > d.Timeout {
		conflict(level, "spread", "%s is longer than drain/timeout, %s", FormatDuration(d.Spread), FormatDuration(d.Timeout))
	}
}

// checkRedis checks that there is one way to reach Redis, and one password.
func checkRedis(level validator.StructLevel) {
	r := level.Current().Interface().(Redis)
	hasURL := !r.URL.IsZero()
	switch {
	case hasURL && (r.Sentinel != nil || len(r.Cluster) > 0):
		conflict(level, "url", "set only one of url, sentinel and cluster")
	case r.Sentinel != nil && len(r.Cluster) > 0:
		conflict(level, "sentinel", "set only one of url, sentinel and cluster")
	case !r.Configured() && (r.Username != "" || r.PasswordFile != "" || r.TLS != nil):
		conflict(level, "url", "is missing: set url, sentinel or cluster")
	}
	if hasURL && r.TLS != nil && !strings.HasPrefix(r.URL.Reveal(), "rediss://") {
		conflict(level, "tls", "requires a rediss:// url")
	}
	if hasURL && r.PasswordFile != "" && urlHasPassword(r.URL.Reveal()) {
		conflict(level, "password_file", "the url already contains a password")
	}
}

func checkLimits(level validator.StructLevel) {
	l := level.Current().Interface().(Limits)
	if l.LogMemory > 0 && l.StreamLog > l.LogMemory {
		conflict(level, "stream_log", "%s is more than limits/log_memory, %s", l.StreamLog, l.LogMemory)
	}
	if l.StreamLog == 0 && l.LogMemory == 0 {
		conflict(level, "log_memory", "one of limits/stream_log and limits/log_memory must limit the memory for records")
	}
	if l.PingEvery > 0 && l.PongWithin > l.PingEvery {
		conflict(level, "pong_within", "%s is longer than limits/ping_every, %s", FormatDuration(l.PongWithin), FormatDuration(l.PingEvery))
	}
}

// checkConsistency checks rules across sections.
func checkConsistency(c *Config, f *faults) {
	checkClusters(c, f)
	checkStreams(c, f)
	checkIngest(c, f)
	checkSchemas(c, f)
	checkMessageIDs(c, f)
	checkRegistries(c, f)
	checkGrants(c, f)
	checkAdmins(c, f)
	checkEncryption(c, f)
	checkWayIn(c, f)
	checkVerifiers(c, f)
	checkTickets(c, f)
	checkTenants(c, f)
	checkAudit(c, f)
	checkQuotas(c, f)
	checkTrusted(c, f)
	if c.Listen == c.Admin.Listen && !strings.HasSuffix(c.Listen, ":0") && c.Listen != "" {
		f.addOnce("admin/listen", "is the same as listen")
	}
}

// checkTickets refuses tickets that only one instance would know.
func checkTickets(c *Config, f *faults) {
	if c.Auth.Tickets != nil && !c.Redis.Configured() && !f.below("redis") {
		f.addOnce("auth/tickets", "requires redis: any instance must be able to accept a ticket. Set redis/url, or remove tickets")
	}
	for i := range c.Auth.Issuers {
		if is := &c.Auth.Issuers[i]; is.LogoutAudience != "" && !is.BackchannelLogout {
			f.addOnce(fmt.Sprintf("auth/issuers/%d/logout_audience", i), "has no effect without backchannel_logout: true")
		}
	}
}

func checkClusters(c *Config, f *faults) {
	const brokers = "is missing: addresses of initial brokers, host:port"
	if len(c.Kafka.Clusters) == 0 {
		if len(c.Kafka.Brokers) == 0 && !f.below("kafka/clusters") && !f.below("kafka/brokers") {
			f.addOnce("kafka/brokers", brokers)
		}
		return
	}
	if len(c.Kafka.Brokers) > 0 || c.Kafka.TLS != nil || c.Kafka.SASL != nil || c.Kafka.Rack != "" {
		f.addOnce("kafka/clusters", "set either one cluster (brokers, tls, sasl, rack) or clusters by name")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Kafka.Clusters)) {
		if path := join("kafka/clusters", name) + "/brokers"; len(c.Kafka.Clusters[name].Brokers) == 0 && !f.below(path) {
			f.addOnce(path, brokers)
		}
	}
}

func checkStreams(c *Config, f *faults) {
	clusters := slices.Sorted(maps.Keys(c.Kafka.All()))
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		stream, path := c.Streams[name], join("streams", name)
		switch {
		case stream.Cluster == "":
			f.addOnce(path+"/cluster", "is missing: several clusters are configured, set one of %s", strings.Join(clusters, ", "))
		case !slices.Contains(clusters, stream.Cluster):
			f.addOnce(path+"/cluster", "%q is not in kafka/clusters%s", stream.Cluster, suggest(stream.Cluster, clusters))
		}
		if c.Limits.LogMemory > 0 && stream.LogBytes > c.Limits.LogMemory && c.Limits.StreamLog != stream.LogBytes {
			f.addOnce(path+"/log_bytes", "%s is more than limits/log_memory, %s", stream.LogBytes, c.Limits.LogMemory)
		}
	}
}

// checkGrants reports grants for streams that do not exist: most are misspelt.
func checkGrants(c *Config, f *faults) {
	names := slices.Sorted(maps.Keys(c.Streams))
	for i, g := range c.Grants {
		for field, patterns := range map[string][]string{"subscribe": g.Subscribe, "publish": g.Publish} {
			for j, pattern := range patterns {
				if strings.Contains(pattern, "*") || slices.Contains(names, pattern) {
					continue
				}
				f.addOnce(fmt.Sprintf("grants/%d/%s/%d", i, field, j), "%q is not in streams%s", pattern, suggest(pattern, names))
			}
		}
	}
}

// checkWayIn refuses a server that nobody could use. In particular, a missing
// section never means open access.
func checkWayIn(c *Config, f *faults) {
	anonymous := slices.ContainsFunc(c.Grants, func(g Grant) bool { return g.Anonymous })
	if !c.Auth.identifies() && !anonymous && !f.below("auth") && !f.below("grants") {
		f.addOnce("auth/issuers", "is missing: configure an issuer or another kind of credential, or allow anonymous access with a grant {anonymous: true, …}")
	}
	if len(c.Grants) == 0 && c.Auth.KafkaACLs == nil && !f.below("grants") && !f.below("auth/kafka_acls") {
		f.addOnce("grants", "is missing: without a grant, clients have no rights")
	}
	for i, g := range c.Grants {
		if !c.Auth.identifies() && g.When != nil && !f.below("auth") {
			f.addOnce(fmt.Sprintf("grants/%d/when", i), "tokens cannot be verified without auth/issuers or another kind of credential in auth")
		}
	}
}
