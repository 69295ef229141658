package cmd

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A mapping comes by a pipe, too.
func TestExplainLambdaReadsStandardInput(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	x := lambdaExplainer{file: "-", stdin: strings.NewReader("\xef\xbb\xbf" + textOf(t, "testdata/lambda/defaults.json")), stdout: &stdout, stderr: &stderr}
	require.NoError(t, x.run(t.Context()))
	require.Equal(t, textOf(t, "testdata/lambda/defaults.yaml"), stdout.String())
	require.Empty(t, stderr.String())

	x.stdin = strings.NewReader(" \n")
	require.EqualError(t, x.run(t.Context()), "standard input: is empty; "+wanted)
	require.Equal(t, textOf(t, "testdata/lambda/defaults.yaml"), stdout.String(), "nothing more was written")
}

// The page about moving here tells of every field that a mapping can have.
func TestMigrationNamesEveryField(t *testing.T) {
	t.Parallel()
	page := textOf(t, "../deploy/migration.md")
	for field := range reflect.TypeFor[lambdaMapping]().Fields() {
		require.Contains(t, page, field.Name)
	}
}
