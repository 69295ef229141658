package deadletter

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"kinesis-alerter/internal/arns"
)

// S3Client is what a Sender asks of S3; *s3.Client has it. Its retryer should be aws.NopRetryer.
type S3Client interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

type bucket struct {
	client       S3Client
	name, prefix string
	region       atomic.Pointer[string] // where S3 said that the bucket is; nil is the region of the client
}

func (*bucket) kind() string           { return "s3" }
func (b *bucket) where() string        { return "s3://" + b.name + "/" + b.prefix }
func (*bucket) limit() int             { return MaxDocument }
func (*bucket) timeout() time.Duration { return objectTimeout }

// put returns the key: an object has no other name. A bucket's name does not say its region, but S3 does where the call
// went to another one: then it is made again, and all later ones go there at once.
func (b *bucket) put(ctx context.Context, key string, document []byte) (string, error) {
	key = b.prefix + key
	region := b.region.Load()
	err := b.putIn(ctx, region, key, document)
	if at := bucketRegion(err); at != "" && (region == nil || *region != at) {
		b.region.Store(&at)
		err = b.putIn(ctx, &at, key, document)
	}
	if err != nil {
		return "", err
	}
	return key, nil
}

func (b *bucket) putIn(ctx context.Context, region *string, key string, document []byte) error {
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, Body: bytes.NewReader(document), ContentType: new("application/json"),
	}, func(o *s3.Options) {
		if region != nil {
			o.Region = *region
		}
	})
	return err
}

// bucketRegion is the region that an answer to a call in another one names; empty for all other answers. It becomes
// part of a host's name.
func bucketRegion(err error) string {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || answer.Response == nil {
		return ""
	}
	switch answer.HTTPStatusCode() {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
		if region := answer.Response.Header.Get("x-amz-bucket-region"); arns.IsRegion(region) {
			return region
		}
	}
	return ""
}

// maxPrefix is how long the part of a key may be that is configured, in bytes. S3 takes 1,024 for all of it.
const maxPrefix = 512

// splitBucket returns the bucket's name and the prefix of the keys, which is empty or ends in a slash.
func splitBucket(s string) (name, prefix string) {
	name, prefix, _ = strings.Cut(strings.TrimPrefix(s, "s3://"), "/")
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return name, prefix
}

// checkBucket returns the rule that a bucket's name or a prefix breaks, or an empty string.
func checkBucket(name, prefix string) string {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
	}
	edge := func(r rune) bool { return r == '.' || r == '-' }
	switch {
	case len(name) < 3 || len(name) > 63 || strings.ContainsFunc(name, odd) || strings.Contains(name, "..") ||
		strings.TrimFunc(name, edge) != name:
		return "must be a bucket's name, 3 to 63 of a-z 0-9 . - with a letter or digit at both ends, or " +
			"s3://<bucket>/<prefix>"
	case len(prefix) > maxPrefix || !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl):
		return "a prefix has at most 511 bytes of UTF-8 without control characters"
	}
	return ""
}
