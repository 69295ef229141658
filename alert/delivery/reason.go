package delivery

import (
	"kinesis-alerter/alert"
	"kinesis-alerter/internal/awsfault"
)

// The reasons for which a call may be made again without a change of the configuration.
const (
	// ReasonThrottled is a service that has enough for now.
	ReasonThrottled alert.Reason = "throttled"
	// ReasonServiceError is a service that blames itself.
	ReasonServiceError alert.Reason = "service_error"
	// ReasonTimeout is a call without an answer in its time.
	ReasonTimeout alert.Reason = "timeout"
	// ReasonConnection is a connection that failed or broke.
	ReasonConnection alert.Reason = "connection"
	// ReasonCredentials is credentials that are too old, or that could not be had just now.
	ReasonCredentials alert.Reason = "credentials"
	// ReasonBadAnswer is an answer that cannot be read.
	ReasonBadAnswer alert.Reason = "bad_answer"
	// ReasonClient is an error from before the call left this machine.
	ReasonClient alert.Reason = "client"
)

// The reasons for which a destination is held until an operator corrects its configuration.
const (
	// ReasonNotAuthorized is a policy that does not allow the call.
	ReasonNotAuthorized alert.Reason = "not_authorized"
	// ReasonKMSAccess is a policy that does not allow the use of the destination's key.
	ReasonKMSAccess alert.Reason = "kms_access_denied"
	// ReasonKMSKey is a key of the destination that is disabled, deleted or of no use.
	ReasonKMSKey alert.Reason = "kms_key_unusable"
	// ReasonSignature is credentials or a signature that the service does not accept.
	ReasonSignature alert.Reason = "signature"
	// ReasonCredentialsRefused is a role for which STS refuses credentials.
	ReasonCredentialsRefused alert.Reason = "credentials_refused"
	// ReasonUnknown is an error of a service that is not in the dictionary.
	ReasonUnknown alert.Reason = "unknown"
)

// RetryReasons are the reasons of all verdicts of Retry that the package gives.
func RetryReasons() []alert.Reason {
	return []alert.Reason{
		ReasonThrottled, ReasonServiceError, ReasonTimeout, ReasonConnection, ReasonCredentials, ReasonBadAnswer,
		ReasonClient,
	}
}

// HoldReasons are the reasons of all verdicts of Hold that the package gives.
func HoldReasons() []alert.Reason {
	return []alert.Reason{
		ReasonSignature, ReasonNotAuthorized, ReasonKMSAccess, ReasonKMSKey, ReasonCredentialsRefused, ReasonUnknown,
	}
}

// Remedy is what an operator does about a reason for which a call on a resource failed; empty where waiting is all. own
// are the faults behind the caller's reasons.
func Remedy(r alert.Reason, at awsfault.Resource, own map[alert.Reason]awsfault.Kind) string {
	if kind, ok := own[r]; ok {
		return kind.Remedy(at)
	}
	return map[alert.Reason]awsfault.Kind{
		ReasonSignature:          awsfault.Signature,
		ReasonNotAuthorized:      awsfault.Denied,
		ReasonKMSAccess:          awsfault.KMSDenied,
		ReasonKMSKey:             awsfault.KMSKey,
		ReasonCredentialsRefused: awsfault.RoleRefused,
		ReasonUnknown:            awsfault.Unknown,
	}[r].Remedy(at)
}
