package system

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

const (
	otherAccount = "111111111111"
	otherRole    = "arn:aws:iam::" + otherAccount + ":role/alerts"
	otherTopic   = "arn:aws:sns:eu-west-1:" + otherAccount + ":far"
)

// accounts are two of them: that of the process, which has the stream and TestTopic, and another one with otherTopic,
// which otherRole reaches.
func accounts(t *testing.T) (home, other *fakeaws.AWS) {
	t.Helper()
	home = fakeaws.New(fakeaws.Options{})
	home.Kinesis.Create(testkit.TestStream, 1)
	testkit.CreateTopic(t, home)
	other = fakeaws.New(fakeaws.Options{Account: otherAccount, Region: "eu-west-1"})
	client := sns.NewFromConfig(testkit.Emulated(other))
	_, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("far")})
	require.NoError(t, err)
	require.NoError(t, testkit.Subscribe(t.Context(), client, otherTopic))
	return home, other
}

// withOtherTopic makes every alert go to both topics.
func withOtherTopic(c *config.Config) {
	far := testkit.AnyRate(otherTopic)
	far.RoleARN, far.ExternalID = otherRole, "alerts-of-home"
	c.Topics["far"] = far
	c.Rules[0].Topics = []string{"oncall", "far"}
}

func putHigh(fake *fakeaws.AWS, n *int) {
	fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("patient-", *n), []byte(`{"heartRate":180}`))
	*n++
}

// The role of a topic is refused at the start, and granted later: its alerts wait and then arrive, all of them and by
// themselves. The other topic has its own meanwhile.
func TestRoleIsDeniedAtStartAndGrantedLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		home, other := accounts(t)
		page := testdaemon.NewPage()
		home.STS.Set(otherRole, fakeaws.AssumedRole{Denied: true})
		d := testdaemon.StartDaemon(t, home, func(c *config.Config, o *daemon.Options) {
			withOtherTopic(c)
			c.Processing.MaxRecordAge, o.Listener = time.Minute, page // held time does not count
		})
		time.Sleep(40 * time.Second)
		s := page.Status(t)
		require.Equal(t, status.LevelCritical, s.Level)
		require.Regexp(t, `^Credentials of `+otherRole+` \(topics\.far\): there are none, for \d+ s so far `+
			`\(sts:AssumeRole \(AccessDenied\): User: .* is not authorized`, s.Summary, "before the first alert")
		require.Len(t, s.Problems, 1)
		require.Contains(t, s.Problems[0].Remedy, "trust policy")

		put := 0
		for range 8 {
			putHigh(home, &put)
			time.Sleep(5 * time.Second)
			require.Len(t, testkit.Messages(home), put, "the other topic has nothing to do with it")
		}
		require.Empty(t, other.SNS.Messages(otherTopic))
		require.Len(t, page.Status(t).Problems, 1, "no service is blamed beside the role")
		require.Len(t, d.Log.Entries(t, "there are no credentials, the source is asked again and again"), 1)
		for _, topic := range page.Status(t).Topics {
			require.Equal(t, topic.Name == "far", topic.Fault == "credentials_refused", "it is held: %+v", topic)
		}

		home.STS.Set(otherRole, fakeaws.AssumedRole{In: other, ExternalID: "another"})
		time.Sleep(20 * time.Second)
		require.Empty(t, other.SNS.Messages(otherTopic), "the external id is asked for")
		home.STS.Set(otherRole, fakeaws.AssumedRole{In: other, ExternalID: "alerts-of-home"})
		time.Sleep(15 * time.Second)
		require.Len(t, other.SNS.Messages(otherTopic), put)
		time.Sleep(delivery.LongestProbe) // the subscriptions are asked for
		require.Equal(t, status.LevelOK, page.Status(t).Level, page.Status(t).Summary)
		require.NoError(t, d.End())
	})
}

// The credentials of a role end while the daemon runs. They are renewed before their end; where STS refuses them in
// time, the alerts wait, and arrive when it no longer does.
func TestRoleEndsWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		home, other := accounts(t)
		page := testdaemon.NewPage()
		granted := fakeaws.AssumedRole{In: other, ExternalID: "alerts-of-home", Session: 6 * time.Minute}
		home.STS.Set(otherRole, granted)
		d := testdaemon.StartDaemon(t, home, func(c *config.Config, o *daemon.Options) {
			withOtherTopic(c)
			o.Listener = page
		})
		put := 0
		minutes := func(n int) {
			for range n {
				putHigh(home, &put)
				time.Sleep(time.Minute)
			}
		}
		minutes(10)
		require.Len(t, other.SNS.Messages(otherTopic), put)
		require.InDelta(t, 10, home.History.Count("sts", "AssumeRole"), 2, "for all calls together, from 5 min before")

		home.STS.Set(otherRole, fakeaws.AssumedRole{Denied: true})
		minutes(4)
		require.Len(t, other.SNS.Messages(otherTopic), put, "those at hand are used until their end")
		minutes(5)
		require.Less(t, len(other.SNS.Messages(otherTopic)), put)
		require.Len(t, testkit.Messages(home), put)
		require.Contains(t, page.Status(t).Summary,
			"Credentials of "+otherRole+" (topics.far): the last ones ended")
		home.STS.Set(otherRole, granted)
		time.Sleep(15 * time.Second)
		require.Len(t, other.SNS.Messages(otherTopic), put)
		time.Sleep(delivery.LongestProbe) // the subscriptions are asked for
		require.Equal(t, status.LevelOK, page.Status(t).Level)
		require.NoError(t, d.End())
	})
}

// Stream and dead letters of another account: each is called as its role, and the tables stay at home.
func TestStreamAndDeadLettersOfAnotherAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		home, other := accounts(t)
		const role = "arn:aws:iam::" + otherAccount + ":role/reader"
		home.STS.Set(role, fakeaws.AssumedRole{Denied: true})
		home.STS.Set(otherRole, fakeaws.AssumedRole{In: other, Session: 330 * time.Second})
		other.Kinesis.Create("far", 2)
		queue, err := sqs.NewFromConfig(testkit.Emulated(other)).CreateQueue(t.Context(),
			&sqs.CreateQueueInput{QueueName: aws.String("letters")})
		require.NoError(t, err)
		page := testdaemon.NewPage()
		d := testdaemon.StartDaemon(t, home, func(c *config.Config, o *daemon.Options) {
			c.Stream.Name, c.Stream.ARN = "", "arn:aws:kinesis:eu-west-1:"+otherAccount+":stream/far"
			c.Stream.RoleARN = role
			c.DeadLetter = config.DeadLetterConfig{SQS: *queue.QueueUrl, RoleARN: otherRole, Invalid: true}
			o.Listener = page
		})
		put := 0
		putFar := func() {
			other.Kinesis.Put("far", fmt.Sprint("patient-", put), []byte(`{"heartRate":180}`))
			put++
		}
		for range 6 {
			putFar()
			time.Sleep(10 * time.Second)
		}
		s := page.Status(t)
		require.Contains(t, s.Summary, "Credentials of "+role+" (stream): there are none")
		require.Equal(t, status.LevelCritical, s.Level)
		home.STS.Set(role, fakeaws.AssumedRole{In: other, Session: 330 * time.Second})
		other.Kinesis.Put("far", "x", []byte(`{`))
		for range 8 {
			putFar()
			time.Sleep(time.Minute)
		}
		require.Len(t, testkit.Messages(home), put)
		require.Regexp(t, "^All is well; records that cannot be read", page.Status(t).Summary)
		letters, err := sqs.NewFromConfig(testkit.Emulated(other)).ReceiveMessage(t.Context(),
			&sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
		require.NoError(t, err)
		require.Len(t, letters.Messages, 1)
		for _, e := range other.History.Events() {
			require.NotEqual(t, fakeaws.ServiceDynamoDB, e.Service)
		}
		require.NoError(t, d.End())
	})
}

// A topic with the wrong role is corrected by a reload: what waits for it is published as the new one.
func TestRoleIsCorrectedByAReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		home, other := accounts(t)
		const wrong = "arn:aws:iam::" + otherAccount + ":role/alrts"
		home.STS.Set(wrong, fakeaws.AssumedRole{Denied: true})
		home.STS.Set(otherRole, fakeaws.AssumedRole{In: other, ExternalID: "alerts-of-home"})
		page, reloads := testdaemon.NewPage(), make(chan os.Signal, 1)
		d := testdaemon.StartDaemon(t, home, func(c *config.Config, o *daemon.Options) {
			withOtherTopic(c)
			next := *c
			next.Topics = maps.Clone(c.Topics)
			far := c.Topics["far"]
			far.RoleARN = wrong
			c.Topics["far"] = far
			o.Listener, o.Reloads = page, reloads
			o.Reload = func(context.Context) (*config.LoadedConfig, error) {
				return &config.LoadedConfig{Config: next.WithDefaults()}, nil
			}
		})
		put := 0
		for range 8 {
			putHigh(home, &put)
		}
		time.Sleep(40 * time.Second)
		require.Empty(t, other.SNS.Messages(otherTopic))
		require.Contains(t, page.Status(t).Summary, "Credentials of "+wrong+" (topics.far): there are none")
		reloads <- syscall.SIGHUP
		time.Sleep(5 * time.Second)
		require.Len(t, other.SNS.Messages(otherTopic), put)
		time.Sleep(delivery.LongestProbe) // the subscriptions are asked for
		require.NotContains(t, page.Status(t).Summary, "redentials")
		require.NoError(t, d.End())
	})
}

// Where the service denies what a role asks for, page and log name the role whose policy lacks it: for the stream, a
// topic and the dead letters.
func TestRoleMayNotDoWhatItIsFor(t *testing.T) {
	t.Parallel()
	for operation, c := range map[string]struct{ problem, log string }{
		"GetRecords":   {"reads_failing", "reading fails, position held, trying again"},
		"PublishBatch": {"topic_held", "topic refuses alerts, they wait and the topic is probed"},
		"SendMessage": {
			"dead_letters_held", "on-failure destination refuses dead letters, they wait and it is probed",
		},
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				home, other := accounts(t)
				home.STS.Set(otherRole, fakeaws.AssumedRole{In: other})
				other.Kinesis.Create("far", 1)
				queue, err := sqs.NewFromConfig(testkit.Emulated(other)).CreateQueue(t.Context(),
					&sqs.CreateQueueInput{QueueName: aws.String("letters")})
				require.NoError(t, err)
				other.Faults.Add(fakeaws.Fault{
					Operation: operation, Err: &fakeaws.Error{
						Code: "AccessDeniedException", Message: "no", Status: 403,
					},
				})
				page := testdaemon.NewPage()
				d := testdaemon.StartDaemon(t, home, func(c *config.Config, o *daemon.Options) {
					withOtherTopic(c)
					c.Stream.Name, c.Stream.ARN = "", "arn:aws:kinesis:eu-west-1:"+otherAccount+":stream/far"
					c.Stream.RoleARN, c.Stream.ExternalID = otherRole, "alerts-of-home"
					c.DeadLetter = config.DeadLetterConfig{
						SQS: *queue.QueueUrl, RoleARN: otherRole, ExternalID: "alerts-of-home", Invalid: true,
					}
					o.Listener = page
				})
				other.Kinesis.Put("far", "x", []byte(`{"heartRate":180}`))
				other.Kinesis.Put("far", "x", []byte(`{`))
				time.Sleep(time.Minute)
				problems := page.Status(t).Problems
				at := slices.IndexFunc(problems, func(p status.Problem) bool { return p.Code == c.problem })
				require.GreaterOrEqual(t, at, 0, "%+v", problems)
				require.Contains(t, problems[at].Remedy, "in the policy of "+otherRole)
				lines := d.Log.Entries(t, c.log)
				require.NotEmpty(t, lines)
				require.Contains(t, fmt.Sprint(lines), "in the policy of "+otherRole)
				_ = d.End() // it does not drain
			})
		})
	}
}

// With --fail-fast a role that STS refuses ends the start, by name and with what to do.
func TestFailFastNamesARefusedRole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		home, _ := accounts(t)
		home.STS.Set(otherRole, fakeaws.AssumedRole{Denied: true})
		d := testdaemon.StartDaemon(t, home, func(c *config.Config, o *daemon.Options) {
			withOtherTopic(c)
			o.FailFast = true
		})
		time.AfterFunc(2*time.Minute, d.Stop)
		err := <-d.Done
		require.ErrorContains(t, err, "topics.far: credentials of "+otherRole+
			": there are none: sts:AssumeRole (AccessDenied)")
		require.ErrorContains(t, err, "trust policy")
	})
}

// A bucket of another region gets the dead letters: S3 names the region once, and every later call goes there.
func TestDeadLettersReachABucketOfAnotherRegion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		home, other := accounts(t)
		home.STS.Set(otherRole, fakeaws.AssumedRole{In: other})
		_, err := s3.NewFromConfig(testkit.Emulated(other), func(o *s3.Options) {
			o.UsePathStyle = true
		}).CreateBucket(t.Context(), &s3.CreateBucketInput{
			Bucket: aws.String("letters"),
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
				LocationConstraint: s3types.BucketLocationConstraintEuWest1,
			},
		})
		require.NoError(t, err)
		strayed := 0
		other.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceS3, Operation: "PutObject",
			Err: &fakeaws.Error{
				Code: "PermanentRedirect", Message: "use another endpoint", Status: http.StatusMovedPermanently,
			},
			Match: func(r *fakeaws.Request) bool {
				return !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/s3/")
			},
			Rewrite: func(a *fakeaws.Answer) {
				strayed++
				a.Header.Set("x-amz-bucket-region", "eu-west-1")
			},
		})
		d := testdaemon.StartDaemon(t, home, func(c *config.Config, _ *daemon.Options) {
			c.DeadLetter = config.DeadLetterConfig{S3: "letters", RoleARN: otherRole, Invalid: true}
		})
		for range 5 {
			home.Kinesis.Put(testkit.TestStream, "x", []byte(`{`))
			time.Sleep(5 * time.Second)
		}
		require.Len(t, other.S3.Keys("letters"), 5)
		require.Equal(t, 1, strayed)
		require.Empty(t, d.Log.Entries(t, "on-failure destination refuses dead letters, they wait and it is probed"))
		require.NoError(t, d.End())
	})
}
