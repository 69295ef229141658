// Package credentials holds the AWS credentials of the process: it renews them before they end, loads them again when
// AWS refuses them, and says what is wrong with them.
//
// The SDK's own cache asks the source that it found when the process started, and only when credentials are about to
// end. So it never looks at new credentials in the shared file. It throws a container's credentials away five minutes
// before their end when the source fails just then. It uses those of an instance beyond their end. A Provider replaces
// that cache.
//
// # What it guarantees
//
// Credentials are used until the end that their source gave, and never beyond. From five minutes before it
// (RenewBefore) new ones are asked for, at a bounded rate, while the ones at hand are still used.
//
// When AWS refuses credentials as expired, unknown or wrongly signed, the whole chain is loaded again at once. That is
// repeated with pauses of up to five seconds, until AWS accepts what it got. Refused credentials are still used
// meanwhile: AWS may accept them again.
//
// There is one load at a time, for all callers. A caller waits for it only where there is nothing to use.
//
// # States
//
//	none ──loaded──▶ good ──renewal fails──▶ not renewed ──their end──▶ ended
//	                  ▲ └────AWS refuses────▶ refused ──┐      │          │
//	                  └────────AWS accepts──────────────┴──────┴──loaded──┘
//
// # What it does not promise
//
// It cannot know that AWS would refuse credentials before a call is made with them.
package credentials
