package mskiam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

var errNone = errors.New("there are none, or they cannot be read: check the variables AWS_…, and aws/credentials_file, aws/profile and aws/metadata of kafka/sasl")

// errForm is the error of an answer that the SDK did not understand.
var errForm = fmt.Errorf("AWS answered in another form, or with more than %d bytes", maxAnswer)

// code is what an error code of AWS looks like.
var code = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.]{0,63}$`)

// describe returns an error that says as much of err as is certainly not secret. The SDK's
// own texts can contain what a program or file printed, and AWS's messages the request.
func describe(ctx context.Context, err error) error {
	var (
		answered smithy.APIError
		status   *smithyhttp.ResponseError
		network  *net.OpError
		dns      *net.DNSError
		profile  config.SharedConfigProfileNotExistError
	)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errTooLarge):
		return errTooLarge
	case errors.Is(err, errRedirect):
		return errRedirect
	case errors.As(err, &answered) && code.MatchString(answered.ErrorCode()):
		return fmt.Errorf("AWS answered %s", answered.ErrorCode())
	case errors.As(err, &status) && status.HTTPStatusCode() == http.StatusOK:
		return errForm
	case errors.As(err, &status):
		return fmt.Errorf("AWS answered with status %d", status.HTTPStatusCode())
	case errors.As(err, &profile):
		return fmt.Errorf("there is no profile %.100q", profile.Profile)
	case errors.As(err, &dns):
		return dns
	case errors.As(err, &network):
		return network
	}
	return errNone
}
