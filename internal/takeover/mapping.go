package takeover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
)

// MaxMapping bounds the JSON of event source mappings, in bytes.
const MaxMapping = 1 << 20

// LambdaExplainer carries out check --explain-lambda: it turns an event source mapping of Lambda into a configuration.
type LambdaExplainer struct {
	// File has the JSON of the AWS CLI; - is standard input.
	File, TopicARN string
	// Output is the file that gets the configuration; empty is Stdout. It is left alone where there is none to write.
	Output string

	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Run writes the configuration, or nothing: what it would write is checked before. Where patterns of the filter are
// left to a person, it is written with placeholders for them, and the error says which.
func (x *LambdaExplainer) Run(ctx context.Context) error {
	data, err := x.Read(ctx)
	if err != nil {
		return err
	}
	mapping, unknown, err := x.parse(data)
	if err != nil {
		return err
	}
	for _, name := range unknown {
		_, _ = fmt.Fprintf(x.Stderr,
			"warning: %s: %q: this version does not know the field; see in Lambda's documentation whether it matters\n",
			plain.Text(x.Name()), name)
	}
	text, left, err := x.configuration(ctx, mapping, unknown)
	if err != nil {
		return err
	}
	if err := x.write(text); err != nil {
		return err
	}
	if len(left) > 0 {
		return left
	}
	return nil
}

// write writes the configuration where it is wanted. A file that exists stays as it is: people work on it.
func (x *LambdaExplainer) write(text []byte) error {
	if x.Output == "" {
		_, err := x.Stdout.Write(text)
		return err
	}
	f, err := os.OpenFile(x.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a configuration without secrets
	if err != nil {
		return fmt.Errorf("check: --explain-lambda does not overwrite a file: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	_, err = plain.Fprintf(x.Stdout, "%s: written. Next:\n"+
		"  1. decide what its first lines ask: topic, condition, words, start\n"+
		"  2. kinesis-alerter check --config %s\n"+
		"  3. kinesis-alerter rules backtest --config %s --from -24h, which says what it would have published\n"+
		"  4. give its role the permissions of deploy/iam, and run it beside the function: the rule is in mode "+
		"shadow\n"+
		"  5. remove mode: shadow and reload, wait a minute, and only then disable the mapping: in the other order "+
		"alerts are lost. docs/migrate.md has the way back\n",
		x.Output, x.Output, x.Output)
	return err
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
	return &config.FieldError{File: x.Name(), Field: field, Value: value, Rule: fmt.Sprintf(rule, args...)}
}

// Wanted says where a mapping comes from.
const Wanted = "want what `aws lambda get-event-source-mapping --uuid UUID --output json` prints"

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

// parse returns the one mapping, and the paths of fields that this version does not know.
func (x *LambdaExplainer) parse(data []byte) (*lambdaMapping, []string, error) {
	var root any
	if err := json.Unmarshal(data, &root); err != nil {
		p := x.Fault("", "", "not valid JSON: %v; %s", err, Wanted)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			before := data[:min(int(syntax.Offset), len(data))]
			p.Line, p.Column = 1+bytes.Count(before, []byte("\n")),
				max(1, len(before)-1-bytes.LastIndexByte(before, '\n'))
		}
		return nil, nil, config.FieldErrors{p}
	}
	one := json.RawMessage(data)
	list, isList := root.([]any)
	var many []json.RawMessage
	if object, ok := root.(map[string]any); ok {
		if list, isList = object["EventSourceMappings"].([]any); isList {
			var page struct{ EventSourceMappings []json.RawMessage }
			if err := json.Unmarshal(data, &page); err != nil {
				return nil, nil, config.FieldErrors{x.Fault("", "", "%v", err)}
			}
			many = page.EventSourceMappings
		}
	} else if isList {
		if err := json.Unmarshal(data, &many); err != nil {
			return nil, nil, config.FieldErrors{x.Fault("", "", "%v", err)}
		}
	}
	if isList {
		if len(list) != 1 {
			return nil, nil, x.choose(list)
		}
		one = many[0]
	}
	d := mappingDecoder{explainer: x}
	m := new(lambdaMapping)
	d.decode("", one, reflect.ValueOf(m).Elem())
	switch {
	case len(d.faults) > 0:
		return nil, nil, d.faults
	case reflect.ValueOf(*m).IsZero():
		return nil, nil, config.FieldErrors{
			x.Fault("", "", "is no event source mapping: it has none of its fields; %s", Wanted),
		}
	}
	return m, d.unknown, x.refuse(m)
}

// choose returns a list from which one has to be taken.
func (x *LambdaExplainer) choose(list []any) error {
	if len(list) == 0 {
		return config.FieldErrors{
			x.Fault("EventSourceMappings", "", "there are none; is it the right --function-name, region and account?"),
		}
	}
	out := config.FieldErrors{x.Fault("EventSourceMappings", "",
		"there are %d, and one configuration takes over one of them; %s, with the UUID of one of these:",
		len(list), Wanted)}
	for _, item := range list {
		m, _ := item.(map[string]any)
		text := func(name string) string {
			s, _ := m[name].(string)
			return s
		}
		out = append(out, &config.FieldError{
			Rule: fmt.Sprintf("  %s  %s -> %s", text("UUID"), text("EventSourceArn"), text("FunctionArn")),
		})
	}
	return out
}

// refuse returns why a mapping cannot be taken over.
func (x *LambdaExplainer) refuse(m *lambdaMapping) error {
	const field = "EventSourceArn"
	source := strings.SplitN(m.EventSourceArn, ":", 6)
	service := ""
	if len(source) == 6 && source[0] == "arn" {
		service = source[2]
	}
	refused := func(rule string) error { return config.FieldErrors{x.Fault(field, m.EventSourceArn, "%s", rule)} }
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
	if m.StartingPosition == "AT_TIMESTAMP" && m.StartingPositionTimestamp.IsZero() {
		return config.FieldErrors{
			x.Fault("StartingPosition", m.StartingPosition, "needs StartingPositionTimestamp, which is not there"),
		}
	}
	if !slices.Contains([]string{"", "LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"}, m.StartingPosition) {
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
}

func (d *mappingDecoder) decode(path string, text json.RawMessage, v reflect.Value) {
	if string(text) == "null" {
		return
	}
	_, own := reflect.TypeAssert[json.Unmarshaler](v.Addr())
	var object map[string]json.RawMessage
	var list []json.RawMessage
	wrong := func(want string) {
		d.faults = append(d.faults, d.explainer.Fault(path, string(text), "want %s; %s", want, Wanted))
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
