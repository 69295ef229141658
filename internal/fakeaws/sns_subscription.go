package fakeaws

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// snsMaxFIFOSubscriptions is how many subscriptions a FIFO topic can have.
const snsMaxFIFOSubscriptions = 100

// snsSubscription is one subscription. The mutex of SNS guards it.
type snsSubscription struct {
	arn, topic         string
	protocol, endpoint string
	token              string
	pending            bool
	attributes         map[string]string // as they were set
	raw                bool
	filter             *filterPolicy // nil lets everything pass

	recent []time.Time // the latest e-mails, oldest first
	counts SubscriptionCounts
}

// SubscriptionCounts say what became of the messages that a topic had for one subscription.
type SubscriptionCounts struct {
	Delivered int
	// Filtered did not match the filter policy.
	Filtered int
	// Discarded had more than ten attributes and the subscription delivers raw messages to a queue.
	Discarded int
	// Undeliverable could not be put into the queue: it does not exist, or the message is not valid for it.
	Undeliverable int
	// Pending came while the subscription was not confirmed.
	Pending int
	// Deactivations is how often an e-mail subscription was switched off for more than ten messages within a second.
	Deactivations int
}

func (c *SubscriptionCounts) add(o Outcome) {
	switch o {
	case Delivered:
		c.Delivered++
	case Filtered:
		c.Filtered++
	case Discarded:
		c.Discarded++
	case Undeliverable:
		c.Undeliverable++
	case Pending:
		c.Pending++
	case Deactivated:
		c.Deactivations++
	}
}

// Subscription is a subscription as a test sees it.
type Subscription struct {
	ARN, TopicARN, Protocol, Endpoint string
	// Token confirms the subscription.
	Token string
	// Pending subscriptions get nothing.
	Pending bool
	Counts  SubscriptionCounts
}

// Subscriptions returns the subscriptions of a topic in the order in which they were made.
func (s *SNS) Subscriptions(topicARN string) []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics[topicARN]
	if !ok {
		return nil
	}
	all := make([]Subscription, len(t.subs))
	for i, sub := range t.subs {
		all[i] = Subscription{
			ARN: sub.arn, TopicARN: sub.topic, Protocol: sub.protocol, Endpoint: sub.endpoint,
			Token: sub.token, Pending: sub.pending, Counts: sub.counts,
		}
	}
	return all
}

// Confirm does what a person does who follows the link in the confirmation e-mail: the topic's subscriptions of that
// endpoint become active (again). It returns the ARN of the first.
func (s *SNS) Confirm(topicARN, endpoint string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(topicARN)
	if err != nil {
		return "", err
	}
	arn := ""
	for _, sub := range t.subs {
		if sub.endpoint == endpoint {
			sub.confirm()
			if arn == "" {
				arn = sub.arn
			}
		}
	}
	if arn == "" {
		return "", fmt.Errorf("confirm %s for %s: no such subscription; Subscribe first", endpoint, topicARN)
	}
	return arn, nil
}

func (sub *snsSubscription) confirm() { sub.pending, sub.recent = false, nil }

type subscriptionARN struct{ SubscriptionArn string }

func (s *SNS) subscribe(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(req.Form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	protocol, endpoint := req.Form.Get("Protocol"), req.Form.Get("Endpoint")
	if err := t.checkEndpoint(protocol, endpoint); err != nil {
		return nil, err
	}
	attributes := formMap(req.Form, "Attributes")
	sub := &snsSubscription{
		topic: t.arn, protocol: protocol, endpoint: endpoint, attributes: map[string]string{},
		pending: !s.confirmed && slices.Contains([]string{"email", "email-json", "http", "https"}, protocol),
	}
	if err := sub.set(attributes, "Attributes Reason: "); err != nil {
		return nil, err
	}
	old := slices.IndexFunc(
		t.subs, func(o *snsSubscription) bool { return o.protocol == protocol && o.endpoint == endpoint },
	)
	if old >= 0 {
		for name, value := range sub.attributes {
			if t.subs[old].attributes[name] != value {
				return nil, invalidParameter("Attributes Reason: Subscription already exists with different attributes")
			}
		}
		sub = t.subs[old]
	} else {
		if t.fifo && len(t.subs) >= snsMaxFIFOSubscriptions {
			return nil, &Error{
				Code: "SubscriptionLimitExceeded", Status: 403,
				Message: fmt.Sprintf("The topic has reached the maximum of %d subscriptions.", snsMaxFIFOSubscriptions),
			}
		}
		id := s.ids.id()
		sub.arn = t.arn + ":" + id
		sub.token = strings.ReplaceAll(id, "-", "")
		s.subs[sub.arn] = sub
		t.subs = append(t.subs, sub)
	}
	if sub.pending && req.Form.Get("ReturnSubscriptionArn") != "true" {
		return subscriptionARN{"pending confirmation"}, nil
	}
	return subscriptionARN{sub.arn}, nil
}

// checkEndpoint applies the rules for what can be subscribed to the topic.
func (t *snsTopic) checkEndpoint(protocol, endpoint string) *Error {
	if endpoint == "" {
		return invalidParameter("Endpoint Reason: no value for required parameter")
	}
	switch protocol {
	case "email", "email-json":
		if !strings.Contains(endpoint, "@") {
			return invalidParameter("Email address")
		}
	case "http", "https":
		if !strings.HasPrefix(endpoint, protocol+"://") {
			return invalidParameter("Endpoint must match the specified protocol")
		}
	case "sms":
		if !phoneNumber(endpoint) {
			return errorf("InvalidParameter", "Invalid SMS endpoint: %s", endpoint)
		}
	case "sqs", "lambda", "firehose", "application":
		if strings.Count(endpoint, ":") < 5 || !strings.HasPrefix(endpoint, "arn:") {
			return invalidParameter("%s endpoint ARN", strings.ToUpper(protocol))
		}
	default:
		return invalidParameter("Amazon SNS does not support this protocol string: %s", protocol)
	}
	if t.fifo && protocol != "sqs" {
		return invalidParameter("Invalid parameter: Endpoint Reason: Please use an Amazon SQS queue for a FIFO topic")
	}
	if !t.fifo && protocol == "sqs" && strings.HasSuffix(endpoint, ".fifo") {
		return invalidParameter(
			"Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
	}
	if t.maxMessage() > snsDefaultMessage && (!largeProtocol(protocol) || len(t.subs) >= 100) {
		return invalidParameter("Endpoint Reason: A topic above 256 KiB can have at most 100 subscriptions, of the " +
			"protocols sqs, lambda and firehose only")
	}
	return nil
}

// phoneNumber reports whether s is a number in the E.164 format.
func phoneNumber(s string) bool {
	digits := strings.TrimPrefix(s, "+")
	return len(digits) >= 6 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}

// set validates and takes over attributes; nothing changes if one of them is wrong.
func (sub *snsSubscription) set(attributes map[string]string, prefix string) *Error {
	for _, name := range sortedKeys(attributes) {
		value := attributes[name]
		switch name {
		case "RawMessageDelivery":
			if v := strings.ToLower(value); v != "true" && v != "false" {
				return invalidParameter(
					"%sRawMessageDelivery: Invalid value [%s]. Must be true or false.", prefix, value,
				)
			}
			if !slices.Contains([]string{"sqs", "http", "https", "firehose"}, sub.protocol) {
				return invalidParameter(
					"%sDelivery protocol [%s] does not support raw message delivery.", prefix, sub.protocol,
				)
			}
		case "FilterPolicyScope":
			if value != filterAttributes && value != filterBody {
				return invalidParameter("%sFilterPolicyScope: Invalid value [%s]. Please use either MessageBody or "+
					"MessageAttributes",
					prefix, value)
			}
		case "FilterPolicy", "DeliveryPolicy", "RedrivePolicy", "SubscriptionRoleArn":
		default:
			return invalidParameter("%sAttributeName", prefix)
		}
	}
	merged := maps.Clone(sub.attributes)
	maps.Copy(merged, attributes)
	filter, err := parseFilterPolicy(merged["FilterPolicy"], merged["FilterPolicyScope"])
	if err != nil {
		return invalidParameter("%sFilterPolicy: %s", prefix, err)
	}
	sub.attributes, sub.filter = merged, filter
	sub.raw = strings.EqualFold(merged["RawMessageDelivery"], "true")
	return nil
}

func (s *SNS) confirmSubscription(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(req.Form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	token := req.Form.Get("Token")
	for _, sub := range t.subs {
		if sub.token == token {
			sub.confirm()
			return subscriptionARN{sub.arn}, nil
		}
	}
	return nil, invalidParameter("Token")
}

func (s *SNS) unsubscribe(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := req.Form.Get("SubscriptionArn")
	if !req.Form.Has("SubscriptionArn") {
		return nil, invalidParameter("SubscriptionArn Reason: no value for required parameter")
	}
	if n := len(strings.Split(arn, ":")); n < 6 {
		return nil, invalidParameter("SubscriptionArn Reason: An ARN must have at least 6 elements, not %d", n)
	} else if n == 6 {
		return nil, invalidParameter("SubscriptionId")
	}
	sub, ok := s.subs[arn]
	if !ok {
		return nil, nil //nolint:nilnil // No result element; it is idempotent.
	}
	delete(s.subs, arn)
	t := s.topics[sub.topic]
	t.subs = slices.DeleteFunc(t.subs, func(o *snsSubscription) bool { return o == sub })
	t.removed++
	return nil, nil //nolint:nilnil // No result element.
}

type listedSubscription struct {
	TopicArn, Protocol, SubscriptionArn, Owner, Endpoint string
}

type listSubscriptionsResult struct {
	Subscriptions []listedSubscription `xml:"Subscriptions>member"`
	NextToken     string               `xml:",omitempty"`
}

func (s *SNS) listSubscriptions(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listed(s.subs, req), nil
}

func (s *SNS) listSubscriptionsByTopic(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(req.Form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	subs := map[string]*snsSubscription{}
	for _, sub := range t.subs {
		subs[sub.arn] = sub
	}
	return s.listed(subs, req), nil
}

func (s *SNS) listed(subs map[string]*snsSubscription, req *Request) listSubscriptionsResult {
	arns, next := page(sortedKeys(subs), req.Form.Get("NextToken"), snsPage)
	out := listSubscriptionsResult{NextToken: next}
	for _, arn := range arns {
		sub := subs[arn]
		if sub.pending {
			arn = "PendingConfirmation"
		}
		out.Subscriptions = append(
			out.Subscriptions, listedSubscription{sub.topic, sub.protocol, arn, s.account, sub.endpoint},
		)
	}
	return out
}

// subscription returns the subscription that the request names.
func (s *SNS) subscription(req *Request) (*snsSubscription, error) {
	sub, ok := s.subs[req.Form.Get("SubscriptionArn")]
	if !ok {
		return nil, &Error{Code: "NotFound", Message: "Subscription does not exist", Status: 404}
	}
	return sub, nil
}

func (s *SNS) getSubscriptionAttributes(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.subscription(req)
	if err != nil {
		return nil, err
	}
	all := queryEntries{
		"SubscriptionArn": sub.arn, "TopicArn": sub.topic, "Owner": s.account,
		"Protocol": sub.protocol, "Endpoint": sub.endpoint,
		"PendingConfirmation":          fmt.Sprint(sub.pending),
		"ConfirmationWasAuthenticated": fmt.Sprint(!sub.pending),
		"SubscriptionPrincipal":        "arn:aws:iam::" + s.account + ":root",
	}
	maps.Copy(all, sub.attributes)
	all["RawMessageDelivery"] = fmt.Sprint(sub.raw)
	if sub.filter == nil {
		delete(all, "FilterPolicy")
		delete(all, "FilterPolicyScope")
	} else if all["FilterPolicyScope"] == "" {
		all["FilterPolicyScope"] = filterAttributes
	}
	return attributesResult{all}, nil
}

func (s *SNS) setSubscriptionAttributes(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.subscription(req)
	if err != nil {
		return nil, err
	}
	name, value := req.Form.Get("AttributeName"), req.Form.Get("AttributeValue")
	if err := sub.set(map[string]string{name: value}, ""); err != nil {
		return nil, err
	}
	return nil, nil //nolint:nilnil // No result element.
}

// notFound reports whether an error is the answer for something that does not exist.
func notFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "NotFound"
}
