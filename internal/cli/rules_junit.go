package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"kinesis-alerter/internal/config"
)

// junitSuites is a report as JUnit writes it and what runs builds reads.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Seconds  string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

// junitSuite is a file.
type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Seconds  string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string     `xml:"name,attr"`
	Class   string     `xml:"classname,attr"`
	File    string     `xml:"file,attr"`
	Seconds string     `xml:"time,attr"`
	Failure *junitText `xml:"failure"`
	Error   *junitText `xml:"error"`
	Out     string     `xml:"system-out,omitempty"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func junitSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// add counts a case in the suite of its file.
func (s *junitSuites) add(c junitCase) {
	if n := len(s.Suites); n == 0 || s.Suites[n-1].Name != c.File {
		s.Suites = append(s.Suites, junitSuite{Name: c.File, Seconds: junitSeconds(0)})
	}
	suite := &s.Suites[len(s.Suites)-1]
	c.Class, c.Seconds = c.File, cmp.Or(c.Seconds, junitSeconds(0))
	suite.Cases = append(suite.Cases, c)
	suite.Tests, s.Tests = suite.Tests+1, s.Tests+1
	switch {
	case c.Failure != nil:
		suite.Failures, s.Failures = suite.Failures+1, s.Failures+1
	case c.Error != nil:
		suite.Errors, s.Errors = suite.Errors+1, s.Errors+1
	}
}

// replaceable refuses a file that is there and is no report of an earlier run: a test, or the configuration. A pipe or
// a folder is none either.
func replaceable(ctx context.Context, file string) error {
	if file == config.StandardInput {
		return config.UsageError("rules test: --junit -: name a file, such as /dev/stdout")
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(file, "/dev/") { // as /dev/stdout
		return nil
	}
	text, err := config.ReadFile(ctx, file, config.MostSample)
	if err == nil && len(text) > 0 && !bytes.Contains(text[:min(len(text), 1<<10)], []byte("<testsuite")) {
		err = errors.New("is there already and is no JUnit report; name another file")
	}
	if err != nil {
		return config.UsageError(fmt.Sprintf("rules test: --junit %s: %v", file, err))
	}
	return nil
}

// writeJUnit writes how tests came out, or why none was played.
func writeJUnit(file string, results []ruleResult, faults config.FieldErrors) error {
	all := junitSuites{Name: "kinesis-alerter rules test"}
	var total, inFile time.Duration
	for i := range results {
		r := &results[i]
		c := junitCase{Name: r.Name, File: r.File, Seconds: junitSeconds(r.took), Out: strings.Join(r.Notes, "\n")}
		if !r.Passed {
			var text strings.Builder
			r.Write(screen{w: &text})
			c.Failure = &junitText{config.Plural(len(r.Differences), "difference"), text.String()}
		}
		all.add(c)
		if i > 0 && results[i-1].File != r.File {
			inFile = 0
		}
		inFile, total = inFile+r.took, total+r.took
		all.Suites[len(all.Suites)-1].Seconds = junitSeconds(inFile)
	}
	all.Seconds = junitSeconds(total)
	for _, f := range faults {
		all.add(junitCase{Name: "can be read", File: f.File, Error: &junitText{f.Rule, f.Error()}})
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append([]byte(xml.Header), append(text, '\n')...), 0o600); err != nil {
		return fmt.Errorf("rules test: --junit: %w", err)
	}
	return nil
}
