package answer_test

import (
	"errors"
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// FuzzAnswer: whatever answers for AWS, by JSON or by XML, with a status and a body of any kind, a call ends with an
// answer or with an error that is short enough for a log, whose code is text.
func FuzzAnswer(f *testing.F) {
	for i, call := range calls() { // a status is so much above 200
		f.Add(uint8(i), uint16(0), call.good, "", "application/x-amz-json-1.1")
		f.Add(
			uint8(i), uint16(200), `{"__type":"ExpiredIteratorException","message":"m"}`, "",
			"application/x-amz-json-1.0",
		)
		f.Add(
			uint8(i), uint16(203),
			`<ErrorResponse><Error><Code>AuthorizationError</Code><Message>m</Message></Error></ErrorResponse>`, "",
			"text/xml",
		)
		f.Add(uint8(i), uint16(200), "", "Bad\xff\xfe", "")
		f.Add(uint8(i), uint16(200), "", "\x95", "")
		f.Add(
			uint8(i), uint16(0), `{"Records": [{"ApproximateArrivalTimestamp": "NaN"}], "NextShardIterator": "n"}`,
			"", "",
		)
	}
	f.Fuzz(func(t *testing.T, which uint8, status uint16, body, code, kind string) {
		call := calls()[int(which)%len(calls())]
		x := newFixture(t)
		x.reply = reply{
			status: 200 + int(status)%400, body: body,
			header: http.Header{"X-Amzn-Errortype": {code}, "Content-Type": {kind}},
		}
		err := call.make(t.Context(), x.cfg)
		if err == nil {
			return
		}
		require.Less(t, len(err.Error()), 8<<10)
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			require.True(t, utf8.ValidString(api.ErrorCode()), "%q", api.ErrorCode())
			require.LessOrEqual(t, len(api.ErrorCode()), 64)
		}
	})
}
