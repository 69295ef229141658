package cmd

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/fakeaws"
)

// Commands name the credentials, too.
func TestCommandsNameTheCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testStream, 1)
		expire(fake, "OLD", "UnrecognizedClientException", "InvalidClientTokenId")
		cfg := emulated(fake)
		cfg.Credentials = credentials.New((&keyring{key: "OLD"}).load)
		clients := newClients(cfg, prometheus.NewRegistry(), nil)
		_, err := describeStream(t.Context(), clients.kinesis, testStream)
		require.ErrorContains(t, withCredentials(err), "does not accept the credentials")
		time.Sleep(5 * time.Second)
		require.Equal(t, "credentials: not accepted by Kinesis (UnrecognizedClientException) for 5.0 s", credentialsTrouble(clients.credentials))
		reader := recordReader{}
		require.ErrorContains(t, withCredentials(reader.failed(err)), "credentials")
		cfg.Credentials = credentials.New((&keyring{err: errors.New("no role")}).load)
		_, err = describeStream(t.Context(), newClients(cfg, prometheus.NewRegistry(), nil).kinesis, testStream)
		require.ErrorContains(t, err, "credentials: there are none: no role")
	})
}
