package config

import (
	"regexp"
	"time"

	"github.com/go-playground/validator/v10"

	"sluice/auth"
)

// KafkaACLs configures rights that come from the ACLs of the Kafka clusters.
type KafkaACLs struct {
	Principal  string        `koanf:"principal" validate:"required,kafka_principal" doc:"Kafka principal of a client: User: and a name made of claims in braces, such as User:{sub} or User:{/realm/user}. A client without such a claim, or with a value that cannot be a part of a principal, has no rights from ACLs"`
	Refresh    time.Duration `koanf:"refresh" default:"30s" validate:"between=1s..1h" doc:"within which time a change of the ACLs takes effect"`
	MaxAge     time.Duration `koanf:"max_age" default:"5m" validate:"between=1s..24h" doc:"how long a cluster's ACLs allow anything after they were last read; what they deny stays denied. At least refresh"`
	Replay     Replay        `koanf:"replay" default:"0s" validate:"omitempty,between=1s..36500d" doc:"how far back streams that ACLs allow to read can be replayed: a duration, or unlimited. 0 allows only limits/resume_window"`
	SuperUsers []string      `koanf:"super_users" validate:"unique,dive,kafka_user" doc:"principals with all rights on all streams, whatever the ACLs say, as in the brokers' super.users: User:name"`
}

// checkKafkaACLs checks that ACLs are read before they are too old.
func checkKafkaACLs(level validator.StructLevel) {
	if a := level.Current().Interface().(KafkaACLs); a.MaxAge < a.Refresh {
		conflict(level, "max_age", "%s is shorter than auth/kafka_acls/refresh, %s", FormatDuration(a.MaxAge), FormatDuration(a.Refresh))
	}
}

// isKafkaPrincipal accepts templates of principals of the type User, which is the only
// one that Kafka's own authentication makes.
func isKafkaPrincipal(text string) bool {
	_, err := auth.NewTemplate(text)
	return err == nil && kafkaUser.MatchString(text)
}

func isKafkaUser(text string) bool { return text != "User:*" && kafkaUser.MatchString(text) }

var kafkaUser = regexp.MustCompile(`^User:[^\s\pC]([^\pC]{0,254}[^\s\pC])?$`)
