package takeover

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// A mapping comes by a pipe, too.
func TestExplainLambdaReadsStandardInput(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	x := LambdaExplainer{
		File: "-", Stdin: strings.NewReader("\xef\xbb\xbf" + testkit.TextOf(t, "../cli/testdata/lambda/defaults.json")),
		Stdout: &stdout, Stderr: &stderr,
	}
	require.NoError(t, x.Run(t.Context()))
	require.Equal(t, testkit.TextOf(t, "../cli/testdata/lambda/defaults.yaml"), stdout.String())
	require.Empty(t, stderr.String())

	x.Stdin = strings.NewReader(" \n")
	require.EqualError(t, x.Run(t.Context()), "standard input: is empty; "+Wanted)
	require.Equal(t, testkit.TextOf(t, "../cli/testdata/lambda/defaults.yaml"), stdout.String(),
		"nothing more was written")
}

// The page about moving here tells of every field that a mapping can have.
func TestMigrationNamesEveryField(t *testing.T) {
	t.Parallel()
	page := testkit.TextOf(t, "../../docs/migrate.md")
	for _, field := range reflect.VisibleFields(reflect.TypeFor[lambdaMapping]()) {
		if field.Anonymous {
			continue
		}
		require.Contains(t, page, field.Name)
	}
}
