package output

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/go-json-experiment/json/jsontext"
)

// protocol is the SDK's protocol with another way to write and read the records of PutRecords: the SDK's own costs more
// than all else that is done for a record. It writes what the SDK would write. What it does not know how to read it
// leaves to the SDK.
type protocol struct{ smithyhttp.ClientProtocol }

// SerializeRequest implements smithyhttp.ClientProtocol.
func (p protocol) SerializeRequest(
	ctx context.Context, schema *smithy.OperationSchema, in smithy.Serializable, req *smithyhttp.Request,
) error {
	put, ok := in.(*kinesis.PutRecordsInput)
	if !ok {
		return p.ClientProtocol.SerializeRequest(ctx, schema, in, req)
	}
	body, err := encode(put)
	if err != nil { // a key that is no UTF-8
		return p.ClientProtocol.SerializeRequest(ctx, schema, in, req)
	}
	none := &kinesis.PutRecordsInput{StreamName: put.StreamName, StreamARN: put.StreamARN}
	if err := p.ClientProtocol.SerializeRequest(ctx, schema, none, req); err != nil {
		return err
	}
	with, err := req.SetStream(bytes.NewReader(body))
	if err != nil {
		return err
	}
	*req = *with
	return nil
}

// encode writes the request.
func encode(in *kinesis.PutRecordsInput) (b []byte, err error) {
	size := 256
	for i := range in.Records {
		r := &in.Records[i]
		size += base64.StdEncoding.EncodedLen(len(r.Data)) + len(*r.PartitionKey) + 40
	}
	b = append(make([]byte, 0, size), `{"Records":[`...)
	for i := range in.Records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"Data":"`...)
		b = base64.StdEncoding.AppendEncode(b, in.Records[i].Data)
		b = append(b, `","PartitionKey":`...)
		if b, err = jsontext.AppendQuote(b, *in.Records[i].PartitionKey); err != nil {
			return nil, err
		}
		b = append(b, '}')
	}
	name, value := `],"StreamName":`, in.StreamName
	if in.StreamARN != nil {
		name, value = `],"StreamARN":`, in.StreamARN
	}
	b, err = jsontext.AppendQuote(append(b, name...), *value)
	return append(b, '}'), err
}

// DeserializeResponse implements smithyhttp.ClientProtocol.
func (p protocol) DeserializeResponse(
	ctx context.Context, schema *smithy.OperationSchema, registry *smithy.TypeRegistry, resp *smithyhttp.Response,
	out smithy.Deserializable,
) error {
	put, ok := out.(*kinesis.PutRecordsOutput)
	if !ok || resp.StatusCode != http.StatusOK {
		return p.ClientProtocol.DeserializeResponse(ctx, schema, registry, resp, out)
	}
	var body bytes.Buffer
	body.Grow(int(min(max(resp.ContentLength, 0), leastBytes)) + bytes.MinRead)
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	whole := body.Bytes()
	if decode(&body, put) == nil {
		return nil
	}
	*put = kinesis.PutRecordsOutput{}
	resp.Body = io.NopCloser(bytes.NewReader(whole))
	return p.ClientProtocol.DeserializeResponse(ctx, schema, registry, resp, out)
}

// errUnusual is an answer that is left to the SDK.
var errUnusual = errors.New("unusual answer")

// decode reads an answer that has strings where they are expected, and nothing unexpected.
func decode(body *bytes.Buffer, out *kinesis.PutRecordsOutput) error {
	in := jsontext.NewDecoder(body)
	if err := expect(in, '{'); err != nil {
		return err
	}
	for in.PeekKind() != '}' {
		name, err := in.ReadToken()
		if err != nil {
			return err
		}
		switch name.String() {
		case "FailedRecordCount":
			t, err := in.ReadToken()
			if err != nil || t.Kind() != '0' {
				return errUnusual
			}
			n, err := t.Int()
			if err != nil {
				return err
			}
			out.FailedRecordCount = new(int32(min(n, mostRecords))) //nolint:gosec // bounded
		case "EncryptionType":
			s, err := text(in)
			if err != nil {
				return err
			}
			out.EncryptionType = types.EncryptionType(*s)
		case "Records":
			if err := decodeEntries(in, out); err != nil {
				return err
			}
		default:
			return errUnusual
		}
	}
	if err := expect(in, '}'); err != nil {
		return err
	}
	if _, err := in.ReadToken(); !errors.Is(err, io.EOF) {
		return errUnusual
	}
	return nil
}

func decodeEntries(in *jsontext.Decoder, out *kinesis.PutRecordsOutput) error {
	if err := expect(in, '['); err != nil {
		return err
	}
	out.Records = make([]types.PutRecordsResultEntry, 0, mostRecords)
	for in.PeekKind() != ']' {
		if err := expect(in, '{'); err != nil {
			return err
		}
		var e types.PutRecordsResultEntry
		for in.PeekKind() != '}' {
			name, err := in.ReadToken()
			if err != nil {
				return err
			}
			var to **string
			switch name.String() {
			case "SequenceNumber":
				to = &e.SequenceNumber
			case "ShardId":
				to = &e.ShardId
			case "ErrorCode":
				to = &e.ErrorCode
			case "ErrorMessage":
				to = &e.ErrorMessage
			default:
				return errUnusual
			}
			if *to, err = text(in); err != nil {
				return err
			}
		}
		if err := expect(in, '}'); err != nil {
			return err
		}
		out.Records = append(out.Records, e)
	}
	return expect(in, ']')
}

func expect(in *jsontext.Decoder, kind jsontext.Kind) error {
	if in.PeekKind() != kind {
		return errUnusual
	}
	_, err := in.ReadToken()
	return err
}

func text(in *jsontext.Decoder) (*string, error) {
	t, err := in.ReadToken()
	if err != nil || t.Kind() != '"' {
		return nil, errUnusual
	}
	return new(t.String()), nil
}
