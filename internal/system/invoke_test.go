package system

import (
	"bytes"
	"testing"

	"kinesis-alerter/internal/cli"
	"kinesis-alerter/internal/testkit"
)

// command runs a command of the program without a terminal.
func command_(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(t.Context(), args, testkit.Environment(nil), &out, &errs)
	return code, out.String(), errs.String()
}
