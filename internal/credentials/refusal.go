package credentials

import (
	"context"
	"errors"
	"slices"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// CodeUnavailable is the error code of a call that had no credentials to be signed with.
const CodeUnavailable = "CredentialsUnavailable"

// refusals are the error codes by which services of AWS say that they do not accept credentials, without "Exception"
// at their end. Sources: the common errors of the Kinesis, DynamoDB, SNS and SQS API references, and "Error responses"
// of S3's.
func refusals() []string {
	return []string{
		"ExpiredToken", "TokenRefreshRequired", "InvalidToken", "RequestExpired",
		"UnrecognizedClient", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidSecurity", "AuthFailure",
		"InvalidSignature", "SignatureDoesNotMatch", "IncompleteSignature",
		"MissingAuthenticationToken", "MissingSecurityHeader",
	}
}

// IsRefusal reports whether an error code means that AWS does not accept the credentials.
func IsRefusal(code string) bool {
	return slices.Contains(refusals(), strings.TrimSuffix(code, "Exception"))
}

// IsCause reports whether the credentials are the cause of an error with this code: they were refused, or there were
// none.
func IsCause(code string) bool { return code == CodeUnavailable || IsRefusal(code) }

// Blames returns the code of an error whose cause is the credentials, and whether it is.
func Blames(err error) (code string, ok bool) {
	api, coded := errors.AsType[smithy.APIError](err)
	switch {
	case !coded:
		return "", false
	case IsCause(api.ErrorCode()):
		return api.ErrorCode(), true
	}
	// Some services deny access where others say that the token is not valid.
	return api.ErrorCode(), strings.Contains(api.ErrorMessage(), "security token included in the request")
}

// proves reports whether the outcome of a call shows that its credentials were accepted.
func proves(err error) bool {
	if err == nil {
		return true
	}
	api, coded := errors.AsType[smithy.APIError](err)
	answer, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return coded && answered && answer.HTTPStatusCode() >= 400 && answer.HTTPStatusCode() < 500 &&
		!strings.Contains(api.ErrorCode(), "Throttl") && !strings.Contains(api.ErrorCode(), "Limit")
}

// Install makes a client report the outcome of its calls to the Provider. It sits inside the retry loop: each attempt
// counts.
func (p *Provider) Install(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("WatchCredentials",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
			middleware.DeserializeOutput, middleware.Metadata, error,
		) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			p.hear(ctx, in.Request, err)
			if err != nil && p.role != "" {
				err = &asRoleError{role: p.role, err: err}
			}
			return out, metadata, err
		}), middleware.Before)
}

// asRoleError is the error of a call that was made as a role.
type asRoleError struct {
	role string
	err  error
}

func (e *asRoleError) Error() string { return e.err.Error() }
func (e *asRoleError) Unwrap() error { return e.err }

// RoleOf is the ARN of the role as which a call that failed was made, or was to be made; empty for the process itself.
func RoleOf(err error) string {
	if none, ok := errors.AsType[*Error](err); ok {
		return none.Role()
	}
	if call, ok := errors.AsType[*asRoleError](err); ok {
		return call.role
	}
	return ""
}

// hear updates the state by the outcome of a call.
func (p *Provider) hear(ctx context.Context, request any, err error) {
	code, refused := "", false
	if err != nil {
		code, refused = Blames(err)
	}
	if !refused && (!p.refusing.Load() || !proves(err)) {
		return // nothing has changed
	}
	r, ok := request.(*smithyhttp.Request)
	if !ok {
		return
	}
	key := signer(r.Header.Get("Authorization"))
	if refused {
		p.refused(ctx, awsmiddleware.GetServiceID(ctx), key, code)
		return
	}
	p.accepted(awsmiddleware.GetServiceID(ctx), key)
}

// signer is the access key id in an Authorization header: AWS4-HMAC-SHA256 Credential=<id>/<day>/..., empty without
// one.
func signer(header string) string {
	_, rest, _ := strings.Cut(header, "Credential=")
	id, _, _ := strings.Cut(rest, "/")
	return id
}
