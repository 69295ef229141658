package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

const testLeases = "heart-rate-alerts"

// operate runs a leases command against the emulated account, as Main does.
func operate(t *testing.T, fake *fakeaws.AWS, args ...string) (stdout string, err error) {
	t.Helper()
	return operateAt(t, fake, nil, args...)
}

// operateAt has an operator type at a terminal.
func operateAt(t *testing.T, fake *fakeaws.AWS, terminal io.Reader, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{
		env: testkit.Environment(nil), stdout: &out, stderr: &errs, answers: terminal, now: time.Now,
		load: func(context.Context) (aws.Config, error) { return testkit.Emulated(fake), nil },
	}
	if !slices.Contains(args, "--config") {
		args = append(args, "--table", testLeases)
	}
	err = p.Run(t.Context(), append([]string{"leases"}, args...))
	return out.String(), err
}

// listed returns the shards of leases list --json by id.
func listed(t *testing.T, fake *fakeaws.AWS) map[string]leaseJSON {
	t.Helper()
	out, err := operate(t, fake, "list", "--json")
	require.NoError(t, err)
	var table leaseTableJSON
	require.NoError(t, json.Unmarshal([]byte(out), &table))
	shards := map[string]leaseJSON{}
	for _, s := range table.Shards {
		shards[s.Shard] = s
	}
	return shards
}

// alertIDs counts the alert ids of what SNS accepted, by body.
func alertIDs(fake *fakeaws.AWS) map[string]map[string]int {
	ids := map[string]map[string]int{}
	for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
		if ids[m.Body] == nil {
			ids[m.Body] = map[string]int{}
		}
		ids[m.Body][m.Attributes["alert_id"].StringValue]++
	}
	return ids
}

// operatedDaemon is a daemon in a bubble, and the test of the bubble.
type operatedDaemon struct {
	*testing.T
	fake   *fakeaws.AWS
	daemon *testdaemon.TestDaemon
}

// operated runs a daemon on so many shards, with ten alerts a shard behind it, and a test beside it.
func operated(t *testing.T, shards int, test func(w operatedDaemon)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, shards)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(2 * time.Second)
		puts(fake, 0, 10*shards)
		time.Sleep(3 * time.Second)
		require.Len(t, alertIDs(fake), 10*shards)
		test(operatedDaemon{t, fake, d})
		require.NoError(t, d.End())
	})
}

// puts writes the records from..to, each of which alerts.
func puts(fake *fakeaws.AWS, from, to int) {
	for i := from; i < to; i++ {
		fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("patient-%d", i), fmt.Appendf(nil, `{"heartRate":%d}`, 1000+i))
	}
}

// A paused shard is drained and read by no worker; when it is resumed nothing is missing and nothing is repeated.
func TestLeasesPauseAndResume(t *testing.T) {
	operated(t, 2, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		out, err := operate(t, fake, "pause", testkit.Shard0, "--yes")
		require.NoError(t, err)
		require.Regexp(t, testkit.Shard0+`\s+paused\s+false\s+->\s+true`, out)
		require.Contains(t, out, "which drains it first")
		now := listed(t, fake)
		require.Equal(t, "paused", now[testkit.Shard0].State)
		require.Empty(t, now[testkit.Shard0].Owner)
		require.Equal(t, "held", now[testkit.Shard1].State)

		puts(fake, 20, 60)
		time.Sleep(time.Minute)
		before := len(fake.SNS.Messages(testkit.TestTopicARN))
		require.Greater(t, before, 20, "the other shard is read")
		require.Less(t, before, 60, "the paused one is not")

		out, err = operate(t, fake, "pause", "--all", "--yes")
		require.NoError(t, err)
		require.NotContains(t, out, testkit.Shard0, "it is paused already")
		time.Sleep(2 * time.Second)
		_, err = operate(t, fake, "resume", "--all", "--yes")
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		require.Len(t, fake.SNS.Messages(testkit.TestTopicARN), 60, "nothing is repeated")
		require.Len(t, alertIDs(fake), 60, "nothing is lost")
		out, err = operate(t, fake, "resume", "--all", "--yes")
		require.NoError(t, err)
		require.Equal(t, "nothing to change\n", out)
	})
}

// A pause waits for what was read but is not published yet, as long as that takes, and repeats none of it.
func TestLeasesPauseWaitsForSNS(t *testing.T) {
	operated(t, 1, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		repair := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.Before,
		})
		puts(fake, 10, 20)
		time.Sleep(time.Second)
		_, err := operate(t, fake, "pause", "--all", "--yes", "--wait", "30s")
		require.ErrorContains(t, err, "1 shard paused and not drained after 30s: "+testkit.Shard0+" by ")
		require.ErrorContains(t, err, "The pause stays: repeat the command to wait on")
		require.Equal(t, "pausing", listed(t, fake)[testkit.Shard0].State)
		_, err = operate(t, fake, "rewind", "--all", "--to", "trim_horizon", "--yes")
		require.ErrorIs(t, err, admin.ErrLeaseLive)
		require.ErrorContains(t, err, "still drains it. Try again, wait for it with leases pause")
		require.NotContains(t, err.Error(), "Pause it first", "that was done")
		repair()
		out, err := operate(t, fake, "pause", "--all", "--yes")
		require.NoError(t, err)
		require.Contains(t, out, "nothing to change")
		require.Equal(t, "paused", listed(t, fake)[testkit.Shard0].State)
		require.Len(t, fake.SNS.Messages(testkit.TestTopicARN), 20)
		_, err = operate(t, fake, "resume", "--all", "--yes")
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		require.Len(t, fake.SNS.Messages(testkit.TestTopicARN), 20)
	})
}

// A dead worker drains nothing: neither before the others notice that it is dead, nor afterwards.
func TestLeasesPauseOfADeadWorkerIsNoDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		var dead atomic.Bool
		first := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
			o.AWS.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
				if dead.Load() {
					return nil, errors.New("the process is gone")
				}
				return testkit.Emulated(fake).HTTPClient.Do(r)
			})
		})
		time.Sleep(5 * time.Second)
		owner := listed(t, fake)[testkit.Shard0].Owner
		require.NotEmpty(t, owner)
		dead.Store(true)

		_, err := operate(t, fake, "pause", testkit.Shard0, "--yes", "--wait", "30s")
		for _, text := range []string{
			"1 shard paused and not drained, because the worker is dead: " + testkit.Shard0 + " by " + owner,
			"those since the checkpoint are published again",
		} {
			require.ErrorContains(t, err, text)
		}
		require.NotContains(t, err.Error(), "status page")

		second := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Host = "second" })
		time.Sleep(2 * time.Minute)
		out, err := operate(t, fake, "pause", testkit.Shard0, "--yes")
		require.Contains(t, out, "nothing to change")
		require.ErrorContains(t, err, "because the worker is dead: "+testkit.Shard0+" by "+owner)
		require.Equal(t, "paused", listed(t, fake)[testkit.Shard0].State, "nobody drains it")
		_ = first.End()
		require.NoError(t, second.End())
	})
}

// doer is an HTTP client.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// Ctrl-C at the question ends the command, and changes nothing.
func TestLeasesConfirmationIsInterrupted(t *testing.T) {
	t.Parallel()
	silent, typist := io.Pipe()
	defer typist.Close() //nolint:errcheck // a pipe
	var errs bytes.Buffer
	o := &operator{program: &program{stderr: &errs, answers: silent}}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	require.EqualError(t, o.confirm(ctx, 1), "leases: nothing was changed: interrupted")
	require.Equal(t, "make this change? type yes: ", errs.String())
}

// A daemon that starts while shards are paused leaves them alone.
func TestLeasesStayPausedOverARestart(t *testing.T) {
	operated(t, 2, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		_, err := operate(t, fake, "pause", testkit.Shard0, "--yes")
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		second := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Host = "second" })
		time.Sleep(2 * time.Minute)
		require.Equal(t, "paused", listed(t, fake)[testkit.Shard0].State)
		require.NoError(t, second.End())
	})
}

// A live lease is left alone without --force, and nothing at all is changed.
func TestLeasesRefuseALiveLease(t *testing.T) {
	operated(t, 1, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		before := fake.DynamoDB.Item(testLeases, testkit.Shard0)
		for _, args := range [][]string{{"release", testkit.Shard0}, {"rewind", "--all", "--to", "trim_horizon"}} {
			began := time.Now()
			out, err := operate(t, fake, append(args, "--yes")...)
			require.ErrorIs(t, err, admin.ErrLeaseLive)
			require.ErrorContains(t, err, "leases pause "+testkit.Shard0)
			require.Contains(t, out, "->", "it is shown all the same")
			require.GreaterOrEqual(t, time.Since(began), 5*time.Second, "half a lease duration of watching")
		}
		after := fake.DynamoDB.Item(testLeases, testkit.Shard0)
		require.Equal(t, before["leaseEpoch"], after["leaseEpoch"])
		require.Equal(t, before["leaseOwner"], after["leaseOwner"])
	})
}

// A forced release fences the holder, in the middle of its work, and nothing is lost; what is repeated carries its
// first alert id.
func TestLeasesForcedReleaseLosesNothing(t *testing.T) {
	operated(t, 1, func(w operatedDaemon) {
		t, fake, d := w.T, w.fake, w.daemon
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 10; i < 300; i++ {
				puts(fake, i, i+1)
				time.Sleep(50 * time.Millisecond)
			}
		}()
		epoch := listed(t, fake)[testkit.Shard0].Epoch
		out, err := operate(t, fake, "release", testkit.Shard0, "--force", "--yes")
		require.NoError(t, err)
		require.Contains(t, out, "is alive: it loses the shard at its next write")
		<-done
		time.Sleep(5 * time.Second)
		ids := alertIDs(fake)
		require.Len(t, ids, 300)
		for body, of := range ids {
			require.Len(t, of, 1, body)
		}
		require.GreaterOrEqual(t, listed(t, fake)[testkit.Shard0].Epoch, epoch+2, "the release and the next owner")
		require.InDelta(t, 1, testkit.Series(t, d.Reg, "kinesis_alerter_lease_events_total", "lost"), 0)
	})
}

// What is read again after a rewind is published again, under new ids, once for each generation, also after a restart.
func TestLeasesRewindPublishesAgainUnderNewIDs(t *testing.T) {
	operated(t, 1, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		middle := time.Now().Truncate(time.Second).Add(time.Second)
		time.Sleep(2 * time.Second)
		puts(fake, 10, 15)
		time.Sleep(2 * time.Second)
		rewindGently(t, fake, "trim_horizon")
		require.EqualValues(t, 1, listed(t, fake)[testkit.Shard0].Generation)
		rewindGently(t, fake, middle.Format(time.RFC3339))
		now := listed(t, fake)[testkit.Shard0]
		require.EqualValues(t, 2, now.Generation)
		require.NotEmpty(t, now.Checkpoint, "and progress is stored again")
		for body, ids := range alertIDs(fake) {
			want := 2
			if slices.Contains([]string{
				"1010", "1011", "1012", "1013", "1014",
			}, strings.Trim(strings.Split(body, ":")[1], "}")) {
				want = 3
			}
			require.Len(t, ids, want, body)
			for _, n := range ids {
				require.Equal(t, 1, n, body)
			}
		}
	})
}

// rewindGently pauses, rewinds and resumes every shard.
func rewindGently(t *testing.T, fake *fakeaws.AWS, to string) {
	t.Helper()
	out, err := operate(t, fake, "pause", "--all", "--yes")
	require.NoError(t, err)
	require.Contains(t, out, "drained and released: leases rewind is possible now")
	time.Sleep(2 * time.Second)
	out, err = operate(t, fake, "rewind", "--all", "--to", to, "--yes")
	require.NoError(t, err)
	require.Regexp(t, `checkpoint\s+\d+\s+->\s+none, from `+to, out)
	require.Contains(t, out, "a key that fires now gets its end")
	_, err = operate(t, fake, "resume", "--all", "--yes")
	require.NoError(t, err)
	time.Sleep(4 * time.Second)
}

// A rewind empties the memory of the rules. Plan and log say so, and only when it is so.
func TestLeasesRewindSaysThatRulesForget(t *testing.T) {
	const forgets = "the shard was rewound, its rules start with an empty memory"
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
			c.Rules[0].Resolve.Time = 30 * time.Second
		})
		time.Sleep(2 * time.Second)
		puts(fake, 0, 1)
		time.Sleep(5 * time.Second)
		require.NotContains(t, d.Log.String(), forgets)
		rewindGently(t, fake, time.Now().Add(-2*time.Second).UTC().Format(time.RFC3339))
		require.Contains(t, d.Log.String(), forgets)
		require.NoError(t, d.End())
	})
}

// Forward is possible too, once the plan has said how much it skips. That includes a time that the shard has not
// reached.
func TestLeasesRewindSaysWhatItSkips(t *testing.T) {
	operated(t, 1, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		_, err := operate(t, fake, "pause", "--all", "--yes")
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		puts(fake, 10, 15)
		time.Sleep(3*time.Hour - 20*time.Second)

		for _, to := range []string{"latest", "-1m"} {
			out, err := operate(t, fake, "rewind", "--all", "--to", to)
			require.ErrorContains(t, err, "nothing was changed")
			require.Contains(t, out, testkit.Shard0+": up to 3.0 hours are SKIPPED: records that arrived from ")
			require.NotContains(t, out, "people are paged again")
		}
		out, err := operate(t, fake, "rewind", "--all", "--to", "-4h")
		require.Error(t, err)
		require.NotContains(t, out, "SKIPPED")
		require.Contains(t, out, "people are paged again")
		out, err = operate(t, fake, "rewind", "--all", "--to", "latest", "--json")
		require.Error(t, err)
		require.Contains(t, out, `"skips": true`)
		require.Contains(t, out, `"skips_since": "`)

		_, err = operate(t, fake, "rewind", "--all", "--to", "latest", "--yes")
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		puts(fake, 15, 16)
		_, err = operate(t, fake, "resume", "--all", "--yes")
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		require.Len(t, alertIDs(fake), 11, "the five that were skipped made none, and what came later did")
	})
}

// A shard that was read to its end can be sent back too: it is read again, and its children after it.
func TestLeasesRewindOverAReshard(t *testing.T) {
	operated(t, 1, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		fake.Kinesis.Split(testkit.TestStream, testkit.Shard0)
		time.Sleep(time.Second)
		puts(fake, 10, 20)
		time.Sleep(5 * time.Second)
		require.Equal(t, "ended", listed(t, fake)[testkit.Shard0].State)
		_, err := operate(t, fake, "pause", "--all", "--yes")
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		_, err = operate(t, fake, "rewind", "--all", "--to", "trim_horizon", "--yes")
		require.NoError(t, err)
		_, err = operate(t, fake, "resume", "--all", "--yes")
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		ids := alertIDs(fake)
		require.Len(t, ids, 20)
		for body, of := range ids {
			require.Len(t, of, 2, body)
		}
		require.Equal(t, "ended", listed(t, fake)[testkit.Shard0].State)
	})
}

// Nothing is written without a yes.
func TestLeasesAskFirst(t *testing.T) {
	operated(t, 1, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		var usage config.UsageError
		out, err := operate(t, fake, "pause", testkit.Shard0)
		require.ErrorAs(t, err, &usage, "exit code 2")
		require.ErrorContains(t, err, "--yes")
		require.Contains(t, out, testkit.Shard0, "the change is shown")
		_, err = operateAt(t, fake, strings.NewReader("no\n"), "pause", testkit.Shard0)
		require.ErrorAs(t, err, &usage)
		_, err = operateAt(t, fake, strings.NewReader("yes\n"), "pause", testkit.Shard0, "--json")
		require.ErrorAs(t, err, &usage, "output for a program has nobody to ask")
		out, err = operate(t, fake, "pause", testkit.Shard0, "--json")
		require.ErrorAs(t, err, &usage)
		var changes []changeJSON
		require.NoError(t, json.Unmarshal([]byte(out), &changes))
		require.Len(t, changes, 1)
		require.True(t, changes[0].After.Paused)
		require.False(t, changes[0].Made)
		require.False(t, listed(t, fake)[testkit.Shard0].Paused)
		_, err = operateAt(t, fake, strings.NewReader("yes\n"), "pause", testkit.Shard0)
		require.NoError(t, err)
		require.True(t, listed(t, fake)[testkit.Shard0].Paused)
		_, err = operate(t, fake, "resume", "…0000", "--yes")
		require.NoError(t, err, "as the page shows it")
		require.False(t, listed(t, fake)[testkit.Shard0].Paused)
		_, err = operate(t, fake, "pause", "shardId-000000000099", "--yes")
		require.ErrorContains(t, err, "no such shard in table heart-rate-alerts or its stream: shardId-000000000099")
	})
}

func TestLeasesListIsReadable(t *testing.T) {
	operated(t, 2, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		out, err := operate(t, fake, "list")
		require.NoError(t, err)
		require.Regexp(t, `SHARD +STATE +OWNER +EPOCH +CHECKPOINT +CAUGHT UP +GENERATION +PARENTS\n`+
			testkit.Shard0+` +held +test/[0-9a-f]{8} +1 +\d{56} +\ds ago +0 +-\n`, out)
		fake.Kinesis.Merge(testkit.TestStream, testkit.Shard0, testkit.Shard1)
		time.Sleep(5 * time.Second)
		out, err = operate(t, fake, "list")
		require.NoError(t, err)
		require.Regexp(t, `shardId-000000000002 +held .*`+testkit.Shard0+","+testkit.Shard1, out)
		require.Regexp(t, testkit.Shard0+` +ended +- `, out)
	})
}

// leasesConfig writes the configuration of startDaemon, under another application if one is given.
func leasesConfig(t *testing.T, application, start string) string {
	t.Helper()
	return testkit.ConfigFile(t,
		fmt.Sprintf("stream: {name: %s, application: %s, start: %s}\nrules: [{name: high, when: heartRate > "+
			"149}]\ntopics: {oncall: {arn: %q, rate: unlimited, email: false}}\n",
			testkit.TestStream, application, start, testkit.TestTopicARN))
}

// An application moves to another table with an export: it continues where it was.
func TestLeasesExportAndImport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(2 * time.Second)
		puts(fake, 0, 20)
		time.Sleep(3 * time.Second)
		rewindGently(t, fake, "trim_horizon") // the generation moves too
		require.NoError(t, d.End())
		puts(fake, 20, 30)
		file := filepath.Join(t.TempDir(), "leases.json")
		_, err := operate(t, fake, "export", file, "--config", leasesConfig(t, testLeases, "trim_horizon"))
		require.NoError(t, err)
		_, err = operate(t, fake, "export", file, "--config", leasesConfig(t, testLeases, "trim_horizon"))
		require.ErrorContains(t, err, "does not overwrite")
		other := leasesConfig(t, "moved", "latest")
		_, err = operate(t, fake, "import", file, "--config", other, "--yes")
		require.NoError(t, err)
		out, err := operate(t, fake, "import", file, "--config", other, "--yes")
		require.NoError(t, err)
		require.Equal(t, "nothing to change\n", out, "a second import finds it all there")

		d = testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
			c.Stream.Application, c.Stream.Start = "moved", checkpoint.Start{}
		})
		time.Sleep(5 * time.Second)
		require.NoError(t, d.End())
		require.Len(t, fake.SNS.Messages(testkit.TestTopicARN), 50, "20 twice, 10 once")
		require.EqualValues(t, 1, fake.DynamoDB.Item("moved", testkit.Shard0)["generation"])
	})
}

// foreignTable is the lease table of another library.
type foreignTable struct {
	t    *testing.T
	db   *dynamodb.Client
	name string
}

func newForeignTable(t *testing.T, fake *fakeaws.AWS, name, key string) *foreignTable {
	t.Helper()
	f := &foreignTable{t: t, db: dynamodb.NewFromConfig(testkit.Emulated(fake)), name: name}
	_, err := f.db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{{AttributeName: &key, KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: &key, AttributeType: types.ScalarAttributeTypeS},
		},
	})
	require.NoError(t, err)
	time.Sleep(10 * time.Second)
	return f
}

// put writes a row; numbers are numbers.
func (f *foreignTable) put(row map[string]any) {
	f.t.Helper()
	item := map[string]types.AttributeValue{}
	for name, v := range row {
		if n, ok := v.(int); ok {
			item[name] = &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
		} else {
			item[name] = &types.AttributeValueMemberS{Value: fmt.Sprint(v)}
		}
	}
	_, err := f.db.PutItem(f.t.Context(), &dynamodb.PutItemInput{TableName: aws.String(f.name), Item: item})
	require.NoError(f.t, err)
}

// Consumers of another library stopped in the middle of a shard; the daemon continues there, under start: latest, which
// alone would skip what came since. The other shard had been split, and its child that was not begun loses nothing.
func TestLeasesImportForeignTables(t *testing.T) {
	t.Parallel()
	kinds := map[string]struct {
		key string
		row func(shard, checkpoint string) map[string]any
	}{
		"vmware-go-kcl": {"ShardID", func(shard, checkpoint string) map[string]any {
			return map[string]any{
				"ShardID": shard, "AssignedTo": "w", "LeaseTimeout": "2026-11-22T09:00:00Z", "Checkpoint": checkpoint,
			}
		}},
		"KCL for Java": {"leaseKey", func(shard, checkpoint string) map[string]any {
			return map[string]any{
				"leaseKey": shard, "leaseOwner": "w", "leaseCounter": 77, "checkpoint": checkpoint,
				"checkpointSubSequenceNumber": 0,
			}
		}},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 2)
				testkit.CreateTopic(t, fake)
				time.Sleep(time.Second)
				last, seen := map[string]string{}, map[string]bool{} // where the others stopped, and what they had
				for i := range 40 {
					shard, sequence := fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("patient-%d", i),
						fmt.Appendf(nil, `{"heartRate":%d}`, 1000+i))
					if i < 20 {
						last[shard], seen[fmt.Sprintf(`Anomaly detected ...  {"heartRate":%d}`, 1000+i)] = sequence,
							true
					}
				}
				fake.Kinesis.Split(testkit.TestStream, testkit.Shard1)
				time.Sleep(time.Second)
				puts(fake, 40, 60)
				old := newForeignTable(t, fake, "old", kind.key)
				for _, shard := range slices.Sorted(maps.Keys(last)) {
					old.put(kind.row(shard, last[shard]))
				}
				file := leasesConfig(t, testLeases, "latest")
				out, err := operate(t, fake, "import", "--from", "old", "--config", file, "--yes")
				require.NoError(t, err)
				require.Regexp(t, `shardId-000000000003 +checkpoint +none +-> +none, from trim_horizon`, out)

				d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
					c.Stream.Start = checkpoint.Start{}
				})
				time.Sleep(10 * time.Second)
				require.NoError(t, d.End())
				repeated := 0
				got := alertIDs(fake)
				for body := range got {
					if seen[body] {
						repeated++
					}
				}
				require.Len(t, got, 40+repeated)
				if name == "vmware-go-kcl" {
					require.Zero(t, repeated)
				} else {
					require.Equal(t, 2, repeated,
						"the record of each checkpoint, which that table cannot tell from an aggregate")
				}
			})
		})
	}
}

// A table whose consumers still run is refused, and nothing is written.
func TestLeasesImportRefusesAMovingTable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		old := newForeignTable(t, fake, "old", "leaseKey")
		row := map[string]any{
			"leaseKey": testkit.Shard0, "leaseOwner": "w", "leaseCounter": 1, "checkpoint": "TRIM_HORIZON",
			"checkpointSubSequenceNumber": 0,
		}
		old.put(row)
		file := leasesConfig(t, testLeases, "latest")
		_, err := operate(t, fake, "import", "--config", file, "--yes") // opens nothing
		require.ErrorContains(t, err, "import: what?")
		go func() {
			time.Sleep(3 * time.Second)
			row["leaseCounter"] = 2
			old.put(row)
		}()
		_, err = operate(t, fake, "import", "--from", "old", "--config", file, "--yes")
		var moving *admin.MovingError
		require.ErrorAs(t, err, &moving)
		require.Equal(t, []string{testkit.Shard0}, moving.Shards)
		require.ErrorContains(t, err, "Stop every consumer of that application")
		require.Nil(t, fake.DynamoDB.Item(testLeases, testkit.Shard0))
		_, err = operate(t, fake, "import", "--from", testLeases, "--config", file, "--yes")
		require.ErrorContains(t, err, "belongs to kinesis-alerter itself")
	})
}

// hesitant is a terminal at which an operator thinks for a while before typing yes.
type hesitant func()

func (h hesitant) Read(p []byte) (int, error) {
	h()
	return copy(p, "yes\n"), nil
}

// A change that a worker overtakes between the look and the write is named and not made; the others are.
func TestLeasesOvertakenChangeIsReported(t *testing.T) {
	operated(t, 2, func(w operatedDaemon) {
		t, fake := w.T, w.fake
		_, err := operate(t, fake, "pause", "--all", "--yes")
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		out, err := operateAt(t, fake, hesitant(func() {
			_, err := operate(t, fake, "resume", testkit.Shard0, "--yes")
			require.NoError(t, err)
			time.Sleep(3 * time.Second)
		}), "rewind", "--all", "--to", "trim_horizon")
		require.ErrorIs(t, err, admin.ErrLeaseChanged)
		require.ErrorContains(t, err, "rewind shard "+testkit.Shard0)
		require.NotContains(t, err.Error(), testkit.Shard1)
		require.Contains(t, out, "1 of 2 changed")
		now := listed(t, fake)
		require.Zero(t, now[testkit.Shard0].Generation)
		require.EqualValues(t, 1, now[testkit.Shard1].Generation)
	})
}

// TestLeasesReset: the command that the error of a recreated stream names has every record of the new stream read, also
// those that were put before the answer.
func TestLeasesReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		old := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(2 * time.Second)
		puts(fake, 0, 4)
		time.Sleep(3 * time.Second)
		fake.Kinesis.Delete(testkit.TestStream)
		time.Sleep(2 * time.Second)
		fake.Kinesis.Create(testkit.TestStream, 2)
		time.Sleep(2 * time.Second)
		puts(fake, 4, 9)
		time.Sleep(3 * time.Minute)
		require.ErrorContains(t, old.End(), "kinesis-alerter leases reset --table "+testLeases)
		puts(fake, 9, 12)

		out, err := operate(t, fake, "reset", "--to", "latest")
		require.Error(t, err, "nobody confirmed it")
		require.Contains(t, out, "SKIPPED")
		out, err = operate(t, fake, "reset", "--yes")
		require.NoError(t, err)
		require.Contains(t, out, "it begins at its first record")
		d := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(8 * time.Second)
		puts(fake, 12, 13)
		time.Sleep(5 * time.Second)
		require.Len(t, alertIDs(fake), 13, "at latest, by its configuration")
		require.NoError(t, d.End())

		_, err = operate(t, fake, "reset", "--yes")
		require.ErrorContains(t, err, "nothing to reset")
		_, err = operate(t, fake, "reset", "--to", "tomorrow")
		require.ErrorContains(t, err, "latest")
	})
}
