package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/cli"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// The main job, from the start to the stop: a record becomes an alert, everything has its outcome, the progress is
// stored, the leases are free, and nothing is left running (the bubble would not end).
func TestDaemonTurnsRecordsIntoAlerts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 4)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(2 * time.Second)
		for i := range 200 {
			rate := 60 + i%40
			if i%50 == 0 {
				rate = 150 + i
			}
			fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("patient-%d", i%20),
				fmt.Appendf(nil, `{"heartRate":%d}`, rate))
		}
		time.Sleep(3 * time.Second)
		bodies := testkit.Messages(fake)
		slices.Sort(bodies)
		require.Equal(t, []string{
			`Anomaly detected ...  {"heartRate":150}`, `Anomaly detected ...  {"heartRate":200}`,
			`Anomaly detected ...  {"heartRate":250}`, `Anomaly detected ...  {"heartRate":300}`,
		}, bodies)
		require.InDelta(t, 4, testkit.Series(t, d.Reg, "kinesis_alerter_records_total", "alerted"), 0)
		require.InDelta(t, 196, testkit.Series(t, d.Reg, "kinesis_alerter_records_total", "unmatched"), 0)
		require.Len(t, d.Log.Entries(t, "alert published"), 4)

		began := time.Now()
		require.NoError(t, d.End())
		require.Less(t, time.Since(began), 5*time.Second, "an idle daemon stops long before its budget ends")

		// The next one starts where this one stopped, at once.
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":151}`))
		d = testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(3 * time.Second)
		require.Len(t, fake.SNS.Messages(testkit.TestTopicARN), 5, "nothing is repeated after a clean stop")
		require.NoError(t, d.End())
	})
}

// Two daemons share the stream. When one is stopped, the other has its shards within a second, and nothing is
// lost or repeated on the way.
func TestTheOtherDaemonTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 4)
		testkit.CreateTopic(t, fake)
		host := func(name string) func(*config.Config, *daemon.Options) {
			return func(_ *config.Config, o *daemon.Options) { o.Host = name }
		}
		first, second := testdaemon.StartDaemon(t, fake, host("first")), testdaemon.StartDaemon(t, fake, host("second"))
		held := func(d *testdaemon.TestDaemon) float64 { return testkit.Gauge(t, d.Reg, "kinesis_alerter_leases_held") }
		for range 90 {
			if time.Sleep(time.Second); held(first) == 2 && held(second) == 2 {
				break
			}
		}
		require.InDelta(t, 2, held(first), 0, "each has its half")
		require.InDelta(t, 2, held(second), 0, "each has its half")
		put := 0
		produce := func(n int) {
			for range n {
				fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("patient-%d", put%50),
					fmt.Appendf(nil, `{"heartRate":%d}`, 1000+put))
				put++
				time.Sleep(150 * time.Millisecond)
			}
		}
		produce(20)
		stopped := make(chan error, 1)
		go func() { stopped <- first.End() }()
		produce(7) // a second's worth, while the shards change hands
		require.InDelta(t, 4, held(second), 0, "a second later they have")
		last := put
		time.Sleep(time.Second)
		inTime := testkit.Messages(fake)
		err := errors.Join(<-stopped, second.End())
		story := "first:\n" + first.Log.Story() + "second:\n" + second.Log.Story()
		require.NoError(t, err, story)
		require.Equal(t, last, len(inTime), //nolint:testifylint // Len would print every message
			"all shards are read again, and nothing is repeated; %s", story)
		slices.Sort(inTime)
		require.Len(t, slices.Compact(inTime), put, "nothing is repeated")
	})
}

// A hundred shards are all being read within two seconds of the start, with a dozen listings at most.
func TestAHundredShardsStartAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 100)
		testkit.CreateTopic(t, fake)
		time.Sleep(time.Second) // the stream is active
		d := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(2 * time.Second)
		require.InDelta(t, 100, testkit.Gauge(t, d.Reg, "kinesis_alerter_leases_held"), 0)
		require.GreaterOrEqual(t, fake.History.Count(fakeaws.ServiceKinesis, "GetRecords"), 100)
		require.LessOrEqual(t, fake.History.Count(fakeaws.ServiceKinesis, "ListShards"), 12)
		require.NoError(t, d.End())
	})
}

// Without rules the message is the sample function's, to the byte.
func TestDaemonWithoutRulesIsTheSampleFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) { c.Rules = nil })
		time.Sleep(time.Second)
		fake.Kinesis.Put(testkit.TestStream, "partitionkey", []byte("not JSON"))
		time.Sleep(3 * time.Second)
		require.NoError(t, d.End())
		published := fake.SNS.Messages(testkit.TestTopicARN)
		require.Len(t, published, 1)
		require.Equal(t, "Anomaly detected", published[0].Subject)
		require.Equal(t, "Anomaly detected ...  not JSON", published[0].Body)
		require.Len(t, published[0].Attributes, 1)
	})
}

// A stop while SNS stalls must end within its budget, say what it left behind, and lose nothing.
func TestStopWhileSNSIsDownIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		repair := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.BlackHole,
		})
		fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
		d := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(5 * time.Second)
		began := time.Now()
		err := d.End()
		require.Error(t, err, "exit code 1")
		require.ErrorContains(t, err, "stop shards: ")
		require.LessOrEqual(t, time.Since(began), config.DefaultStopBudget)
		repair()
		time.Sleep(15 * time.Second) // whatever was not released is free by then
		d = testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(5 * time.Second)
		require.Equal(t, []string{`Anomaly detected ...  {"heartRate":180}`}, testkit.Messages(fake))
		require.NoError(t, d.End())
	})
}

// A daemon that is started before its stream, its topic and its permissions waits, says for what, and then works.
func TestDaemonWaitsForWhatIsMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		allow := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "CreateTable", Kind: fakeaws.Before,
			Err: &fakeaws.Error{
				Code: "AccessDeniedException", Message: "not authorized to perform: dynamodb:CreateTable",
			},
		})
		d := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(time.Minute)
		waiting := d.Log.Entries(t, "stream is not usable yet, waiting for it")
		require.Len(t, waiting, 1, "said once, not at every attempt")
		require.Contains(t, waiting[0]["error"], "stream ExampleOutputStream does not exist in this region and account")

		fake.Kinesis.Create(testkit.TestStream, 1)
		time.Sleep(time.Minute)
		require.Contains(t, d.Log.String(), "dynamodb:CreateTable")
		require.Contains(t, d.Log.String(), "heart-rate-alerts")
		allow()
		fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
		time.Sleep(time.Minute)
		require.Contains(t, d.Log.String(), testkit.TestTopicARN, "the missing topic is named")
		require.Empty(t, testkit.Messages(fake))
		testkit.CreateTopic(t, fake)
		time.Sleep(time.Minute)
		require.Equal(t, []string{
			`Anomaly detected ...  {"heartRate":180}`,
		}, testkit.Messages(fake), "the alert was held, not burned")
		require.NoError(t, d.End())
	})
}

func TestFailFast(t *testing.T) {
	t.Parallel()
	deny := func(service, operation string) func(*fakeaws.AWS) {
		return func(fake *fakeaws.AWS) {
			fake.Faults.Add(fakeaws.Fault{
				Service: service, Operation: operation, Kind: fakeaws.Before,
				Err: &fakeaws.Error{Code: "AccessDeniedException", Message: "not authorized"},
			})
		}
	}
	tests := map[string]struct {
		stream, topic bool
		fault         func(*fakeaws.AWS)
		want          []string
	}{
		"no stream": {topic: true, want: []string{"stream ExampleOutputStream does not exist", "stream.name"}},
		"no topic": {
			stream: true, want: []string{"topic " + testkit.TestTopicARN + " does not exist", "topics.oncall.arn"},
		},
		"no permission": {
			stream: true, topic: true, fault: deny(fakeaws.ServiceKinesis, "DescribeStreamSummary"), want: []string{
				"stream ExampleOutputStream", "kinesis:DescribeStreamSummary",
			},
		},
		"no table right": {
			stream: true, topic: true, fault: deny(fakeaws.ServiceDynamoDB, "CreateTable"), want: []string{
				"heart-rate-alerts", "dynamodb:CreateTable",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				if test.stream {
					fake.Kinesis.Create(testkit.TestStream, 1)
				}
				if test.topic {
					testkit.CreateTopic(t, fake)
				}
				if test.fault != nil {
					test.fault(fake)
				}
				d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.FailFast = true })
				select {
				case err := <-d.Done:
					require.Error(t, err)
					for _, want := range test.want {
						require.ErrorContains(t, err, want)
					}
				case <-time.After(time.Minute):
					d.Stop()
					require.Fail(t, "still running", "%v", <-d.Done)
				}
			})
		})
	}
}

// What --fail-fast does not end for. deploy/terraform and deploy/ecs say so, and pass it.
func TestFailFastWaitsForTheRest(t *testing.T) {
	t.Parallel()
	denied := &fakeaws.Error{Code: "AccessDeniedException", Message: "not authorized"}
	tests := map[string]struct {
		fault fakeaws.Fault
		named bool // by stream.name, not by stream.arn
		ends  bool
	}{
		"Kinesis does not answer": {
			fault: fakeaws.Fault{Service: fakeaws.ServiceKinesis, Kind: fakeaws.BlackHole},
		},
		"Kinesis does not answer for a name": {
			fault: fakeaws.Fault{Service: fakeaws.ServiceKinesis, Kind: fakeaws.BlackHole}, named: true, ends: true,
		},
		"DynamoDB does not answer": {
			fault: fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole},
		},
		"SNS does not answer": {
			fault: fakeaws.Fault{Service: fakeaws.ServiceSNS, Kind: fakeaws.BlackHole},
		},
		"DynamoDB throttles": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Before, Err: &fakeaws.Error{
					Code: "ThrottlingException", Message: "slow down",
				},
			},
		},
		"no permission to publish": {
			fault: fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "Publish", Kind: fakeaws.Before, Err: denied},
		},
		"no permission to look at a topic": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceSNS, Operation: "GetTopicAttributes", Kind: fakeaws.Before, Err: denied,
			},
		},
		"no permission to read records": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.Before, Err: denied,
			},
		},
		"no permission to change lease rows": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceDynamoDB, Operation: "UpdateItem", Kind: fakeaws.Before, Err: denied,
			},
		},
		"no permission to look at the stream": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceKinesis, Operation: "DescribeStreamSummary", Kind: fakeaws.Before, Err: denied,
			}, ends: true,
		},
		"no permission to look at the table": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceDynamoDB, Operation: "DescribeTable", Kind: fakeaws.Before, Err: denied,
			}, ends: true,
		},
		"no permission to read lease rows": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceDynamoDB, Operation: "GetItem", Kind: fakeaws.Before, Err: denied,
			}, ends: true,
		},
		"no permission to scan a new table": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceDynamoDB, Operation: "Scan", Kind: fakeaws.Before, Err: denied,
			}, ends: true,
		},
		"no permission to begin a new table": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceDynamoDB, Operation: "PutItem", Kind: fakeaws.Before, Err: denied,
			}, ends: true,
		},
		"no permission to list shards": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceKinesis, Operation: "ListShards", Kind: fakeaws.Before, Err: denied,
			}, ends: true,
		},
		"credentials that are not known": {
			fault: fakeaws.Fault{
				Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Before, Err: &fakeaws.Error{
					Code: "UnrecognizedClientException", Message: "the security token is invalid",
				},
			}, ends: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				described, err := kinesis.NewFromConfig(testkit.Emulated(fake)).DescribeStreamSummary(t.Context(),
					&kinesis.DescribeStreamSummaryInput{StreamName: aws.String(testkit.TestStream)})
				require.NoError(t, err)
				remove := fake.Faults.Add(test.fault)
				d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
					o.FailFast = true
					if !test.named {
						c.Stream.Name, c.Stream.ARN = "", *described.StreamDescriptionSummary.StreamARN
					}
				})
				select {
				case err := <-d.Done:
					require.True(t, test.ends, "it ended: %v", err)
					require.Error(t, err)
				case <-time.After(2 * time.Minute):
					remove()
					time.Sleep(time.Minute)
					err := d.End()
					require.False(t, test.ends, "still running after two minutes")
					require.NoError(t, err)
				}
			})
		})
	}
}

// A stop may come at any moment of the start; it is always clean and never waits for what is not there.
func TestStopDuringTheStart(t *testing.T) {
	t.Parallel()
	for after := time.Duration(0); after < 1500*time.Millisecond; after = after*3/2 + time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				testkit.CreateTopic(t, fake)
				if after%2 == 0 {
					fake.Kinesis.Create(testkit.TestStream, 3)
				}
				d := testdaemon.StartDaemon(t, fake, nil)
				time.Sleep(after)
				began := time.Now()
				require.NoError(t, d.End())
				require.Less(t, time.Since(began), 5*time.Second)
			})
		})
	}
}

// Every metric of the daemon is listed in a golden file: names, types, labels and help are an interface.
func TestMetricsAreKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(5 * time.Second)
		families, err := d.Reg.Gather()
		require.NoError(t, err)
		var b strings.Builder
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "kinesis_alerter_") {
				continue
			}
			labels := map[string]bool{}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = true
				}
			}
			names := make([]string, 0, len(labels))
			for l := range labels {
				names = append(names, l)
			}
			slices.Sort(names)
			fmt.Fprintf(&b, "%s %s {%s}\n    %s\n", f.GetName(), strings.ToLower(f.GetType().String()),
				strings.Join(names, ","), f.GetHelp())
		}
		testkit.Golden(t, "metrics.golden", b.String())
		problems, err := testutil.GatherAndLint(d.Reg)
		require.NoError(t, err)
		require.Empty(t, problems)
		require.NoError(t, d.End())
	})
}

// loopbackDaemon runs the daemon by its command line against an emulator on loopback, until the test is over.
func loopbackDaemon(t *testing.T) (fake *fakeaws.AWS, file, admin string) {
	t.Helper()
	fake = fakeaws.New(fakeaws.Options{})
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: fake, ReadHeaderTimeout: time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	free, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	admin = free.Addr().String()
	require.NoError(t, free.Close())

	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "http://" + l.Addr().String(), "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
		"AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	fake.Kinesis.Create(testkit.TestStream, 2)
	testkit.CreateTopic(t, fake)
	file = testkit.ConfigFile(t, fmt.Sprintf(`
stream: {name: %s, application: loopback, start: trim_horizon}
topics: {oncall: {arn: %q, rate: unlimited, email: false}}
rules: [{name: high, when: "heartRate > 149"}]
server: {listen: %q}
`, testkit.TestStream, testkit.TestTopicARN, admin))

	ctx, stop := context.WithCancelCause(context.WithoutCancel(t.Context()))
	out, exit := &testkit.SyncBuffer{}, make(chan int, 1)
	go func() {
		exit <- cli.Main(ctx, []string{"run", "--config", file}, testkit.Environment(nil), out, out)
	}()
	t.Cleanup(func() {
		stop(errors.New("test is over"))
		require.Equal(t, cli.ExitOK, <-exit, "%s", out)
		var gone bytes.Buffer
		require.Equal(t, cli.ExitFailed, cli.Main(context.WithoutCancel(t.Context()), []string{
			"healthcheck", "--listen", admin,
		}, testkit.Environment(nil), &gone, &gone))
	})
	testkit.WaitFor(t, "the daemon's health", func() bool {
		var ok bytes.Buffer
		return cli.Main(t.Context(), []string{
			"healthcheck", "--listen", admin,
		}, testkit.Environment(nil), &ok, &ok) == cli.ExitOK
	})
	return fake, file, admin
}

// The command line, the configuration file, the AWS configuration of the environment and real sockets, together.
func TestMainOnLoopback(t *testing.T) {
	fake, _, _ := loopbackDaemon(t)
	var produced bytes.Buffer
	require.Equal(t, cli.ExitOK, cli.Main(t.Context(), []string{
		"produce", "heart-rate", "--stream", testkit.TestStream, "--rate", "0", "--count", "700", "--keys", "8",
		"--seed", "1",
	},
		testkit.Environment(nil), &produced, &produced), "%s", &produced)
	require.Contains(t, produced.String(), "700 records put into "+testkit.TestStream)
	fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":199}`))
	testkit.WaitFor(t, "the alert", func() bool {
		return slices.Contains(testkit.Messages(fake), `Anomaly detected ...  {"heartRate":199}`)
	})
}

// TestDrill: a marked message on every topic, with what SNS says to it.
func TestDrill(t *testing.T) {
	fake, file, _ := loopbackDaemon(t)
	var out, errs bytes.Buffer
	require.Equal(t, cli.ExitOK, cli.Main(t.Context(), []string{"drill", "--config", file}, testkit.Environment(nil),
		&out, &errs), "%s", &errs)
	require.Regexp(t,
		`^oncall: SNS accepted it after \S+ as message \S+, alert_id [0-9a-f]{64}\noncall: 1 confirmed subscription, 0 pending\n$`, out.String())
	require.Len(t, testkit.Messages(fake), 1)
	require.Contains(t, testkit.Messages(fake)[0], "This is a test of the topic oncall")

	out.Reset()
	require.Equal(t, cli.ExitOK, cli.Main(t.Context(), []string{"drill", "--config", file, "--json"},
		testkit.Environment(nil), &out, &errs), "%s", &errs)
	require.Regexp(t, `(?s)^\{\s+"topics": \[\s+\{\s+"topic": "oncall",\s+"arn": "arn:.*",\s+"accepted": true,.*`+
		`"alert_id": "[0-9a-f]{64}",\s+"subscriptions_confirmed": 1,\s+"subscriptions_pending": 0\s+\}\s+\]\s+\}\n$`,
		out.String())

	require.Equal(t, cli.ExitUsage, cli.Main(t.Context(), []string{
		"drill", "--config", file, "--topic", "nosuch",
	}, testkit.Environment(nil), &out, &errs))
	require.Contains(t, errs.String(), `no topic "nosuch" is configured`)
	subscription := fake.SNS.Subscriptions(testkit.TestTopicARN)[0].ARN
	client := sns.NewFromConfig(testkit.Emulated(fake))
	_, err := client.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &subscription})
	require.NoError(t, err)
	require.Equal(t, cli.ExitFailed, cli.Main(t.Context(), []string{"drill", "--config", file},
		testkit.Environment(nil), &out, &errs))
	require.Contains(t, errs.String(), "it reaches no one: 0 subscriptions confirmed, 0 pending")
	require.NoError(t, testkit.Subscribe(t.Context(), client, testkit.TestTopicARN))
	config, err := os.ReadFile(file) //nolint:gosec // in the test's own folder
	require.NoError(t, err)
	missing := testkit.ConfigFile(t, strings.NewReplacer(
		"topics: {", "topics: {gone: {arn: "+testkit.TestTopicARN+"-missing}, ", `149"`, `149", topics: [oncall]`,
	).Replace(string(config)))
	out.Reset()
	errs.Reset()
	require.Equal(t, cli.ExitFailed, cli.Main(t.Context(), []string{
		"drill", "--config", missing, "--timeout", "2s",
	}, testkit.Environment(nil), &out, &errs))
	require.Contains(t, errs.String(), "topic gone, "+testkit.TestTopicARN+
		"-missing: SNS did not accept it within 2s (topic_missing): create the topic or correct its ARN")
	require.Contains(t, out.String(), "oncall: SNS accepted it",
		"the topic that is missing takes no time from the others")
}
