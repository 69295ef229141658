package delivery

import "kinesis-alerter/internal/awsfault"

// ByCode judges the error codes that the services of AWS have in common. What is missing or about a key is left to the caller, who
// knows the destination.
func ByCode(code string) (Verdict, bool) {
	switch awsfault.Of(code) {
	case awsfault.Throttled, awsfault.KMSThrottled:
		return Retry.Because(ReasonThrottled), true
	case awsfault.Unavailable:
		return Retry.Because(ReasonServiceError), true
	case awsfault.Expired:
		return Retry.Because(ReasonCredentials), true
	case awsfault.Denied:
		return Hold.Because(ReasonNotAuthorized), true
	case awsfault.Signature:
		return Hold.Because(ReasonSignature), true
	case awsfault.KMSDenied:
		return Hold.Because(ReasonKMSAccess), true
	case awsfault.KMSKey:
		return Hold.Because(ReasonKMSKey), true
	case awsfault.Other, awsfault.Missing:
	}
	return Verdict{}, false
}
