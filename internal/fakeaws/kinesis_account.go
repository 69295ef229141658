package fakeaws

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (a *account) arn(name string) string {
	return fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", a.options.Region, a.options.Account, name)
}

// find returns the stream that ref names, with everything applied that is due.
func (a *account) find(ref streamRef, now time.Time) (*stream, error) {
	name := ref.StreamName
	if ref.StreamARN != "" {
		_, fromARN, ok := strings.Cut(ref.StreamARN, ":stream/")
		switch {
		case !ok:
			return nil, errorf("InvalidArgumentException", "%q is not the ARN of a stream", ref.StreamARN)
		case ref.StreamARN != a.arn(fromARN):
			return nil, errorf("ResourceNotFoundException", "Stream %s not found.", ref.StreamARN)
		case name != "" && name != fromARN:
			return nil, errorf("InvalidArgumentException", "StreamARN and StreamName do not match")
		}
		name = fromARN
	}
	if name == "" {
		return nil, errorf("InvalidArgumentException", "Must specify either StreamName or StreamARN.")
	}
	st := a.settled(name, now)
	if st == nil {
		return nil, a.noStream(name)
	}
	return st, nil
}

// findReadable is find for the operations on records, which know a stream only once it has become active.
func (a *account) findReadable(ref streamRef, now time.Time) (*stream, error) {
	st, err := a.find(ref, now)
	if err != nil {
		return nil, err
	}
	if !st.serving(now) {
		return nil, a.noStream(st.name)
	}
	return st, nil
}

// settled returns the stream of that name with everything applied that is due, or nil.
func (a *account) settled(name string, now time.Time) *stream {
	st := a.streams[name]
	if st == nil {
		return nil
	}
	if !st.deletedAt.IsZero() && !now.Before(st.deletedAt) {
		delete(a.streams, name)
		return nil
	}
	st.settle(now)
	return st
}

func (a *account) noStream(name string) *Error {
	return errorf("ResourceNotFoundException", "Stream %s under account %s not found.", name, a.options.Account)
}

func (a *account) names() []string { return slices.Sorted(maps.Keys(a.streams)) }

// account has the streams of an account and region. It is under the lock of its Kinesis.
type account struct {
	options Options
	streams map[string]*stream
	// streamsEver and shardsEver number streams and shards over the life of the account. They are part of iterators
	// and sequence numbers, so that those of a stream that was deleted do not fit the next one of that name.
	streamsEver int64
	shardsEver  int64
	// lastOpened is the youngest shard's opening in ms: a wall clock that steps back must not give a child sequence
	// numbers below its parent's.
	lastOpened int64
}
