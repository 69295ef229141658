package deadletter

import (
	"context"
	"time"
)

// The deadlines of one call. An object can be as long as MaxDocument and has no other way.
const (
	messageTimeout = 5 * time.Second
	objectTimeout  = 30 * time.Second
)

// maxMessage is how long a document for SQS and SNS may be, in bytes. Both take 1 MiB from queues and topics that are
// set up for it; a queue that was made before August 2025 and every topic take 256 KiB unless configured otherwise.
const maxMessage = 256 << 10

// MaxDocument is how long a document may be in S3, in bytes, where nothing else bounds it: a record of 10 MiB has 14
// MiB in base64, and a message of 1 MiB has at most six.
const MaxDocument = 32 << 20

// destination is the one place that dead letters go to.
type destination interface {
	// kind names its service.
	kind() string
	// where names it for logs and the audit line.
	where() string
	// limit is the longest document that it takes, in bytes.
	limit() int
	// timeout bounds one put.
	timeout() time.Duration
	// put sends a document. It returns what the destination calls it. A repeat with the same key replaces the document
	// where the destination has keys.
	put(ctx context.Context, key string, document []byte) (id string, err error)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
