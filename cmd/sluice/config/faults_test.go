package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

// manyPaths returns a list of paths.
func manyPaths(n int, name string) string {
	var paths []string
	for i := range n {
		paths = append(paths, fmt.Sprintf("/%s%d", name, i))
	}
	return strings.Join(paths, ", ")
}

// Each file has one kind of fault. Fields that are not given have the values of
// small.
func TestFaults(t *testing.T) {
	t.Parallel()
	const (
		kafka   = "kafka: {brokers: [\"127.0.0.1:9092\"]}\n"
		streams = "streams: {a: {topic: a}}\n"
		grants  = "grants: [{anonymous: true, subscribe: [\"*\"]}]\n"
		base    = kafka + streams + grants
		issuer  = "{issuer: i, audience: s, algorithms: [HS256], secret_file: good.key}"
	)
	for name, c := range map[string]struct {
		file string
		want []string // every fault, by its beginning
	}{
		"not YAML":                 {"a: [", []string{"did not find expected node content"}},
		"a list":                   {"[a]", []string{"DIR/sluice.yaml: expected fields at the top level, got a list"}},
		"two documents":            {base + "---\n" + base, []string{"DIR/sluice.yaml: expected one YAML document"}},
		"a key twice":              {base + "listen: :1\nlisten: :2\n", []string{`mapping key "listen" already defined at line 4`}},
		"nothing at all":           {"", []string{"auth/issuers: is missing", "grants: is missing", "kafka/brokers: is missing", "streams: is missing"}},
		"unknown section":          {base + "limts: {}\n", []string{`limts: unknown key, did you mean "limits"?`}},
		"unknown, nothing near":    {base + "frobnicate: 1\n", []string{"frobnicate: unknown key"}},
		"key in capitals":          {base + "Listen: :1\n", []string{`Listen: unknown key, did you mean "listen"?`}},
		"no value":                 {base + "listen:\n", []string{"listen: has no value"}},
		"no value in a list":       {base + "origins: [null]\n", []string{"origins/0: has no value"}},
		"empty optional section":   {base + "tls:\n", []string{"tls: has no value"}},
		"section as text":          {base + "limits: all\n", []string{"limits: expected a section of fields, got a string"}},
		"table as list":            {kafka + grants + "streams: [a]\n", []string{"streams: expected a mapping of names to sections, got a list"}},
		"entry as text":            {kafka + grants + "streams: {a: b}\n", []string{"streams/a: expected a section of fields, got a string"}},
		"list as text":             {base + "origins: https://a.example\n", []string{"origins: expected a list, got a string"}},
		"sections as text":         {kafka + streams + "grants: all\n", []string{"grants: expected a list of sections, got a string"}},
		"token without issuers":    {kafka + streams + "grants: [{anonymous: true, subscribe: [a]}, {when: {a: b}, publish: [a]}]\n", []string{"grants/1/when: tokens cannot be verified without auth/issuers"}},
		"redact, no path":          {kafka + streams + "grants: [{anonymous: true, subscribe: [a], redact: [card]}]\n", []string{`grants/0/redact: the path "card" begins neither with a slash`}},
		"mask, no header":          {kafka + streams + "grants: [{anonymous: true, subscribe: [a], mask: [headers.]}]\n", []string{"grants/0/mask: the path names no header"}},
		"publish_filter: offset":   {kafka + streams + "grants: [{anonymous: true, publish: [a], publish_filter: \"data.n > 1 && offset > 7\"}]\n", []string{"grants/0/publish_filter: line 1, column 15: offset is not known of a record that is to be published"}},
		"redact without subscribe": {kafka + streams + "grants: [{anonymous: true, publish: [a], redact: [/a]}]\n", []string{"grants/0/redact: redact requires subscribe"}},
		"mask without subscribe":   {kafka + streams + "grants: [{anonymous: true, publish: [a], mask: [/a]}]\n", []string{"grants/0/mask: mask requires subscribe"}},
		"admin of every token":     {kafka + streams + "auth: {issuers: [" + issuer + "]}\ngrants: [{when: {}, admin: true}]\n", []string{"grants/0/admin: requires claims in when"}},
		"admin without a token":    {kafka + streams + "listen: \":80\"\ngrants: [{anonymous: true, admin: true}]\n", []string{"grants/0/admin: cannot be combined with anonymous: \":80\" is not on loopback"}},
		"admin behind a proxy":     {kafka + streams + "trusted_proxies: [127.0.0.0/8]\ngrants: [{anonymous: true, admin: true}]\n", []string{"grants/0/admin: cannot be combined with anonymous: everybody who can connect to trusted_proxies"}},
		"redact twice":             {kafka + streams + "grants: [{anonymous: true, subscribe: [a], redact: [/a, /a]}]\n", []string{"grants/0/redact: contains a value twice"}},
		"redacted and masked":      {kafka + streams + "grants: [{anonymous: true, subscribe: [a], redact: [/a], mask: [/a]}]\n", []string{`grants/0/mask: together with redact: the path "/a" is there twice`}},
		"paths too many":           {kafka + streams + "grants: [{anonymous: true, subscribe: [a], redact: [" + manyPaths(40, "a") + "], mask: [" + manyPaths(40, "b") + "]}]\n", []string{"grants/0/mask: together with redact: there are more than 64 paths"}},
		"rack as number":           {streams + grants + "kafka: {brokers: [\"b:1\"], rack: 1}\n", []string{"kafka/rack: expected a string, got a number: quote the value"}},
		"bool as text":             {base + "auth: {access_token_in_query: \"yes\"}\n", []string{"auth/access_token_in_query: expected true or false, got a string"}},
		"number with a fraction":   {base + "limits: {json_depth: 8.5}\n", []string{"limits/json_depth: expected a whole number, got a number"}},
		"span without a unit":      {base + "limits: {ping_every: 25}\n", []string{"limits/ping_every: expected a duration with a unit"}},
		"span out of bounds":       {base + "limits: {ping_every: 25h}\n", []string{"limits/ping_every: 25h is neither 0 nor between 1s and 1h"}},
		"negative size":            {base + "limits: {message_bytes: -1}\n", []string{"limits/message_bytes: expected a size"}},
		"size out of bounds":       {base + "limits: {cursor_bytes: 1}\n", []string{"limits/cursor_bytes: 1B is neither 0 nor between 256B and 64KiB"}},
		"stream over all logs":     {base + "limits: {stream_log: 1GiB}\n", []string{"limits/stream_log: 1GiB is more than limits/log_memory, 512MiB"}},
		"no bound for logs":        {base + "limits: {stream_log: 0, log_memory: 0}\n", []string{"limits/log_memory: one of"}},
		"log of one stream":        {kafka + grants + "streams: {a: {topic: a, log_bytes: 1GiB}}\n", []string{"streams/a/log_bytes: 1GiB is more than limits/log_memory"}},
		"pong later than ping":     {base + "limits: {ping_every: 5s}\n", []string{"limits/pong_within: 10s is longer than limits/ping_every, 5s"}},
		"network":                  {base + "trusted_proxies: [proxy]\n", []string{`trusted_proxies/0: "proxy" is not a network`}},
		"network twice":            {base + "trusted_proxies: [10.0.0.0/8, 10.0.0.0/8]\n", []string{"trusted_proxies: contains a value twice"}},
		"origin null":              {base + "origins: [\"null\"]\n", []string{`origins/0: "null" is not a web origin`}},
		"origin with a path":       {base + "origins: [\"https://a.example/\"]\n", []string{"origins/0: "}},
		"origin with its own port": {base + "origins: [\"https://a.example:443\"]\n", []string{"origins/0: "}},
		"origin with a wildcard":   {base + "origins: [\"https://*.example\"]\n", []string{"origins/0: "}},
		"same address twice":       {base + "admin: {listen: 127.0.0.1:8080}\n", []string{"admin/listen: is the same as listen"}},
		"autocert":                 {base + "autocert: {hosts: [a.example]}\n", []string{"autocert: automatic certificates are in tls/acme"}},
		"autocert in tls":          {base + "tls: {autocert: true}\n", []string{"tls/autocert: automatic", "tls/cert_file: is missing: set cert_file and key_file, certificates, or acme"}},
		"no certificate":           {base + "tls: {}\n", []string{"tls/cert_file: is missing: set cert_file"}},
		"certificate without key":  {base + "tls: {cert_file: good.key}\n", []string{"tls/key_file: is missing"}},
		"key of no certificate":    {base + "tls: {key_file: good.key}\n", []string{"tls/cert_file: is missing"}},
		"certificate twice":        {base + "tls: {cert_file: good.key, key_file: good.key, certificates: [{cert_file: good.key, key_file: good.key}]}\n", []string{"tls/certificates: cannot be combined with cert_file"}},
		"one of the certificates":  {base + "tls: {certificates: [{cert_file: good.key, key_file: good.key}]}\n", []string{"tls/certificates/0/cert_file: load certificate"}},
		"certificates without key": {base + "tls: {certificates: [{cert_file: good.key}]}\n", []string{"tls/certificates/0/key_file: is missing"}},
		"nobody's certificates":    {base + "tls: {cert_file: good.key, key_file: good.key, client_auth: required}\n", []string{"tls/client_ca_file: is missing"}},
		"client authority":         {base + "tls: {cert_file: good.key, key_file: good.key, client_ca_file: good.key}\n", []string{"tls/cert_file: load certificate", "tls/client_ca_file: the file contains no certificate"}},
		"client auth":              {base + "tls: {cert_file: good.key, key_file: good.key, client_ca_file: good.key, client_auth: maybe}\n", []string{`tls/client_auth: "maybe" is not one of optional, required`}},
		"version of TLS":           {base + "tls: {cert_file: good.key, key_file: good.key, min_version: 1.1}\n", []string{`tls/min_version: "1.1" is not one of 1.2, 1.3`}},
		"terms not accepted":       {base + "tls: {acme: {domains: [a.example], cache_dir: acme}}\n", []string{"tls/acme/accept_terms: is missing: read the terms"}},
		"no domains":               {base + "tls: {acme: {cache_dir: acme, accept_terms: true}}\n", []string{"tls/acme/domains: is missing"}},
		"domains of no host":       {base + "tls: {acme: {domains: [\"*.a.example\", A.example, localhost, 127.0.0.1], cache_dir: acme, accept_terms: true}}\n", []string{`tls/acme/domains/0: "*.a.example" is not a host name`, "tls/acme/domains/1: ", "tls/acme/domains/2: ", "tls/acme/domains/3: "}},
		"directory over http":      {base + "tls: {acme: {domains: [a.example], cache_dir: acme, accept_terms: true, directory_url: \"http://a.example/\", email: me}}\n", []string{"tls/acme/directory_url: ", `tls/acme/email: "me" is not an e-mail address`}},
		"open cache":               {base + "tls: {acme: {domains: [a.example], cache_dir: ., accept_terms: true}}\n", []string{"tls/acme/cache_dir: DIR contains private keys and is open to other users"}},
		"cache that is a file":     {base + "tls: {acme: {domains: [a.example], cache_dir: good.key, accept_terms: true}}\n", []string{"tls/acme/cache_dir: DIR/good.key is not a directory"}},
		"certificate":              {base + "tls: {cert_file: good.key, key_file: good.key}\n", []string{"tls/cert_file: load certificate"}},
		"authority":                {streams + grants + "kafka: {brokers: [\"b:1\"], tls: {ca_file: good.key}}\n", []string{"kafka/tls/ca_file: the file contains no certificate"}},
		"key without certificate":  {streams + grants + "kafka: {brokers: [\"b:1\"], tls: {key_file: good.key}}\n", []string{"kafka/tls/cert_file: is missing"}},
		"unverified":               {streams + grants + "kafka: {brokers: [\"b:1\"], tls: {insecure: true}}\n", []string{"kafka/tls/insecure: unknown key"}},
		"a directory":              {streams + grants + "kafka: {brokers: [\"b:1\"], tls: {ca_file: .}}\n", []string{"kafka/tls/ca_file: cannot read DIR: it is a directory"}},
		"broker without port":      {streams + grants + "kafka: {brokers: [broker]}\n", []string{`kafka/brokers/0: "broker" is not an address to connect to`}},
		"broker twice":             {streams + grants + "kafka: {brokers: [\"b:1\", \"b:1\"]}\n", []string{"kafka/brokers: contains a value twice"}},
		"one and several clusters": {streams + grants + "kafka: {brokers: [\"b:1\"], clusters: {x: {brokers: [\"b:1\"]}}}\n", []string{"kafka/clusters: set either"}},
		"clusters, none named":     {streams + grants + "kafka: {clusters: {x: {brokers: [\"b:1\"]}, y: {brokers: [\"b:2\"]}}}\n", []string{"streams/a/cluster: is missing: several clusters are configured, set one of x, y"}},
		"cluster misspelt":         {grants + "kafka: {clusters: {eu: {brokers: [\"b:1\"]}, usa: {brokers: [\"b:2\"]}}}\nstreams: {a: {topic: a, cluster: us}}\n", []string{`streams/a/cluster: "us" is not in kafka/clusters, did you mean "usa"?`}},
		"cluster without brokers":  {streams + grants + "kafka: {clusters: {eu: }}\n", []string{"kafka/clusters/eu/brokers: is missing"}},
		"cluster called default":   {streams + grants + "kafka: {clusters: {default: {brokers: [\"b:1\"]}}}\n", []string{"kafka/clusters/default: "}},
		"sasl mechanism":           {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: SCRAM-SHA-265, username: u, password_file: good.key}}\n", []string{`kafka/sasl/mechanism: "SCRAM-SHA-265" is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, AWS_MSK_IAM, did you mean "SCRAM-SHA-256"?`}},
		"user without password":    {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: PLAIN, username: u}}\n", []string{"kafka/sasl/password_file: is missing: file"}},
		"password and tokens":      {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: PLAIN, username: u, password_file: good.key, oauth: {token_file: good.key}}}\n", []string{"kafka/sasl/oauth: has no use for the mechanism PLAIN"}},
		"tokens from nowhere":      {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER}}\n", []string{"kafka/sasl/oauth: is missing: where tokens come from"}},
		"tokens from nothing":      {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {}}}\n", []string{"kafka/sasl/oauth/token_url: is missing: set token_url or token_file"}},
		"tokens from two places":   {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {token_url: \"https://a.example/\", token_file: good.key}}}\n", []string{"kafka/sasl/oauth/token_file: cannot be combined with token_url"}},
		"token endpoint over http": {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {token_url: \"http://a.example/\", client_id: c, client_secret_file: good.key}}}\n", []string{"kafka/sasl/oauth/token_url: \"http://a.example/\" is not an https URL"}},
		"client without secret":    {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {token_url: \"https://a.example/\", client_id: c}}}\n", []string{"kafka/sasl/oauth/client_secret_file: is missing"}},
		"client secret inline":     {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {token_url: \"https://a.example/\", client_id: c, client_secret: hunter2}}}\n", []string{"kafka/sasl/oauth/client_secret: secrets are read from files: set client_secret_file", "kafka/sasl/oauth/client_secret_file: is missing"}},
		"file and a scope":         {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {token_file: good.key, scope: kafka}}}\n", []string{"kafka/sasl/oauth/token_file: cannot be combined with what is for token_url"}},
		"parameter of ours":        {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {token_url: \"https://a.example/\", client_id: c, client_secret_file: good.key, parameters: {Grant_Type: password}}}}\n", []string{"kafka/sasl/oauth/parameters: Grant_Type is set by the server"}},
		"extension of ours":        {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {token_file: good.key, extensions: {auth: x}}}}\n", []string{"kafka/sasl/oauth/extensions: the extension auth is reserved"}},
		"extension with a break":   {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: OAUTHBEARER, oauth: {token_file: good.key, extensions: {a: \"x\\u0001auth=y\"}}}}\n", []string{"kafka/sasl/oauth/extensions: the value of extension a is not"}},
		"aws without tls":          {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: AWS_MSK_IAM, aws: {region: eu-west-1}}}\n", []string{"kafka/tls: is missing: MSK accepts"}},
		"aws without region":       {streams + grants + "kafka: {brokers: [\"b:1\"], tls: {}, sasl: {mechanism: AWS_MSK_IAM, aws: {}}}\n", []string{"kafka/sasl/aws/region: is missing"}},
		"aws in a cluster":         {grants + "kafka: {clusters: {eu: {brokers: [\"b:1\"], tls: {}, sasl: {mechanism: AWS_MSK_IAM, aws: {region: \"eu-west-1.evil.example\", role_arn: me, external_id: x}}}}}\nstreams: {a: {topic: a}}\n", []string{"kafka/clusters/eu/sasl/aws/region: ", "kafka/clusters/eu/sasl/aws/role_arn: "}},
		"external id, no role":     {streams + grants + "kafka: {brokers: [\"b:1\"], tls: {}, sasl: {mechanism: AWS_MSK_IAM, aws: {region: eu-west-1, external_id: x}}}\n", []string{"kafka/sasl/aws/external_id: requires role_arn"}},
		"empty password":           {streams + grants + "kafka: {brokers: [\"b:1\"], sasl: {mechanism: PLAIN, username: u, password_file: empty.key}}\n", []string{"kafka/sasl/password_file: DIR/empty.key is empty"}},
		"redis scheme":             {base + "redis: {url: \"http://127.0.0.1\"}\n", []string{"redis/url: expected a Redis URL"}},
		"redis without place":      {base + "redis: {username: u}\n", []string{"redis/url: is missing"}},
		"redis twice":              {base + "redis: {url: \"redis://127.0.0.1:1\", cluster: [\"b:1\"]}\n", []string{"redis/url: set only one of"}},
		"redis sentinel":           {base + "redis: {sentinel: {adresses: [\"b:1\"]}}\n", []string{"redis/sentinel/addresses: is missing", `redis/sentinel/adresses: unknown key, did you mean "addresses"?`, "redis/sentinel/master: is missing"}},
		"redis tls and no tls":     {base + "redis: {url: \"redis://127.0.0.1:1\", tls: {}}\n", []string{"redis/tls: requires a rediss:// url"}},
		"redis password twice":     {base + "redis: {url: \"redis://:hunter2@127.0.0.1:1\", password_file: good.key}\n", []string{"redis/password_file: the url already contains a password"}},
		"issuer without keys":      {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [RS256]}]}\n", []string{"auth/issuers/0/issuer: has no keys"}},
		"issuer with two keys":     {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [HS256], secret_file: good.key, jwks_file: good.key}]}\n", []string{"auth/issuers/0/secret_file: cannot be combined with jwks_file"}},
		"issuer without audience":  {base + "auth: {issuers: [{issuer: i, algorithms: [HS256], secret_file: good.key}]}\n", []string{"auth/issuers/0/audience: is missing"}},
		"issuer twice":             {base + "auth: {issuers: [" + issuer + ", " + issuer + "]}\n", []string{"auth/issuers: two entries have the same issuer"}},
		"algorithm none":           {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [none], secret_file: good.key}]}\n", []string{"auth/issuers/0/algorithms: secret_file can be used", `auth/issuers/0/algorithms/0: "none" is not one of HS256`}},
		"algorithm of another key": {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [RS256], secret_file: good.key}]}\n", []string{"auth/issuers/0/algorithms: secret_file can be used with HS256 only"}},
		"short secret":             {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [HS256], secret_file: short.key}]}\n", []string{"auth/issuers/0/secret_file: contains 9 bytes: an HS256 secret requires at least 32"}},
		"missing secret":           {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [HS256], secret_file: no.key}]}\n", []string{"auth/issuers/0/secret_file: cannot read DIR/no.key: no such file or directory"}},
		"inline secret":            {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [HS256], secret: hunter2}]}\n", []string{"auth/issuers/0/issuer: has no keys", "auth/issuers/0/secret: secrets are read from files: set secret_file"}},
		"keys over http":           {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [RS256], jwks_url: \"http://id.example.com/\"}]}\n", []string{"auth/issuers/0/jwks_url: "}},
		"discovery of a name":      {base + "auth: {issuers: [{issuer: i, audience: s, algorithms: [RS256], discovery: true}]}\n", []string{`auth/issuers/0/issuer: "i" is not an https URL`}},
		"discovery over http":      {base + "auth: {issuers: [{issuer: \"http://id.example.com\", audience: s, algorithms: [RS256], discovery: true}]}\n", []string{"auth/issuers/0/issuer: "}},
		"discovery and a query":    {base + "auth: {issuers: [{issuer: \"https://id.example.com?a\", audience: s, algorithms: [RS256], discovery: true}]}\n", []string{"auth/issuers/0/issuer: "}},
		"discovery and a file":     {base + "auth: {issuers: [{issuer: \"https://id.example.com\", audience: s, algorithms: [RS256], discovery: true, jwks_file: good.key}]}\n", []string{"auth/issuers/0/jwks_file: cannot be combined with discovery"}},
		"webhook without url":      {base + "auth: {webhook: {events: [connect]}}\n", []string{"auth/webhook/url: is missing"}},
		"webhook over http":        {base + "auth: {webhook: {url: \"http://app.example.com/x\", events: [connect]}}\n", []string{"auth/webhook/url: "}},
		"webhook without events":   {base + "auth: {webhook: {url: \"https://app.example.com/x\"}}\n", []string{"auth/webhook/events: is missing"}},
		"webhook event":            {base + "auth: {webhook: {url: \"https://app.example.com/x\", events: [ack]}}\n", []string{`auth/webhook/events/0: "ack" is not one of connect, subscribe, publish`}},
		"webhook header":           {base + "auth: {webhook: {url: \"https://app.example.com/x\", events: [connect], headers: [cookie]}}\n", []string{"auth/webhook/headers/0: cookie can hold a credential"}},
		"webhook header name":      {base + "auth: {webhook: {url: \"https://app.example.com/x\", events: [connect], headers: [\"a b\"]}}\n", []string{`auth/webhook/headers/0: "a b" is not the name of a header`}},
		"webhook headers, unused":  {base + "auth: {webhook: {url: \"https://app.example.com/x\", events: [publish], headers: [X-A]}}\n", []string{"auth/webhook/headers: headers are passed on with connect"}},
		"webhook secret":           {base + "auth: {webhook: {url: \"https://app.example.com/x\", events: [publish], secret_file: short.key}}\n", []string{"auth/webhook/secret_file: it is shorter than 24 bytes"}},
		"webhook timeout":          {base + "auth: {webhook: {url: \"https://app.example.com/x\", events: [publish], timeout: 1m}}\n", []string{"auth/webhook/timeout: 1m is not between 10ms and 30s"}},
		"webhook is an issuer":     {base + "auth: {issuers: [{issuer: webhook, audience: s, algorithms: [HS256], secret_file: good.key}], webhook: {url: \"https://app.example.com/x\", events: [connect]}}\n", []string{`auth/webhook: "webhook" is already the issuer of auth/issuers/0`}},
		"rights, no identities":    {kafka + streams + "grants: [{when: {a: b}, subscribe: [a]}]\nauth: {webhook: {url: \"https://app.example.com/x\", events: [publish]}}\n", []string{"auth/issuers: is missing"}},
		"forwarded, no proxies":    {base + "auth: {forwarded: {subject_header: X-User}}\n", []string{"trusted_proxies: is missing"}},
		"forwarded, nothing":       {base + "trusted_proxies: [10.0.0.0/8]\nauth: {forwarded: {}}\n", []string{"auth/forwarded/subject_header: is missing"}},
		"forwarded, claims alone":  {base + "trusted_proxies: [10.0.0.0/8]\nauth: {forwarded: {client_certificate_header: Client-Cert, claims_headers: {a: X-A}}}\n", []string{"auth/forwarded/subject_header: is missing: claims_headers"}},
		"forwarded, list misspelt": {base + "trusted_proxies: [10.0.0.0/8]\nauth: {forwarded: {subject_header: X-User, claims_headers: {groups: X-A}, list_claims: [group]}}\n", []string{`auth/forwarded/list_claims: "group" is not in claims_headers, did you mean "groups"?`}},
		"forwarded, reserved":      {base + "trusted_proxies: [10.0.0.0/8]\nauth: {forwarded: {subject_header: authorization}}\n", []string{"auth/forwarded/subject_header: the headers cannot be used: check headers: Authorization has another meaning"}},
		"forwarded, claim sub":     {base + "trusted_proxies: [10.0.0.0/8]\nauth: {forwarded: {subject_header: X-User, claims_headers: {sub: X-A}}}\n", []string{"auth/forwarded/subject_header: the headers cannot be used"}},
		"forwarded is an issuer":   {base + "trusted_proxies: [10.0.0.0/8]\nauth: {issuers: [{issuer: forwarded, audience: s, algorithms: [HS256], secret_file: good.key}], forwarded: {subject_header: X-User}}\n", []string{`auth/forwarded: "forwarded" is already the issuer of auth/issuers/0`}},
		"open by omission":         {kafka + streams + "grants: [{when: {a: b}, subscribe: [a]}]\n", []string{"auth/issuers: is missing"}},
		"no grants":                {kafka + streams + "auth: {issuers: [" + issuer + "]}\n", []string{"grants: is missing"}},
		"grant for nobody":         {kafka + streams + "auth: {issuers: [" + issuer + "]}\ngrants: [{subscribe: [a]}]\n", []string{"grants/0/when: is missing"}},
		"grant of nothing":         {kafka + streams + "grants: [{anonymous: true}]\n", []string{"grants/0/subscribe: the grant allows nothing"}},
		"grant for both":           {kafka + streams + "auth: {issuers: [" + issuer + "]}\ngrants: [{anonymous: true, when: {a: b}, subscribe: [a]}]\n", []string{"grants/0/anonymous: cannot be combined with when"}},
		"replay of nothing":        {kafka + streams + "grants: [{anonymous: true, publish: [a], replay: 24h}]\n", []string{"grants/0/replay: replay requires subscribe"}},
		"claim as number":          {kafka + streams + "auth: {issuers: [" + issuer + "]}\ngrants: [{when: {level: 3}, publish: [a]}]\n", []string{"grants/0/when/level: expected a string, got a number: quote the value"}},
		"pattern":                  {kafka + streams + "grants: [{anonymous: true, publish: [\"a b\"]}]\n", []string{`grants/0/publish/0: "a b" is not a stream's name`}},
		"stream name":              {kafka + grants + "streams: {a/b: {topic: a}}\n", []string{`streams/a/b: "a/b" is not a stream's name`}},
		"stream name is a number":  {kafka + grants + "streams: {2024: {topic: a, content: xml}}\n", []string{`streams/2024/content: "xml" is not one of json, text, bytes`}},
		"stream without fields":    {kafka + grants + "streams: {a: }\n", []string{"streams/a/topic: is missing"}},
		"no streams":               {kafka + grants + "streams: {}\n", []string{"streams: is missing"}},
		"topic":                    {kafka + grants + "streams: {a: {topic: \"a b\"}}\n", []string{`streams/a/topic: "a b" is not a Kafka topic`}},
		"partitions":               {kafka + grants + "streams: {a: {topic: a, partitions: -1}}\n", []string{"streams/a/partitions: -1 is not between 1 and 10000"}},
		"kafka principal":          {base + "auth: {kafka_acls: {principal: \"User:all\"}}\n", []string{`auth/kafka_acls/principal: "User:all" is not a principal of Kafka with a claim in it, such as User:{sub}`}},
		"kafka principal's type":   {base + "auth: {kafka_acls: {principal: \"{sub}\"}}\n", []string{`auth/kafka_acls/principal: "{sub}" is not a principal`}},
		"kafka principal missing":  {base + "auth: {kafka_acls: {}}\n", []string{"auth/kafka_acls/principal: is missing"}},
		"adjacent claims":          {base + "auth: {kafka_acls: {principal: \"User:{a}{b}\"}}\n", []string{"auth/kafka_acls/principal: "}},
		"ACLs too old":             {base + "auth: {kafka_acls: {principal: \"User:{sub}\", refresh: 10m}}\n", []string{"auth/kafka_acls/max_age: 5m is shorter than auth/kafka_acls/refresh, 10m"}},
		"every user is super":      {base + "auth: {kafka_acls: {principal: \"User:{sub}\", super_users: [\"User:*\", admin]}}\n", []string{`auth/kafka_acls/super_users/0: "User:*" is not a principal of Kafka`, `auth/kafka_acls/super_users/1: "admin" is not`}},
		"ACLs without tokens":      {kafka + streams + "auth: {kafka_acls: {principal: \"User:{sub}\"}}\n", []string{"auth/issuers: is missing"}},
		"drain":                    {base + "drain: {timeout: 5s}\n", []string{"drain/spread: 10s is longer than drain/timeout, 5s"}},
		"log format":               {base + "log: {format: jason}\n", []string{`log/format: "jason" is not one of json, text, did you mean "json"?`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, dir, err := load(t, map[string]string{
				"sluice.yaml": c.file,
				"good.key":    strings.Repeat("k", 32) + "\n",
				"short.key":   "too short\n",
				"empty.key":   "\n",
			}, nil)
			var faults config.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			text := placeless(strings.ReplaceAll(err.Error(), dir, "DIR"))
			if strings.Contains(text, "hunter2") {
				t.Error("a fault shows a secret")
			}
			lines := strings.Split(text, "\n  ")[1:]
			if len(lines) != len(c.want) {
				t.Fatalf("got %d faults, want %d:\n%s", len(lines), len(c.want), strings.Join(lines, "\n"))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("got  %s\nwant %s…", lines[i], want)
				}
			}
		})
	}
}
