// Package delivery has what the senders (alert/sns, alert/deadletter) know in common about AWS: how a call failed, and
// when to try again.
//
// # What it guarantees
//
// [Classify] has a verdict for every error. It never ends a message on its own account: what it does not know is tried
// again if no service said it, and held if one did, where somebody sees it. Only a sender's own codes can reject.
//
// What is said about the credentials by STS is never taken for a word of the service that was called.
//
// [Health] needs nobody's clock and draws no lots, so its intervals can be tested to the millisecond; [Lot] alone is
// random. Nothing here does I/O or has a goroutine.
//
// # States of a destination
//
//	healthy ──call fails, may pass──▶ backing off ──answered──▶ healthy
//	   │                                  │
//	   └─────────configuration fault──────┴──▶ held ──answered──▶ healthy
//
// While it is healthy, Health lets every call go. Backing off, one call at a time goes, after [Backoff]: full jitter of
// 100 ms doubling up to 5 s. Held, one at a time probes it, after [Probe]: 1 s doubling up to 30 s, jittered by half. A
// destination that is held stays so through an outage.
//
// Calls that fail together are one failure, and what comes back from before the last failure changes nothing.
//
// # What it does not promise
//
// It does not know the codes of a service, only those that services share; nor what is logged and counted, beyond the
// reasons, which are labels of metrics. Values are not safe for concurrent use, except to read.
package delivery
