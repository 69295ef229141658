package fakeaws

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// tokenLife is how long a NextToken of ListShards can be used.
const tokenLife = 300 * time.Second

// maxListed is how many shards ListShards returns at most.
const maxListed = 1000

type hashKeyRange struct {
	StartingHashKey string
	EndingHashKey   string
}

type sequenceRange struct {
	StartingSequenceNumber string
	EndingSequenceNumber   string `json:",omitempty"`
}

// shardView is a shard on the wire.
type shardView struct {
	ShardID               string `json:"ShardId"`
	ParentShardID         string `json:"ParentShardId,omitempty"`
	AdjacentParentShardID string `json:"AdjacentParentShardId,omitempty"`
	HashKeyRange          hashKeyRange
	SequenceNumberRange   sequenceRange
}

func (s *shard) view() shardView {
	v := shardView{
		ShardID: s.id, HashKeyRange: s.hashKeyRange(),
		SequenceNumberRange: sequenceRange{StartingSequenceNumber: s.sequence(0)},
	}
	if len(s.parents) > 0 {
		v.ParentShardID = s.parents[0]
	}
	if len(s.parents) > 1 {
		v.AdjacentParentShardID = s.parents[1]
	}
	if !s.isOpen() {
		v.SequenceNumberRange.EndingSequenceNumber = s.sequence(s.next())
	}
	return v
}

func (s *shard) hashKeyRange() hashKeyRange { return hashKeyRange{s.firstKey, s.lastKey} }

type shardFilter struct {
	Type      string
	ShardID   string `json:"ShardId,omitempty"`
	Timestamp *epoch `json:",omitempty"`
}

type listShardsInput struct {
	streamRef

	NextToken               *string
	MaxResults              *int
	ExclusiveStartShardID   string `json:"ExclusiveStartShardId"`
	StreamCreationTimestamp *epoch
	ShardFilter             *shardFilter
}

// listToken is where a listing continues. It is opaque to clients.
type listToken struct {
	Stream int64
	Name   string
	After  string
	Issued int64
	Filter *shardFilter `json:",omitempty"`
}

func (t *listToken) encode() (string, error) {
	b, err := json.Marshal(t)
	return base64.StdEncoding.EncodeToString(b), err
}

func parseListToken(s string) (*listToken, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, false
	}
	t := new(listToken)
	return t, json.Unmarshal(b, t) == nil && t.Stream != 0
}

func (k *Kinesis) listShards(in *listShardsInput) (any, error) {
	limit := maxListed
	if in.MaxResults != nil {
		if *in.MaxResults < 1 || *in.MaxResults > 10_000 {
			return nil, errorf("ValidationException", "MaxResults is %d: want 1 to 10000", *in.MaxResults)
		}
		limit = min(*in.MaxResults, maxListed)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, after, filter, err := k.listing(in, now)
	if err != nil {
		return nil, err
	}
	if !st.serving(now) {
		return nil, st.notActive(now)
	}
	out := struct {
		Shards    []shardView
		NextToken string `json:",omitempty"`
	}{Shards: []shardView{}}
	for _, sh := range st.listed(now) {
		if sh.id <= after || !filter.match(sh, st.horizon(now)) {
			continue
		}
		if len(out.Shards) == limit {
			token := listToken{
				Stream: st.id, Name: st.name, After: out.Shards[limit-1].ShardID, Issued: now.UnixMilli(),
				Filter: filter,
			}
			out.NextToken, err = token.encode()
			break
		}
		out.Shards = append(out.Shards, sh.view())
	}
	return out, err
}

// listing reads what a request asks for, from itself or from its token.
func (k *Kinesis) listing(in *listShardsInput, now time.Time) (*stream, string, *shardFilter, error) {
	if in.NextToken == nil {
		if err := in.ShardFilter.validate(); err != nil {
			return nil, "", nil, err
		}
		st, err := k.account.find(in.streamRef, now)
		if err != nil {
			return nil, "", nil, err
		}
		if t := in.StreamCreationTimestamp; t != nil && *t/1000 != epoch(st.created.UnixMilli())/1000 {
			return nil, "", nil, k.account.noStream(st.name)
		}
		return st, in.ExclusiveStartShardID, in.ShardFilter, nil
	}
	if in.StreamName != "" || in.StreamARN != "" || in.StreamCreationTimestamp != nil ||
		in.ExclusiveStartShardID != "" ||
		in.ShardFilter != nil {
		return nil, "", nil, errorf("InvalidArgumentException",
			"NextToken cannot be provided together with StreamName, StreamARN, StreamCreationTimestamp, "+
				"ExclusiveStartShardId or ShardFilter.")
	}
	token, ok := parseListToken(*in.NextToken)
	if !ok {
		return nil, "", nil, errorf("InvalidArgumentException", "NextToken is not one that ListShards returned.")
	}
	if now.Sub(time.UnixMilli(token.Issued)) >= tokenLife {
		return nil, "", nil, errorf("ExpiredNextTokenException",
			"NextToken expired. It is %s old while tokens expire in %s.",
			now.Sub(time.UnixMilli(token.Issued)), tokenLife)
	}
	st := k.account.settled(token.Name, now)
	if st == nil || st.id != token.Stream {
		return nil, "", nil, k.account.noStream(token.Name)
	}
	return st, token.After, token.Filter, nil
}

// The types of ShardFilter.
const (
	afterShardID    = "AFTER_SHARD_ID"
	atTrimHorizon   = "AT_TRIM_HORIZON"
	fromTrimHorizon = "FROM_TRIM_HORIZON"
	atLatest        = "AT_LATEST"
	atTimestamp     = "AT_TIMESTAMP"
	fromTimestamp   = "FROM_TIMESTAMP"
)

// validate checks a filter; nil is no filter.
func (f *shardFilter) validate() error {
	if f == nil {
		return nil
	}
	switch f.Type {
	case atTrimHorizon, fromTrimHorizon, atLatest:
	case afterShardID:
		if f.ShardID == "" {
			return errorf("InvalidArgumentException", "ShardFilter %s needs ShardId", f.Type)
		}
		return nil
	case atTimestamp, fromTimestamp:
		if f.Timestamp == nil {
			return errorf("InvalidArgumentException", "ShardFilter %s needs Timestamp", f.Type)
		}
		return nil
	default:
		return errorf("ValidationException", "ShardFilter has the unknown Type %q", f.Type)
	}
	if f.ShardID != "" || f.Timestamp != nil {
		return errorf("InvalidArgumentException", "ShardFilter %s takes neither ShardId nor Timestamp", f.Type)
	}
	return nil
}

// match reports whether a listed shard is wanted. Times count in ms, and a shard is open at both ends of its life: at
// the very moment of a split AT_TIMESTAMP returns parent and children.
func (f *shardFilter) match(sh *shard, horizon time.Time) bool {
	if f == nil {
		return true
	}
	switch f.Type {
	case afterShardID:
		return sh.id > f.ShardID
	case atLatest:
		return sh.isOpen()
	case atTrimHorizon:
		return sh.openAt(horizon.UnixMilli())
	case atTimestamp:
		return sh.openAt(int64(*f.Timestamp))
	case fromTimestamp:
		return sh.isOpen() || sh.closed.UnixMilli() >= int64(*f.Timestamp)
	}
	return true // FROM_TRIM_HORIZON: everything that is listed
}

func (s *shard) openAt(ms int64) bool {
	return s.opened.UnixMilli() <= ms && (s.isOpen() || s.closed.UnixMilli() >= ms)
}
