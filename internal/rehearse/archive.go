package rehearse

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
)

// BacktestSource gives a backtest its records.
type BacktestSource interface {
	// Run gives b every record in the order of time, and returns when all were given. An error means that b got a part.
	Run(ctx context.Context, b *Backtest, bar *progressBar) error
	// until is the time up to which there are no further records; zero if nothing is known beyond the last one.
	until() time.Time
}

// ArchiveSource reads files with one record a line, one file after the other, as one shard.
type ArchiveSource struct {
	Files []string
	// Every is the time between records that carry none.
	Every time.Duration
	// Text says that a line that is no JSON is a record, too.
	Text bool

	line    []byte
	size    int64
	read    int64
	arrival time.Time // of the record before
	untimed int
}

// MostLine bounds a line: the largest record of Kinesis in base64, with what is around it.
const MostLine = config.MostRecord

// mostUnended is after how many bytes without a line's end a file is given up: it holds no lines.
const mostUnended = 1 << 30

// archiveStart is when the records of an archive begin that carry no time, as in tests of rules.
func archiveStart() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func (*ArchiveSource) until() time.Time { return time.Time{} }

// Run evaluates the records of all files, in the order of the files.
func (s *ArchiveSource) Run(ctx context.Context, b *Backtest, bar *progressBar) error {
	for _, name := range s.Files { // all of them, before hours are spent on the first
		info, err := config.StatFile(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.size += info.Size()
	}
	b.begin(defaultCaseShard, alert.Heir{})
	defer func() {
		if s.untimed > 0 {
			b.Report.note("without a time of arrival: %s; such a record is taken to arrive %s (--every) after the "+
				"one before, the first of an archive at %s",
				config.Plural(s.untimed, "record"), shortDuration(s.Every), instantText(archiveStart()))
		}
	}()
	for _, name := range s.Files {
		if err := s.file(ctx, b, bar, name); err != nil {
			return err
		}
	}
	return nil
}

// counting counts what is read of a file.
type counting struct {
	io.Reader
	n *int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}

func (s *ArchiveSource) file(ctx context.Context, b *Backtest, bar *progressBar, name string) error {
	file, err := config.OpenFile(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	done := config.CloseWith(ctx, file)
	defer done()
	var in io.Reader = counting{file, &s.read}
	if strings.HasSuffix(name, ".gz") {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		in = unpacked
	}
	lines := bufio.NewReaderSize(in, 1<<20)
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		line, tooLong, err := s.next(ctx, lines)
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte(config.ByteOrderMark))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		switch {
		case tooLong:
			b.Report.badLine(name, n, fmt.Sprintf("is longer than %d MiB", MostLine>>20))
		case len(bytes.TrimSpace(line)) > 0:
			if rec, why := s.record(line, n); why != "" {
				b.Report.badLine(name, n, why)
			} else {
				b.take(ctx, rec)
			}
		}
		bar.step(b.Report.Records, float64(s.read)/float64(max(1, s.size)))
		if err != nil {
			return nil
		}
	}
}

// next reads a line without its end. It is valid until the next one. A line that is too long is passed over.
func (s *ArchiveSource) next(ctx context.Context, lines *bufio.Reader) (line []byte, tooLong bool, err error) {
	s.line = s.line[:0]
	for passed := 0; ; {
		if ctx.Err() != nil {
			return nil, true, ctx.Err()
		}
		part, err := lines.ReadSlice('\n')
		if len(s.line)+len(part) > MostLine {
			tooLong = true
			s.line = s.line[:0]
		}
		if passed += len(part); passed > mostUnended {
			return nil, true, fmt.Errorf("no line ends within %d MiB: this is no archive of records", mostUnended>>20)
		}
		if !tooLong {
			s.line = append(s.line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(s.line, "\r\n"), tooLong, err
		}
	}
}

// archivedRecord is a line that has more of a record than its payload.
type archivedRecord struct {
	PartitionKey   *string         `json:"partitionKey"`
	Data           json.RawMessage `json:"data"`
	Arrival        json.RawMessage `json:"approximateArrivalTimestamp"`
	SequenceNumber string          `json:"sequenceNumber"`
	SchemaVersion  json.RawMessage `json:"kinesisSchemaVersion"`
}

// record makes a record of a line, or returns why it is not one.
func (s *ArchiveSource) record(line []byte, n int) (rec *alert.Record, why string) {
	rec = &alert.Record{Shard: defaultCaseShard, PartitionKey: DefaultCaseKey, SequenceNumber: strconv.Itoa(n)}
	a, whole := Wrapped(line)
	switch {
	case whole:
		if rec.Data, why = a.payload(); why != "" {
			return nil, why
		}
		rec.PartitionKey = *a.PartitionKey
		if a.SequenceNumber != "" {
			rec.SequenceNumber = a.SequenceNumber
		}
	case s.Text || json.Valid(line):
		rec.Data = bytes.Clone(line)
	default:
		return nil, "is no JSON"
	}
	if whole && len(a.Arrival) > 0 && string(a.Arrival) != "null" {
		at, ok := arrivalOf(a.Arrival)
		if !ok {
			return nil,
				fmt.Sprintf("approximateArrivalTimestamp is %s: want a time such as 2026-11-22T09:00:00Z, or "+
					"seconds since 1970", a.Arrival)
		}
		rec.Arrival = at
	} else {
		s.untimed++
		if rec.Arrival = archiveStart(); !s.arrival.IsZero() {
			rec.Arrival = s.arrival.Add(s.Every)
		}
	}
	s.arrival = rec.Arrival
	return rec, ""
}

// Wrapped reports whether a line is a record with its key and payload, which has nothing but what a record has: a
// payload may have a field data, too.
func Wrapped(line []byte) (*archivedRecord, bool) {
	if !bytes.Contains(line, []byte(`"partitionKey"`)) || !bytes.Contains(line, []byte(`"data"`)) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var a archivedRecord
	if d.Decode(&a) != nil || d.InputOffset() < int64(len(bytes.TrimRight(line, " \t"))) || a.PartitionKey == nil ||
		len(a.Data) == 0 {
		return nil, false
	}
	return &a, true
}

// payload is the record's payload: text is base64, as Lambda has it, and anything else is itself.
func (a *archivedRecord) payload() (data []byte, why string) {
	if a.Data[0] != '"' {
		return a.Data, ""
	}
	var text string
	if err := json.Unmarshal(a.Data, &text); err != nil {
		return nil, "data: " + err.Error()
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, "data is a text, but no base64"
	}
	return data, ""
}

// arrivalOf reads a time: seconds since 1970, as Lambda has them, or RFC 3339.
func arrivalOf(raw json.RawMessage) (time.Time, bool) {
	if raw[0] == '"' {
		var t time.Time
		err := json.Unmarshal(raw, &t)
		return t.UTC(), err == nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	const latest = 253402300799 // the end of the year 9999
	if err != nil || !(seconds > 0 && seconds <= latest) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), true
}
