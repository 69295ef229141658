package read

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"kinesis-alerter/internal/answer"
)

// answerGate looks at the answer to one GetRecords call after its header and before its body is read. Limit bounds the
// number of records and not their size, so a page can be far larger than what its credits were taken for: 64 shards
// that get 10 MB pages at the same moment would decode 640 MB before any of it was counted.
//
// A page gets the missing credits if they are free, and is dropped unread if not. Large ones are decoded a few
// at a time.
type answerGate struct {
	credits  *Credits
	decoding chan struct{}
	credit   Credit
	inside   bool
}

// pageTooLargeError says that a page was not read because the budget has no room for it now.
type pageTooLargeError struct{ size int }

// Unread says that nothing was wrong with the answer.
func (*pageTooLargeError) Unread() bool { return true }

func (e *pageTooLargeError) Error() string {
	return fmt.Sprintf("no credits for a page of %d bytes now", e.size)
}

// install puts the gate right behind the HTTP call, and behind the limit on answers if the client has one.
func (g *answerGate) install(o *kinesis.Options) {
	gate := middleware.DeserializeMiddlewareFunc("AdmitPage", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, meta, err := next.HandleDeserialize(ctx, in)
		if res, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil {
			if res.ContentLength < 0 {
				res.Body = &meteredBody{ReadCloser: res.Body, ctx: ctx, gate: g}
			} else if err = g.Enter(ctx, res.ContentLength); err != nil {
				_ = res.Body.Close()
				res.Body = http.NoBody // the SDK drains what an error leaves
			}
		}
		return out, meta, err
	})
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		if _, bounded := s.Deserialize.Get(answer.Bounds); bounded {
			return s.Deserialize.Insert(gate, answer.Bounds, middleware.Before)
		}
		return s.Deserialize.Add(gate, middleware.After)
	})
}

// Enter admits a body of n bytes of JSON, which holds the payload in base64.
func (g *answerGate) Enter(ctx context.Context, n int64) error {
	size := max(int(n/4*3), g.credit.bytes)
	if size > g.credit.bytes {
		c, wait := g.credits.tryAdmit(g.credit, size)
		if wait != nil {
			return &pageTooLargeError{size}
		}
		g.credit = c
	}
	if size < largePage || g.inside {
		return nil
	}
	select {
	case g.decoding <- struct{}{}:
		g.inside = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave makes room for the next large page.
func (g *answerGate) leave() {
	if g.inside {
		<-g.decoding
		g.inside = false
	}
}

// meteredBody is a body whose length was not announced. It is admitted piece by piece as it is read.
type meteredBody struct {
	io.ReadCloser
	ctx      context.Context //nolint:containedctx // of the call; io.Reader has no place for it
	gate     *answerGate
	read     int64
	admitted int64
}

// meterStep is how many bytes of a body are admitted at a time.
const meterStep = 256 << 10

// Read implements io.Reader. A body that runs out of credits counts as twice as long as what was read of it.
func (b *meteredBody) Read(p []byte) (int, error) {
	if b.read >= b.admitted {
		if err := b.gate.Enter(b.ctx, b.admitted+meterStep); err != nil {
			if large, ok := errors.AsType[*pageTooLargeError](err); ok {
				large.size = min(2*large.size, answer.MostRecords)
			}
			return 0, err
		}
		b.admitted += meterStep
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.admitted-b.read)])
	b.read += int64(n)
	return n, err
}
