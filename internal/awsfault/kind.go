package awsfault

import "strings"

// Kind is what an error code means.
type Kind uint8

const (
	// Other is a code that is not in the dictionary, or whose meaning depends on the service.
	Other Kind = iota
	// Throttled is a service that gets more calls than it allows.
	Throttled
	// KMSThrottled is KMS getting more calls than it allows, on behalf of the service.
	KMSThrottled
	// Unavailable is a service that blames itself.
	Unavailable
	// Expired is credentials that have ended, or a clock too far off for a signature. New credentials may be on their
	// way.
	Expired
	// Signature is credentials or a signature that no service accepts.
	Signature
	// Denied is a policy that does not allow the call.
	Denied
	// Missing is a resource that does not exist in this region and account.
	Missing
	// KMSDenied is a policy that does not allow the use of the resource's key.
	KMSDenied
	// KMSKey is a key of the resource that is disabled, deleted or of no use.
	KMSKey
	// Refused is a resource that refuses every call. Services say so in codes of their own, which Of does not know.
	Refused
	// RoleRefused is a role for which STS refuses credentials. Of does not return it: the call decides, not the code.
	RoleRefused
	// Unknown is a code that no part of the program knows. Of returns Other instead.
	Unknown
)

// Of looks a code up. It accepts a code with and without "Exception" at its end.
func Of(code string) Kind {
	name := strings.TrimSuffix(strings.TrimPrefix(code, "AWS.SimpleQueueService."), "Exception")
	// KMSDisabled of Kinesis and SNS, KmsDisabled of SQS, KMS.Disabled of S3
	if len(name) >= 3 && strings.EqualFold(name[:3], "kms") {
		return ofKMS(strings.TrimPrefix(name[3:], "."))
	}
	switch name {
	case "RequestLimitExceeded", "TooManyRequests", "SlowDown", "BandwidthLimitExceeded", "LimitExceeded",
		"PriorRequestNotComplete", "TransactionInProgress", "ProvisionedThroughputExceeded", "OverLimit":
		return Throttled
	case "InternalError", "InternalFailure", "InternalServerError", "InternalServiceError", "ServiceUnavailable",
		"Unavailable", "RequestTimeout", "ConcurrentAccess":
		return Unavailable
	case "ExpiredToken", "RequestExpired", "TokenRefreshRequired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return Expired
	case "InvalidSecurity", "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignature", "InvalidClientTokenId",
		"UnrecognizedClient", "InvalidAccessKeyId", "MissingAuthenticationToken", "AuthFailure", "OptInRequired",
		"SubscriptionRequired", "InvalidToken", "NotSignedUp", "MissingSecurityHeader":
		return Signature
	case "AuthorizationError", "AccessDenied", "NotAuthorized", "UnauthorizedOperation":
		return Denied
	case "NotFound", "ResourceNotFound", "NonExistentQueue", "QueueDoesNotExist", "NoSuchBucket":
		return Missing
	}
	// Throttling, Throttled, RequestThrottled, EC2Throttled, and whatever comes next
	if strings.Contains(name, "Throttl") {
		return Throttled
	}
	return Other
}

func ofKMS(name string) Kind {
	switch {
	case strings.Contains(name, "Throttl"):
		return KMSThrottled
	case name == "AccessDenied":
		return KMSDenied
	}
	return KMSKey
}
