package awsfault

import (
	"cmp"

	"kinesis-alerter/internal/credentials"
)

// Resource is what a call was about, in the words that a remedy needs.
type Resource struct {
	// Name is the resource with its article: "the stream", "the topic", "table leases".
	Name string
	// Actions are the permissions of the call: "sns:Publish".
	Actions string
	// KeyActions are those on the key that encrypts the resource: "kms:Decrypt".
	KeyActions string
	// HasPolicy says that the resource has a policy of its own, which must allow the call, too.
	HasPolicy bool
	// Crowded is what to do about throttling; empty where waiting is all.
	Crowded string
	// Found is what to do about a resource that does not exist, and Accepted about one that refuses all calls.
	Found, Accepted string
	// Role is the ARN of the role that called; empty for the credentials of the process.
	Role string
	// Reference documents the codes that are not in the dictionary.
	Reference string
}

// Remedy is what an operator does about a fault of this Kind; empty where there is nothing to do but to wait, or for
// Other.
func (k Kind) Remedy(r Resource) string {
	switch k {
	case Throttled:
		return r.Crowded
	case KMSThrottled:
		return "ask KMS for a higher request rate in this region, or give the key of " + r.Name + " fewer users"
	case Expired, Signature:
		if r.Role != "" {
			return "check the clock of this machine; the credentials of " + r.Role + " are asked of STS again and again"
		}
		return "check the credentials and the clock of this machine"
	case Denied:
		return "allow " + r.Actions + " on " + r.Name + " in " + r.policy() + r.own(r.Name)
	case Missing:
		return r.Found
	case KMSDenied:
		return "allow " + r.KeyActions + " on the key of " + r.Name + " in " + r.policy() + " and in the key's policy"
	case Refused:
		return r.Accepted
	case RoleRefused:
		return "STS gives no credentials of " + cmp.Or(r.Role, "the role") + ": " + credentials.RoleRemedy
	case Unknown:
		return "look up the error code in " + r.Reference
	case KMSKey:
		return "enable the KMS key of " + r.Name + ", or encrypt " + r.Name + " with another one"
	case Other, Unavailable:
	}
	return ""
}

// By returns the Resource as a role calls it.
func (r Resource) By(role string) Resource {
	r.Role = role
	return r
}

// policy is the one that says what the caller may do.
func (r Resource) policy() string {
	if r.Role != "" {
		return "the policy of " + r.Role
	}
	return "the role's policy"
}

func (r Resource) own(name string) string {
	if !r.HasPolicy {
		return ""
	}
	return " and in the policy of " + name
}
