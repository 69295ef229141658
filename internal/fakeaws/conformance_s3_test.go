package fakeaws_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// bucket makes a bucket.
func (p *probe) bucket() *string {
	p.t.Helper()
	name := p.name("bucket")
	_, err := p.s3.CreateBucket(p.ctx, &s3.CreateBucketInput{Bucket: &name})
	p.must(err)
	return &name
}

func (p *probe) putObject(bucket *string, key, data string) error {
	_, err := p.s3.PutObject(p.ctx, &s3.PutObjectInput{
		Bucket: bucket, Key: &key, Body: strings.NewReader(data), ContentType: aws.String("application/json"),
	})
	return err
}

// getObject returns the data of an object, or the code of the error.
func (p *probe) getObject(bucket *string, key string) string {
	p.t.Helper()
	out, err := p.s3.GetObject(p.ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key})
	if err != nil {
		return code(err)
	}
	data, err := io.ReadAll(out.Body)
	p.must(errors.Join(err, out.Body.Close()))
	return string(data)
}

// list returns the keys of one page, and whether there are more.
func (p *probe) list(in s3.ListObjectsV2Input) string {
	p.t.Helper()
	out, err := p.s3.ListObjectsV2(p.ctx, &in)
	p.must(err)
	return keys(out) + fmt.Sprintf(" %d %t", aws.ToInt32(out.KeyCount), aws.ToBool(out.IsTruncated))
}

func keys(out *s3.ListObjectsV2Output) string {
	var s []string
	for _, o := range out.Contents {
		s = append(s, *o.Key)
	}
	return strings.Join(s, ",")
}

func objectBehaviours() []behaviour {
	return []behaviour{
		{
			name: "an object comes back as it was put",
			want: `{"a":1}; application/json; "bb6cb5c68df4652941caf652a366f2d8"; true; 7`,
			observe: func(p *probe) string {
				bucket := p.bucket()
				put, err := p.s3.PutObject(p.ctx, &s3.PutObjectInput{
					Bucket: bucket, Key: aws.String("a/b.json"), Body: strings.NewReader(`{"a":1}`),
					ContentType: aws.String("application/json"),
				})
				p.must(err)
				out, err := p.s3.GetObject(p.ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("a/b.json")})
				p.must(err)
				data, err := io.ReadAll(out.Body)
				p.must(errors.Join(err, out.Body.Close()))
				return observations(string(data), *out.ContentType, *put.ETag, *put.ETag == *out.ETag,
					*out.ContentLength)
			},
		},
		{
			name: "an object's head is its size and type",
			want: `5; application/json; "5d41402abc4b2a76b9719d911017c592"; true`, observe: func(p *probe) string {
				bucket := p.bucket()
				p.must(p.putObject(bucket, "k", "hello"))
				out, err := p.s3.HeadObject(p.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("k")})
				p.must(err)
				return observations(*out.ContentLength, *out.ContentType, *out.ETag, !out.LastModified.IsZero())
			},
		},
		{
			name: "an object is replaced by the next with its key", want: "second; k 1 false",
			observe: func(p *probe) string {
				bucket := p.bucket()
				p.must(p.putObject(bucket, "k", "first"))
				p.must(p.putObject(bucket, "k", "second"))
				return observations(p.getObject(bucket, "k"), p.list(s3.ListObjectsV2Input{Bucket: bucket}))
			},
		},
		{
			name: "an object that is deleted is gone, however often", want: "ok; NoSuchKey; ok; NoSuchBucket",
			observe: func(p *probe) string {
				bucket := p.bucket()
				p.must(p.putObject(bucket, "k", "x"))
				remove := func(bucket *string) error {
					_, err := p.s3.DeleteObject(p.ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("k")})
					return err
				}
				return observations(
					remove(bucket), p.getObject(bucket, "k"), remove(bucket), remove(aws.String(p.name("missing"))),
				)
			},
		},
		{name: "a missing bucket is told from a missing object", want: "NoSuchBucket; NoSuchBucket; NoSuchKey; " +
			"404; 404; 404; ok; NoSuchBucket", observe: func(p *probe) string {
			bucket, missing := p.bucket(), aws.String(p.name("missing"))
			head := func(bucket, key *string) int {
				_, err := p.s3.HeadObject(p.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})
				return status(err)
			}
			_, absent := p.s3.HeadBucket(p.ctx, &s3.HeadBucketInput{Bucket: missing})
			_, present := p.s3.HeadBucket(p.ctx, &s3.HeadBucketInput{Bucket: bucket})
			_, list := p.s3.ListObjectsV2(p.ctx, &s3.ListObjectsV2Input{Bucket: missing})
			return observations(p.putObject(missing, "k", "x"), p.getObject(missing, "k"), p.getObject(bucket, "k"),
				head(missing, aws.String("k")), head(bucket, aws.String("k")), status(absent), present, list)
		}},
		{
			name: "a bucket of one's own can be created again in us-east-1", want: "ok; kept",
			observe: func(p *probe) string {
				bucket := p.bucket()
				p.must(p.putObject(bucket, "k", "kept"))
				_, err := p.s3.CreateBucket(p.ctx, &s3.CreateBucketInput{Bucket: bucket})
				return observations(err, p.getObject(bucket, "k"))
			},
		},
		{
			name: "buckets have the names of hosts", want: "InvalidBucketName; InvalidBucketName; InvalidBucketName",
			observe: func(p *probe) string {
				var results []any
				for _, name := range []string{"ab", "Upper-Case", "under_score"} {
					_, err := p.s3.CreateBucket(p.ctx, &s3.CreateBucketInput{Bucket: &name})
					results = append(results, err)
				}
				return observations(results...)
			},
		},
		{name: "keys may have any character", want: "true; true; true; true; true", observe: func(p *probe) string {
			bucket := p.bucket()
			var results []any
			for _, key := range []string{
				"a b", "a+b", "a%20b", "größe/😀",
				"aws/lambda/x/shardId-000000000000/2026/01/02/2026-01-02T03.04.05-y",
			} {
				p.must(p.putObject(bucket, key, key))
				results = append(results, p.getObject(bucket, key) == key)
			}
			return observations(results...)
		}},
		{name: "a key has 1,024 bytes at most", want: "ok; KeyTooLongError", observe: func(p *probe) string {
			bucket, key := p.bucket(), strings.Repeat("k", 1024)
			return observations(p.putObject(bucket, key, "x"), p.putObject(bucket, key+"k", "x"))
		}},
		{name: "keys are listed in order, by prefix and in pages", want: "a/1,a/2,b/1 3 false; a/1,a/2 2 false; " +
			"a/1,a/2 2 true; b/1 1 false; a/2,b/1 2 false", observe: func(p *probe) string {
			bucket := p.bucket()
			for _, key := range []string{"b/1", "a/2", "a/1"} {
				p.must(p.putObject(bucket, key, "x"))
			}
			first, err := p.s3.ListObjectsV2(p.ctx, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(2)})
			p.must(err)
			return observations(p.list(s3.ListObjectsV2Input{Bucket: bucket}),
				p.list(s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("a/")}),
				keys(first)+fmt.Sprintf(" %d %t", *first.KeyCount, *first.IsTruncated),
				p.list(s3.ListObjectsV2Input{
					Bucket: bucket, MaxKeys: aws.Int32(2), ContinuationToken: first.NextContinuationToken,
				}),
				p.list(s3.ListObjectsV2Input{Bucket: bucket, StartAfter: aws.String("a/1")}))
		}},
		{
			name: "an object with another checksum is refused", want: "BadDigest; NoSuchKey",
			observe: func(p *probe) string {
				bucket := p.bucket()
				_, err := p.s3.PutObject(p.ctx, &s3.PutObjectInput{
					Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("x"),
					ChecksumCRC32: aws.String("AAAAAA=="),
				})
				return observations(err, p.getObject(bucket, "k"))
			},
		},
		{name: "the body of an object may come in chunks", want: "true; 200000", observe: func(p *probe) string {
			// Where a connection has TLS, the SDK sends the checksum behind the body.
			bucket, data := p.bucket(), bytes.Repeat([]byte("0123456789"), 20_000)
			_, err := p.s3TLS.PutObject(
				p.ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: bytes.NewReader(data)},
			)
			p.must(err)
			got := p.getObject(bucket, "k")
			return observations(got == string(data), len(got))
		}},
		{name: "an object may have 14 MiB", want: "ok; true", observe: func(p *probe) string {
			bucket, data := p.bucket(), strings.Repeat("x", 14<<20)
			put := "ok"
			if p.putObject(bucket, "k", data) != nil {
				put = "refused" // some say so, some hang up in the middle
			}
			return observations(put, p.getObject(bucket, "k") == data)
		}},
	}
}

// status is the HTTP status of an answer: one to a HEAD call has no code.
func status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}
