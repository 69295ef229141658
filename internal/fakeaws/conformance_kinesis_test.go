package fakeaws_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// streamArn is what both emulations call a stream in the account of the suite.
func streamArn(name string) string { return "arn:aws:kinesis:us-east-1:000000000000:stream/" + name }

// stream makes a stream and waits until it is usable.
func (p *probe) stream(shards int32) string {
	p.t.Helper()
	name := p.name("stream")
	_, err := p.kinesis.CreateStream(p.ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards})
	p.must(err)
	p.active(name)
	return name
}

func (p *probe) active(stream string) {
	p.t.Helper()
	p.within(10*time.Second, "stream is ACTIVE", func() bool {
		d, err := p.kinesis.DescribeStreamSummary(p.ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &stream})
		p.must(err)
		return d.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
}

// shards lists all shards, the oldest first.
func (p *probe) shards(stream string, filter *types.ShardFilter) []types.Shard {
	p.t.Helper()
	out, err := p.kinesis.ListShards(p.ctx, &kinesis.ListShardsInput{StreamName: &stream, ShardFilter: filter})
	p.must(err)
	return slices.SortedFunc(
		slices.Values(out.Shards), func(a, b types.Shard) int { return cmp.Compare(*a.ShardId, *b.ShardId) },
	)
}

func open(shards []types.Shard) []types.Shard {
	return slices.DeleteFunc(
		slices.Clone(shards), func(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber != nil },
	)
}

// numbers are the last digits of shard ids.
func numbers(shards []types.Shard) string {
	s := make([]string, len(shards))
	for i, shard := range shards {
		s[i] = number(shard.ShardId)
	}
	return strings.Join(s, ",")
}

func number(shardID *string) string {
	n := strings.TrimLeft(strings.TrimPrefix(aws.ToString(shardID), "shardId-"), "0")
	return cmp.Or(n, "0")
}

// put writes records of one key and returns their sequence numbers.
func (p *probe) put(stream string, payloads ...string) []string {
	p.t.Helper()
	seqs := make([]string, len(payloads))
	for i, payload := range payloads {
		out, err := p.kinesis.PutRecord(
			p.ctx,
			&kinesis.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("key"), Data: []byte(payload)},
		)
		p.must(err)
		seqs[i] = *out.SequenceNumber
	}
	return seqs
}

// from makes an iterator of the first shard.
func (p *probe) from(stream string, in kinesis.GetShardIteratorInput) (*string, error) {
	in.StreamName = &stream
	if in.ShardId == nil {
		in.ShardId = aws.String("shardId-000000000000")
	}
	out, err := p.kinesis.GetShardIterator(p.ctx, &in)
	if err != nil {
		return nil, err
	}
	return out.ShardIterator, nil
}

// read returns the payloads of one page.
func (p *probe) read(iterator *string) string {
	p.t.Helper()
	return payloads(p.page(iterator, nil).Records)
}

func (p *probe) page(iterator *string, limit *int32) *kinesis.GetRecordsOutput {
	p.t.Helper()
	out, err := p.kinesis.GetRecords(p.ctx, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: limit})
	p.must(err)
	return out
}

// readAll reads a shard up to its end, or to its tip.
func (p *probe) readAll(stream, shardID string) (got []types.Record, last *kinesis.GetRecordsOutput) {
	p.t.Helper()
	it, err := p.from(
		stream,
		kinesis.GetShardIteratorInput{ShardId: &shardID, ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
	)
	p.must(err)
	for range 100 {
		last = p.page(it, nil)
		got = append(got, last.Records...)
		if it = last.NextShardIterator; it == nil || len(last.Records) == 0 &&
			aws.ToInt64(last.MillisBehindLatest) == 0 {
			return got, last
		}
	}
	return got, last
}

func payloads(records []types.Record) string {
	s := make([]string, len(records))
	for i, r := range records {
		s[i] = string(r.Data)
	}
	return strings.Join(s, ",")
}

// startOf is a GetShardIteratorInput for a sequence number.
func startOf(kind types.ShardIteratorType, seq string) kinesis.GetShardIteratorInput {
	return kinesis.GetShardIteratorInput{ShardIteratorType: kind, StartingSequenceNumber: &seq}
}

func hash(s *string) *big.Int {
	n, _ := new(big.Int).SetString(aws.ToString(s), 10)
	return n
}

// covers reports whether open shards cover the hash key space without gap or overlap.
func covers(shards []types.Shard) bool {
	slices.SortFunc(shards, func(a, b types.Shard) int {
		return hash(a.HashKeyRange.StartingHashKey).Cmp(hash(b.HashKeyRange.StartingHashKey))
	})
	next := new(big.Int)
	for _, s := range shards {
		if hash(s.HashKeyRange.StartingHashKey).Cmp(next) != 0 {
			return false
		}
		next.Add(hash(s.HashKeyRange.EndingHashKey), big.NewInt(1))
	}
	return next.Cmp(new(big.Int).Lsh(big.NewInt(1), 128)) == 0
}

func kinesisBehaviours() []behaviour {
	return slices.Concat(streamBehaviours(), writeBehaviours(), readBehaviours(), reshardBehaviours())
}

func streamBehaviours() []behaviour {
	return []behaviour{
		{
			name: "a new stream has its shards over the whole hash key space", want: "0,1,2; true; true",
			observe: func(p *probe) string {
				shards := p.shards(p.stream(3), nil)
				started := !slices.ContainsFunc(
					shards, func(s types.Shard) bool { return s.SequenceNumberRange.StartingSequenceNumber == nil },
				)
				return observations(numbers(shards), covers(shards), started)
			},
		},
		{name: "creating a stream twice is refused", want: "ResourceInUseException", observe: func(p *probe) string {
			name := p.stream(1)
			_, err := p.kinesis.CreateStream(
				p.ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(1)},
			)
			return code(err)
		}},
		{
			name: "a missing stream is not found",
			want: "ResourceNotFoundException; ResourceNotFoundException; ResourceNotFoundException; " +
				"ResourceNotFoundException", observe: func(p *probe) string {
				name := aws.String(p.name("missing"))
				_, summary := p.kinesis.DescribeStreamSummary(p.ctx,
					&kinesis.DescribeStreamSummaryInput{StreamName: name})
				_, list := p.kinesis.ListShards(p.ctx, &kinesis.ListShardsInput{StreamName: name})
				_, put := p.kinesis.PutRecord(
					p.ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("k"), Data: []byte("x")},
				)
				_, it := p.from(*name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest})
				return observations(summary, list, put, it)
			},
		},
		{
			name: "the summary tells ARN, status, open shards, retention", want: "true; ACTIVE; 2; 24; true",
			observe: func(p *probe) string {
				name := p.stream(2)
				out, err := p.kinesis.DescribeStreamSummary(p.ctx,
					&kinesis.DescribeStreamSummaryInput{StreamName: &name})
				p.must(err)
				d := out.StreamDescriptionSummary
				age := time.Since(aws.ToTime(d.StreamCreationTimestamp))
				return observations(
					*d.StreamARN == streamArn(name), d.StreamStatus, *d.OpenShardCount, *d.RetentionPeriodHours,
					age < time.Minute && age > -time.Minute,
				)
			},
		},
		{name: "shards are listed in pages", want: "2,2,1; 5; true", observe: func(p *probe) string {
			name := p.stream(5)
			var sizes []string
			seen := map[string]bool{}
			in := &kinesis.ListShardsInput{StreamName: &name, MaxResults: aws.Int32(2)}
			for range 10 {
				out, err := p.kinesis.ListShards(p.ctx, in)
				p.must(err)
				sizes = append(sizes, fmt.Sprint(len(out.Shards)))
				for _, s := range out.Shards {
					seen[*s.ShardId] = true
				}
				in = &kinesis.ListShardsInput{NextToken: out.NextToken, MaxResults: aws.Int32(2)}
				if out.NextToken == nil {
					break
				}
			}
			return observations(strings.Join(sizes, ","), len(seen), in.NextToken == nil)
		}},
		{name: "a page token excludes a stream name", want: "InvalidArgumentException", observe: func(p *probe) string {
			name := p.stream(2)
			out, err := p.kinesis.ListShards(
				p.ctx, &kinesis.ListShardsInput{StreamName: &name, MaxResults: aws.Int32(1)},
			)
			p.must(err)
			_, err = p.kinesis.ListShards(p.ctx, &kinesis.ListShardsInput{StreamName: &name, NextToken: out.NextToken})
			return code(err)
		}},
		{name: "an ARN names a stream as well", want: "0; ACTIVE; ok; ok", observe: func(p *probe) string {
			arn := aws.String(streamArn(p.stream(1)))
			list, err := p.kinesis.ListShards(p.ctx, &kinesis.ListShardsInput{StreamARN: arn})
			p.must(err)
			d, err := p.kinesis.DescribeStreamSummary(p.ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: arn})
			p.must(err)
			_, put := p.kinesis.PutRecord(
				p.ctx, &kinesis.PutRecordInput{StreamARN: arn, PartitionKey: aws.String("k"), Data: []byte("x")},
			)
			_, it := p.kinesis.GetShardIterator(p.ctx, &kinesis.GetShardIteratorInput{
				StreamARN: arn, ShardId: list.Shards[0].ShardId, ShardIteratorType: types.ShardIteratorTypeLatest,
			})
			return observations(numbers(list.Shards), d.StreamDescriptionSummary.StreamStatus, put, it)
		}},
		{name: "a deleted stream goes away", want: "ok; true", observe: func(p *probe) string {
			name := p.stream(1)
			_, err := p.kinesis.DeleteStream(p.ctx, &kinesis.DeleteStreamInput{StreamName: &name})
			gone := false
			p.within(10*time.Second, "stream is gone", func() bool {
				_, err := p.kinesis.DescribeStreamSummary(p.ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
				gone = code(err) == "ResourceNotFoundException"
				return gone
			})
			return observations(err, gone)
		}},
	}
}

func writeBehaviours() []behaviour {
	putRecords := func(
		p *probe, stream string, entries ...types.PutRecordsRequestEntry,
	) (*kinesis.PutRecordsOutput, error) {
		return p.kinesis.PutRecords(p.ctx, &kinesis.PutRecordsInput{StreamName: &stream, Records: entries})
	}
	return []behaviour{
		{name: "sequence numbers of a shard grow", want: "true", observe: func(p *probe) string {
			seqs := p.put(p.stream(1), "a", "b", "c")
			return observations(hash(&seqs[0]).Cmp(hash(&seqs[1])) < 0 && hash(&seqs[1]).Cmp(hash(&seqs[2])) < 0)
		}},
		{name: "a batch keeps its order", want: "ok; 0; true; a,b,c", observe: func(p *probe) string {
			name := p.stream(1)
			var entries []types.PutRecordsRequestEntry
			for _, payload := range []string{"a", "b", "c"} {
				entries = append(
					entries, types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: []byte(payload)},
				)
			}
			out, err := putRecords(p, name, entries...)
			p.must(err)
			growing := slices.IsSortedFunc(out.Records, func(a, b types.PutRecordsResultEntry) int {
				return hash(a.SequenceNumber).Cmp(hash(b.SequenceNumber))
			})
			records, _ := p.readAll(name, "shardId-000000000000")
			return observations(err, *out.FailedRecordCount, growing, payloads(records))
		}},
		{
			name: "500 entries are a batch and 501 are none", want: "ok; ValidationException; ValidationException",
			observe: func(p *probe) string {
				name := p.stream(1)
				entries := slices.Repeat(
					[]types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("x")}}, 501,
				)
				_, full := putRecords(p, name, entries[:500]...)
				_, over := putRecords(p, name, entries...)
				_, none := putRecords(p, name, entries[:0]...)
				return observations(full, over, none)
			},
		},
		{
			name: "partition keys are 1 to 256 characters", want: "ok; ValidationException; ValidationException",
			observe: func(p *probe) string {
				name := p.stream(1)
				var results []any
				for _, key := range []string{strings.Repeat("ä", 256), "", strings.Repeat("k", 257)} {
					_, err := p.kinesis.PutRecord(
						p.ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: &key, Data: []byte("x")},
					)
					results = append(results, err)
				}
				return observations(results...)
			},
		},
		{name: "a record of more than 1 MiB is refused", want: "ok; refused", observe: func(p *probe) string {
			name := p.stream(1)
			var results []any
			for _, size := range []int{1<<20 - 3, 1<<20 + 1} {
				_, err := p.kinesis.PutRecord(p.ctx, &kinesis.PutRecordInput{
					StreamName: &name, PartitionKey: aws.String("key"), Data: make([]byte, size),
				})
				if c := code(err); c == "ValidationException" || c == "InvalidArgumentException" {
					results = append(results, "refused") // the documentation names both
				} else {
					results = append(results, c)
				}
			}
			return observations(results...)
		}},
		{name: "MD5 of the partition key chooses the shard", want: "2,0,2,1,2,2,2,1", observe: func(p *probe) string {
			name := p.stream(4)
			var where []string
			for i := range 8 {
				out, err := p.kinesis.PutRecord(p.ctx, &kinesis.PutRecordInput{
					StreamName: &name, PartitionKey: aws.String(fmt.Sprint("key-", i)), Data: []byte("x"),
				})
				p.must(err)
				where = append(where, number(out.ShardId))
			}
			return strings.Join(where, ",")
		}},
		{
			name: "an explicit hash key chooses the shard", want: "0; 3; InvalidArgumentException",
			observe: func(p *probe) string {
				name := p.stream(4)
				put := func(key string) (*kinesis.PutRecordOutput, error) {
					return p.kinesis.PutRecord(p.ctx, &kinesis.PutRecordInput{
						StreamName: &name, PartitionKey: aws.String("k"), ExplicitHashKey: &key, Data: []byte("x"),
					})
				}
				low, err := put("0")
				p.must(err)
				high, err := put("340282366920938463463374607431768211455")
				p.must(err)
				_, err = put("340282366920938463463374607431768211456")
				return observations(number(low.ShardId), number(high.ShardId), code(err))
			},
		},
		{
			name: "a shard takes 1,000 records a second", want: "0; ProvisionedThroughputExceededException",
			throttled: true, observe: func(p *probe) string {
				name := p.stream(1)
				entries := slices.Repeat(
					[]types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("x")}}, 500,
				)
				failed, why := int32(0), "none refused"
				for i := range 4 {
					out, err := putRecords(p, name, entries...)
					p.must(err)
					if i < 2 {
						failed += *out.FailedRecordCount
						continue
					}
					for _, r := range out.Records {
						if r.ErrorCode != nil {
							why = *r.ErrorCode
						}
					}
				}
				return observations(failed, why)
			},
		},
	}
}

func readBehaviours() []behaviour {
	return []behaviour{
		{name: "the five kinds of iterators", want: "a,b,c; ; d; b,c,d; c,d; b,c,d", observe: func(p *probe) string {
			name := p.stream(1)
			seqs := p.put(name, "a")
			time.Sleep(20 * time.Millisecond) // real servers: AT_TIMESTAMP needs a gap between the records
			between := time.Now()
			time.Sleep(20 * time.Millisecond)
			seqs = append(seqs, p.put(name, "b", "c")...)
			horizon, err := p.from(
				name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
			)
			p.must(err)
			latest, err := p.from(name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest})
			p.must(err)
			first := p.read(horizon)
			tip := p.page(latest, nil)
			p.put(name, "d")
			at, err := p.from(name, startOf(types.ShardIteratorTypeAtSequenceNumber, seqs[1]))
			p.must(err)
			after, err := p.from(name, startOf(types.ShardIteratorTypeAfterSequenceNumber, seqs[1]))
			p.must(err)
			timed, err := p.from(name, kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &between,
			})
			p.must(err)
			return observations(
				first, payloads(tip.Records), p.read(tip.NextShardIterator), p.read(at), p.read(after), p.read(timed),
			)
		}},
		{name: "AT_TIMESTAMP after all records waits for the next", want: "; b", observe: func(p *probe) string {
			name := p.stream(1)
			p.put(name, "a")
			time.Sleep(20 * time.Millisecond)
			now := time.Now()
			it, err := p.from(
				name,
				kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &now},
			)
			p.must(err)
			empty := p.page(it, nil)
			time.Sleep(20 * time.Millisecond)
			p.put(name, "b")
			return observations(payloads(empty.Records), p.read(empty.NextShardIterator))
		}},
		{name: "an iterator can be read again", want: "a,b; a,b", observe: func(p *probe) string {
			name := p.stream(1)
			p.put(name, "a", "b")
			it, err := p.from(
				name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
			)
			p.must(err)
			return observations(p.read(it), p.read(it))
		}},
		{name: "Limit bounds a page and the next goes on", want: "a,b; c; true", observe: func(p *probe) string {
			name := p.stream(1)
			p.put(name, "a", "b", "c")
			it, err := p.from(
				name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
			)
			p.must(err)
			first := p.page(it, aws.Int32(2))
			second := p.page(first.NextShardIterator, aws.Int32(2))
			return observations(payloads(first.Records), payloads(second.Records), second.NextShardIterator != nil)
		}},
		{name: "Limit is 1 to 10000", want: "ok; refused; refused", observe: func(p *probe) string {
			it, err := p.from(
				p.stream(1), kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
			)
			p.must(err)
			var results []any
			for _, limit := range []int32{10000, 0, 10001} {
				_, err := p.kinesis.GetRecords(p.ctx, &kinesis.GetRecordsInput{ShardIterator: it, Limit: &limit})
				if c := code(err); c == "ValidationException" || c == "InvalidArgumentException" {
					results = append(results, "refused") // the documentation names both
				} else {
					results = append(results, c)
				}
			}
			return observations(results...)
		}},
		{name: "MillisBehindLatest is zero at the tip alone", want: "true; 0", observe: func(p *probe) string {
			name := p.stream(1)
			p.put(name, "a")
			time.Sleep(30 * time.Millisecond)
			p.put(name, "b")
			it, err := p.from(
				name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
			)
			p.must(err)
			behind := p.page(it, aws.Int32(1))
			tip := p.page(behind.NextShardIterator, nil)
			return observations(*behind.MillisBehindLatest > 0, *tip.MillisBehindLatest)
		}},
		{
			name: "records carry key, sequence number and arrival time", want: "key; true; true",
			observe: func(p *probe) string {
				name := p.stream(1)
				before := time.Now().Add(-time.Second)
				seq := p.put(name, "a")[0]
				records, _ := p.readAll(name, "shardId-000000000000")
				at := *records[0].ApproximateArrivalTimestamp
				return observations(*records[0].PartitionKey, *records[0].SequenceNumber == seq, at.After(before) &&
					at.Before(time.Now().Add(time.Second)))
			},
		},
		{name: "a page holds 10 MiB at most", want: "true; 12", observe: func(p *probe) string {
			name := p.stream(1)
			data := bytes.Repeat([]byte{'x'}, 1<<20-16)
			for range 12 {
				_, err := p.kinesis.PutRecord(
					p.ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String("k"), Data: data},
				)
				p.must(err)
			}
			it, err := p.from(
				name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
			)
			p.must(err)
			first := p.page(it, nil)
			total, next := len(first.Records), first
			for range 5 {
				next = p.page(next.NextShardIterator, nil)
				total += len(next.Records)
			}
			return observations(len(first.Records) > 0 && len(first.Records) <= 10, total)
		}},
		{
			name: "a garbage iterator is an invalid argument", want: "InvalidArgumentException",
			observe: func(p *probe) string {
				_, err := p.kinesis.GetRecords(
					p.ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("AAAAAAAAgarbage")},
				)
				return code(err)
			},
		},
		{
			name: "an iterator needs an existing shard", want: "ResourceNotFoundException",
			observe: func(p *probe) string {
				_, err := p.from(p.stream(1), kinesis.GetShardIteratorInput{
					ShardId: aws.String("shardId-000000000077"), ShardIteratorType: types.ShardIteratorTypeLatest,
				})
				return code(err)
			},
		},
		{
			name: "an iterator needs what its kind names", want: "InvalidArgumentException; InvalidArgumentException",
			observe: func(p *probe) string {
				name := p.stream(1)
				_, seq := p.from(
					name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber},
				)
				_, at := p.from(name, kinesis.GetShardIteratorInput{
					ShardIteratorType: types.ShardIteratorTypeAtTimestamp,
				})
				return observations(seq, at)
			},
		},
		{
			name: "a foreign sequence number is an invalid argument", want: "InvalidArgumentException",
			observe: func(p *probe) string {
				name := p.stream(1)
				p.put(name, "a")
				_, err := p.from(name, startOf(types.ShardIteratorTypeAfterSequenceNumber, "12345"))
				return code(err)
			},
		},
		{
			name: "a shard is read five times a second", want: "5 ok; ProvisionedThroughputExceededException",
			throttled: true, observe: func(p *probe) string {
				it, err := p.from(
					p.stream(1), kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
				)
				p.must(err)
				for n := range 20 {
					if _, err := p.kinesis.GetRecords(p.ctx, &kinesis.GetRecordsInput{ShardIterator: it}); err != nil {
						return observations(fmt.Sprint(n, " ok"), err)
					}
				}
				return "20 ok"
			},
		},
	}
}

func reshardBehaviours() []behaviour {
	split := func(p *probe, stream string, shard types.Shard) error {
		middle := new(big.Int).Add(hash(shard.HashKeyRange.StartingHashKey), hash(shard.HashKeyRange.EndingHashKey))
		middle.Rsh(middle.Add(middle, big.NewInt(1)), 1)
		_, err := p.kinesis.SplitShard(p.ctx, &kinesis.SplitShardInput{
			StreamName: &stream, ShardToSplit: shard.ShardId, NewStartingHashKey: aws.String(middle.String()),
		})
		if err == nil {
			p.active(stream)
		}
		return err
	}
	merge := func(p *probe, stream string, a, b types.Shard) error {
		_, err := p.kinesis.MergeShards(
			p.ctx,
			&kinesis.MergeShardsInput{StreamName: &stream, ShardToMerge: a.ShardId, AdjacentShardToMerge: b.ShardId},
		)
		if err == nil {
			p.active(stream)
		}
		return err
	}
	scale := func(p *probe, stream string, to int32) error {
		_, err := p.kinesis.UpdateShardCount(p.ctx, &kinesis.UpdateShardCountInput{
			StreamName: &stream, TargetShardCount: &to, ScalingType: types.ScalingTypeUniformScaling,
		})
		if err == nil {
			p.active(stream)
		}
		return err
	}
	children := func(out *kinesis.GetRecordsOutput) string {
		var s []string
		for _, c := range out.ChildShards {
			parents := make([]string, len(c.ParentShards))
			for i := range c.ParentShards {
				parents[i] = number(&c.ParentShards[i])
			}
			slices.Sort(parents)
			s = append(s, number(c.ShardId)+"<-"+strings.Join(parents, "+"))
		}
		slices.Sort(s)
		return strings.Join(s, " ")
	}
	return []behaviour{
		{
			name: "a split has one parent and two children", want: "ok; 1,2; true; 0,0; true",
			observe: func(p *probe) string {
				name := p.stream(1)
				err := split(p, name, p.shards(name, nil)[0])
				all := p.shards(name, nil)
				kids := open(all)
				parents := number(kids[0].ParentShardId) + "," + number(kids[1].ParentShardId)
				return observations(
					err, numbers(kids), covers(slices.Clone(kids)), parents,
					all[0].SequenceNumberRange.EndingSequenceNumber != nil,
				)
			},
		},
		{
			name: "a closed shard ends and names its children", want: "a,b; true; 1<-0 2<-0",
			observe: func(p *probe) string {
				name := p.stream(1)
				p.put(name, "a", "b")
				p.must(split(p, name, p.shards(name, nil)[0]))
				records, last := p.readAll(name, "shardId-000000000000")
				return observations(payloads(records), last.NextShardIterator == nil, children(last))
			},
		},
		{
			name: "a merge has two parents and one child", want: "ok; 2; 0; 1; true; 2<-0+1; 2<-0+1",
			observe: func(p *probe) string {
				name := p.stream(2)
				shards := p.shards(name, nil)
				err := merge(p, name, shards[0], shards[1])
				kids := open(p.shards(name, nil))
				_, first := p.readAll(name, *shards[0].ShardId)
				_, second := p.readAll(name, *shards[1].ShardId)
				return observations(
					err, numbers(kids), number(kids[0].ParentShardId), number(kids[0].AdjacentParentShardId),
					covers(kids), children(first), children(second),
				)
			},
		},
		{name: "records after a split are the children's", want: "a; b", observe: func(p *probe) string {
			name := p.stream(1)
			p.put(name, "a")
			p.must(split(p, name, p.shards(name, nil)[0]))
			p.put(name, "b")
			var after []types.Record
			parent, _ := p.readAll(name, "shardId-000000000000")
			for _, s := range open(p.shards(name, nil)) {
				records, _ := p.readAll(name, *s.ShardId)
				after = append(after, records...)
			}
			return observations(payloads(parent), payloads(after))
		}},
		{name: "LATEST of a closed shard is its end", want: "; true", observe: func(p *probe) string {
			name := p.stream(1)
			p.put(name, "a")
			p.must(split(p, name, p.shards(name, nil)[0]))
			it, err := p.from(name, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest})
			p.must(err)
			out := p.page(it, nil)
			return observations(payloads(out.Records), out.NextShardIterator == nil)
		}},
		{name: "only neighbours merge", want: "InvalidArgumentException", observe: func(p *probe) string {
			name := p.stream(3)
			shards := p.shards(name, nil)
			return observations(merge(p, name, shards[0], shards[2]))
		}},
		{name: "a closed shard is not split again", want: "ok; refused", observe: func(p *probe) string {
			name := p.stream(1)
			shard := p.shards(name, nil)[0]
			first := split(p, name, shard)
			second := code(split(p, name, shard))
			if second == "InvalidArgumentException" || second == "ResourceInUseException" {
				second = "refused" // the documentation names neither for this case
			}
			return observations(first, second)
		}},
		{name: "UpdateShardCount doubles and halves", want: "ok; 4; ok; 2; true", observe: func(p *probe) string {
			name := p.stream(2)
			up := scale(p, name, 4)
			four := open(p.shards(name, nil))
			down := scale(p, name, 2)
			two := open(p.shards(name, nil))
			return observations(up, len(four), down, len(two), covers(two))
		}},
		{
			name: "UpdateShardCount goes to double at most", want: "LimitExceededException",
			observe: func(p *probe) string {
				return observations(scale(p, p.stream(2), 5))
			},
		},
		{name: "shard filters", want: "2,3,1; 1,2,3; 0,1,2,3; 0,1", observe: func(p *probe) string {
			name := p.stream(2)
			time.Sleep(1100 * time.Millisecond) // kinesis-local compares whole seconds
			before := time.Now()
			time.Sleep(1100 * time.Millisecond)
			p.must(split(p, name, p.shards(name, nil)[0]))
			latest := p.shards(name, &types.ShardFilter{Type: types.ShardFilterTypeAtLatest})
			covers(latest) // by hash key
			after := p.shards(name, &types.ShardFilter{
				Type: types.ShardFilterTypeAfterShardId, ShardId: aws.String("shardId-000000000000"),
			})
			horizon := p.shards(name, &types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon})
			at := p.shards(name, &types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: &before})
			return observations(numbers(latest), numbers(after), numbers(horizon), numbers(at))
		}},
		{name: "a stream that changes is UPDATING and usable", want: "true; ok", observe: func(p *probe) string {
			var updating bool
			var put error
			for range 5 { // a busy machine may look too late
				name := p.stream(1)
				shard := p.shards(name, nil)[0]
				_, err := p.kinesis.SplitShard(p.ctx, &kinesis.SplitShardInput{
					StreamName: &name, ShardToSplit: shard.ShardId, NewStartingHashKey: aws.String("1000"),
				})
				p.must(err)
				d, err := p.kinesis.DescribeStreamSummary(p.ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
				p.must(err)
				_, put = p.kinesis.PutRecord(
					p.ctx,
					&kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String("k"), Data: []byte("x")},
				)
				if updating = d.StreamDescriptionSummary.StreamStatus == types.StreamStatusUpdating; updating {
					break
				}
			}
			return observations(updating, put)
		}},
	}
}
