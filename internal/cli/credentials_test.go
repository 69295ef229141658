package cli

import (
	"errors"
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
