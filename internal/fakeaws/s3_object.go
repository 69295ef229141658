package fakeaws

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

func (s *S3) putObject(req *Request) (restResult, error) {
	objects, err := s.find(req.Bucket)
	if err != nil {
		return restResult{}, err
	}
	if len(req.Key) > s3MaxKey {
		return restResult{}, errorf("KeyTooLongError", "Your key is too long")
	}
	data, trailer, ok := s3Body(req)
	if !ok {
		return restResult{}, errorf("IncompleteBody", "The request body terminated unexpectedly")
	}
	o := &s3Object{
		data: data, etag: `"` + md5Hex(data) + `"`, modified: s3Now(),
		header: http.Header{"Content-Type": {"binary/octet-stream"}},
	}
	for name, values := range req.Header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-Meta-") {
			o.header[name] = values
		}
	}
	answer := http.Header{"Etag": {o.etag}}
	const crc = "X-Amz-Checksum-Crc32"
	if sum := req.Header.Get(crc) + trailer.Get(crc); sum != "" {
		want := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data)))
		if sum != want {
			return restResult{}, errorf("BadDigest", "The CRC32 you specified did not match the calculated checksum.")
		}
		o.header.Set(crc, sum)
		answer.Set(crc, sum)
	}
	objects[req.Key] = o
	return restResult{header: answer}, nil
}

func (s *S3) getObject(req *Request) (restResult, error) {
	objects, err := s.find(req.Bucket)
	if err != nil {
		return restResult{}, err
	}
	o, ok := objects[req.Key]
	if !ok {
		return restResult{}, &Error{
			Code: "NoSuchKey", Message: "The specified key does not exist.", Status: http.StatusNotFound,
		}
	}
	h := maps.Clone(o.header)
	if req.Header.Get("X-Amz-Checksum-Mode") != "ENABLED" {
		h.Del("X-Amz-Checksum-Crc32")
	}
	h.Set("Etag", o.etag)
	h.Set("Last-Modified", o.modified.Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(len(o.data)))
	return restResult{header: h, body: o.data}, nil
}

// deleteObject says the same of an object that is not there.
func (s *S3) deleteObject(req *Request) (restResult, error) {
	objects, err := s.find(req.Bucket)
	if err == nil {
		delete(objects, req.Key)
	}
	return restResult{}, err
}

// s3Body returns the data of a PutObject call and the headers behind it. A client that signs no body, as the SDK does
// on a connection with TLS, sends it in chunks of "<hex size>[;extension]\r\n<data>\r\n", with the checksum after the
// empty one.
func s3Body(req *Request) (data []byte, trailer http.Header, ok bool) {
	trailer = http.Header{}
	if !strings.HasPrefix(req.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return req.Body, trailer, true
	}
	rest := req.Body
	for {
		line, after, found := bytes.Cut(rest, []byte("\r\n"))
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseUint(size, 16, 32)
		if !found || err != nil {
			return nil, nil, false
		}
		if rest = after; n == 0 {
			break
		}
		if uint64(len(rest)) < n+2 {
			return nil, nil, false
		}
		data, rest = append(data, rest[:n]...), rest[n+2:]
	}
	for line := range strings.SplitSeq(string(rest), "\r\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			trailer.Set(name, strings.TrimSpace(value))
		}
	}
	decoded, err := strconv.Atoi(req.Header.Get("X-Amz-Decoded-Content-Length"))
	return data, trailer, err == nil && decoded == len(data)
}
