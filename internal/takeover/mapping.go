package takeover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
)

// MaxMapping bounds the file, in bytes: terraform show -json prints much about every resource.
const MaxMapping = 32 << 20

// LambdaExplainer carries out check --explain-lambda: it turns an event source mapping of Lambda into a configuration.
type LambdaExplainer struct {
	// File has what the AWS CLI or Terraform prints, or a template; - is standard input.
	File, TopicARN string
	// Output is the file that gets the configuration, or the folder that gets several; empty is Stdout. It is left
	// alone where there is none to write.
	Output string

	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// where is the place in the file that faults are about.
	where string
}

// Run writes the configurations, or nothing: what it would write is checked before. What is left to a person has a
// placeholder, and the error says which. Of several, those that can be taken over are written; the error names the
// others. Sources that are not Kinesis are named, and are an error where there is nothing else.
func (x *LambdaExplainer) Run(ctx context.Context) error {
	data, err := x.Read(ctx)
	if err != nil {
		return err
	}
	root, err := x.tree(data)
	if err != nil {
		return err
	}
	all, aside, err := x.find(root)
	if err != nil {
		return err
	}
	var out []taken
	var left, faults config.FieldErrors
	topicMissing := false
	for _, f := range all {
		one := *x
		one.where = f.where
		text, open, missing, err := one.take(ctx, f)
		problems, isFault := errors.AsType[config.FieldErrors](err)
		other, isOther := errors.AsType[notKinesisError](err)
		switch {
		case isOther:
			aside = append(aside, other.FieldErrors...)
		case isFault:
			faults = append(faults, problems...)
		case err != nil:
			return err
		default:
			out = append(out, taken{f.called, text})
			left = append(left, open...)
			topicMissing = topicMissing || missing
		}
	}
	if len(out) == 0 {
		return append(faults, aside...)
	}
	for _, p := range aside {
		_, _ = plain.Fprintf(x.Stderr, "warning: left out: %v\n", p)
	}
	if err := x.write(out); err != nil {
		return err
	}
	if topicMissing {
		left = append(left, &config.FieldError{Field: topicFlag, Rule: "is not given, and the file does not have " +
			"region and account; check refuses topics.alerts.arn until you replace " + placeholderTopic})
	}
	if left = append(faults, left...); len(left) > 0 {
		return left
	}
	return nil
}

// taken is a configuration, and what its mapping is called.
type taken struct {
	called string
	text   []byte
}

// notKinesisError is why a mapping is left to Lambda.
type notKinesisError struct{ config.FieldErrors }

// take makes the configuration that takes over a mapping, and says whether its topic is not even an ARN.
func (x *LambdaExplainer) take(ctx context.Context, f found) (
	text []byte, left config.FieldErrors, noTopic bool, err error,
) {
	w, err := x.parse(f)
	if err != nil {
		return nil, nil, false, err
	}
	for _, name := range w.unknown {
		_, _ = fmt.Fprintf(x.Stderr,
			"warning: %s: %q: this version does not know the field; see in Lambda's documentation whether it matters\n",
			plain.Text(x.Name()), config.Join(x.where, name))
	}
	text, left, err = x.configuration(ctx, w)
	return text, left, w.placeholder("topics.alerts.arn") != "", err
}

// write writes the configurations where they are wanted. A file that exists stays as it is: people work on it.
func (x *LambdaExplainer) write(all []taken) error {
	files := names(all)
	if x.Output == "" {
		for i, one := range all {
			text := one.text
			if len(all) > 1 {
				text = append([]byte("# file: "+files[i]+"\n"), text...)
				if i > 0 {
					text = append([]byte("---\n"), text...)
				}
			}
			if _, err := x.Stdout.Write(text); err != nil {
				return err
			}
		}
		return nil
	}
	info, err := os.Stat(x.Output)
	folder := err == nil && info.IsDir() || strings.HasSuffix(x.Output, "/")
	extension := filepath.Ext(x.Output)
	switch {
	case len(all) > 1 && !folder && (extension == ".yaml" || extension == ".yml"):
		return config.UsageError(fmt.Sprintf("check: there are %d configurations: --output %s must be a folder",
			len(all), x.Output))
	case !folder && len(all) == 1:
		files = []string{x.Output}
	default:
		if err := os.MkdirAll(x.Output, 0o755); err != nil { //nolint:gosec // as mkdir makes it
			return fmt.Errorf("check: %w", err)
		}
		for i := range files {
			files[i] = filepath.Join(x.Output, files[i])
		}
	}
	for _, file := range files {
		if _, err := os.Lstat(file); err == nil {
			return fmt.Errorf("check: --explain-lambda does not overwrite a file: open %s: %w", file, fs.ErrExist)
		}
	}
	for i, file := range files {
		if err := create(file, all[i].text); err != nil {
			return err
		}
		if len(files) > 1 {
			if _, err := plain.Fprintf(x.Stdout, "%s: written\n", file); err != nil {
				return err
			}
		}
	}
	next := "%s: written. Next:\n"
	if len(files) > 1 {
		next = "Next, for each, such as %s:\n"
	}
	_, err = plain.Fprintf(x.Stdout, next+
		"  1. decide what its first lines ask: topic, condition, words, start\n"+
		"  2. kinesis-alerter check --config %s\n"+
		"  3. kinesis-alerter rules backtest --config %s --from -24h, which says what it would have published\n"+
		"  4. give its role the permissions of deploy/iam, and run it beside the function: the rule is in mode "+
		"shadow\n"+
		"  5. remove mode: shadow and reload; when the status page shows the new configuration for every "+
		"worker, wait a "+
		"minute, and only then disable the mapping: in the other order alerts are lost. docs/migrate.md has the way "+
		"back\n",
		files[0], files[0], files[0])
	return err
}

func create(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, //nolint:gosec // a configuration without secrets
		0o644)
	if err != nil {
		return fmt.Errorf("check: --explain-lambda does not overwrite a file: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

// names are the files of several configurations: what the mappings are called, each once, also where case is nothing.
func names(all []taken) []string {
	used := map[string]bool{}
	out := make([]string, len(all))
	for i, one := range all {
		base := safe(one.called)
		if base == "" {
			base = "mapping"
		}
		name := base
		for n := 2; used[strings.ToLower(name)]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		used[strings.ToLower(name)] = true
		out[i] = name + ".yaml"
	}
	return out
}

// safe is a name of letters, digits, - and _ alone, of a length that is allowed everywhere.
func safe(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, s)
	return strings.Trim(s[:min(len(s), 100)], "-")
}

// Name is the file, as messages name it.
func (x *LambdaExplainer) Name() string {
	if x.File == config.StandardInput {
		return "standard input"
	}
	return x.File
}

// Fault is one thing that is wrong with the file.
func (x *LambdaExplainer) Fault(field, value, rule string, args ...any) *config.FieldError {
	if x.where != "" {
		field = strings.TrimSuffix(config.Join(x.where, field), ".")
	}
	return &config.FieldError{File: x.Name(), Field: field, Value: value, Rule: fmt.Sprintf(rule, args...)}
}

// Wanted says where a mapping comes from.
const Wanted = "want what `aws lambda get-event-source-mapping --uuid UUID --output json`, `aws pipes describe-pipe` " +
	"or `terraform show -json` prints, or a template of CloudFormation or SAM"

func (x *LambdaExplainer) Read(ctx context.Context) ([]byte, error) {
	data, err := config.ReadInput(ctx, x.Stdin, x.File, MaxMapping)
	switch {
	case err != nil:
		return nil, config.FieldErrors{x.Fault("", "", "%v; %s", err, Wanted)}
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return nil, config.FieldErrors{
			x.Fault("", "",
				"is UTF-16, as the > of Windows PowerShell writes it; want UTF-8: pipe into Out-File -Encoding utf8"),
		}
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(data) == 0 {
		return nil, config.FieldErrors{x.Fault("", "", "is empty; %s", Wanted)}
	}
	return data, nil
}

// parse returns the mapping, with the paths of fields that this version does not know, and those without a value.
func (x *LambdaExplainer) parse(f found) (*takeover, error) {
	fields, err := json.Marshal(f.fields)
	if err != nil {
		return nil, err // unreachable: trees are made of what JSON has
	}
	d := mappingDecoder{explainer: x, written: f.kind != "", unresolved: map[string]unresolved{}}
	m := new(lambdaMapping)
	d.decode("", fields, reflect.ValueOf(m).Elem())
	switch u := d.unresolved["EventSourceArn"]; {
	case len(d.faults) > 0:
		return nil, d.faults
	case reflect.ValueOf(*m).IsZero():
		return nil, config.FieldErrors{
			x.Fault("", "", "is no event source mapping: it has none of its fields; %s", Wanted),
		}
	case u.ARN != "":
		m.EventSourceArn = u.ARN
	case u.Text != "" && m.StartingPosition == "":
		return nil,
			notKinesisError{config.FieldErrors{x.Fault("EventSourceArn", u.Text, "is not in the file, and there "+
				"is no StartingPosition, which a stream needs, so it is left to Lambda")}}
	case u.Text != "":
		m.EventSourceArn = "arn:" + ownPartition + ":kinesis:" + ownRegion + ":" + ownAccount + ":stream/"
	}
	if err := x.refuse(m, d.unresolved); err != nil {
		source := strings.SplitN(m.EventSourceArn, ":", 6)
		if given(m.SelfManagedEventSource) || len(source) == 6 && source[2] != "kinesis" {
			return nil, notKinesisError{err}
		}
		return nil, err
	}
	w := newTakeover(m, x.TopicARN)
	w.found, w.unknown, w.unresolved = f, d.unknown, d.unresolved
	w.settle()
	return w, nil
}

// refuse returns why a mapping cannot be taken over.
func (x *LambdaExplainer) refuse(m *lambdaMapping, missing map[string]unresolved) config.FieldErrors {
	const field = "EventSourceArn"
	source := strings.SplitN(m.EventSourceArn, ":", 6)
	service := ""
	if len(source) == 6 && source[0] == "arn" {
		service = source[2]
	}
	refused := func(rule string) config.FieldErrors {
		return config.FieldErrors{x.Fault(field, m.EventSourceArn, "%s", rule)}
	}
	const leave = "; only Kinesis data streams are read, so leave this mapping to Lambda"
	switch {
	case given(m.SelfManagedEventSource) || service == "kafka":
		return refused("is a Kafka cluster" + leave)
	case m.EventSourceArn == "":
		return config.FieldErrors{x.Fault(field, "", "is not there; %s", Wanted)}
	case service == "dynamodb":
		return refused("is the stream of a DynamoDB table" + leave +
			", or let the table write its changes into a Kinesis data stream (aws dynamodb " +
			"enable-kinesis-streaming-destination) and read that")
	case service == "sqs":
		return refused("is an SQS queue, which has neither shards nor positions" + leave)
	case service == "mq":
		return refused("is a message broker" + leave)
	case service == "rds" || service == "docdb" || service == "docdb-elastic":
		return refused("is a DocumentDB cluster" + leave)
	case service != "kinesis":
		return refused("must look like arn:aws:kinesis:us-east-1:123456789012:stream/NAME" + leave)
	case !strings.HasPrefix(source[5], "stream/"):
		return refused("is no stream; it must look like arn:aws:kinesis:us-east-1:123456789012:stream/NAME")
	}
	if age := m.MaximumRecordAgeInSeconds; age != nil && (*age < -1 || *age > -1 && *age < 60 || *age > 604_800) {
		return config.FieldErrors{
			x.Fault("MaximumRecordAgeInSeconds", fmt.Sprint(*age), "Lambda allows -1 (no limit) and 60 to 604800"),
		}
	}
	if m.StartingPosition == "AT_TIMESTAMP" && m.StartingPositionTimestamp.IsZero() &&
		missing["StartingPositionTimestamp"].Text == "" {
		return config.FieldErrors{
			x.Fault("StartingPosition", m.StartingPosition, "needs StartingPositionTimestamp, which is not there"),
		}
	}
	positions := []string{"", "LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"}
	if missing["StartingPosition"].Text == "" && !slices.Contains(positions, m.StartingPosition) {
		return config.FieldErrors{
			x.Fault("StartingPosition", m.StartingPosition, "Lambda allows LATEST, TRIM_HORIZON and AT_TIMESTAMP"),
		}
	}
	return nil
}

// lambdaMapping is what Lambda's GetEventSourceMapping returns. The fields have the names that the AWS CLI prints.
type lambdaMapping struct {
	UUID                           string
	EventSourceMappingArn          string
	EventSourceArn                 string
	FunctionArn                    string
	LastModified                   lambdaTime
	LastProcessingResult           string
	State                          string
	StateTransitionReason          string
	StartingPosition               string
	StartingPositionTimestamp      lambdaTime
	BatchSize                      *int
	MaximumBatchingWindowInSeconds *int
	BisectBatchOnFunctionError     *bool
	ParallelizationFactor          *int
	MaximumRetryAttempts           *int
	MaximumRecordAgeInSeconds      *int
	TumblingWindowInSeconds        *int
	FunctionResponseTypes          []string
	FilterCriteria                 *lambdaFilters
	FilterCriteriaError            *lambdaFilterError
	KMSKeyArn                      string
	DestinationConfig              *lambdaDestinations
	MetricsConfig                  *lambdaMetrics

	otherSources

	// ResponseMetadata is about the call; SDKs add it.
	ResponseMetadata json.RawMessage
}

// otherSources are the fields of mappings that read from something else than Kinesis. They are kept as they are.
type otherSources struct {
	AmazonManagedKafkaEventSourceConfig json.RawMessage
	DocumentDBEventSourceConfig         json.RawMessage
	LoggingConfig                       json.RawMessage
	ProvisionedPollerConfig             json.RawMessage
	Queues                              json.RawMessage
	ScalingConfig                       json.RawMessage
	SelfManagedEventSource              json.RawMessage
	SelfManagedKafkaEventSourceConfig   json.RawMessage
	SourceAccessConfigurations          json.RawMessage
	Topics                              json.RawMessage
}

// given reports whether a field has a value.
func given(text json.RawMessage) bool {
	return len(text) > 0 && !slices.Contains([]string{"null", "[]", "{}", `""`}, string(text))
}

type lambdaFilters struct{ Filters []lambdaFilter }

type lambdaFilter struct{ Pattern string }

type lambdaFilterError struct{ ErrorCode, Message string }

type lambdaDestinations struct{ OnFailure, OnSuccess *lambdaDestination }

type lambdaDestination struct{ Destination string }

type lambdaMetrics struct{ Metrics []string }

// lambdaTime is a time as one of the AWS CLI's versions prints it: in RFC 3339, or as seconds since 1970.
type lambdaTime struct{ time.Time }

func (t *lambdaTime) UnmarshalJSON(text []byte) error {
	var seconds float64
	if json.Unmarshal(text, &seconds) == nil {
		t.Time = time.UnixMilli(int64(seconds * 1000)).UTC()
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return errors.New("want a time")
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return errors.New("want a time such as 2026-11-22T09:00:00+00:00, or seconds since 1970")
	}
	t.Time = at.UTC()
	return nil
}

// mappingDecoder fills a mapping. It gathers every fault, and the fields that it does not know.
type mappingDecoder struct {
	explainer *LambdaExplainer
	faults    config.FieldErrors
	unknown   []string
	// written says that people wrote the fields, who may write numbers as texts.
	written bool
	// unresolved are the values that the file does not have, by path.
	unresolved map[string]unresolved
}

func (d *mappingDecoder) decode(path string, text json.RawMessage, v reflect.Value) {
	if string(text) == "null" {
		return
	}
	if bytes.HasPrefix(text, []byte(`{"!unresolved":`)) && d.written {
		var u unresolved
		if json.Unmarshal(text, &u) == nil {
			d.unresolved[path] = u
			if v.Kind() == reflect.String {
				v.SetString(u.Text)
			}
			return
		}
	}
	if inner := strings.Trim(string(text), `"`); d.written && len(inner) < len(text) &&
		(v.Kind() == reflect.Bool || v.CanInt()) && json.Valid([]byte(inner)) {
		text = json.RawMessage(inner)
	}
	_, own := reflect.TypeAssert[json.Unmarshaler](v.Addr())
	var object map[string]json.RawMessage
	var list []json.RawMessage
	wrong := func(want string) {
		if !d.written {
			want += "; " + Wanted
		}
		d.faults = append(d.faults, d.explainer.Fault(path, string(text), "want %s", want))
	}
	switch kind := v.Kind(); {
	case own:
		if err := json.Unmarshal(text, v.Addr().Interface()); err != nil {
			d.faults = append(d.faults, d.explainer.Fault(path, string(text), "%v", err))
		}
	case kind == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(path, text, v.Elem())
	case kind == reflect.Struct:
		if json.Unmarshal(text, &object) != nil {
			wrong("an object")
			return
		}
		names := make([]string, 0, len(object))
		for name := range object {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if field := v.FieldByName(name); field.CanSet() {
				d.decode(config.Join(path, name), object[name], field)
			} else {
				d.unknown = append(d.unknown, config.Join(path, name))
			}
		}
	case kind == reflect.Slice:
		if json.Unmarshal(text, &list) != nil {
			wrong("a list")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, item := range list {
			d.decode(fmt.Sprintf("%s[%d]", path, i), item, v.Index(i))
		}
	case json.Unmarshal(text, v.Addr().Interface()) != nil:
		wrong(config.TypeName(v))
	}
}
