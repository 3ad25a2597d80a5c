package config

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"sluice/auth"
	"sluice/hub/kafkalog/bearer"
)

// The mechanisms of SASL that use tokens. AWS_MSK_IAM is OAUTHBEARER with tokens that are
// signed with AWS credentials.
const (
	OAuthBearer = "OAUTHBEARER"
	AWSMSKIAM   = "AWS_MSK_IAM"
)

// SASL configures credentials for Kafka.
type SASL struct {
	Mechanism    string     `koanf:"mechanism" validate:"required,oneof=PLAIN SCRAM-SHA-256 SCRAM-SHA-512 OAUTHBEARER AWS_MSK_IAM" doc:"SASL mechanism. OAUTHBEARER requires oauth, AWS_MSK_IAM requires aws, and the others username and password_file"`
	Username     string     `koanf:"username" doc:"user name, for PLAIN and SCRAM"`
	PasswordFile Path       `koanf:"password_file" validate:"omitempty,readable_file" doc:"file that contains the password, for PLAIN and SCRAM; one trailing line break is ignored. It is read again for each connection"`
	OAuth        *SASLOAuth `koanf:"oauth" doc:"where tokens for OAUTHBEARER come from: a token endpoint (token_url) or a file (token_file)"`
	AWS          *SASLAWS   `koanf:"aws" doc:"which AWS credentials sign the tokens for AWS_MSK_IAM"`

	// Password is the content of PasswordFile when the configuration was loaded.
	Password auth.Secret `koanf:"-" validate:"-"`
}

// SASLOAuth configures where bearer tokens come from.
type SASLOAuth struct {
	TokenURL         string            `koanf:"token_url" validate:"omitempty,service_url" doc:"token endpoint for the client credentials grant (RFC 6749, section 4.4), https, or http on loopback"`
	ClientID         string            `koanf:"client_id" doc:"client ID at the token endpoint"`
	ClientSecretFile Path              `koanf:"client_secret_file" validate:"omitempty,readable_file" doc:"file that contains the client's secret; one trailing line break is ignored. It is read again for each request"`
	ClientAuth       string            `koanf:"client_auth" default:"basic" validate:"oneof=basic body" doc:"where the client's ID and secret are sent: in the Authorization header, or in the body, for servers that require that"`
	Scope            string            `koanf:"scope" doc:"requested scope; if left out, the server's default"`
	Parameters       map[string]string `koanf:"parameters" validate:"max=16" doc:"further parameters of the request, such as audience or resource. They are not secret"`
	TLS              *ClientTLS        `koanf:"tls" doc:"how the token endpoint is verified; if left out, by the system's certificate authorities"`
	TokenFile        Path              `koanf:"token_file" validate:"omitempty,readable_file" doc:"file that contains a token, in place of token_url"`
	TokenFileEvery   time.Duration     `koanf:"token_file_every" default:"10s" validate:"between=1s..1h" doc:"how often token_file is read again"`
	Extensions       map[string]string `koanf:"extensions" validate:"max=16" doc:"SASL extensions to send with each token (RFC 7628, KIP-342), such as logicalCluster. They are not secret"`
	Lifetime         time.Duration     `koanf:"lifetime" default:"5m" validate:"between=10s..24h" doc:"lifetime of tokens that do not say when they end, neither by expires_in nor, as JWTs, by exp"`
	Timeout          time.Duration     `koanf:"timeout" default:"5s" validate:"between=100ms..1m" doc:"timeout of a request to the token endpoint"`
}

// SASLAWS configures the AWS credentials that sign tokens.
type SASLAWS struct {
	Region          string        `koanf:"region" validate:"required,aws_region" doc:"AWS region of the MSK cluster, such as eu-west-1"`
	CredentialsFile Path          `koanf:"credentials_file" validate:"omitempty,readable_file" doc:"shared credentials file of AWS, read again for each token; if left out, credentials come from where the AWS SDK looks: the variables AWS_…, its own files, a web identity, or the endpoint of a container"`
	Profile         string        `koanf:"profile" doc:"profile of the files; it counts before the variables"`
	RoleARN         string        `koanf:"role_arn" validate:"omitempty,aws_role" doc:"role to assume with the credentials"`
	RoleSession     string        `koanf:"role_session" default:"sluice" validate:"aws_session" doc:"name of the role's session"`
	ExternalID      string        `koanf:"external_id" doc:"external ID that the role requires"`
	Metadata        bool          `koanf:"metadata" default:"false" doc:"also use the credentials of the EC2 instance, from its metadata service"`
	Timeout         time.Duration `koanf:"timeout" default:"5s" validate:"between=100ms..1m" doc:"timeout for getting credentials"`
}

var (
	awsRegion  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$`).MatchString
	awsRole    = regexp.MustCompile(`^arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}$`).MatchString
	awsSession = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{2,64}$`).MatchString
)

// checkSASL checks that each mechanism has what it needs, and nothing else.
func checkSASL(level validator.StructLevel) {
	s := level.Current().Interface().(SASL)
	var needs string
	switch s.Mechanism {
	case OAuthBearer:
		needs = "oauth"
	case AWSMSKIAM:
		needs = "aws"
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		needs = "password"
	default:
		return
	}
	for _, section := range []struct {
		name, need string
		given      bool
		missing    string
	}{
		{"username", "password", s.Username != "", "is missing: user name"},
		{"password_file", "password", s.PasswordFile != "", "is missing: file that contains the password; one trailing line break is ignored"},
		{"oauth", "oauth", s.OAuth != nil, "is missing: where tokens come from, a token endpoint (token_url) or a file (token_file)"},
		{"aws", "aws", s.AWS != nil, "is missing: set at least its region"},
	} {
		switch {
		case section.given && section.need != needs:
			conflict(level, section.name, "has no use for the mechanism %s: remove it", s.Mechanism)
		case !section.given && section.need == needs:
			conflict(level, section.name, "%s", section.missing)
		}
	}
}

// checkSASLOAuth checks that there is one source of tokens.
func checkSASLOAuth(level validator.StructLevel) {
	o := level.Current().Interface().(SASLOAuth)
	switch {
	case o.TokenURL == "" && o.TokenFile == "":
		conflict(level, "token_url", "is missing: set token_url or token_file")
	case o.TokenURL != "" && o.TokenFile != "":
		conflict(level, "token_file", "cannot be combined with token_url")
	case o.TokenURL != "" && o.ClientID == "":
		conflict(level, "client_id", "is missing: client ID at the token endpoint")
	case o.TokenURL != "" && o.ClientSecretFile == "":
		conflict(level, "client_secret_file", "is missing: file that contains the client's secret")
	case o.TokenFile != "" && (o.ClientID != "" || o.ClientSecretFile != "" || o.Scope != "" || len(o.Parameters) > 0 || o.TLS != nil):
		conflict(level, "token_file", "cannot be combined with what is for token_url: client_id, client_secret_file, scope, parameters, tls")
	}
	if u, err := url.Parse(o.TokenURL); err == nil && u.Scheme == "http" && o.TLS != nil {
		conflict(level, "tls", "requires an https token_url")
	}
	for _, name := range slices.Sorted(maps.Keys(o.Parameters)) {
		if slices.Contains(bearer.ReservedParameters, strings.ToLower(name)) {
			conflict(level, "parameters", "%s is set by the server, from other fields", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Extensions)) {
		if err := bearer.CheckExtension(name, o.Extensions[name]); err != nil {
			conflict(level, "extensions", "%s", err)
		}
	}
}

// checkSASLAWS checks that what belongs to a role has one.
func checkSASLAWS(level validator.StructLevel) {
	if a := level.Current().Interface().(SASLAWS); a.ExternalID != "" && a.RoleARN == "" {
		conflict(level, "external_id", "requires role_arn")
	}
}

// checkCluster refuses to send signed tokens of AWS in the clear: MSK accepts them over
// TLS only.
func checkCluster(level validator.StructLevel) {
	if c := level.Current().Interface().(Cluster); c.SASL != nil && c.SASL.Mechanism == AWSMSKIAM && c.TLS == nil {
		conflict(level, "tls", "is missing: MSK accepts AWS_MSK_IAM over TLS only; {} uses the system's certificate authorities")
	}
}

// readSASL reads the secrets of a cluster's credentials.
func readSASL(s *SASL, path string, f *faults) {
	if s == nil {
		return
	}
	readSecret(s.PasswordFile, &s.Password, path+"/password_file", f)
	if o := s.OAuth; o != nil {
		var unused auth.Secret // both files are read again whenever they are used
		readSecret(o.ClientSecretFile, &unused, path+"/oauth/client_secret_file", f)
		readSecret(o.TokenFile, &unused, path+"/oauth/token_file", f)
		tryTLS(o.TLS, path+"/oauth/tls", f)
	}
}

// saslWarnings warns of credentials that are sent in the clear.
func (c *Config) saslWarnings() (list []string) {
	all := c.Kafka.All()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		cluster := all[name]
		if cluster.SASL == nil || cluster.TLS != nil || slices.IndexFunc(cluster.Brokers, func(b string) bool { return !onLoopback(b) }) < 0 {
			continue
		}
		if m := cluster.SASL.Mechanism; m == "PLAIN" || m == OAuthBearer {
			list = append(list, "kafka cluster "+name+" is sent credentials by "+m+" without tls: anyone on the network can read and use them")
		}
	}
	return list
}
