package stack

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// User may log in to the brokers' SASL_SSL listener with PLAIN, SCRAM-SHA-256
// and SCRAM-SHA-512.
type User struct{ Name, Password string }

// saslConfig adds the SASL_SSL listener's settings. Its keystore is one PEM
// file with key and certificate.
func (s *Stack) saslConfig(config map[string]string) {
	const prefix = "listener.name.sasl."
	var users strings.Builder
	for _, user := range s.Users {
		fmt.Fprintf(&users, " user_%s=%q", user.Name, user.Password)
	}
	config[prefix+"sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
	config[prefix+"plain.sasl.jaas.config"] = "org.apache.kafka.common.security.plain.PlainLoginModule required" + users.String() + ";"
	for _, mechanism := range []string{"scram-sha-256", "scram-sha-512"} {
		config[prefix+mechanism+".sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	}
	config[prefix+"ssl.keystore.type"] = "PEM"
	config[prefix+"ssl.keystore.location"] = s.pki.Both
}

// addSCRAM stores the users' SCRAM credentials in the cluster (KIP-554), with one
// request per mechanism, because a request may name a user only once.
func (s *Stack) addSCRAM(ctx context.Context) error {
	const iterations = 4096
	return s.admin(ctx, func(client *kgo.Client) error {
		for mechanism, hash := range []func() hash.Hash{sha256.New, sha512.New} {
			request := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
			for _, user := range s.Users {
				salt := make([]byte, 16)
				rand.Read(salt)
				salted, err := pbkdf2.Key(hash, user.Password, salt, iterations, hash().Size())
				if err != nil {
					return fmt.Errorf("salt password: %w", err)
				}
				up := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
				up.Name, up.Mechanism, up.Iterations = user.Name, int8(mechanism+1), iterations
				up.Salt, up.SaltedPassword = salt, salted
				request.Upsertions = append(request.Upsertions, up)
			}
			answer, err := request.RequestWith(ctx, client)
			if err != nil {
				return fmt.Errorf("add users: %w", err)
			}
			for _, result := range answer.Results {
				if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
					return fmt.Errorf("add user %s: %w", result.User, err)
				}
			}
		}
		return nil
	})
}

// Allow gives a user rights on a topic, if Options.ACLs is set: any of
// kmsg.ACLOperationRead, Write, Describe and so on. The rights take effect shortly
// after it returns, once every broker has received them.
func (s *Stack) Allow(ctx context.Context, user, topic string, operations ...kmsg.ACLOperation) error {
	request := kmsg.NewPtrCreateACLsRequest()
	for _, operation := range operations {
		creation := kmsg.NewCreateACLsRequestCreation()
		creation.ResourceType = kmsg.ACLResourceTypeTopic
		creation.ResourceName = topic
		creation.ResourcePatternType = kmsg.ACLResourcePatternTypeLiteral
		creation.Principal = "User:" + user
		creation.Host = "*"
		creation.Operation = operation
		creation.PermissionType = kmsg.ACLPermissionTypeAllow
		request.Creations = append(request.Creations, creation)
	}
	return s.admin(ctx, func(client *kgo.Client) error {
		answer, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("allow %s: %w", user, err)
		}
		for _, result := range answer.Results {
			if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
				return fmt.Errorf("allow %s: %w", user, err)
			}
		}
		return nil
	})
}

// Withdraw removes all rights of a user on a topic.
func (s *Stack) Withdraw(ctx context.Context, user, topic string) error {
	principal := "User:" + user
	request := kmsg.NewPtrDeleteACLsRequest()
	filter := kmsg.NewDeleteACLsRequestFilter()
	filter.ResourceType = kmsg.ACLResourceTypeTopic
	filter.ResourceName = &topic
	filter.ResourcePatternType = kmsg.ACLResourcePatternTypeLiteral
	filter.Principal = &principal
	filter.Operation = kmsg.ACLOperationAny
	filter.PermissionType = kmsg.ACLPermissionTypeAny
	request.Filters = append(request.Filters, filter)
	return s.admin(ctx, func(client *kgo.Client) error {
		answer, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("withdraw rights of %s: %w", user, err)
		}
		for _, result := range answer.Results {
			if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
				return fmt.Errorf("withdraw rights of %s: %w", user, err)
			}
		}
		return nil
	})
}
