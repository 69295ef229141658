package daemon

import (
	"strings"

	"kinesis-alerter/internal/credentials"
)

// otherCode replaces every code that no service documents, so that an answer cannot create series.
const otherCode = "other"

// closedCode is a result as a label: one of our own words, a code that a service which we call documents, or other. The
// codes are those of the SDK's errors of these services, of their common errors, and of its retries; one name occurs
// with and without "Exception" at its end.
func closedCode(code string) string {
	switch code {
	case "OK", "BadAnswer", "Canceled", "Timeout", "Connection", credentials.CodeUnavailable:
		return code
	}
	switch strings.TrimSuffix(code, "Exception") {
	case "AWS.SimpleQueueService.NonExistentQueue", "AccessDenied", "AllAccessDisabled", "AuthFailure",
		"AuthorizationError",
		"BandwidthLimitExceeded", "BatchEntryIdsNotDistinct", "BatchRequestTooLong", "BucketAlreadyExists",
		"BucketAlreadyOwnedByYou",
		"ConcurrentAccess", "ConditionalCheckFailed", "EC2Throttled", "EmptyBatchRequest", "EncryptionTypeMismatch",
		"EndpointDisabled",
		"EntityTooLarge", "ExpiredIterator", "ExpiredNextToken", "ExpiredToken", "FilterPolicyLimitExceeded",
		"IdempotencyParameterMismatch",
		"IdempotentParameterMismatch", "IncompleteSignature", "InternalError", "InternalFailure", "InternalServerError",
		"InvalidAccessKeyId",
		"InvalidAction", "InvalidAddress", "InvalidArgument", "InvalidAttributeName", "InvalidAttributeValue",
		"InvalidBatchEntryId",
		"InvalidClientTokenId", "InvalidEndpoint", "InvalidIdFormat", "InvalidMessageContents", "InvalidObjectState",
		"InvalidParameter",
		"InvalidParameterValue", "InvalidQueryParameter", "InvalidRequest", "InvalidSecurity", "InvalidSignature",
		"InvalidState",
		"ItemCollectionSizeLimitExceeded", "KMS.Throttling", "KMSAccessDenied", "KMSDisabled", "KMSInvalidState",
		"KMSNotFound",
		"KMSOptInRequired", "KMSThrottling", "KmsAccessDenied", "KmsDisabled", "KmsInvalidKeyUsage", "KmsInvalidState",
		"KmsNotFound",
		"KmsOptInRequired", "KmsThrottled", "LimitExceeded", "MalformedQueryString", "MissingAction",
		"MissingAuthenticationToken",
		"MissingParameter", "NoSuchBucket", "NoSuchKey", "NotAuthorized", "NotFound", "OptInRequired", "OptedOut",
		"OverLimit",
		"ParameterValueInvalid", "PermanentRedirect", "PlatformApplicationDisabled", "PriorRequestNotComplete",
		"ProvisionedThroughputExceeded",
		"QueueDeletedRecently", "QueueDoesNotExist", "QueueNotFound", "ReplicatedWriteConflict", "RequestExpired",
		"RequestInTheFuture",
		"RequestLimitExceeded", "RequestThrottled", "RequestTimeTooSkewed", "RequestTimeout", "ResourceInUse",
		"ResourceNotFound",
		"Serialization", "ServiceUnavailable", "SignatureDoesNotMatch", "SlowDown", "SubscriptionRequired",
		"TableAlreadyExists", "TableInUse",
		"TableNotFound", "Throttled", "Throttling", "TokenRefreshRequired", "TooManyEntriesInBatchRequest",
		"TooManyRequests",
		"TopicLimitExceeded", "TransactionConflict", "TransactionInProgress", "UnauthorizedOperation", "Unavailable",
		"UnknownOperation",
		"UnrecognizedClient", "UnsupportedOperation", "UserError", "Validation", "ValidationError":
		return code
	}
	return otherCode
}
