package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/rehearse"
)

// ruleTester carries out the command rules test.
type ruleTester struct {
	config, junit, run string

	json bool
}

func rulesTestCommand(p *program) *cobra.Command {
	x := &ruleTester{}
	c := &cobra.Command{
		Use:   "test FILE|FOLDER...",
		Short: "Run the tests of rules",
		Long: "Run the tests of rules in files: records with times, and the alerts, words, suppressions, " +
			"digests and output records that they must give, in virtual time. A folder stands for every *.test.yaml " +
			"in and below it; " +
			"patterns may be quoted. Nothing is called or published.",
		Example: "kinesis-alerter rules test rules.test.yaml\n" +
			"kinesis-alerter rules test anywhere.test.yaml --config kinesis-alerter.yaml\n" +
			"kinesis-alerter rules test rules/ --junit report.xml\n" +
			"kinesis-alerter rules test 'rules/*.test.yaml' --run 'storm|digest'",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(c, "which files?")
			}
			return x.Run(c.Context(), p, args)
		},
	}
	declareConfig(c.Flags(), &x.config)
	declareJSON(c, &x.json)
	c.Flags().StringVar(&x.junit, "junit", "", "also write the results to this `FILE`, as JUnit does")
	c.Flags().StringVar(&x.run, "run", "", "only the tests whose name matches this regular `EXPRESSION`")
	return c
}

// ruleResult is how one test came out.
type ruleResult struct {
	File        string                 `json:"file"`
	Name        string                 `json:"name"`
	Passed      bool                   `json:"passed"`
	Differences []rehearse.Difference  `json:"differences,omitempty"`
	Notes       []string               `json:"notes,omitempty"`
	Alerts      []rehearse.PlayedAlert `json:"alerts"`
	// Outputs are missing where the configuration has none.
	Outputs []rehearse.PlayedOutput `json:"outputs,omitempty"`

	took time.Duration
}

// ruleResults are how all came out.
type ruleResults struct {
	Tests  []ruleResult `json:"tests"`
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
}

// Run plays the tests of files. It plays none if one of the files cannot be read or is wrong, and reports all of that.
func (x *ruleTester) Run(ctx context.Context, p *program, args []string) error {
	only, err := regexp.Compile(x.run)
	if err != nil {
		return config.UsageError(fmt.Sprintf("rules test: --run %s: %v", x.run, err))
	}
	if x.junit != "" {
		if err := replaceable(ctx, x.junit); err != nil {
			return err
		}
	}
	files, err := testFiles(args)
	if err != nil {
		return err
	}
	loader := &rehearse.TestLoader{Lookup: p.env, Config: x.config, Open: p.loadFile}
	var all []*rehearse.LoadedTests
	for _, file := range files {
		if tests := loader.Load(ctx, file); tests != nil {
			all = append(all, tests)
		}
	}
	if len(loader.Problems) > 0 {
		if x.junit != "" {
			return errors.Join(writeJUnit(x.junit, nil, loader.Problems), loader.Problems)
		}
		return loader.Problems
	}
	results := ruleResults{Tests: []ruleResult{}}
	for _, tests := range all {
		for i := range tests.Cases {
			c := &tests.Cases[i]
			if !only.MatchString(c.Name) {
				continue
			}
			began := p.now()
			got, err := tests.Play(ctx, c)
			if err != nil {
				return fmt.Errorf("rules: %s: %s: %w", tests.File, c.Name, err)
			}
			r := ruleResult{
				File: tests.File, Name: c.Name, Differences: c.Expect.Differences(got), Notes: got.Notes,
				Alerts: got.Alerts, Outputs: got.Outputs, took: p.now().Sub(began),
			}
			if r.Passed = len(r.Differences) == 0; r.Passed {
				results.Passed++
			} else {
				results.Failed++
			}
			results.Tests = append(results.Tests, r)
			if !x.json {
				r.Write(p.results())
			}
		}
	}
	if len(results.Tests) == 0 {
		return config.UsageError(fmt.Sprintf("rules test: no test matches --run %s", x.run))
	}
	if x.junit != "" {
		if err := writeJUnit(x.junit, results.Tests, nil); err != nil {
			return err
		}
	}
	if err := x.close(p, results); err != nil {
		return err
	}
	if results.Failed > 0 {
		return fmt.Errorf("rules: %d of %d tests failed", results.Failed, len(results.Tests))
	}
	return nil
}

func (x *ruleTester) close(p *program, results ruleResults) error {
	if !x.json {
		_, err := plain.Fprintf(p.stdout, "%d passed, %d failed\n", results.Passed, results.Failed)
		return err
	}
	return p.printJSON(results)
}

// mostDifferences is how many differences of one test are shown.
const mostDifferences = 20

// Write shows a result: a line, and below it what differs.
func (r *ruleResult) Write(s screen) {
	w, mark := s.w, s.text(good, "ok    ")
	if !r.Passed {
		mark = s.text(bad, "FAIL  ")
	}
	_, _ = plain.Fprintf(w, mark+"%s: %s\n", r.File, r.Name)
	where, width := "", 0
	for _, d := range r.Differences {
		width = max(width, len(d.Field))
	}
	for i, d := range r.Differences {
		if i == mostDifferences {
			_, _ = plain.Fprintf(w, "      and %d more differences\n", len(r.Differences)-i)
			break
		}
		if d.Where != where {
			where = d.Where
			_, _ = plain.Fprintf(w, "      %s\n", where)
		}
		lead := "        "
		if d.Field != "" {
			lead += fmt.Sprintf("%-*s  ", width, d.Field)
		}
		if d.Want != "" {
			_, _ = plain.Fprintf(w, "%swant %s\n", lead, d.Want)
			lead = strings.Repeat(" ", len(lead))
		}
		if d.Got != "" {
			_, _ = plain.Fprintf(w, "%sgot  %s\n", lead, d.Got)
		}
	}
	for _, note := range r.Notes {
		_, _ = plain.Fprintf(w, "      note: %s\n", note)
	}
}
