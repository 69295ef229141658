package answer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"kinesis-alerter/internal/clock"
)

// Checker checks the answers of the clients that it is installed in. It is safe for concurrent use.
type Checker struct {
	operations map[[2]string]operation // by service and name
	watch      *Watch
	clock      *clock.Clock
}

// New makes a checker. It reports what it finds to watch. It reports the Date of every answer to now, by which it
// judges which times are possible. Both may be nil.
func New(watch *Watch, now *clock.Clock) *Checker {
	if now == nil {
		now = clock.New(nil)
	}
	c := &Checker{operations: map[[2]string]operation{}, watch: watch, clock: now}
	for name, op := range table() {
		service, operation, _ := strings.Cut(name, ".")
		c.operations[[2]string{service, operation}] = op
	}
	return c
}

// The names of the middleware in a client's stack. Bounds is right behind the HTTP call, and Check in front of
// everything that reads the answer, inside the retry loop.
const (
	Bounds = "AnswerBounds"
	Check  = "AnswerCheck"
)

// Install adds the checks to a client, as one of its APIOptions.
func (c *Checker) Install(stack *middleware.Stack) error {
	return errors.Join(
		stack.Initialize.Add(middleware.InitializeMiddlewareFunc("AnswerInput", keepInput), middleware.After),
		stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(Bounds, c.bound), middleware.After),
		stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(Check, c.check), middleware.Before),
	)
}

type inputKey struct{}

// keepInput keeps the request, for the check of the answer.
func keepInput(
	ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
) (middleware.InitializeOutput, middleware.Metadata, error) {
	return next.HandleInitialize(context.WithValue(ctx, inputKey{}, in.Parameters), in)
}

func (c *Checker) operation(ctx context.Context) operation {
	op, known := c.operations[[2]string{awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)}]
	if !known {
		return operation{most: defaultMost, mostError: mostError}
	}
	return op
}

// check judges the answer after it was read.
func (c *Checker) check(
	ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
) (middleware.DeserializeOutput, middleware.Metadata, error) {
	asked := time.Now()
	out, meta, err := handle(ctx, in, next)
	err = shortened(err)
	op := c.operation(ctx)
	date, _ := awsmiddleware.GetServerTime(meta)
	c.clock.Answered(date, asked, time.Now(), awsmiddleware.GetServiceID(ctx) != kinesis.ServiceID)
	call := Call{In: ctx.Value(inputKey{}), Out: out.Result, Now: c.trusted(date)}
	setTime(&meta, call.Now)
	call.Expect, _ = ctx.Value(expectKey{}).(*Expect)
	var bad *BadError
	if err != nil {
		if bad = failed(ctx, err); bad == nil {
			bad = refusesItsOwn(&call, err)
		}
	} else if op.check != nil {
		bad = judge(op.check, &call)
	}
	if bad == nil {
		if err == nil || answered(err) {
			c.heal(ctx, &call, err)
		}
		return out, meta, err
	}
	bad.Service, bad.Operation = awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	c.watch.bad(ctx, bad, call.subjects()...)
	if call.usable {
		return out, meta, nil
	}
	return out, meta, bad
}

// heal notes a good answer. Good pages before a bad one are repeated each time, so only the last page says that all are
// good.
func (c *Checker) heal(ctx context.Context, call *Call, err error) {
	if call.page() != laterPage {
		c.watch.good(ctx, call.subjects()...)
	}
	if err == nil && call.last() {
		c.watch.good(ctx, laterPage)
	}
}

// judge runs a check. One that panics has met an answer that its author did not foresee.
func judge(check func(*Call) *BadError, c *Call) (bad *BadError) {
	defer func() {
		if p := recover(); p != nil {
			bad = &BadError{What: fmt.Sprintf("its check panics over it: %v", p)}
		}
	}()
	return check(c)
}

// handle calls the SDK. It panics over some answers, such as a time that is no number.
func handle(
	ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
) (out middleware.DeserializeOutput, meta middleware.Metadata, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &BadError{What: fmt.Sprintf("the SDK panics over it: %v", p)}
		}
	}()
	return next.HandleDeserialize(ctx, in)
}

// errorCode reports whether a text may be an error code: it becomes a label and part of log lines.
func errorCode(s string) bool {
	return s != "" && len(s) <= mostCode &&
		!strings.ContainsFunc(s, func(c rune) bool { return !word(c) && !strings.ContainsRune(".:#/-", c) })
}

// failed is the bad answer behind an error of the SDK; nil where there was none.
func failed(ctx context.Context, err error) *BadError {
	if bad, ok := errors.AsType[*BadError](err); ok {
		return &BadError{What: cut(bad.What, mostText), Status: bad.Status, Time: bad.Time, Err: err}
	}
	status := 0
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && response.Response != nil {
		status = response.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch code := api.ErrorCode(); {
		case code == "UnknownError" || code == "":
			return &BadError{
				What: fmt.Sprintf("HTTP status %d without an error code", status), Status: status, Err: err,
			}
		case !errorCode(code):
			nameless := &cutAPIError{
				cutError{err, cut(err.Error(), mostText)}, "", cut(api.ErrorMessage(), mostText), api.ErrorFault(),
			}
			return &BadError{
				What: fmt.Sprintf("HTTP status %d with an error code that is none", status), Status: status,
				Err: nameless,
			}
		}
		return nil
	}
	if _, unread := errors.AsType[refusal](err); unread {
		return nil
	}
	timeout, network := errors.AsType[net.Error](err)
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || network && timeout.Timeout() {
		return nil //nolint:nilerr // it is no bad answer, and stays an error
	}
	_, unreadable := errors.AsType[*smithy.DeserializationError](err)
	if unreadable || status != 0 { // the SDK does not wrap all that it cannot read
		what := "it cannot be read"
		if status >= http.StatusMultipleChoices {
			what = fmt.Sprintf("HTTP status %d with a body that is no answer of AWS", status)
		}
		return &BadError{What: what, Status: status, Err: err}
	}
	return nil
}

// refusesItsOwn is the bad answer of a service that does not know the place at which it said to continue.
func refusesItsOwn(c *Call, err error) *BadError {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || c.page() != laterPage {
		return nil
	}
	if code := api.ErrorCode(); code == "InvalidArgumentException" || code == "ValidationException" {
		return &BadError{What: "it refuses the place at which it said itself to go on", Err: err}
	}
	return nil
}

// answered reports whether an error came from the service: such an answer is good, whatever it says.
func answered(err error) bool {
	_, ok := errors.AsType[smithy.APIError](err)
	return ok
}

// bound checks an answer before its body is read.
func (c *Checker) bound(
	ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, meta, err := next.HandleDeserialize(ctx, in)
	res, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || res.Body == nil {
		return out, meta, err
	}
	op := c.operation(ctx)
	most, success := op.most, res.StatusCode < http.StatusMultipleChoices
	if !success {
		most = op.mostError
	}
	var bad *BadError
	switch {
	case res.StatusCode >= http.StatusMultipleChoices && res.StatusCode < http.StatusBadRequest:
		bad = &BadError{What: "it is a redirect, which is not followed", Status: res.StatusCode}
	case res.ContentLength > most:
		bad = tooLong(most)
	case success && op.streamed:
		res.Body = &boundedBody{ReadCloser: res.Body, left: most, most: most}
	default:
		return out, meta, readBody(ctx, res, &op, most)
	}
	if bad == nil {
		return out, meta, nil
	}
	bad.Status = res.StatusCode
	_ = res.Body.Close()
	res.Body = http.NoBody // the SDK drains what an error leaves
	return out, meta, bad
}

// readBody reads the whole body and checks it as it is.
func readBody(ctx context.Context, res *smithyhttp.Response, op *operation, most int64) error {
	body, err := readAll(res.Body, res.ContentLength, most)
	_ = res.Body.Close()
	res.Body = http.NoBody
	if err != nil {
		if bad, ok := errors.AsType[*BadError](err); ok {
			bad.Status = res.StatusCode
			return bad
		}
		if ctx.Err() == nil {
			return &smithy.DeserializationError{Err: err}
		}
		return err
	}
	if op.body != nil {
		if what := op.body(body, res); what != "" {
			return &BadError{What: what, Status: res.StatusCode}
		}
	}
	res.Body = nopCloser{bytes.NewReader(body)}
	return nil
}

// Call is one call of AWS, with its answer.
type Call struct {
	In, Out any
	// Expect is what else the caller knows; may be nil.
	Expect *Expect
	// Now is the service's time.
	Now time.Time
	// usable says that what is left of a bad answer may be used: the rest was removed.
	usable bool
}

// ofRow parts the key of a row from its table in a subject.
const ofRow = "\x00"

// subjects are the parts of a service whose answers can be bad alone: an operation may be bad for one row of a table
// only, or for another one each time.
func (c *Call) subjects() []string {
	subject := c.subject()
	var key map[string]types.AttributeValue
	switch in := c.In.(type) {
	case *dynamodb.GetItemInput:
		key = in.Key
	case *dynamodb.UpdateItemInput:
		key = in.Key
	case *dynamodb.DeleteItemInput:
		key = in.Key
	default:
		return []string{subject}
	}
	row := []string{subject, ofRow}
	for _, v := range key { // our tables have one
		if text, ok := v.(*types.AttributeValueMemberS); ok {
			row = append(row, text.Value)
		}
	}
	return []string{subject, strings.Join(row, "")}
}

func (c *Call) subject() string {
	if c.Expect != nil && c.Expect.Subject != "" {
		return c.Expect.Subject
	}
	switch in := c.In.(type) {
	case *sns.PublishBatchInput:
		return aws.ToString(in.TopicArn)
	case *sns.GetTopicAttributesInput:
		return aws.ToString(in.TopicArn)
	case *dynamodb.GetItemInput:
		return aws.ToString(in.TableName)
	case *dynamodb.PutItemInput:
		return aws.ToString(in.TableName)
	case *dynamodb.UpdateItemInput:
		return aws.ToString(in.TableName)
	case *dynamodb.DeleteItemInput:
		return aws.ToString(in.TableName)
	case *dynamodb.CreateTableInput:
		return aws.ToString(in.TableName)
	case *dynamodb.DescribeTableInput:
		return aws.ToString(in.TableName)
	case *dynamodb.UpdateContinuousBackupsInput:
		return aws.ToString(in.TableName)
	}
	return c.page()
}

// mostPages is more than a listing or a table can have.
const mostPages = 2000

// endless says that a list has more pages than is possible.
func (c *Call) endless() bool { return c.Expect != nil && c.Expect.Page >= mostPages }

// laterPage is the subject of calls for a page behind the first, which can be bad alone.
const laterPage = "pages behind the first"

// last reports whether an answer is the last page of a list.
func (c *Call) last() bool {
	switch out := c.Out.(type) {
	case *kinesis.ListShardsOutput:
		return out.NextToken == nil
	case *dynamodb.ScanOutput:
		return len(out.LastEvaluatedKey) == 0
	}
	return false
}

func (c *Call) page() string {
	switch in := c.In.(type) {
	case *kinesis.ListShardsInput:
		if in.NextToken != nil {
			return laterPage
		}
	case *dynamodb.ScanInput:
		if len(in.ExclusiveStartKey) > 0 {
			return laterPage
		}
		return aws.ToString(in.TableName)
	}
	return ""
}

// Expect is what a caller knows about the answer before it comes.
type Expect struct {
	// Subject distinguishes calls of one operation that can be bad alone, such as those of a shard.
	Subject string
	// Shard is the shard that is read.
	Shard string
	// After is the sequence number that records must be above; AtLeast may be the first one's.
	After, AtLeast string
	// Page is how many pages came before, and Listed are the shards in them.
	Page   int
	Listed map[string]bool
	// Key is the attribute that every item of the table has as its key, a text.
	Key string
	// AnyTime accepts records with impossible arrival times as they are.
	AnyTime bool
}

type expectKey struct{}

// With adds to a context what is expected of the answer to a call with it.
func With(ctx context.Context, e *Expect) context.Context {
	return context.WithValue(ctx, expectKey{}, e)
}

type timeKey struct{}

func setTime(meta *middleware.Metadata, t time.Time) { meta.Set(timeKey{}, t) }

// Time returns the service's time of an answer, from its result metadata; ours if that has none. A Date that the other
// answers contradict is not believed.
func Time(meta middleware.Metadata, ours time.Time) time.Time {
	if t, ok := meta.Get(timeKey{}).(time.Time); ok {
		return t
	}
	if t, ok := awsmiddleware.GetServerTime(meta); ok {
		return t
	}
	return ours
}
