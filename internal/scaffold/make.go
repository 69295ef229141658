package scaffold

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/rehearse"
)

// TestsName is what the file with the tests is called.
const TestsName = "rules.test.yaml"

// Files are a configuration and the tests of its rule. Both were tried.
type Files struct {
	Config, Tests []byte
	// When is the condition of the rule, Key what its alerts are about, and Seen what the sample had, in words.
	When, Key, Seen string
	// Loud is the payload of a record that alerts.
	Loud []byte
}

// Make proposes a configuration. It needs a record at least. A config.FieldErrors says what is wrong with the request.
func (r *Request) Make(ctx context.Context, records []Record) (*Files, error) {
	for i := range records {
		if !utf8.Valid(records[i].Data) {
			looks := payload.LikelyCause(records[i].Data, payload.InvalidUTF8, true).Words()
			return nil, fmt.Errorf("record %d of the sample is not text: %s; rules need JSON or text", i+1, looks)
		}
	}
	var last error
	for _, x := range ideas(records) {
		if x.loud.Data == nil || x.quiet.Data == nil {
			continue
		}
		files := &Files{
			Config: r.config(&x, len(records)), Tests: r.tests(&x), When: x.when, Key: x.keyWords(), Seen: x.seen,
			Loud: oneLine(x.loud.Data),
		}
		if last = r.holds(ctx, files); last == nil {
			return files, nil
		}
	}
	return nil, last
}

// holds checks the configuration and runs the tests.
func (r *Request) holds(ctx context.Context, files *Files) error {
	none := func(string) (string, bool) { return "", false }
	loaded, err := config.ParseConfig(ctx, r.Name, files.Config, none)
	if err != nil {
		return err
	}
	if err := loaded.Trials(); err != nil {
		return err
	}
	loader := &rehearse.TestLoader{
		Lookup: none,
		Read:   func(context.Context, string) ([]byte, error) { return files.Tests, nil },
		Open:   func(context.Context, string) (*config.LoadedConfig, error) { return loaded, nil },
	}
	tests := loader.Load(ctx, TestsName)
	if tests == nil {
		return loader.Problems
	}
	for i := range tests.Cases {
		got, err := tests.Play(ctx, &tests.Cases[i])
		if err != nil {
			return err
		}
		if differences := tests.Cases[i].Expect.Differences(got); len(differences) > 0 {
			return errors.New("the rule does not do what its test says")
		}
	}
	return nil
}
