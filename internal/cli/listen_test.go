package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// The image and the chart listen on all addresses whatever the file says, and a reload must not take that back.
func TestListenFlagWinsOverTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t,
		os.WriteFile(file, []byte(strings.Replace(testkit.ValidConfig, "listen: :9464", "listen: 127.0.0.1:1", 1)),
			0o600))
	from := configFlags{file: file, listen: ":1234"}
	for range 2 {
		c, err := from.Load(t.Context(), &program{env: testkit.Environment(nil)})
		require.NoError(t, err)
		require.Equal(t, ":1234", c.Server.Listen)
	}
	from.listen = "9464"
	_, err := from.Load(t.Context(), &program{env: testkit.Environment(nil)})
	require.EqualError(t, err,
		"--listen 9464: want HOST:PORT, as in 127.0.0.1:9464, or :9464 for all addresses, with a port of 0 to 65535")
}
