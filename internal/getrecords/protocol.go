package getrecords

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// Protocol is the SDK's JSON protocol, except that it reads answers of GetRecords itself. Set it in an option function
// of a client: kinesis.New overwrites what Options holds before. One serves any number of clients at a time.
type Protocol struct {
	smithyhttp.ClientProtocol

	alphabet *alphabet
	handed   func()
	bodies   sync.Pool // of *body
}

// body is a buffer that is used again, with what is found in it.
type body struct {
	bytes []byte
	page  page
}

const (
	// mostAhead is the longest body that a buffer is made for ahead of its bytes. An answer has 10 MiB of payload at
	// most, which is 14 MiB in base64.
	mostAhead = 16 << 20
	// mostKept is the largest buffer that is used again.
	mostKept = 16 << 20
)

// New makes a protocol. It calls handed for each answer that it leaves to the SDK.
func New(handed func()) *Protocol {
	return &Protocol{
		ClientProtocol: awsjson.New11(schemas.Kinesis_20131202), alphabet: newAlphabet(), handed: handed,
		bodies: sync.Pool{New: func() any { return new(body) }},
	}
}

// DeserializeResponse implements smithyhttp.ClientProtocol.
func (p *Protocol) DeserializeResponse(
	ctx context.Context, operation *smithy.OperationSchema, registry *smithy.TypeRegistry, res *smithyhttp.Response,
	out smithy.Deserializable,
) error {
	records, ok := out.(*kinesis.GetRecordsOutput)
	if !ok || res.StatusCode < http.StatusOK || res.StatusCode >= http.StatusMultipleChoices {
		return p.ClientProtocol.DeserializeResponse(ctx, operation, registry, res, out)
	}
	b := p.bodies.Get().(*body) //nolint:forcetypeassert // New makes it
	defer p.put(b)
	var err error
	if b.bytes, err = readAll(b.bytes[:0], res.Response); err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	if b.page.read(b.bytes) && b.page.answer(p.alphabet, records) {
		return nil
	}
	p.handed()
	whole := res.Body
	defer func() { res.Body = whole }()
	res.Body = io.NopCloser(bytes.NewReader(b.bytes))
	return p.ClientProtocol.DeserializeResponse(ctx, operation, registry, res, out)
}

func (p *Protocol) put(b *body) {
	if cap(b.bytes) <= mostKept {
		b.page.p = nil
		p.bodies.Put(b)
	}
}

// readAll reads a whole body into b, or into a larger buffer. What bounds a body is in front of it; see package answer.
func readAll(b []byte, res *http.Response) ([]byte, error) {
	if n := res.ContentLength; n >= int64(cap(b)) && n <= mostAhead {
		b = make([]byte, 0, n+n/8+512) // the next one is a little longer
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := res.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}
