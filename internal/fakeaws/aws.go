package fakeaws

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Service names, as they stand in fault rules and in the history.
const (
	ServiceKinesis  = "kinesis"
	ServiceDynamoDB = "dynamodb"
	ServiceSNS      = "sns"
	ServiceSQS      = "sqs"
	ServiceS3       = "s3"
)

// maxBody bounds a request body; the largest legal one is a PutRecords call of 10 MiB in base64.
const maxBody = 32 << 20

// Options configure an emulated account. The zero value is usable.
type Options struct {
	// Region defaults to us-east-1.
	Region string
	// Account defaults to 000000000000.
	Account string
	// TableActivation is how long a new DynamoDB table stays CREATING. Defaults to 50 ms.
	TableActivation time.Duration
	// StreamActivation is how long a stream stays CREATING or UPDATING after a change. Defaults to 50 ms.
	StreamActivation time.Duration
	// Unthrottled turns the per-shard read and write limits of Kinesis off.
	Unthrottled bool
	// Endpoint is where other processes reach the account. It goes into the URLs of queues, so that no client takes
	// the one of AWS from there. The default is AWS'.
	Endpoint string
	// ConfirmSubscriptions stands in for the person who follows the link in the e-mail that asks for it.
	ConfirmSubscriptions bool
}

// AWS is one emulated account in one region. It is safe for concurrent use.
type AWS struct {
	Kinesis  *Kinesis
	DynamoDB *DynamoDB
	SNS      *SNS
	SQS      *SQS
	S3       *S3
	STS      *STS
	// Faults decides which requests go wrong. Rules may be changed at any time.
	Faults *Faults
	// History records every request that reached a service, in order.
	History *History

	targets    map[string]service              // by X-Amz-Target prefix
	operations map[string]map[string]operation // by service
}

// service answers the requests of one AWS service.
type service interface {
	name() string
	// operations are what it emulates, and unknown is the answer to what it does not.
	operations() map[string]operation
	unknown(op string) *Error
}

// operation runs one request. It returns the result to encode, or an *Error.
type operation func(ctx context.Context, req *Request) (any, error)

// decoded is an operation on its decoded input.
func decoded[In any](do func(*In) (any, error)) operation {
	return func(_ context.Context, req *Request) (any, error) {
		in := new(In)
		if err := req.decode(in); err != nil {
			return nil, err
		}
		return do(in)
	}
}

// plain is an operation that decodes its request by itself.
func plain(do func(*Request) (any, error)) operation {
	return func(_ context.Context, req *Request) (any, error) { return do(req) }
}

// Request is one decoded call.
type Request struct {
	// Client names the caller: its access key id. Faults can single out a client.
	Client string
	// Body is the JSON document of a JSON-protocol call.
	Body []byte
	// Form holds the parameters of a query-protocol call (SNS), and those of the address of a REST call (S3).
	Form url.Values
	// Bucket, Key and Header are those of a REST call; Key is empty when the bucket itself is meant.
	Bucket, Key string
	Header      http.Header
}

// decode reads the JSON body into v.
func (r *Request) decode(v any) error {
	if len(r.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Body, v); err != nil {
		return &Error{Code: "SerializationException", Message: err.Error()}
	}
	return nil
}

// Error is an AWS error answer.
type Error struct {
	Code    string
	Message string
	// Status is the HTTP status; 0 means 400.
	Status int
	// Fields are extra members of a JSON error document (for example CancellationReasons or Item).
	Fields map[string]any
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// errorf makes a 400 answer.
func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// New makes an empty account.
func New(o Options) *AWS {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	if o.TableActivation == 0 {
		o.TableActivation = 50 * time.Millisecond
	}
	if o.StreamActivation == 0 {
		o.StreamActivation = 50 * time.Millisecond
	}
	a := &AWS{Faults: newFaults(), History: &History{}}
	a.Kinesis = newKinesis(o)
	a.DynamoDB = newDynamoDB(o)
	a.SQS = newSQS(o)
	a.SNS = newSNS(o, a.SQS)
	a.S3 = newS3(o)
	a.STS = newSTS(o)
	a.targets = map[string]service{
		"Kinesis_20131202":  a.Kinesis,
		"DynamoDB_20120810": a.DynamoDB,
		"AmazonSQS":         a.SQS,
	}
	a.operations = map[string]map[string]operation{}
	for _, svc := range []service{a.Kinesis, a.DynamoDB, a.SQS, a.SNS, a.S3, a.STS} {
		a.operations[svc.name()] = svc.operations()
	}
	return a
}

// RoundTrip is the door for clients in the same process, also inside a synctest bubble.
func (a *AWS) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err // a request that was given up before it was sent has no effect
	}
	ans, err := a.answer(r.Context(), r, body)
	if err != nil {
		return nil, err
	}
	res := &http.Response{
		Status: fmt.Sprintf("%d %s", ans.Status, http.StatusText(ans.Status)), StatusCode: ans.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: ans.Header, Body: io.NopCloser(ans.body()), ContentLength: ans.length(), Request: r,
	}
	unpack(r, res)
	return res, nil
}

// unpack takes compression off an answer, as net/http's transport does for a client that did not ask for it.
func unpack(r *http.Request, res *http.Response) {
	if res.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("Accept-Encoding") != "" {
		return
	}
	res.Header.Del("Content-Encoding")
	res.ContentLength, res.Uncompressed = -1, true
	packed, err := gzip.NewReader(res.Body)
	if err == nil {
		res.Body = packed
		return
	}
	body, broken := io.Pipe()
	_ = broken.CloseWithError(err)
	res.Body = body
}

// ServeHTTP is the door for other processes.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ans, err := a.answer(r.Context(), r, body)
	if err != nil {
		panic(http.ErrAbortHandler) // a lost connection: the client sees no answer at all
	}
	maps.Copy(w.Header(), ans.Header)
	// set, it is of the object that a HEAD call asks for
	if n := ans.length(); n >= 0 && ans.Header.Get("Content-Length") == "" {
		// as AWS does; net/http would send large ones in chunks
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	}
	w.WriteHeader(ans.Status)
	if _, err := io.Copy(w, ans.body()); err != nil {
		_ = http.NewResponseController(w).Flush() // what came before the cut arrives
		panic(http.ErrAbortHandler)
	}
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer func() { _ = r.Body.Close() }()
	body := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), maxBody)+bytes.MinRead))
	if _, err := body.ReadFrom(io.LimitReader(r.Body, maxBody+1)); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if body.Len() > maxBody {
		return nil, fmt.Errorf("request of more than %d bytes: AWS takes 10 MiB of records at most", maxBody)
	}
	return body.Bytes(), nil
}

// credential finds the access key id of a signed call, and the service that it is meant for.
var credential = regexp.MustCompile(`Credential=([^/]+)/(?:[^/]*/[^/]*/([^/]+)/)?`)

// answer runs one request with its faults. An error means that no answer arrives.
func (a *AWS) answer(ctx context.Context, r *http.Request, body []byte) (*Answer, error) {
	req := &Request{Body: body}
	signedFor := ""
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		req.Client, signedFor = m[1], m[2]
	}
	in, ended := a.STS.home(req.Client)
	if in != nil && !ended {
		return in.answer(ctx, r, body)
	}
	svc, op, encode := a.route(r, req, signedFor)
	if ended {
		code := "ExpiredToken"
		if r.Header.Get("X-Amz-Target") != "" {
			code += "Exception"
		}
		return reply(encode, nil, &Error{
			Code: code, Message: "The security token included in the request is expired", Status: http.StatusForbidden,
		})
	}
	if svc == nil {
		return reply(encode, nil, errorf("UnknownOperationException", "no such service or operation"))
	}
	var result any
	fault := a.Faults.pick(svc.name(), op, req)
	err := fault.around(ctx, func() error {
		res, err := a.run(ctx, svc, op, req)
		result = res
		a.History.add(Event{At: time.Now(), Service: svc.name(), Operation: op, Client: req.Client, Err: err})
		return err
	})
	var apiErr *Error
	if err != nil && !errors.As(err, &apiErr) {
		return nil, err // black hole, cancelled, partition
	}
	ans, err := reply(encode, result, err)
	if err == nil && fault != nil && fault.Rewrite != nil {
		ans.Service, ans.Operation, ans.Request = svc.name(), op, req
		fault.Rewrite(ans)
	}
	return ans, err
}

// run runs one request without faults.
func (a *AWS) run(ctx context.Context, svc service, op string, req *Request) (any, error) {
	if do := a.operations[svc.name()][op]; do != nil {
		return do(ctx, req)
	}
	return nil, svc.unknown(op)
}

// encoder writes an answer, or the error, in the protocol of the request.
type encoder func(header http.Header, result any, apiErr *Error) (int, http.Header, []byte, error)

// route finds service, operation and protocol.
func (a *AWS) route(r *http.Request, req *Request, signedFor string) (svc service, op string, encode encoder) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, op, _ := strings.Cut(target, ".")
		if svc, ok := a.targets[prefix]; ok {
			return svc, op, encodeJSON
		}
		return nil, op, encodeJSON
	}
	if signedFor == ServiceS3 { // whose calls have no other mark
		req.Form, req.Header = r.URL.Query(), r.Header
		req.Bucket, req.Key = s3Address(r)
		return a.S3, s3Operation(r, req), func(
			h http.Header, result any, apiErr *Error,
		) (int, http.Header, []byte, error) {
			return encodeREST(h, r.Method == http.MethodHead, result, apiErr)
		}
	}
	form, err := url.ParseQuery(string(req.Body))
	if err != nil {
		return nil, "", encodeQuery
	}
	req.Form = form
	op = form.Get("Action")
	switch signedFor {
	case serviceSTS:
		return a.STS, op, encodeQuery
	case ServiceSQS:
		req.Body = sqsForm(form)
		return a.SQS, op, encodeSQSQuery(op)
	}
	return a.SNS, op, encodeQuery
}

// encodedJSON is a result that is its own JSON document, for answers too large to be encoded by reflection.
type encodedJSON []byte

// appendMember ends an object with one more member.
func appendMember(b []byte, name string, v any) ([]byte, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	b = append(b, value...)
	return append(b, '}'), nil
}

// reply writes the answer with the headers that all have.
func reply(encode encoder, result any, err error) (*Answer, error) {
	header := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}, "X-Amzn-Requestid": {"fakeaws"}}
	var apiErr *Error
	errors.As(err, &apiErr)
	status, header, body, err := encode(header, result, apiErr)
	return &Answer{Status: status, Header: header, Body: body}, err
}

// encodeJSON writes an answer of the JSON protocol.
func encodeJSON(header http.Header, result any, apiErr *Error) (int, http.Header, []byte, error) {
	header.Set("Content-Type", "application/x-amz-json-1.1")
	if apiErr != nil {
		doc := map[string]any{"__type": apiErr.Code, "message": apiErr.Message}
		maps.Copy(doc, apiErr.Fields)
		payload, err := json.Marshal(doc)
		return apiErr.status(), header, payload, err
	}
	if encoded, ok := result.(encodedJSON); ok {
		return http.StatusOK, header, encoded, nil
	}
	if result == nil {
		result = struct{}{}
	}
	payload, err := json.Marshal(result)
	return http.StatusOK, header, payload, err
}
