package fakeaws

import (
	"context"
	"slices"
	"sync"
	"time"
)

// SNS emulates CreateTopic, DeleteTopic, ListTopics, GetTopicAttributes, SetTopicAttributes, Subscribe,
// ConfirmSubscription, Unsubscribe, ListSubscriptions, ListSubscriptionsByTopic, GetSubscriptionAttributes,
// SetSubscriptionAttributes, Publish and PublishBatch.
//
// Faithful are the validation rules and their answers (codes and messages of the API reference, or of recorded answers
// of the real service where it is silent), FIFO topics (order within a message group, five minutes of deduplication),
// filter policies, delivery to the queues of the same emulator, and the hard limit of e-mail subscriptions. E-mail,
// SMS, HTTP(S), Lambda and Firehose are not contacted: what they would get is kept for tests. Not emulated are
// publishing to a phone number or a mobile endpoint, the 300 messages per second of a FIFO message group, delivery
// retries, archives and data protection.
//
// It is safe for concurrent use. While its mutex is held the one of SQS may be taken, never the other way round.
type SNS struct {
	region, account string
	sqs             *SQS
	// confirmed is Options.ConfirmSubscriptions
	confirmed bool

	mu     sync.Mutex
	topics map[string]*snsTopic        // by ARN
	subs   map[string]*snsSubscription // by ARN
	ids    idSource
	quota  snsQuota

	countOnly bool
	hooks     []func(Published)
	scripts   map[int]EntryScript
	scriptID  int
}

func newSNS(o Options, sqs *SQS) *SNS {
	return &SNS{
		region: o.Region, account: o.Account, sqs: sqs, confirmed: o.ConfirmSubscriptions,
		topics: map[string]*snsTopic{}, subs: map[string]*snsSubscription{}, scripts: map[int]EntryScript{},
		ids: idSource{service: "50400000"},
	}
}

func (*SNS) name() string { return ServiceSNS }

func (s *SNS) operations() map[string]operation {
	operations := map[string]operation{}
	for op, run := range map[string]func(*Request) (any, error){
		"CreateTopic":               s.createTopic,
		"DeleteTopic":               s.deleteTopic,
		"ListTopics":                s.listTopics,
		"GetTopicAttributes":        s.getTopicAttributes,
		"SetTopicAttributes":        s.setTopicAttributes,
		"Subscribe":                 s.subscribe,
		"ConfirmSubscription":       s.confirmSubscription,
		"Unsubscribe":               s.unsubscribe,
		"ListSubscriptions":         s.listSubscriptions,
		"ListSubscriptionsByTopic":  s.listSubscriptionsByTopic,
		"GetSubscriptionAttributes": s.getSubscriptionAttributes,
		"SetSubscriptionAttributes": s.setSubscriptionAttributes,
		"Publish":                   s.publish,
		"PublishBatch":              s.publishBatch,
	} {
		operations[op] = func(_ context.Context, req *Request) (any, error) {
			body, err := run(req)
			if err != nil {
				return nil, err
			}
			return queryResult{op: op, body: body}, nil
		}
	}
	return operations
}

func (*SNS) unknown(op string) *Error {
	return errorf("UnknownOperationException", "SNS.%s is not emulated", op)
}

// Published is a message that SNS accepted and delivered to the subscriptions, as it was published.
type Published struct {
	At        time.Time
	TopicARN  string
	MessageID string
	// SequenceNumber is set on FIFO topics.
	SequenceNumber string
	Subject        string
	// Body is the Message parameter; Structure is the MessageStructure parameter that says how to read it.
	Body, Structure string
	Attributes      map[string]MessageAttribute
	// Group and DedupID are the message group id and the deduplication id (given, or made from the content).
	Group, DedupID string
	// Client is the access key id of the caller.
	Client string
	// Batch says that PublishBatch brought it.
	Batch bool
	// Receipts say what became of it at each subscription of the topic. Only hooks see them.
	Receipts []Receipt
}

// Receipt is what became of a message at one subscription.
type Receipt struct {
	Protocol, Endpoint string
	Outcome            Outcome
	// Email is what a delivery by e-mail looks like.
	Email *Email
}

// Outcome is what became of a message at a subscription; SubscriptionCounts says what each means.
type Outcome string

// The outcomes.
const (
	Delivered     Outcome = "delivered"
	Filtered      Outcome = "filtered"
	Discarded     Outcome = "discarded"
	Undeliverable Outcome = "undeliverable"
	Pending       Outcome = "pending"
	Deactivated   Outcome = "deactivated"
)

// Email is a notification as a person reads it, without the footer on how to unsubscribe.
type Email struct {
	At                      time.Time
	From, To, Subject, Body string
}

// Delivery is a notification for an endpoint that the emulator does not contact (sms, http, https, lambda, firehose,
// application). The body is what the endpoint would get.
type Delivery struct {
	At                 time.Time
	SubscriptionARN    string
	Protocol, Endpoint string
	Subject, Body      string
}

// Messages returns what was published to a topic, in the order of acceptance. A duplicate within the deduplication
// interval of a FIFO topic was accepted but is not in it: Duplicates counts those. After CountOnly it is empty.
func (s *SNS) Messages(topicARN string) []Published {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.topics[topicARN]; ok {
		return slices.Clone(t.published)
	}
	return nil
}

// Count is the number of messages that Messages returns, or would without CountOnly.
func (s *SNS) Count(topicARN string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.topics[topicARN]; ok {
		return t.accepted
	}
	return 0
}

// Duplicates is how many messages were accepted and not delivered because their deduplication id was used within the
// last five minutes.
func (s *SNS) Duplicates(topicARN string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.topics[topicARN]; ok {
		return t.duplicates
	}
	return 0
}

// Emails returns the notifications to the topic's email and email-json subscriptions in the order of delivery. Messages
// that ask to confirm a subscription are not in it. After CountOnly it is empty.
func (s *SNS) Emails(topicARN string) []Email {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.topics[topicARN]; ok {
		return slices.Clone(t.emails)
	}
	return nil
}

// Deliveries returns the notifications to the topic's other subscriptions that the emulator does not contact. After
// CountOnly it is empty.
func (s *SNS) Deliveries(topicARN string) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.topics[topicARN]; ok {
		return slices.Clone(t.deliveries)
	}
	return nil
}

// OnPublish has f called for every message that Messages would return from now on, before its publisher gets the
// answer. Calls for messages of concurrent publishers may overlap. f may call the emulator.
func (s *SNS) OnPublish(f func(Published)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, f)
}

// CountOnly stops the keeping of messages, e-mails and other deliveries and forgets those kept, so that a long run
// holds only counters. Queues keep their messages.
func (s *SNS) CountOnly() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countOnly = true
	for _, t := range s.topics {
		t.published, t.emails, t.deliveries = nil, nil, nil
	}
}

// LimitRate makes SNS answer Throttling once the account publishes more than that many messages per second (an entry of
// a batch is a message). Up to one second's worth can be saved up, and never less than a full batch. 0 is no limit.
func (s *SNS) LimitRate(perSecond float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = newSNSQuota(perSecond, now())
}

// snsQuota is the account's token bucket. The zero value has no limit.
type snsQuota struct {
	rate, burst, tokens float64
	at                  time.Time
}

func newSNSQuota(rate float64, at time.Time) snsQuota {
	burst := max(rate, snsMaxBatch)
	return snsQuota{rate: rate, burst: burst, tokens: burst, at: at}
}

// spend takes n tokens, or answers with the throttling error and takes none.
func (q *snsQuota) spend(at time.Time, n int) error {
	if q.rate <= 0 {
		return nil
	}
	q.tokens = min(q.burst, q.tokens+q.rate*at.Sub(q.at).Seconds())
	q.at = at
	if q.tokens < float64(n) {
		return &Error{Code: "Throttling", Message: "Rate exceeded"}
	}
	q.tokens -= float64(n)
	return nil
}
