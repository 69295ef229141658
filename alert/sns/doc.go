// Package sns is Amazon SNS as a destination of alert/dispatch: what a topic takes, how an alert becomes a message, how
// PublishBatch is called, and what its answers mean.
//
// # What it guarantees
//
// A message counts as accepted only when the answer names it with a message id. What an answer does not say of an
// entry is no outcome. On a FIFO topic an alert's id is its MessageDeduplicationId, so SNS drops a repeat for five
// minutes.
//
// No error that it does not know is a rejection: it is tried again if no service said it, and holds the topic if SNS
// did.
//
// # Messages
//
// A body that is too large is cut between characters, with a marker that names the record. With bodies for single
// protocols the message is the JSON object that SNS wants. The longest bodies are cut until the object fits, and that
// for SMS has at most 1,600 characters. Such messages can have no attributes, so subscribers see no alert_id.
//
// Some stand-ins for SNS refuse the MessageStructure "string". A message that is refused with it goes once more
// without.
//
// # What it asks
//
// A topic is asked for its attributes, first and then every few minutes: MaximumMessageSize, whether it is a FIFO
// topic, and how many subscriptions it has. Without permission to ask, the limits of a new topic are assumed.
//
// # The SDK client
//
// Give it a client with aws.NopRetryer (or RetryMaxAttempts 1). The SDK retries neither the failed entries of a batch
// nor Throttled, KMSThrottling and HTTP 429, so alert/dispatch has to retry anyway. With the SDK's own retries on top,
// some would be missing in the metrics, and could outlive the trust window's margin.
//
// # Without SNS
//
// [Check] says beforehand why SNS will never accept a message, and [Simulate] which digests alerts lead to. Both are
// for tests of rules.
//
// # What it does not promise
//
// It has no queue, no rate and no retries. It does not know who is subscribed.
package sns
