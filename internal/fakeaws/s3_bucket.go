package fakeaws

import (
	"encoding/xml"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// s3DefaultRegion is the region whose buckets have no location, and where creating a bucket again is no error.
const s3DefaultRegion = "us-east-1"

func (s *S3) createBucket(req *Request) (restResult, error) {
	if !bucketName(req.Bucket) {
		return restResult{}, errorf("InvalidBucketName", "The specified bucket is not valid.")
	}
	var in struct {
		LocationConstraint string
	}
	if len(req.Body) > 0 {
		if err := xml.Unmarshal(req.Body, &in); err != nil {
			return restResult{}, errorf("MalformedXML", "The XML you provided was not well-formed: %s", err)
		}
	}
	if s.region == s3DefaultRegion && in.LocationConstraint != "" || s.region != s3DefaultRegion &&
		in.LocationConstraint != s.region {
		return restResult{}, errorf("IllegalLocationConstraintException",
			"The %q location constraint is incompatible for the region specific endpoint this request was sent to.",
			in.LocationConstraint)
	}
	if s.buckets[req.Bucket] == nil {
		s.buckets[req.Bucket] = map[string]*s3Object{}
	} else if s.region != s3DefaultRegion {
		return restResult{}, &Error{
			Code: "BucketAlreadyOwnedByYou", Status: http.StatusConflict,
			Message: "Your previous request to create the named bucket succeeded and you already own it.",
		}
	}
	return restResult{header: http.Header{"Location": {"/" + req.Bucket}}}, nil
}

// bucketName applies the rules for the names of general purpose buckets, but for reserved prefixes and suffixes.
func bucketName(s string) bool {
	if len(s) < 3 || len(s) > 63 || strings.Contains(s, "..") {
		return false
	}
	inner := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }
	for i, r := range s {
		if edge := i == 0 || i == len(s)-1; !inner(r) && (edge || r != '.' && r != '-') {
			return false
		}
	}
	_, err := netip.ParseAddr(s)
	return err != nil
}

type s3Content struct {
	Key          string
	LastModified string
	ETag         string
	Size         int
	StorageClass string
}

type s3Page struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	NS                    string   `xml:"xmlns,attr"`
	Name                  string
	Prefix                string
	StartAfter            string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	KeyCount              int
	MaxKeys               int
	IsTruncated           bool
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	Contents              []s3Content
	CommonPrefixes        []s3Prefix
}

type s3Prefix struct{ Prefix string }

func (s *S3) listObjects(req *Request) (restResult, error) {
	objects, err := s.find(req.Bucket)
	if err != nil {
		return restResult{}, err
	}
	out := s3Page{
		NS: s3Namespace, Name: req.Bucket, Prefix: req.Form.Get("prefix"), StartAfter: req.Form.Get("start-after"),
		ContinuationToken: req.Form.Get("continuation-token"), MaxKeys: s3MaxPage,
		Delimiter: req.Form.Get("delimiter"), EncodingType: req.Form.Get("encoding-type"),
	}
	if asked := req.Form.Get("max-keys"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 0 {
			return restResult{}, errorf(
				"InvalidArgument", "Argument max-keys must be an integer between 0 and 2147483647",
			)
		}
		out.MaxKeys = min(n, s3MaxPage)
	}
	keys := grouped(sortedKeys(objects), out.Prefix, out.Delimiter)
	after := out.StartAfter
	if out.ContinuationToken != "" {
		after = out.ContinuationToken
	}
	if out.MaxKeys > 0 {
		keys, out.NextContinuationToken = page(keys, after, out.MaxKeys)
	} else {
		keys = nil
	}
	out.KeyCount, out.IsTruncated = len(keys), out.NextContinuationToken != ""
	written := func(key string) string { return key }
	if out.EncodingType == "url" {
		written = func(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") }
	}
	for _, key := range keys {
		o := objects[key]
		if out.Delimiter != "" && strings.Contains(key[len(out.Prefix):], out.Delimiter) {
			out.CommonPrefixes = append(out.CommonPrefixes, s3Prefix{written(key)})
			continue
		}
		out.Contents = append(out.Contents, s3Content{
			Key: written(key), LastModified: o.modified.Format("2006-01-02T15:04:05.000Z"), ETag: o.etag,
			Size:         len(o.data),
			StorageClass: "STANDARD",
		})
	}
	body, err := xml.Marshal(out)
	return restResult{
		header: http.Header{"Content-Type": {"application/xml"}}, body: append([]byte(xml.Header), body...),
	}, err
}

// grouped are the keys with a prefix; those that share the text up to the delimiter are one.
func grouped(keys []string, prefix, delimiter string) []string {
	var out []string
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if delimiter != "" {
			if folder, _, more := strings.Cut(rest, delimiter); more {
				key = prefix + folder + delimiter
			}
		}
		if len(out) == 0 || out[len(out)-1] != key {
			out = append(out, key)
		}
	}
	return out
}

func (s *S3) listBuckets(*Request) (restResult, error) {
	type bucket struct{ Name, CreationDate string }
	out := struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		NS      string   `xml:"xmlns,attr"`
		Buckets []bucket `xml:"Buckets>Bucket"`
	}{NS: s3Namespace}
	for _, name := range sortedKeys(s.buckets) {
		out.Buckets = append(out.Buckets, bucket{name, "2006-03-01T00:00:00.000Z"})
	}
	body, err := xml.Marshal(out)
	return restResult{
		header: http.Header{"Content-Type": {"application/xml"}}, body: append([]byte(xml.Header), body...),
	}, err
}

// s3Now is the time of an object, which has whole seconds.
func s3Now() time.Time { return time.Now().UTC().Truncate(time.Second) }
