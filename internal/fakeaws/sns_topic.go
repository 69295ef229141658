package fakeaws

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

const (
	// snsDefaultMessage is the MaximumMessageSize of a topic that does not set it (bytes).
	snsDefaultMessage = 256 << 10
	// snsMaxMessage is the largest MaximumMessageSize (bytes).
	snsMaxMessage = 1 << 20
	// snsMaxBatch is how many entries one PublishBatch may have.
	snsMaxBatch = 10
	// snsPage is how many topics or subscriptions one list call returns.
	snsPage = 100
)

// snsTopic is one topic. The mutex of SNS guards it.
type snsTopic struct {
	arn        string
	fifo       bool
	attributes map[string]string // as they were set
	subs       []*snsSubscription
	removed    int // subscriptions
	dedup      dedupWindow

	published            []Published
	emails               []Email
	deliveries           []Delivery
	accepted, duplicates int
}

// maxMessage is the limit for one message and for the sum of a batch (bytes).
func (t *snsTopic) maxMessage() int {
	if n, err := strconv.Atoi(t.attributes["MaximumMessageSize"]); err == nil {
		return n
	}
	return snsDefaultMessage
}

// dedupKey is the key of a message in the deduplication window.
func (t *snsTopic) dedupKey(group, dedupID string) string {
	if t.attributes["FifoThroughputScope"] == "MessageGroup" {
		return group + " " + dedupID // neither can contain a space
	}
	return dedupID
}

func invalidParameter(format string, args ...any) *Error {
	return errorf("InvalidParameter", "Invalid parameter: "+format, args...)
}

func errTopicNotFound() *Error {
	return &Error{Code: "NotFound", Message: "Topic does not exist", Status: 404}
}

// topic returns the topic with the ARN.
func (s *SNS) topic(arn string) (*snsTopic, error) {
	if parts := strings.Split(arn, ":"); len(parts) < 6 {
		return nil, invalidParameter("TopicArn Reason: An ARN must have at least 6 elements, not %d", len(parts))
	} else if parts[2] != "sns" || parts[3] != s.region {
		return nil, invalidParameter("TopicArn")
	}
	t, ok := s.topics[arn]
	if !ok {
		return nil, errTopicNotFound()
	}
	return t, nil
}

type topicARN struct{ TopicArn string }

func (s *SNS) createTopic(req *Request) (any, error) {
	name, attributes := req.Form.Get("Name"), formMap(req.Form, "Attributes")
	if err := checkTopicName(name, attributes["FifoTopic"]); err != nil {
		return nil, err
	}
	t := &snsTopic{
		arn:        fmt.Sprintf("arn:aws:sns:%s:%s:%s", s.region, s.account, name),
		fifo:       attributes["FifoTopic"] == "true",
		attributes: map[string]string{},
	}
	for _, key := range sortedKeys(attributes) {
		if err := t.checkAttribute(key, attributes[key], "Attributes Reason: "); err != nil {
			return nil, err
		}
	}
	maps.Copy(t.attributes, attributes)
	if !t.fifo {
		delete(t.attributes, "FifoTopic")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.topics[t.arn]; ok {
		for key, value := range t.attributes {
			if old.attributes[key] != value {
				return nil, invalidParameter("Attributes Reason: Topic already exists with different attributes")
			}
		}
		return topicARN{t.arn}, nil
	}
	s.topics[t.arn] = t
	return topicARN{t.arn}, nil
}

func checkTopicName(name, fifo string) *Error {
	base := name
	if fifo == "true" {
		var hasSuffix bool
		if base, hasSuffix = strings.CutSuffix(name, ".fifo"); !hasSuffix {
			return invalidParameter("Topic Name")
		}
	}
	if !nameOf(base) || len(name) > 256 {
		return invalidParameter("Topic Name")
	}
	return nil
}

// checkAttribute applies the rules of the API reference of SetTopicAttributes; prefix says which parameter is wrong.
func (t *snsTopic) checkAttribute(name, value, prefix string) *Error {
	ok := true
	switch name {
	case "FifoTopic":
		ok = value == "true" || value == "false"
	case "ContentBasedDeduplication":
		ok = t.fifo && (value == "true" || value == "false")
	case "FifoThroughputScope":
		ok = t.fifo && (value == "Topic" || value == "MessageGroup")
	case "MaximumMessageSize":
		ok = inRange(value, 1024, snsMaxMessage)
		if ok && !inRange(value, 0, snsDefaultMessage) {
			return t.checkLarge()
		}
	case "DisplayName":
		ok = len([]rune(value)) <= 100
	case "SignatureVersion":
		ok = value == "1" || value == "2"
	case "TracingConfig":
		ok = value == "PassThrough" || value == "Active"
	case "Policy", "DeliveryPolicy", "KmsMasterKeyId", "ArchivePolicy":
	default:
		if !strings.HasSuffix(name, "FeedbackRoleArn") && !strings.HasSuffix(name, "FeedbackSampleRate") {
			return invalidParameter("%sAttributeName", prefix)
		}
	}
	if !ok {
		return invalidParameter("%s%s Reason: Invalid value [%s]", prefix, name, value)
	}
	return nil
}

// checkLarge reports whether the topic may take messages above 256 KiB.
func (t *snsTopic) checkLarge() *Error {
	if len(t.subs) > 100 {
		return invalidParameter("MaximumMessageSize Reason: A topic above 256 KiB can have at most 100 subscriptions")
	}
	for _, sub := range t.subs {
		if !largeProtocol(sub.protocol) {
			return invalidParameter(
				"MaximumMessageSize Reason: A topic above 256 KiB cannot have %s subscriptions", sub.protocol,
			)
		}
	}
	return nil
}

// largeProtocol reports whether subscriptions of that kind can get messages above 256 KiB.
func largeProtocol(protocol string) bool {
	return protocol == "sqs" || protocol == "lambda" || protocol == "firehose"
}

func (s *SNS) deleteTopic(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := req.Form.Get("TopicArn")
	t, err := s.topic(arn)
	if err != nil {
		if notFound(err) {
			return nil, nil //nolint:nilnil // No result element; deleting a topic that is not there succeeds.
		}
		return nil, err
	}
	for _, sub := range t.subs {
		delete(s.subs, sub.arn)
	}
	delete(s.topics, arn)
	return nil, nil //nolint:nilnil // No result element.
}

type listTopicsResult struct {
	Topics    []topicARN `xml:"Topics>member"`
	NextToken string     `xml:",omitempty"`
}

func (s *SNS) listTopics(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arns, next := page(sortedKeys(s.topics), req.Form.Get("NextToken"), snsPage)
	out := listTopicsResult{NextToken: next}
	for _, arn := range arns {
		out.Topics = append(out.Topics, topicARN{arn})
	}
	return out, nil
}

type attributesResult struct{ Attributes queryEntries }

func (s *SNS) getTopicAttributes(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(req.Form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	var confirmed, pending int
	for _, sub := range t.subs {
		if sub.pending {
			pending++
		} else {
			confirmed++
		}
	}
	all := queryEntries{
		"TopicArn": t.arn, "Owner": s.account, "DisplayName": "",
		"Policy":                  s.topicPolicy(t.arn),
		"EffectiveDeliveryPolicy": `{"defaultHealthyRetryPolicy":{"numRetries":3}}`,
		"SubscriptionsConfirmed":  strconv.Itoa(confirmed),
		"SubscriptionsPending":    strconv.Itoa(pending),
		"SubscriptionsDeleted":    strconv.Itoa(t.removed),
	}
	if t.fifo {
		all["ContentBasedDeduplication"] = "false"
		all["FifoThroughputScope"] = "Topic"
	}
	maps.Copy(all, t.attributes)
	return attributesResult{all}, nil
}

// topicPolicy is what a topic has without a policy of its own: its owner may do everything.
func (s *SNS) topicPolicy(arn string) string {
	return fmt.Sprintf(`{"Version":"2008-10-17","Id":"__default_policy_ID",`+
		`"Statement":[{"Sid":"__default_statement_ID",`+
		`"Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes",`+
		`"SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic",`+
		`"SNS:Publish"],"Resource":"%s","Condition":{"StringEquals":{"AWS:SourceOwner":"%s"}}}]}`, arn, s.account)
}

func (s *SNS) setTopicAttributes(req *Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(req.Form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	name, value := req.Form.Get("AttributeName"), req.Form.Get("AttributeValue")
	if name == "FifoTopic" {
		return nil, invalidParameter("AttributeName")
	}
	if err := t.checkAttribute(name, value, ""); err != nil {
		return nil, err
	}
	t.attributes[name] = value
	return nil, nil //nolint:nilnil // No result element.
}
