package produce

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/internal/config"
)

const (
	// mostRecord is the largest record that a stream can be set to take; 1 MiB is the default.
	mostRecord = 10 << 20
	// mostKey is the longest partition key, in characters.
	mostKey = 256
	// ahead is how many records are looked at for a call, in which each key can be once, and aheadBytes how much.
	ahead, aheadBytes = 2000, 32 << 20
	// together is how long a record waits for those that follow it.
	together = 5 * time.Millisecond
)

// Putter puts the records that somebody gives it. Records with the same key arrive in their order: a call has no more
// than one of each key, because Kinesis promises no order within a call. Its fields must not change while it works.
type Putter struct {
	Client *kinesis.Client
	// Stream is a name or an ARN.
	Stream string
	// Key is the partition key of every record, unless there is a KeyField: the field of the record whose value is it,
	// as in order.customer.
	Key, KeyField string
	// OnPut gets each record that the stream has taken.
	OnPut func(Receipt) error
	// Trouble, if set, gets the error that has calls repeated, and nil when they are answered again.
	Trouble func(error)
}

// Receipt is where a record is.
type Receipt struct {
	// Line is the line of the input, from 1; it is 0 for a single record.
	Line     int    `json:"line,omitempty"`
	Shard    string `json:"shard"`
	Sequence string `json:"sequence_number"`
	Key      string `json:"partition_key"`
	// JSON says that the record is a JSON document.
	JSON bool `json:"-"`
}

// queued is a record that has yet to be put.
type queued struct {
	line int
	key  string
	data []byte
	err  error // why it cannot be put
}

// One puts one record.
func (p *Putter) One(ctx context.Context, data []byte) (Sum, error) {
	records := make(chan queued, 1)
	records <- p.queue(0, data)
	close(records)
	return p.put(ctx, records)
}

// Lines puts each line of a text; empty ones are left out. A line is put when it is there, also where more follow
// later.
func (p *Putter) Lines(ctx context.Context, text io.Reader) (Sum, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	records := make(chan queued)
	go func() { // ends when text does, or after its next line
		defer close(records)
		lines := bufio.NewReaderSize(text, 64<<10)
		for line := 1; ; line++ {
			data, err := readLine(lines)
			if line == 1 {
				data = bytes.TrimPrefix(data, []byte(config.ByteOrderMark))
			}
			var q queued
			switch {
			case line == 1 && config.UTF16(data):
				q = queued{line: line, err: errors.New("line 1: " + config.NotUTF8)}
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				q = queued{line: line, err: fmt.Errorf("line %d: %w", line, err)}
			case line == 1 && bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")):
				q = queued{line: line, err: errors.New(
					"line 1 begins a JSON array: give one record a line, as jq -c '.[]' writes it")}
			case len(data) == 0:
				continue
			default:
				q = p.queue(line, data)
			}
			select {
			case records <- q:
			case <-ctx.Done():
				return
			}
			if q.err != nil {
				return
			}
		}
	}()
	return p.put(ctx, records)
}

// readLine returns a line without its end, nil at the end of the text.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > mostRecord+2:
			return nil, errTooLarge(len(line))
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(line) == 0:
			return nil, err
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if line == nil {
			line = []byte{}
		}
		return line, nil
	}
}

func errTooLarge(size int) error {
	return fmt.Errorf("the record has more than %d MiB: no stream takes it (%d bytes read)", mostRecord>>20, size)
}

// queue makes a record ready.
func (p *Putter) queue(line int, data []byte) queued {
	q := queued{line: line, key: p.Key, data: data}
	switch {
	case len(data) == 0:
		q.err = errors.New("the record is empty")
	case len(data) > mostRecord:
		q.err = errTooLarge(len(data))
	case p.KeyField != "":
		q.key, q.err = keyOf(data, p.KeyField)
	}
	if n := utf8.RuneCountInString(q.key); q.err == nil && (n == 0 || n > mostKey) {
		q.err = fmt.Errorf("the partition key has %d characters; want 1 to %d", n, mostKey)
	}
	if q.err != nil && line > 0 {
		q.err = fmt.Errorf("line %d: %w", line, q.err)
	}
	return q
}

// keyOf is the value of a record's field as a partition key.
func keyOf(data []byte, field string) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", fmt.Errorf("the record is no JSON, so that it has no field %s: %w", field, err)
	}
	for name := range strings.SplitSeq(field, ".") {
		members, _ := value.(map[string]any)
		value = members[name]
	}
	switch value := value.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	case bool:
		return fmt.Sprint(value), nil
	}
	return "", fmt.Errorf("the record has no field %s with a text or a number, which --key-field asks for", field)
}

// put puts records until there are no more. One that cannot be put ends it, once those before it were put.
func (p *Putter) put(ctx context.Context, records <-chan queued) (Sum, error) {
	to := &sender{Client: p.Client, Stream: p.Stream, Trouble: p.Trouble}
	var waiting []queued
	var end error
	accepted := 0
	for {
		if end == nil {
			waiting, end = fill(ctx, waiting, records)
		}
		if len(waiting) == 0 {
			if errors.Is(end, io.EOF) {
				end = nil
			}
			return Sum{accepted, to.repeated}, end
		}
		chosen := choose(waiting)
		batch := make([]types.PutRecordsRequestEntry, len(chosen))
		for i, at := range chosen {
			batch[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String(waiting[at].key), Data: waiting[at].data}
		}
		results, err := to.send(ctx, batch)
		if results == nil {
			return Sum{accepted, to.repeated}, cmp.Or(err, context.Cause(ctx))
		}
		for i, r := range results {
			if r.Refused {
				continue
			}
			q := &waiting[chosen[i]]
			accepted++
			if err := p.OnPut(Receipt{q.line, r.Shard, r.Sequence, q.key, json.Valid(q.data)}); err != nil {
				return Sum{accepted, to.repeated}, err
			}
			q.data = nil
		}
		waiting = slices.DeleteFunc(waiting, func(q queued) bool { return q.data == nil })
	}
}

// fill adds the records that are there, and waits for one where none is. Its error is the end of the records.
func fill(ctx context.Context, waiting []queued, records <-chan queued) ([]queued, error) {
	size := 0
	for _, q := range waiting {
		size += len(q.data)
	}
	for len(waiting) < ahead && size < aheadBytes {
		var pause <-chan time.Time
		if len(waiting) > 0 {
			pause = time.After(together)
		}
		select {
		case q, more := <-records:
			if !more {
				return waiting, io.EOF
			}
			if q.err != nil {
				return waiting, q.err
			}
			waiting = append(waiting, q)
			size += len(q.data)
		case <-pause:
			return waiting, nil
		case <-ctx.Done():
			return waiting, context.Cause(ctx)
		}
	}
	return waiting, nil
}

// choose returns the places of the records for one call: the first of each key, as far as they fit.
func choose(waiting []queued) []int {
	var chosen []int
	keys, size := map[string]bool{}, 0
	for i, q := range waiting {
		if keys[q.key] {
			continue
		}
		size += len(q.data) + len(q.key)
		if len(chosen) == mostPerPut || size > mostBytesPerPut && len(chosen) > 0 {
			break
		}
		keys[q.key] = true
		chosen = append(chosen, i)
	}
	return chosen
}
