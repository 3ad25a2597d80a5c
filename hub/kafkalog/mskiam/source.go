package mskiam

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"sluice/hub/kafkalog/bearer"
)

// Lifetime is how long a token is valid at most. It is that of AWS's signer.
const Lifetime = signer.DefaultExpirySeconds * time.Second

// Config configures a Source.
type Config struct {
	// Region is that of the cluster.
	Region string
	// CredentialsFile is a shared credentials file that is read in place of all other
	// places. Empty for none.
	CredentialsFile string
	// Profile is a profile of the shared files, empty for the default.
	Profile string
	// RoleARN is a role that is assumed with the credentials, empty for none.
	// SessionName names its session, and ExternalID is the external ID, if there is one.
	RoleARN, SessionName, ExternalID string
	// Metadata allows the credentials of the instance, from its metadata service.
	Metadata bool
}

// Source is a bearer.Source of signed requests.
type Source struct {
	config Config
	client *awshttp.BuildableClient
}

var _ bearer.Source = (*Source)(nil)

// New returns the source. It looks for no credentials yet.
func New(config Config) (*Source, error) {
	switch {
	case config.Region == "":
		return nil, errors.New("new MSK IAM source: no region")
	case config.RoleARN != "" && config.SessionName == "":
		return nil, errors.New("new MSK IAM source: no session name for the role")
	}
	return &Source{config: config, client: newClient()}, nil
}

// Token implements bearer.Source.
func (s *Source) Token(ctx context.Context) (bearer.Token, error) {
	found, err := s.credentials(ctx)
	if err != nil {
		return bearer.Token{}, fmt.Errorf("find AWS credentials: %w", describe(ctx, err))
	}
	if found.AccessKeyID == "" || found.SecretAccessKey == "" {
		return bearer.Token{}, fmt.Errorf("find AWS credentials: %w", errNone)
	}
	text, endMillis, err := signer.GenerateAuthTokenFromCredentialsProvider(ctx, s.config.Region, credentials.StaticCredentialsProvider{Value: found})
	if err != nil {
		return bearer.Token{}, fmt.Errorf("sign token for MSK: %w", describe(ctx, err))
	}
	ends := time.UnixMilli(endMillis)
	if found.CanExpire && found.Expires.Before(ends) {
		ends = found.Expires
	}
	return bearer.NewToken(text, ends)
}

// credentials finds the credentials to sign with.
func (s *Source) credentials(ctx context.Context) (aws.Credentials, error) {
	metadata := imds.ClientDisabled
	if s.config.Metadata {
		metadata = imds.ClientEnabled
	}
	options := []func(*config.LoadOptions) error{
		config.WithRegion(s.config.Region),
		config.WithDefaultsMode(aws.DefaultsModeStandard), // the mode "auto" asks the metadata service
		config.WithEC2IMDSClientEnableState(metadata),
		config.WithHTTPClient(s.client),
		// For the endpoint of a container the SDK takes another client by itself.
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = s.client }),
		config.WithLogger(logging.Nop{}),
	}
	profile := s.config.Profile
	if s.config.CredentialsFile != "" {
		options = append(options, config.WithSharedCredentialsFiles([]string{s.config.CredentialsFile}), config.WithSharedConfigFiles([]string{}))
		if profile == "" {
			profile = config.DefaultSharedConfigProfile // the file counts before the environment
		}
	}
	if profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	found, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Credentials{}, err
	}
	if s.config.RoleARN == "" {
		return found.Credentials.Retrieve(ctx)
	}
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(found), s.config.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = s.config.SessionName
		if s.config.ExternalID != "" {
			o.ExternalID = aws.String(s.config.ExternalID)
		}
	}).Retrieve(ctx)
}
