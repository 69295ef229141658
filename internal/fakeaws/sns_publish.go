package fakeaws

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
)

// EntryFailure is an entry in the Failed list of a PublishBatch answer.
type EntryFailure struct {
	Code, Message string
	// SenderFault says that it is no use to send the entry again.
	SenderFault bool
}

// BatchEntry is one valid entry of a PublishBatch call, before SNS accepts it.
type BatchEntry struct {
	TopicARN string
	// Index counts from 0 within the call.
	Index int
	ID    string
	// Group and DedupID are as given.
	Subject, Body, Group, DedupID string
	Attributes                    map[string]MessageAttribute
	Client                        string
}

// EntryScript decides whether an entry fails; nil lets it pass. Scripts of concurrent calls run concurrently.
type EntryScript func(BatchEntry) *EntryFailure

// FailIndex fails the entry in that place (from 0) of every batch.
func FailIndex(index int, f EntryFailure) EntryScript {
	return func(e BatchEntry) *EntryFailure {
		if e.Index != index {
			return nil
		}
		return &f
	}
}

// FailTimes fails what the script fails, but only the first n entries.
func FailTimes(n int, script EntryScript) EntryScript {
	var used atomic.Int64
	return func(e BatchEntry) *EntryFailure {
		f := script(e)
		if f != nil && used.Add(1) > int64(n) {
			return nil
		}
		return f
	}
}

// FailEntries lets a script fail entries of PublishBatch calls that are valid: they come back in Failed and have no
// effect. The script added first wins. The returned function takes it out again. The script may call the emulator.
func (s *SNS) FailEntries(script EntryScript) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.scriptID
	s.scriptID++
	s.scripts[id] = script
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.scripts, id)
	}
}

// scripted asks the scripts about an entry. It must be called without the lock.
func (s *SNS) scripted(e BatchEntry) *EntryFailure {
	s.mu.Lock()
	scripts := make([]EntryScript, 0, len(s.scripts))
	for id := range s.scriptID {
		if script, ok := s.scripts[id]; ok {
			scripts = append(scripts, script)
		}
	}
	s.mu.Unlock()
	for _, script := range scripts {
		if f := script(e); f != nil {
			return f
		}
	}
	return nil
}

type publishResult struct {
	MessageId      string
	SequenceNumber string `xml:",omitempty"`
}

func (s *SNS) publish(req *Request) (any, error) {
	m, err := formMessage(req.Form, "")
	if err != nil {
		return nil, err
	}
	if err := m.checkContent(); err != nil {
		return nil, err
	}
	if err := checkSNSAttributes(m.attributes, ""); err != nil {
		return nil, err
	}
	arn, err := publishTarget(req.Form)
	if err != nil {
		return nil, err
	}
	result, published, pubErr := s.accept(arn, &m, req.Client)
	if pubErr != nil {
		return nil, pubErr
	}
	s.callHooks(published)
	return result, nil
}

// publishTarget is the topic of a Publish call, which may come as TopicArn or as TargetArn.
func publishTarget(form url.Values) (string, *Error) {
	topic, target, phone := form.Get("TopicArn"), form.Get("TargetArn"), form.Get("PhoneNumber")
	switch {
	case phone != "":
		return "", invalidParameter("PhoneNumber Reason: the emulator publishes to topics only")
	case !form.Has("TopicArn") && !form.Has("TargetArn"):
		return "", invalidParameter("TopicArn or TargetArn Reason: no value for required parameter")
	case topic != "" && target != "":
		return "", invalidParameter("Both TopicArn and TargetArn are specified. Please specify only one of them")
	case topic != "":
		return topic, nil
	}
	return target, nil
}

// accept checks a message against its topic and delivers it.
func (s *SNS) accept(arn string, m *snsMessage, client string) (publishResult, []Published, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(arn)
	if err != nil {
		return publishResult{}, nil, err
	}
	if m.size() > t.maxMessage() {
		return publishResult{}, nil, invalidParameter("Message too long")
	}
	if err := m.checkFIFO(t); err != nil {
		return publishResult{}, nil, err
	}
	if err := s.quota.spend(now(), 1); err != nil {
		return publishResult{}, nil, err
	}
	result, p := s.take(t, m, client, false)
	if p == nil {
		return result, nil, nil
	}
	return result, []Published{*p}, nil
}

// take accepts a valid message. It returns no Published for a duplicate.
func (s *SNS) take(t *snsTopic, m *snsMessage, client string, batch bool) (publishResult, *Published) {
	at := now()
	p := &Published{
		At: at, TopicARN: t.arn, Subject: m.subject, Body: m.body, Structure: m.structure,
		Attributes: m.attributes, Group: m.group, DedupID: m.dedupID, Client: client, Batch: batch,
	}
	if t.fifo {
		if p.DedupID == "" {
			p.DedupID = contentHash(m.body)
		}
		key := t.dedupKey(p.Group, p.DedupID)
		if first, seen := t.dedup.lookup(at, key); seen {
			t.duplicates++
			return publishResult{first.messageID, first.sequence}, nil
		}
		p.SequenceNumber = s.ids.sequenceNumber()
		p.MessageID = s.ids.id()
		t.dedup.add(key, dedupFirst{messageID: p.MessageID, sequence: p.SequenceNumber, at: at})
	} else {
		p.MessageID = s.ids.id()
	}
	t.accepted++
	if !s.countOnly {
		t.published = append(t.published, *p)
	}
	for _, sub := range t.subs {
		receipt := s.deliver(t, sub, m, p)
		sub.counts.add(receipt.Outcome)
		if len(s.hooks) > 0 {
			receipt.Protocol, receipt.Endpoint = sub.protocol, sub.endpoint
			p.Receipts = append(p.Receipts, receipt)
		}
	}
	return publishResult{p.MessageID, p.SequenceNumber}, p
}

func (s *SNS) callHooks(published []Published) {
	s.mu.Lock()
	hooks := slices.Clip(s.hooks)
	s.mu.Unlock()
	for _, p := range published {
		for _, hook := range hooks {
			hook(p)
		}
	}
}

// snsEntry is one entry of a PublishBatch call on its way.
type snsEntry struct {
	id      string
	message snsMessage
	failed  *EntryFailure
}

type publishedEntry struct {
	Id             string
	MessageId      string
	SequenceNumber string `xml:",omitempty"`
}

type failedEntry struct {
	Id          string
	Code        string
	Message     string
	SenderFault bool
}

type publishBatchResult struct {
	Successful []publishedEntry `xml:"Successful>member"`
	Failed     []failedEntry    `xml:"Failed>member"`
}

// publishBatch fails the whole call when one entry is invalid. The reference does not say so, but recorded answers of
// the real service do, for attributes, structures, message groups and deduplication ids. Failed is left for what goes
// wrong behind the validation, which here only scripts do.
func (s *SNS) publishBatch(req *Request) (any, error) {
	entries, err := formEntries(req.Form)
	if err != nil {
		return nil, err
	}
	arn := req.Form.Get("TopicArn")
	if err := s.checkBatch(arn, entries); err != nil {
		return nil, err
	}
	for i := range entries {
		e := &entries[i]
		e.failed = s.scripted(BatchEntry{
			TopicARN: arn, Index: i, ID: e.id, Subject: e.message.subject, Body: e.message.body,
			Group: e.message.group, DedupID: e.message.dedupID, Attributes: e.message.attributes, Client: req.Client,
		})
	}
	result, published, takeErr := s.takeBatch(arn, entries, req.Client)
	if takeErr != nil {
		return nil, takeErr
	}
	s.callHooks(published)
	return result, nil
}

// formEntries reads the entries of a batch and applies the rules that need no topic and fail the whole call.
func formEntries(form url.Values) ([]snsEntry, *Error) {
	var entries []snsEntry
	for n := 1; ; n++ {
		prefix := "PublishBatchRequestEntries.member." + strconv.Itoa(n) + "."
		if !form.Has(prefix+"Id") && !form.Has(prefix+"Message") {
			break
		}
		m, err := formMessage(form, prefix)
		if err != nil {
			return nil, err
		}
		entries = append(entries, snsEntry{id: form.Get(prefix + "Id"), message: m})
	}
	switch {
	case len(entries) == 0:
		return nil, errorf("EmptyBatchRequest", "The batch request doesn't contain any entries.")
	case len(entries) > snsMaxBatch:
		return nil, errorf("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.id] {
			return nil, errorf("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
		}
		seen[e.id] = true
	}
	for i := range entries {
		e := &entries[i]
		switch {
		case len(e.id) > 80:
			return nil, errorf(
				"InvalidBatchEntryId", "The Id of a batch entry in the batch request is too long: %s", e.id,
			)
		case !nameOf(e.id):
			return nil, errorf("InvalidBatchEntryId",
				"The Id of a batch entry in the batch request contains an impermissible character: %s", e.id)
		}
		if err := e.message.checkContent(); err != nil {
			return nil, err
		}
		where := fmt.Sprintf("publishBatchRequestEntries.%d.member.", i+1)
		if err := checkSNSAttributes(e.message.attributes, where); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// checkBatch applies the rules of the topic and the account's quota.
func (s *SNS) checkBatch(arn string, entries []snsEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(arn)
	if err != nil {
		return err
	}
	size := 0
	for i := range entries {
		size += entries[i].message.size()
	}
	if size > t.maxMessage() {
		return errorf("BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
	}
	for i := range entries {
		if err := entries[i].message.checkFIFO(t); err != nil {
			return err
		}
	}
	return s.quota.spend(now(), len(entries))
}

// takeBatch accepts the entries that did not fail, in their order.
func (s *SNS) takeBatch(arn string, entries []snsEntry, client string) (publishBatchResult, []Published, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.topic(arn)
	if err != nil {
		return publishBatchResult{}, nil, err
	}
	var out publishBatchResult
	var published []Published
	for i := range entries {
		e := &entries[i]
		if f := e.failed; f != nil {
			out.Failed = append(out.Failed, failedEntry{e.id, f.Code, f.Message, f.SenderFault})
			continue
		}
		result, p := s.take(t, &e.message, client, true)
		out.Successful = append(out.Successful, publishedEntry{e.id, result.MessageId, result.SequenceNumber})
		if p != nil {
			published = append(published, *p)
		}
	}
	return out, published, nil
}
