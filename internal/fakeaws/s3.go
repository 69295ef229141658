package fakeaws

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// s3MaxKey is the longest key in bytes of UTF-8.
	s3MaxKey = 1024
	// s3MaxPage is the most keys in one answer of ListObjectsV2.
	s3MaxPage = 1000
)

// S3 emulates CreateBucket, HeadBucket, PutObject, GetObject, HeadObject, ListObjectsV2 and ListBuckets on general
// purpose buckets without versions. A bucket is addressed by the path, or by a host of the form
// <bucket>.s3.<region>.<suffix>.
//
// Faithful are the names that are accepted, the limits of keys and pages, checksums of type CRC32, and that a second
// PutObject replaces the object. Conditions, ranges and every other parameter that would change the answer
// are refused with NotImplemented.
//
// It is safe for concurrent use.
type S3 struct {
	region string

	mu      sync.Mutex
	buckets map[string]map[string]*s3Object // by bucket, by key
}

type s3Object struct {
	data     []byte
	header   http.Header // as it comes back: Content-Type, x-amz-meta-*, the checksum
	etag     string
	modified time.Time
}

func newS3(o Options) *S3 {
	return &S3{region: o.Region, buckets: map[string]map[string]*s3Object{}}
}

func (*S3) name() string { return ServiceS3 }

// Keys returns the keys of a bucket, sorted. One that does not exist is empty.
func (s *S3) Keys(bucket string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedKeys(s.buckets[bucket])
}

// Object returns the bytes of an object, and whether it exists.
func (s *S3) Object(bucket, key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.buckets[bucket][key]
	if !ok {
		return nil, false
	}
	return slices.Clone(o.data), true
}

func (s *S3) operations() map[string]operation {
	operations := map[string]operation{}
	for op, run := range map[string]func(*Request) (restResult, error){
		"CreateBucket": s.createBucket,
		"HeadBucket": func(req *Request) (restResult, error) {
			_, err := s.find(req.Bucket)
			return restResult{}, err
		},
		"PutObject": s.putObject,
		"GetObject": s.getObject,
		"HeadObject": func(req *Request) (restResult, error) {
			res, err := s.getObject(req)
			res.body = nil
			return res, err
		},
		"DeleteObject":  s.deleteObject,
		"ListObjectsV2": s.listObjects,
		"ListBuckets":   s.listBuckets,
	} {
		operations[op] = func(_ context.Context, req *Request) (any, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return run(req)
		}
	}
	return operations
}

func (*S3) unknown(op string) *Error {
	return &Error{Code: "NotImplemented", Message: "S3 " + op + " is not emulated", Status: http.StatusNotImplemented}
}

// s3Operation names the operation of a request. What it does not know is distinguished by the parameters of the query,
// and for the rest by the method.
func s3Operation(r *http.Request, req *Request) string {
	object := req.Key != ""
	for name := range req.Form {
		if !s3Parameter(name, object) {
			return name
		}
	}
	for _, name := range []string{
		"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "X-Amz-Copy-Source",
	} {
		if r.Header.Get(name) != "" {
			return "with " + name
		}
	}
	switch {
	case r.Method == http.MethodPut && object:
		return "PutObject"
	case r.Method == http.MethodPut && req.Bucket != "":
		return "CreateBucket"
	case r.Method == http.MethodGet && object:
		return "GetObject"
	case r.Method == http.MethodDelete && object:
		return "DeleteObject"
	case r.Method == http.MethodGet && req.Form.Get("list-type") == "2":
		return "ListObjectsV2"
	case r.Method == http.MethodGet && req.Bucket == "":
		return "ListBuckets"
	case r.Method == http.MethodHead && object:
		return "HeadObject"
	case r.Method == http.MethodHead && req.Bucket != "":
		return "HeadBucket"
	}
	return r.Method
}

// s3Parameter reports whether a parameter of the query is one that an operation here knows.
func s3Parameter(name string, object bool) bool {
	switch name {
	case "x-id": // the SDK's own note of the operation
		return true
	case "list-type", "prefix", "max-keys", "start-after", "continuation-token", "delimiter", "encoding-type":
		return !object
	}
	return false
}

// s3Address splits the address of a request into bucket and key.
func s3Address(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if host := cmp.Or(r.Host, r.URL.Host); strings.Contains(host, ".s3.") {
		bucket, _, _ = strings.Cut(host, ".s3.")
		return bucket, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

func (s *S3) find(bucket string) (map[string]*s3Object, error) {
	objects, ok := s.buckets[bucket]
	if !ok {
		return nil, &Error{
			Code: "NoSuchBucket", Message: "The specified bucket does not exist", Status: http.StatusNotFound,
		}
	}
	return objects, nil
}
