package awsfault

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/credentials"
)

// Explain puts a failed call into words: the action and the resource, and what to do where the code says it. The
// result wraps err.
func Explain(err error, action, resource string) error {
	if none, ok := errors.AsType[*credentials.Error](err); ok {
		if credentials.IsRoleRefused(err) {
			return fmt.Errorf("%s: %w; %s", resource, none, credentials.RoleRemedy)
		}
		return fmt.Errorf("%s: %w", resource, none)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fmt.Errorf("%s on %s: %w", action, resource, err)
	}
	role := credentials.RoleOf(err)
	kind := Of(api.ErrorCode())
	if kind == Denied {
		return fmt.Errorf(
			"permission %s on %s is missing: grant it to %s: %w", action, resource,
			cmp.Or(role, "the role of this process"), err,
		)
	}
	if kind == Missing {
		return fmt.Errorf(
			"%s does not exist %s (%s): create it or correct its name: %w", resource, Place(err), action, err,
		)
	}
	if _, blamed := credentials.Blames(err); blamed && api.ErrorCode() != credentials.CodeUnavailable {
		return fmt.Errorf("%s on %s: AWS does not accept the credentials of %s: %w", action, resource,
			cmp.Or(role, "this process"), err)
	}
	return fmt.Errorf("%s on %s: %w", action, resource, err)
}

// Place says where a call that failed looked for its resource.
func Place(err error) string {
	if role := credentials.RoleOf(err); role != "" {
		return "in this region and the account of " + role
	}
	return "in this region and account"
}

// Granted says to whom a call that was denied has to be granted, where that is a role: ", granted to ROLE".
func Granted(err error) string {
	if role := credentials.RoleOf(err); role != "" {
		return ", granted to " + role
	}
	return ""
}

// Advise is Explain for a command that a person waits for: where AWS did not answer, it also says what to check.
func Advise(err error, action, resource string) error {
	_, none := errors.AsType[*credentials.Error](err)
	if _, answered := errors.AsType[smithy.APIError](err); none || answered {
		return Explain(err, action, resource)
	}
	return fmt.Errorf("%s: %w; check the credentials, the network, AWS_REGION and the endpoint", resource, err)
}
