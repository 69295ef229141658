package awsfault

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/credentials"
)

// Explain puts a failed call into words: the action and the resource, and what to do where the code says it. The
// result wraps err.
func Explain(err error, action, resource string) error {
	if none, ok := errors.AsType[*credentials.Error](err); ok {
		return fmt.Errorf("%s: %w", resource, none)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fmt.Errorf("%s on %s: %w", action, resource, err)
	}
	kind := Of(api.ErrorCode())
	if kind == Denied {
		return fmt.Errorf(
			"permission %s on %s is missing: grant it to the role of this process: %w", action, resource, err,
		)
	}
	if kind == Missing {
		return fmt.Errorf(
			"%s does not exist in this region and account (%s): create it or correct its name: %w", resource, action,
			err,
		)
	}
	if _, blamed := credentials.Blames(err); blamed && api.ErrorCode() != credentials.CodeUnavailable {
		return fmt.Errorf("%s on %s: AWS does not accept the credentials of this process: %w", action, resource, err)
	}
	return fmt.Errorf("%s on %s: %w", action, resource, err)
}

// Advise is Explain for a command that a person waits for: where AWS did not answer, it also says what to check.
func Advise(err error, action, resource string) error {
	_, none := errors.AsType[*credentials.Error](err)
	if _, answered := errors.AsType[smithy.APIError](err); none || answered {
		return Explain(err, action, resource)
	}
	return fmt.Errorf("%s: %w; check the credentials, the network, AWS_REGION and the endpoint", resource, err)
}
