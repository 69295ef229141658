package delivery

import "strings"

// ByCode judges the error codes that the services of AWS have in common. name is the code without "Exception" at its end:
// one name occurs with and without it.
//
// Sources: the common errors of the SQS and SNS API references, "Error responses" of the S3 API reference, and the
// throttling codes of the SDK's aws/retry.
func ByCode(name string) (Verdict, bool) {
	switch name {
	case "RequestLimitExceeded", "TooManyRequests", "SlowDown", "BandwidthLimitExceeded", "LimitExceeded",
		"PriorRequestNotComplete", "TransactionInProgress":
		return Retry.Because(ReasonThrottled), true
	case "InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable", "RequestTimeout",
		"ConcurrentAccess":
		return Retry.Because(ReasonServiceError), true
	case "ExpiredToken", "RequestExpired", "TokenRefreshRequired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return Retry.Because(ReasonCredentials), true

	case "AuthorizationError", "AccessDenied", "NotAuthorized", "UnauthorizedOperation":
		return Hold.Because(ReasonNotAuthorized), true
	case "InvalidSecurity", "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignature", "InvalidClientTokenId",
		"UnrecognizedClient", "InvalidAccessKeyId", "MissingAuthenticationToken", "AuthFailure", "OptInRequired",
		"SubscriptionRequired":
		return Hold.Because(ReasonSignature), true
	}
	// Throttling, Throttled, KMSThrottling, KmsThrottled, KMS.Throttling, RequestThrottled, EC2Throttled, and whatever comes
	// next.
	if strings.Contains(name, "Throttl") {
		return Retry.Because(ReasonThrottled), true
	}
	return Verdict{}, false
}
