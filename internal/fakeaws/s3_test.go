package fakeaws

import (
	"bytes"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

func s3Client(a *AWS, region string, options ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider("CLIENT", "secret", ""),
		HTTPClient: a.HTTPClient(), Retryer: aws.NopRetryer{},
	}, options...)
}

func requireS3Error(t *testing.T, code string, err error) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode())
}

// Without an endpoint of its own the SDK addresses a bucket by its host, and sends bodies in chunks.
func TestS3BucketsAreHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{})
		c := s3Client(a, "us-east-1")
		_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("letters")})
		require.NoError(t, err)
		_, err = c.PutObject(
			t.Context(),
			&s3.PutObjectInput{Bucket: new("letters"), Key: new("a/b"), Body: bytes.NewReader([]byte("data"))},
		)
		require.NoError(t, err)
		require.Equal(t, []string{"a/b"}, a.S3.Keys("letters"))
		got, ok := a.S3.Object("letters", "a/b")
		require.True(t, ok)
		require.Equal(t, "data", string(got))
		require.Equal(t, 1, a.History.Count(ServiceS3, "PutObject"))
		_, ok = a.S3.Object("letters", "b")
		require.False(t, ok)
		require.Empty(t, a.S3.Keys("no-bucket"))
	})
}

func TestS3Regions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frankfurt = "eu-central-1"
		c := s3Client(New(Options{Region: frankfurt}), frankfurt)
		_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("letters")})
		requireS3Error(t, "IllegalLocationConstraintException", err)
		in := &s3.CreateBucketInput{
			Bucket:                    new("letters"),
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: frankfurt},
		}
		_, err = c.CreateBucket(t.Context(), in)
		require.NoError(t, err)
		_, err = c.CreateBucket(t.Context(), in)
		requireS3Error(t, "BucketAlreadyOwnedByYou", err)
	})
}

func TestS3RefusesWhatItDoesNotEmulate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := s3Client(New(Options{}), "us-east-1")
		_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("letters")})
		require.NoError(t, err)
		_, err = c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: new("letters"), Key: new("k"), Body: bytes.NewReader([]byte("x")), IfNoneMatch: new("*"),
		})
		requireS3Error(t, "NotImplemented", err)
		_, err = c.GetObject(
			t.Context(), &s3.GetObjectInput{Bucket: new("letters"), Key: new("k"), Range: new("bytes=0-1")},
		)
		requireS3Error(t, "NotImplemented", err)
		_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: new("letters")})
		requireS3Error(t, "NotImplemented", err)
		_, err = c.GetBucketAcl(t.Context(), &s3.GetBucketAclInput{Bucket: new("letters")})
		requireS3Error(t, "NotImplemented", err)
	})
}

// As a shell lists what is in a bucket: folder by folder, in pages.
func TestS3Folders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := s3Client(New(Options{}), "us-east-1")
		_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("letters")})
		require.NoError(t, err)
		for _, key := range []string{"a", "b/", "b/1", "b/c/2", "d e/3", "é"} {
			_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: new("letters"), Key: &key, Body: bytes.NewReader([]byte("x")),
			})
			require.NoError(t, err)
		}
		list := func(prefix string) (objects, folders []string) {
			pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{
				Bucket: new("letters"), Prefix: &prefix, Delimiter: new("/"), EncodingType: s3types.EncodingTypeUrl,
				MaxKeys: aws.Int32(2),
			})
			for pages.HasMorePages() {
				page, err := pages.NextPage(t.Context())
				require.NoError(t, err)
				for _, o := range page.Contents {
					objects = append(objects, *o.Key)
				}
				for _, p := range page.CommonPrefixes {
					folders = append(folders, *p.Prefix)
				}
			}
			return objects, folders
		}
		objects, folders := list("")
		require.Equal(t, []string{"a", "%C3%A9"}, objects)
		require.Equal(t, []string{"b/", "d+e/"}, folders)
		objects, folders = list("b/")
		require.Equal(t, []string{"b/", "b/1"}, objects)
		require.Equal(t, []string{"b/c/"}, folders)
		all, err := c.ListBuckets(t.Context(), &s3.ListBucketsInput{})
		require.NoError(t, err)
		require.Equal(t, "letters", *all.Buckets[0].Name)
	})
}

// Faults of one bucket, and what S3 says when it throttles.
func TestS3Faults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{})
		c := s3Client(a, "us-east-1")
		put := func(bucket string) error {
			_, err := c.PutObject(
				t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: new("k"), Body: bytes.NewReader([]byte("x"))},
			)
			return err
		}
		for _, bucket := range []string{"one", "two"} {
			_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
			require.NoError(t, err)
		}
		throttle := Throttle(ServiceS3, "PutObject")
		throttle.Match = func(r *Request) bool { return r.Bucket == "one" && r.Key == "k" }
		remove := a.Faults.Add(throttle)
		requireS3Error(t, "SlowDown", put("one"))
		require.NoError(t, put("two"))
		remove()
		a.Faults.Add(Fault{Service: ServiceS3, Kind: After, Times: 1})
		requireS3Error(t, "InternalFailure", put("one"))
		require.Equal(t, []string{"k"}, a.S3.Keys("one"), "it happened, and the caller does not know")
	})
}

// A body whose end is missing is no object.
func TestS3ChunksThatBreakOff(t *testing.T) {
	for _, body := range []string{"", "x", "5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "-1\r\n"} {
		r := &Request{Body: []byte(body), Header: http.Header{
			"X-Amz-Content-Sha256": {"STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, "X-Amz-Decoded-Content-Length": {"6"},
		}}
		_, _, ok := s3Body(r)
		require.False(t, ok, "%q", body)
	}
	r := &Request{Body: []byte(
		"5;chunk-signature=00\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32: AAAA\r\n\r\n",
	), Header: http.Header{
		"X-Amz-Content-Sha256": {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}, "X-Amz-Decoded-Content-Length": {"6"},
	}}
	data, trailer, ok := s3Body(r)
	require.True(t, ok)
	require.Equal(t, "hello!", string(data))
	require.Equal(t, "AAAA", trailer.Get("X-Amz-Checksum-Crc32"))
}
