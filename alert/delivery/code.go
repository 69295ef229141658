package delivery

import "kinesis-alerter/internal/awsfault"

// ByCode judges the error codes that the services of AWS have in common. It leaves codes of a missing resource to the
// caller, who knows the destination.
func ByCode(code string) (Verdict, bool) {
	v, ok := map[awsfault.Kind]Verdict{
		awsfault.Throttled:    Retry.Because(ReasonThrottled),
		awsfault.KMSThrottled: Retry.Because(ReasonThrottled),
		awsfault.Unavailable:  Retry.Because(ReasonServiceError),
		awsfault.Expired:      Retry.Because(ReasonCredentials),
		awsfault.Denied:       Hold.Because(ReasonNotAuthorized),
		awsfault.Signature:    Hold.Because(ReasonSignature),
		awsfault.KMSDenied:    Hold.Because(ReasonKMSAccess),
		awsfault.KMSKey:       Hold.Because(ReasonKMSKey),
	}[awsfault.Of(code)]
	return v, ok
}
