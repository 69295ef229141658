// Package credentials holds the AWS credentials of the process: it renews them before they end, resolves them anew
// when AWS refuses them, and says what is wrong with them.
//
// The SDK's own cache asks the source that it found when the process started, and only when credentials are about to
// end. So new credentials in the shared file are never looked at, a container's credentials are thrown away five
// minutes before their end when the source fails just then, and those of an instance are used beyond their end. A
// Provider stands in for that cache.
//
// # What it guarantees
//
// Credentials are used until the end that their source told, and never beyond. From five minutes before it
// (RenewBefore) new ones are asked for, at a bounded rate, while the ones at hand are still used.
//
// When AWS refuses credentials as expired, unknown or wrongly signed, the whole chain is resolved anew at once, and
// then again and again with pauses of up to five seconds, until AWS accepts what it got. Credentials that are refused
// go on being used meanwhile: AWS may accept them again.
//
// There is one load at a time, whoever asks. A caller waits for it only where there is nothing to use.
//
// # States
//
//	none ──loaded──▶ good ──renewal fails──▶ not renewed ──their end──▶ ended
//	                  ▲ └────AWS refuses────▶ refused ──┐      │          │
//	                  └────────AWS accepts──────────────┴──────┴──loaded──┘
//
// # What it does not promise
//
// It cannot tell credentials that AWS would refuse from good ones before a call is made with them.
package credentials
