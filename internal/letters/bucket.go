package letters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"kinesis-alerter/alert/deadletter"
)

// lettersBelow is where the daemon writes in a bucket, below the prefix.
const lettersBelow = "aws/lambda/"

// Bucket reads the letters of an S3 bucket, in the order of their keys: by shard and time.
type Bucket struct {
	client       *s3.Client
	name, prefix string
	after        string
	ended        bool
}

// NewBucket makes a source of s3://<bucket>/<prefix>, as dead_letter.s3 has it.
func NewBucket(client *s3.Client, address string) (*Bucket, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(address, "s3://"), "/")
	if name == "" {
		return nil, fmt.Errorf("%s: want s3://BUCKET or s3://BUCKET/PREFIX, as dead_letter.s3 has it", address)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	if !strings.Contains(prefix, lettersBelow) {
		prefix += lettersBelow
	}
	return &Bucket{client: client, name: name, prefix: prefix}, nil
}

// Next returns a page of keys.
func (b *Bucket) Next(ctx context.Context) ([]Letter, error) {
	if b.ended {
		return nil, io.EOF
	}
	var out *s3.ListObjectsV2Output
	err := try(ctx, "s3:ListBucket", b.name, func(ctx context.Context) (err error) {
		in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix}
		if b.after != "" {
			in.StartAfter = &b.after
		}
		out, err = b.client.ListObjectsV2(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	var found []Letter
	for i := range out.Contents {
		o := &out.Contents[i]
		b.after = *o.Key
		found = append(found, &object{bucket: b, key: *o.Key, size: aws.ToInt64(o.Size)})
	}
	b.ended = !*out.IsTruncated
	return found, nil
}

// Close has nothing to give back.
func (*Bucket) Close(context.Context) error { return nil }

// object is a letter in a bucket.
type object struct {
	bucket *Bucket
	key    string
	size   int64
}

func (o *object) Where() string { return "s3://" + o.bucket.name + "/" + o.key }

func (o *object) Load(ctx context.Context) (document []byte, err error) {
	if o.size > deadletter.MaxDocument {
		return nil, fmt.Errorf("no dead letter: it has %d bytes, and they have %d at most", o.size,
			deadletter.MaxDocument)
	}
	err = try(ctx, "s3:GetObject", o.Where(), func(ctx context.Context) error {
		out, err := o.bucket.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.bucket.name, Key: &o.key})
		if err != nil {
			return err
		}
		document, err = io.ReadAll(out.Body) // which the client bounds
		return errors.Join(err, out.Body.Close())
	})
	return document, err
}

// Holds looks at the key, which ends in the letter's id: an answer may be that to another call.
func (o *object) Holds(id string) bool { return strings.HasSuffix(o.key, "-"+id) }

func (o *object) Remove(ctx context.Context) error {
	return try(ctx, "s3:DeleteObject", o.Where(), func(ctx context.Context) error {
		_, err := o.bucket.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.bucket.name, Key: &o.key})
		return err
	})
}
