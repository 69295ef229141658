package cmd

import (
	"bytes"
	"testing"
)

// command runs a command of the program without a terminal.
func command_(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, environment(nil), &out, &errs)
	return code, out.String(), errs.String()
}
