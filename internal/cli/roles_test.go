package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// Every command that reads the configuration calls as the roles in it, and an error names the role: where STS gives no
// credentials of it, and where its own policy is what denies the call.
func TestCommandsCallAsTheRoles(t *testing.T) {
	t.Parallel()
	const (
		account = "111111111111"
		role    = "arn:aws:iam::" + account + ":role/alerts"
		arn     = "arn:aws:kinesis:eu-west-1:" + account + ":stream/far"
	)
	for name, c := range map[string]struct {
		args      []string
		operation string // the call that its own policy denies
	}{
		"put":           {args: []string{"put", `{"score":9}`}, operation: "PutRecords"},
		"explain":       {args: []string{"explain", "--shard", "0", "--sequence", "1"}, operation: "ListShards"},
		"explain --key": {args: []string{"explain", "--key", "a", "--at", "-1m"}, operation: "ListShards"},
		"backtest":      {args: []string{"rules", "backtest", "--from", "-1h"}, operation: "ListShards"},
		"leases": {
			args: []string{"leases", "rewind", "--all", "--to", "latest", "--yes"}, operation: "ListShards",
		},
		"drill":   {args: []string{"drill"}, operation: "PublishBatch"},
		"letters": {args: []string{"letters", "list"}, operation: "ReceiveMessage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				home := fakeaws.New(fakeaws.Options{})
				other := fakeaws.New(fakeaws.Options{Account: account, Region: "eu-west-1"})
				other.Kinesis.Create("far", 1)
				topics := sns.NewFromConfig(testkit.Emulated(other))
				_, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("far")})
				require.NoError(t, err)
				file := filepath.Join(t.TempDir(), "far.yaml")
				require.NoError(t,
					os.WriteFile(file, []byte("stream:\n  arn: "+arn+"\n  application: app\n  role_arn: "+role+
						"\ntopics:\n  far: {arn: 'arn:aws:sns:eu-west-1:"+account+":far', role_arn: '"+role+
						"', rate: 1/s}\ndead_letter: {sqs: 'https://sqs.eu-west-1.amazonaws.com/"+account+
						"/letters', role_arn: '"+role+"'}\n"), 0o600))
				run := func() (string, error) {
					var out, errs bytes.Buffer
					p := &program{
						env: testkit.Environment(nil), stdout: plain.NewWriter(&out), stderr: plain.NewWriter(&errs),
						stdin: strings.NewReader(""), now: time.Now,
						load: func(context.Context) (aws.Config, error) { return testkit.Emulated(home), nil },
					}
					err := p.Run(t.Context(), append(c.args, "--config", file))
					return out.String() + errs.String(), err
				}
				home.STS.Set(role, fakeaws.AssumedRole{In: other})
				if c.args[0] == "leases" {
					worked(t, home, arn, role)
				}
				home.STS.Set(role, fakeaws.AssumedRole{Denied: true})
				out, err := run()
				require.Error(t, err, out)
				require.Contains(t, err.Error(), "credentials of "+role, out)
				require.Contains(t, err.Error(), "trust policy", out)

				home.STS.Set(role, fakeaws.AssumedRole{In: other})
				over := other.Faults.Add(fakeaws.Fault{
					Operation: c.operation,
					Err:       &fakeaws.Error{Code: "AccessDeniedException", Message: "no", Status: 400},
				})
				out, err = run()
				require.Error(t, err, out)
				require.Contains(t, err.Error(), role, out)
				require.NotContains(t, err.Error(), "this process", out)
				over()
				_, _ = run() // what it says of an empty stream does not matter
				require.NotContains(t, home.History.String(), c.operation)
			})
		})
	}
}

// worked lets a daemon make the lease table of a stream, and end.
func worked(t *testing.T, home *fakeaws.AWS, arn, role string) {
	t.Helper()
	testkit.CreateTopic(t, home)
	d := testdaemon.StartDaemon(t, home, func(c *config.Config, _ *daemon.Options) {
		c.Stream.Name, c.Stream.ARN, c.Stream.RoleARN, c.Stream.Application = "", arn, role, "app"
	})
	time.Sleep(5 * time.Second)
	require.NoError(t, d.End())
}
