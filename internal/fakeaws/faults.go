package fakeaws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Kind is a way in which a request goes wrong.
type Kind uint8

// The kinds of faults.
const (
	// Before answers with Fault.Err and the operation has no effect.
	Before Kind = iota
	// After runs the operation, throws its answer away and answers with Fault.Err: it happened, but the caller does
	// not know.
	After
	// Delay waits Fault.Delay and then runs the operation.
	Delay
	// BlackHole never answers and has no effect; the caller's context ends it.
	BlackHole
	// Lost runs the operation and never answers.
	Lost
	// Partition drops the connection at once without effect.
	Partition
	// Changed runs the operation and sends the answer that Fault.Rewrite makes of its own.
	Changed
)

// Fault is a rule: the requests that it matches go wrong in its way. Empty fields match everything.
type Fault struct {
	Service, Operation, Client string

	Kind Kind
	// Err is the answer of Before and After; nil means InternalFailure with status 500.
	Err *Error
	// Delay is how long Delay waits.
	Delay time.Duration
	// Times bounds how often the rule applies; 0 means always.
	Times int
	// When, if set, is asked as well; it must not block.
	When func() bool
	// Match, if set, looks at the request as well, for faults of one shard, topic or row; it must not block.
	Match func(*Request) bool
	// Rewrite, if set, changes the answer on the wire, of any kind that has one: with Before the operation has no
	// effect and the answer is made from an error, with Changed it is made from the real one. It must not block.
	Rewrite func(*Answer)
}

// Answer is an encoded answer, before it is sent.
type Answer struct {
	Service, Operation string
	Request            *Request
	Status             int
	Header             http.Header
	// Body is sent first, then Rest, if set. An error of Rest cuts the connection inside the body.
	Body []byte
	Rest io.Reader
	// Length is the Content-Length to announce. 0 is the real one, and none where there is a Rest.
	Length int64
}

// length is the Content-Length to announce, -1 for none.
func (a *Answer) length() int64 {
	switch {
	case a.Length != 0:
		return a.Length
	case a.Rest != nil:
		return -1
	}
	return int64(len(a.Body))
}

// body is Body and Rest as one.
func (a *Answer) body() io.Reader {
	if a.Rest == nil {
		return bytes.NewReader(a.Body)
	}
	return io.MultiReader(bytes.NewReader(a.Body), a.Rest)
}

// JSON changes the members of a JSON answer: edit gets the document. It panics where the answer is no JSON object,
// which is a fault of the test.
func (a *Answer) JSON(edit func(map[string]any)) {
	doc := map[string]any{}
	in := json.NewDecoder(bytes.NewReader(a.Body))
	in.UseNumber() // or times lose their milliseconds
	if err := in.Decode(&doc); err != nil {
		panic(fmt.Sprintf("answer of %s.%s: %v", a.Service, a.Operation, err))
	}
	edit(doc)
	body, err := json.Marshal(doc)
	if err != nil {
		panic(fmt.Sprintf("answer of %s.%s: %v", a.Service, a.Operation, err))
	}
	a.Body = body
}

// Throttle is a Before fault with the service's own throttling error.
func Throttle(service, operation string) Fault {
	f := Fault{Service: service, Operation: operation, Kind: Before}
	switch service {
	case ServiceKinesis, ServiceDynamoDB:
		f.Err = &Error{Code: "ProvisionedThroughputExceededException", Message: "Rate exceeded"}
	case ServiceS3:
		f.Err = &Error{Code: "SlowDown", Message: "Please reduce your request rate.", Status: 503}
	default:
		f.Err = &Error{Code: "Throttling", Message: "Rate exceeded"}
	}
	return f
}

var errPartition = errors.New("fakeaws: connection reset (partition)")

// Faults holds the active rules. It is safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	rules []*Fault // in the order of Add
}

func newFaults() *Faults { return &Faults{} }

// Add adds a rule and returns what takes it out again. The rule added first wins.
func (f *Faults) Add(rule Fault) (remove func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &rule
	f.rules = append(f.rules, r)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.drop(r)
	}
}

func (f *Faults) drop(r *Fault) {
	f.rules = slices.DeleteFunc(f.rules, func(other *Fault) bool { return other == r })
}

// Clear takes every rule out. Requests that a rule already holds stay with it.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// pick returns the rule for a request, or nil.
func (f *Faults) pick(service, op string, req *Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if !r.applies(service, op, req) {
			continue
		}
		hit := *r
		if r.Times > 0 {
			if r.Times--; r.Times == 0 {
				f.drop(r)
			}
		}
		return &hit
	}
	return nil
}

func (r *Fault) applies(service, op string, req *Request) bool {
	return matches(r.Service, service) && matches(r.Operation, op) && matches(r.Client, req.Client) &&
		(r.When == nil || r.When()) && (r.Match == nil || r.Match(req))
}

func matches(want, got string) bool { return want == "" || want == got }

// around runs do under the fault, which is nil where none applies. An error that is not an *Error means that no answer
// arrives.
func (r *Fault) around(ctx context.Context, do func() error) error {
	if r == nil {
		return do()
	}
	answer := r.Err
	if answer == nil {
		answer = &Error{Code: "InternalFailure", Message: "injected fault", Status: 500}
	}
	switch r.Kind {
	case Before:
		return answer
	case After:
		_ = do()
		return answer
	case Delay:
		t := time.NewTimer(r.Delay)
		defer t.Stop()
		select {
		case <-t.C:
			return do()
		case <-ctx.Done():
			return ctx.Err()
		}
	case BlackHole:
		<-ctx.Done()
		return ctx.Err()
	case Lost:
		_ = do()
		<-ctx.Done()
		return ctx.Err()
	case Partition:
		return errPartition
	case Changed:
		return do()
	}
	return fmt.Errorf("fakeaws: fault of unknown kind %d", r.Kind)
}
