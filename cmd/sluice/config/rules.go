package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/redis/go-redis/v9"

	"sluice/cmd/sluice/certificates"
	"sluice/hub/ingest"
)

// rule is a check of one value that validate tags can name. what describes a valid
// value.
type rule struct {
	check func(text string) bool
	what  string
}

var rules = map[string]rule{
	"listen_address":     {func(s string) bool { return isAddress(s, true) }, "an address to listen on, such as 127.0.0.1:8080 or :8080"},
	"dial_address":       {func(s string) bool { return isAddress(s, false) }, "an address to connect to, host:port"},
	"origin":             {isOrigin, "a web origin as browsers send it: scheme://host[:port] in lower case, without a path and without the scheme's default port"},
	"stream_name":        {regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`).MatchString, "a stream's name: up to 128 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"},
	"cluster_name":       {isClusterName, "a cluster's name: up to 64 of A-Z a-z 0-9 _ -, but not " + DefaultCluster},
	"keyset_name":        {clusterName.MatchString, "a keyset's name: up to 64 of A-Z a-z 0-9 _ -, beginning with a letter or digit"},
	"vault_mount":        {regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,7}$`).MatchString, "a path such as transit"},
	"vault_key":          {regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$`).MatchString, "the name of a key: up to 128 of A-Z a-z 0-9 . _ -"},
	"stream_pattern":     {isPattern, "a stream's name, in which up to 8 * match any number of characters"},
	"topic_name":         {isTopicTemplate, "a Kafka topic: up to 249 of A-Z a-z 0-9 . _ -, in which {tenant} stands once for a tenant of up to 63"},
	"tenant_host":        {isTenantHost, "a host name in lower case that begins with {tenant}., such as {tenant}.example.com"},
	"redis_url":          {isRedisURL, "a Redis URL: redis:// or rediss://[user[:password]@]host:port[/db]"},
	"jwks_url":           {isJWKSURL, "an https URL without user name and password; http is allowed on loopback only"},
	"kafka_principal":    {isKafkaPrincipal, "a principal of Kafka with a claim in it, such as User:{sub}; between two claims there is a text"},
	"kafka_user":         {isKafkaUser, "a principal of Kafka, such as User:admin"},
	"readable_file":      {isReadableFile, ""},
	"host_name":          {regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`).MatchString, "a host name in lower case, without a port"},
	"domain_name":        {isHostName, "a host name in lower case with at least one dot; names in other scripts are written in ASCII (xn--…)"},
	"directory_url":      {certificates.IsDirectoryURL, "an https URL without user name and password; http is allowed on loopback only"},
	"registry_name":      {clusterName.MatchString, "a registry's name: up to 64 of A-Z a-z 0-9 _ -, beginning with a letter or digit"},
	"registry_url":       {isRegistryURL, "an http or https URL without user name, password and query"},
	"subject_name":       {isSubjectName, "the name of a subject or record: up to 255 characters of printable ASCII without / \\ and spaces"},
	"schema_version":     {isSchemaVersion, "latest, or the number of a version"},
	"email":              {isEmail, "an e-mail address"},
	"uri_reference":      {isURIReference, "a URI reference, such as /sluice/eu-1: printable ASCII without spaces, quotes and brackets"},
	"service_url":        {isJWKSURL, "an https URL without user name and password; http is allowed on loopback only"},
	"aws_region":         {awsRegion, "an AWS region, such as eu-west-1"},
	"aws_role":           {awsRole, "the ARN of an IAM role, arn:aws:iam::123456789012:role/NAME"},
	"aws_session":        {awsSession, "the name of a role's session: 2 to 64 of A-Z a-z 0-9 + = , . @ _ -"},
	"correlation_header": {isCorrelationHeader, "the name of a header that clients may use: neither traceparent nor one that begins with " + ingest.ReservedHeaderPrefix},
	"header_name":        {regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$").MatchString, "the name of a header"},
}

var validate = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, option, _ := strings.Cut(f.Tag.Get("koanf"), ",")
		if option == "squash" {
			return squashed
		}
		return name
	})
	v.RegisterCustomTypeFunc(func(field reflect.Value) any {
		return field.Interface().(SecretURL).Reveal()
	}, SecretURL{})
	register := func(name string, check validator.Func) {
		if err := v.RegisterValidation(name, check); err != nil {
			panic("register rule " + name + ": " + err.Error())
		}
	}
	for name, r := range rules {
		register(name, func(level validator.FieldLevel) bool { return r.check(level.Field().String()) })
	}
	register("between", func(level validator.FieldLevel) bool {
		low, high := bounds(level.Field().Type(), level.Param())
		n := level.Field().Int()
		return low <= n && n <= high || level.Field().Type() == reflect.TypeFor[Replay]() && Replay(n) == Unlimited
	})
	v.RegisterStructValidation(checkSchema, Schema{})
	v.RegisterStructValidation(checkRegistry, Registry{})
	v.RegisterStructValidation(checkServerTLS, ServerTLS{})
	v.RegisterStructValidation(checkACME, ACME{})
	v.RegisterStructValidation(checkIssuer, Issuer{})
	v.RegisterStructValidation(checkGrant, Grant{})
	v.RegisterStructValidation(checkWebhook, Webhook{})
	v.RegisterStructValidation(checkForwarded, Forwarded{})
	v.RegisterStructValidation(checkDrain, Drain{})
	v.RegisterStructValidation(checkCluster, Cluster{})
	v.RegisterStructValidation(checkSASL, SASL{})
	v.RegisterStructValidation(checkSASLOAuth, SASLOAuth{})
	v.RegisterStructValidation(checkSASLAWS, SASLAWS{})
	v.RegisterStructValidation(checkRedis, Redis{})
	v.RegisterStructValidation(checkLimits, Limits{})
	v.RegisterStructValidation(checkQuota, Quota{})
	v.RegisterStructValidation(checkKafkaACLs, KafkaACLs{})
	v.RegisterStructValidation(checkIngestHeaders, IngestHeaders{})
	return v
})

// checkRules validates every field by its tags, and every section by the rules of
// consistency.go.
func checkRules(c *Config, f *faults) {
	var broken validator.ValidationErrors
	if err := validate().Struct(c); err == nil {
		return
	} else if !errors.As(err, &broken) {
		f.add("", "%s", err)
		return
	}
	for _, b := range broken {
		path := pathOf(strings.TrimPrefix(b.Namespace(), "Config."))
		f.addOnce(path, "%s", explain(b, path))
	}
}

// explain returns what a valid value would be.
func explain(b validator.FieldError, path string) string {
	switch b.Tag() {
	case consistent:
		return b.Param()
	case "required", "required_with", "min":
		if n := find(path); n != nil && n.doc != "" {
			return "is missing: " + n.doc
		}
		return "is missing"
	case "oneof":
		words := strings.Fields(b.Param())
		return fmt.Sprintf("%s is not one of %s%s", show(b.Value()), strings.Join(words, ", "), suggest(fmt.Sprint(b.Value()), words))
	case "between":
		low, high, _ := strings.Cut(b.Param(), "..")
		if n := find(path); n != nil && strings.Contains(n.rules, "omitempty") && strings.HasPrefix(path, "limits/") {
			return fmt.Sprintf("%s is neither 0 nor between %s and %s", show(b.Value()), low, high)
		}
		return fmt.Sprintf("%s is not between %s and %s", show(b.Value()), low, high)
	case "max":
		return "has more than " + b.Param() + " entries"
	case "unique":
		if b.Param() != "" {
			return "two entries have the same " + strings.ToLower(b.Param())
		}
		return "contains a value twice"
	case "readable_file":
		return fileProblem(fmt.Sprint(b.Value()))
	case "redis_url", "registry_url":
		return "expected " + rules[b.Tag()].what
	}
	if r, ok := rules[b.Tag()]; ok {
		return fmt.Sprintf("%s is not %s", show(b.Value()), r.what)
	}
	return fmt.Sprintf("%s breaks the rule %s", show(b.Value()), b.Tag())
}

// show formats a value as in the file, truncated if it is long.
func show(value any) string {
	switch v := value.(type) {
	case time.Duration:
		return FormatDuration(v)
	case Replay:
		return v.String()
	case Size:
		return v.String()
	case Rate:
		return v.String()
	case ByteRate:
		return v.String()
	case int:
		return strconv.Itoa(v)
	}
	return fmt.Sprintf("%.100q", fmt.Sprint(value))
}

// bounds parses the parameter of the rule between: two values of the field's type,
// separated by .., both inclusive.
func bounds(t reflect.Type, param string) (low, high int64) {
	first, last, _ := strings.Cut(param, "..")
	read := func(text string) int64 {
		var (
			n   int64
			err error
		)
		switch t {
		case reflect.TypeFor[time.Duration](), reflect.TypeFor[Replay]():
			var d time.Duration
			d, err = ParseDuration(text)
			n = int64(d)
		case reflect.TypeFor[Size]():
			var s Size
			s, err = ParseSize(text)
			n = int64(s)
		case reflect.TypeFor[Rate]():
			var r Rate
			r, err = ParseRate(text)
			n = int64(r)
		case reflect.TypeFor[ByteRate]():
			var r ByteRate
			r, err = ParseByteRate(text)
			n = int64(r)
		default:
			n, err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil {
			panic("the rule between=" + param + " cannot be read: " + err.Error())
		}
		return n
	}
	return read(first), read(last)
}

func isAddress(s string, listen bool) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " /@") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return false
	}
	return listen || host != "" && n > 0
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return false
	}
	if u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443" {
		return false
	}
	return s == u.Scheme+"://"+u.Host && s == strings.ToLower(s) && !strings.HasSuffix(s, ":") && !strings.Contains(s, "*")
}

func isPattern(s string) bool {
	return pattern.MatchString(s) && strings.Count(s, "*") <= 8
}

var pattern = regexp.MustCompile(`^[A-Za-z0-9*][A-Za-z0-9._*-]{0,127}$`)

func isClusterName(s string) bool {
	return s != DefaultCluster && clusterName.MatchString(s)
}

var clusterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func isTopicName(s string) bool {
	return s != "." && s != ".." && topicName.MatchString(s)
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

func isHostName(s string) bool {
	_, err := netip.ParseAddr(s)
	return err != nil && len(s) <= 253 && hostName.MatchString(s)
}

var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func isEmail(s string) bool {
	address, err := mail.ParseAddress(s)
	return err == nil && address.Address == s
}

func isRedisURL(s string) bool {
	if !strings.HasPrefix(s, "redis://") && !strings.HasPrefix(s, "rediss://") {
		return false
	}
	_, err := redis.ParseURL(s)
	return err == nil
}

func isJWKSURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Host == "" || u.Fragment != "" {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || err == nil && address.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

func isReadableFile(name string) bool { return fileProblem(name) == "" }

// fileProblem returns why a file cannot be read, or an empty text.
func fileProblem(name string) string {
	f, err := os.Open(name)
	if err != nil {
		var at *os.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return fmt.Sprintf("cannot read %s: %s", name, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Sprintf("cannot read %s: %s", name, err)
	case info.IsDir():
		return fmt.Sprintf("cannot read %s: it is a directory", name)
	case !info.Mode().IsRegular() || info.Size() > math.MaxInt32:
		return fmt.Sprintf("cannot read %s: it is not a regular file", name)
	}
	return ""
}
