package cli

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testkit"
)

// Commands name the credentials, too.
func TestCommandsNameTheCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.Expire(fake, "OLD", "UnrecognizedClientException", "InvalidClientTokenId")
		cfg := testkit.Emulated(fake)
		cfg.Credentials = credentials.New((&testkit.Keyring{Key: "OLD"}).Load)
		clients := daemon.NewClients(cfg, prometheus.NewRegistry(), nil)
		_, err := daemon.DescribeStream(t.Context(), clients.Kinesis, testkit.TestStream)
		require.ErrorContains(t, withCredentials(err), "does not accept the credentials")
		time.Sleep(5 * time.Second)
		require.Equal(t, "credentials: not accepted by Kinesis (UnrecognizedClientException) for 5.0 s",
			status.CredentialsTrouble(clients.Credentials))
		reader := rehearse.RecordReader{}
		require.ErrorContains(t, withCredentials(reader.Failed(err)), "credentials")
		cfg.Credentials = credentials.New((&testkit.Keyring{Err: errors.New("no role")}).Load)
		_, err = daemon.DescribeStream(t.Context(), daemon.NewClients(cfg, prometheus.NewRegistry(), nil).Kinesis,
			testkit.TestStream)
		require.ErrorContains(t, err, "credentials: there are none: no role")
	})
}

// Whoever forgot credentials or the emulator's address reads so at once, from every command that needs AWS.
func TestMissingWaysToAWSAreSaidAtOnce(t *testing.T) {
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	const file = "testdata/explain.yaml"
	commands := map[string][]string{
		"backtest": {"rules", "backtest", "--config", file, "--from", "-1h"},
		"explain":  {"explain", "--config", file, "--shard", testkit.Shard0, "--sequence", "49"},
		"produce":  {"produce", "heart-rate", "--stream", "x"},
		"put":      {"put", "x", "--stream", "x"},
		"drill":    {"drill", "--config", file},
		"list":     {"leases", "list", "--table", "x"},
		"pause":    {"leases", "pause", testkit.Shard0, "--table", "x", "--yes"},
		"export":   {"leases", "export", "--config", file},
	}
	all := func(want ...string) {
		for name, args := range commands {
			var out, errs bytes.Buffer
			require.Equal(t, ExitUsage, Main(t.Context(), args, os.LookupEnv, &out, &errs), name)
			for _, text := range want {
				require.Contains(t, errs.String(), text, name)
			}
		}
	}
	all("no region; set AWS_REGION")
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_PROFILE", "")
	all("no AWS credentials: AWS_ACCESS_KEY_ID is not set", `the profile "default" has none`,
		"AWS_EC2_METADATA_DISABLED keeps", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	all("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Setenv("AWS_ENDPOINT_URL", "http://"+listener.Addr().String())
	require.NoError(t, listener.Close())
	all("nothing answers at http://127.0.0.1:", "(AWS_ENDPOINT_URL)", "connection refused")
	t.Setenv("AWS_ENDPOINT_URL", "127.0.0.1:4566")
	all("AWS_ENDPOINT_URL: want a URL such as http://127.0.0.1:4566")
}
