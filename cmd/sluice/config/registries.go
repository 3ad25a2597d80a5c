package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"sluice/auth"
)

// Registry is a schema registry.
type Registry struct {
	URLs         []string      `koanf:"urls" validate:"required,min=1,max=8,unique,dive,registry_url" doc:"URLs of the instances of the registry, which are tried in this order; https, if there is a credential, or http on loopback"`
	TLS          *ClientTLS    `koanf:"tls" doc:"TLS to the registry; if left out, with the system's authorities. The client certificate is read for each connection, so that it can be exchanged, and ca_file again on SIGHUP"`
	Username     string        `koanf:"username" validate:"required_with=PasswordFile" doc:"user name for basic authentication"`
	PasswordFile Path          `koanf:"password_file" validate:"required_with=Username,omitempty,readable_file" doc:"file that contains the password; one trailing line break is ignored. Read for every request, so that it can be exchanged"`
	TokenFile    Path          `koanf:"token_file" validate:"omitempty,readable_file" doc:"file that contains a bearer token, instead of username; one trailing line break is ignored. Read for every request, so that it can be exchanged"`
	Timeout      time.Duration `koanf:"timeout" default:"5s" validate:"between=100ms..1m" doc:"timeout of a request to one URL"`
	Refresh      time.Duration `koanf:"refresh" default:"1m" validate:"between=1s..24h" doc:"how often the latest versions of subjects are asked for, and how soon schemas again that could not be used"`
	Schemas      int           `koanf:"schemas" default:"2000" validate:"between=10..1000000" unit:"schemas" doc:"schemas, by the ids in values, that are kept; others are asked for again when a value has their id"`
	Memory       Size          `koanf:"memory" default:"64MiB" validate:"between=1MiB..16GiB" doc:"size of the texts of the schemas that are kept by id; one of Protobuf takes about 20 times of it in memory"`
	Awaited      int           `koanf:"awaited" default:"256" validate:"between=1..100000" unit:"schemas" doc:"ids in values whose schemas are awaited at the same time; values with further ids are gaps at once"`
	Wait         time.Duration `koanf:"wait" default:"30s" validate:"between=0s..24h" doc:"how long the reading of a stream waits for the schema of a value, counted from the first value with its id. After that such values are gaps with the reason unreadable, until the schema is known; 0 makes them gaps at once"`
}

// Secret returns how the password or token is read, nil for none.
func (r Registry) Secret() func() (string, error) {
	file := string(r.PasswordFile) + string(r.TokenFile) // there is at most one
	if file == "" {
		return nil
	}
	return func() (string, error) {
		secret, err := auth.ReadSecret(file)
		return secret.Reveal(), err
	}
}

// SchemaSubject returns the subject of the schema of a stream.
func (s Stream) SchemaSubject() string {
	switch {
	case s.Schema.Subject != "":
		return s.Schema.Subject
	case s.Schema.Strategy == "record":
		return s.Schema.Record
	case s.Schema.Strategy == "topic_record":
		return s.Topic + "-" + s.Schema.Record
	}
	return s.Topic + "-value"
}

// HasSubject reports whether the schema of a stream is that of a subject of a registry. Values
// that are shown by the ids of their schemas need none as long as nobody may publish.
func (c *Config) HasSubject(name string) bool {
	stream := c.Streams[name]
	return stream.Schema != nil && stream.Schema.Registry != "" && (!stream.DecodedByID() || c.canBePublished(name))
}

// canBePublished reports whether a grant, or a token, can give the right to publish to a
// stream.
func (c *Config) canBePublished(stream string) bool {
	for _, g := range c.Grants {
		if matchesOne(g.Publish, stream) {
			return true
		}
	}
	for i := range c.Auth.Issuers {
		if matchesOne(c.Auth.Issuers[i].AuthorizationDetails, stream) {
			return true
		}
	}
	return false
}

// SchemaVersion is the version of a subject: a number, or latest.
type SchemaVersion string

// VersionNumber returns the version of the subject, 0 for the latest.
func (s *Schema) VersionNumber() int {
	n, _ := strconv.Atoi(string(s.Version)) // which was checked
	return n
}

// checkRegistry checks that there is one credential, which is not sent in the clear.
func checkRegistry(level validator.StructLevel) {
	r := level.Current().Interface().(Registry)
	if r.TokenFile != "" && (r.Username != "" || r.PasswordFile != "") {
		conflict(level, "token_file", "cannot be combined with username and password_file")
	}
	for _, text := range r.URLs {
		switch {
		case r.Username == "" && r.TokenFile == "":
		case isRegistryURL(text) && !isJWKSURL(text):
			conflict(level, "urls", "%s is not https: the credential would be sent in the clear", show(text))
		}
	}
}

// checkSchema checks that there is one schema, and that the subject has a name.
func checkSchema(level validator.StructLevel) {
	s := level.Current().Interface().(Schema)
	byRecord := s.Strategy == "record" || s.Strategy == "topic_record"
	switch {
	case s.JSON == "" && s.Registry == "":
		conflict(level, "json", "is missing: set json to the file of a schema, or registry to the name of a registry")
	case s.JSON != "" && s.Registry != "":
		conflict(level, "registry", "cannot be combined with json")
	case s.JSON != "" && (s.Subject != "" || s.Record != "" || byRecord || s.Version != "latest"):
		conflict(level, "json", "cannot be combined with subject, strategy, record and version, which need registry")
	case s.Subject != "" && byRecord:
		conflict(level, "subject", "cannot be combined with strategy, which says how a subject is named")
	case byRecord && s.Record == "":
		conflict(level, "record", "is missing: strategy %s names the subject after the record type", s.Strategy)
	}
}

// checkRegistries checks what streams say of registries.
func checkRegistries(c *Config, f *faults) {
	names := slices.Sorted(maps.Keys(c.Registries))
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		stream, path := c.Streams[name], join("streams", name)+"/schema"
		s := stream.Schema
		switch {
		case s == nil || s.Registry == "":
		case !slices.Contains(names, s.Registry):
			f.addOnce(path+"/registry", "%q is not in registries%s", s.Registry, suggest(s.Registry, names))
		case c.HasSubject(name) && strings.Contains(stream.SchemaSubject(), auth.TenantPlaceholder):
			f.addOnce(path+"/subject", "is missing: the topic has %s in its name, and the schema is the same for all tenants", auth.TenantPlaceholder)
		}
	}
}

// readRegistries checks that what is needed to reach registries can be read.
func readRegistries(c *Config, f *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Registries)) {
		r, path := c.Registries[name], join("registries", name)
		tryTLS(r.TLS, path+"/tls", f)
		var unused auth.Secret // it is read again for every request
		readSecret(r.PasswordFile, &unused, path+"/password_file", f)
		readSecret(r.TokenFile, &unused, path+"/token_file", f)
	}
}

// registryWarnings returns warnings about registries that are reached without TLS.
func (c *Config) registryWarnings() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c.Registries)) {
		for _, text := range c.Registries[name].URLs {
			if !isJWKSURL(text) {
				list = append(list, fmt.Sprintf("the schemas of registry %s are fetched from %s without TLS: who can change them on their way decides what can be published", name, text))
			}
		}
	}
	return list
}

func isRegistryURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

func isSubjectName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '/' || c == '\\' {
			return false
		}
	}
	return s != "." && s != ".." && len(s) <= 255
}

func isSchemaVersion(s string) bool {
	n, err := strconv.Atoi(s)
	return s == "latest" || err == nil && n > 0 && n < 1<<31 && s == strconv.Itoa(n)
}
