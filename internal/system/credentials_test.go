package system

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// withKeys makes a keyring the source of a daemon's credentials.
func withKeys(k *testkit.Keyring, o *daemon.Options) { o.AWS.Credentials = credentials.New(k.Load) }

// AWS refuses the credentials, and later the source has others: alerts flow within seconds, without a restart.
// Meanwhile the page has one problem, and that is the credentials.
func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	for code, snsCode := range map[string]string{
		"ExpiredTokenException": "ExpiredToken", "UnrecognizedClientException": "InvalidClientTokenId",
		"InvalidSignatureException": "SignatureDoesNotMatch",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page, keys := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage(), &testkit.Keyring{Key: "OLD"}
				fake.Kinesis.Create(testkit.TestStream, 2)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
					o.Listener = page
					withKeys(keys, o)
				})
				put := func(n int) {
					for i := range n {
						fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("patient-", i), []byte(`{"heartRate":180}`))
					}
				}
				put(10)
				time.Sleep(10 * time.Second)
				require.Len(t, testkit.Messages(fake), 10)

				testkit.Expire(fake, "OLD", code, snsCode)
				put(10)
				time.Sleep(8 * time.Second)
				s := page.Status(t)
				require.Contains(t, s.Summary, "Credentials: not accepted by DynamoDB ("+code+"), Kinesis ("+code+")")
				for _, after := range []time.Duration{25 * time.Second, time.Minute} {
					time.Sleep(after)
					s = page.Status(t)
					require.Equal(t, status.LevelCritical, s.Level)
					require.Equal(t, "credentials_refused", s.Problems[0].Code)
					for _, p := range s.Problems[1:] {
						require.Contains(t, []string{"lag", "shards_unread"}, p.Code,
							"no service is blamed beside them: %s", p.Text)
					}
				}
				require.LessOrEqual(t, len(d.Log.Entries(t, "AWS refuses the credentials, they are resolved again")), 3,
					"one line a service")

				keys.Set(func(k *testkit.Keyring) { k.Key = "NEW" })
				put(10)
				time.Sleep(20 * time.Second)
				require.Len(t, testkit.Messages(fake), 30)
				s = page.Status(t)
				require.NotContains(t, s.Summary, "redentials")
				require.NoError(t, d.End())
			})
		})
	}
}

// One service alone may refuse them: SNS does, and what waits for the topic flows as soon as there are others.
func TestCredentialsThatSNSRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page, keys := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage(), &testkit.Keyring{Key: "OLD"}
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
			o.Listener = page
			withKeys(keys, o)
		})
		time.Sleep(5 * time.Second)
		fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Client: "OLD", Err: &fakeaws.Error{
				Code: "InvalidClientTokenId", Message: "refused", Status: 403,
			},
		})
		fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
		time.Sleep(50 * time.Second)
		s := page.Status(t)
		require.Len(t, s.Problems, 1)
		require.Regexp(t, `^Credentials: not accepted by SNS \(InvalidClientTokenId\) for 50 s\.$`, s.Summary)
		keys.Set(func(k *testkit.Keyring) { k.Key = "NEW" })
		time.Sleep(11 * time.Second)
		require.Len(t, testkit.Messages(fake), 1)
		require.Equal(t, status.LevelOK, page.Status(t).Level)
		require.NoError(t, d.End())
	})
}

// The source of the credentials fails. They are used until their end, and no call is signed with them afterwards; the
// page, the log and the errors name the credentials and the time that is left.
func TestCredentialsThatCannotBeRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		keys := &testkit.Keyring{Key: "A", Good: 320 * time.Second}
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
			o.Listener = page
			withKeys(keys, o)
		})
		time.Sleep(10 * time.Second)
		keys.Set(func(k *testkit.Keyring) { k.Err = errors.New("the source answered 500") })
		put := 0
		for range 10 { // five of the minutes that are left
			fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
			put++
			time.Sleep(29 * time.Second)
			require.Len(t, testkit.Messages(fake), put, "they are good")
		}
		s := page.Status(t)
		require.Regexp(t,
			`^Credentials: cannot be renewed for .*, the ones at hand end in \d+ s \(the source answered 500\)\.$`,
			s.Summary)
		require.Len(t, s.Problems, 1)
		time.Sleep(time.Minute)
		s = page.Status(t)
		require.Regexp(t,
			`^Credentials: the last ones ended .* ago and cannot be renewed \(the source answered 500\): nothing is read or published\.`, s.Summary)
		require.Equal(t, status.LevelCritical, s.Level)
		for _, p := range s.Problems {
			require.Contains(t, []string{"credentials_not_renewed", "lag", "shards_unread"}, p.Code, p.Text)
		}
		calls := len(fake.History.Events())
		time.Sleep(time.Minute)
		require.Len(t, fake.History.Events(), calls, "nothing is sent beyond their end")
		require.Len(t, d.Log.Entries(t, "credentials cannot be renewed, the ones at hand are used until their end"), 1)
		require.InDelta(t, 0, testkit.Gauge(t, d.Reg, "kinesis_alerter_credentials_expiry_seconds"), 0)

		keys.Set(func(k *testkit.Keyring) { k.Err, k.Good = nil, time.Hour })
		fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
		time.Sleep(20 * time.Second)
		require.Len(t, testkit.Messages(fake), put+1)
		require.Equal(t, status.LevelOK, page.Status(t).Level)
		require.NoError(t, d.End())
	})
}

// A start without credentials says so, and continues as soon as there are some.
func TestStartWithoutCredentials(t *testing.T) {
	t.Parallel()
	for name, failFast := range map[string]bool{"waiting": false, "fail fast": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
				keys := &testkit.Keyring{Key: "A", Err: errors.New("no role found")}
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
					o.Listener, o.FailFast = page, failFast
					withKeys(keys, o)
				})
				time.Sleep(20 * time.Second)
				require.Regexp(t, `^Credentials: there are none, for \d+ s so far \(no role found\)\.$`,
					page.Status(t).Summary)
				require.Len(t, page.Status(t).Problems, 1)
				keys.Set(func(k *testkit.Keyring) { k.Err = nil })
				fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
				time.Sleep(20 * time.Second)
				require.Len(t, testkit.Messages(fake), 1)
				require.NoError(t, d.End())
			})
		})
	}
}

// --fail-fast waits a minute for what may pass, and no longer. What names a fault ends it at once.
func TestFailFastWaitsAMinuteForWhatMayPass(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault fakeaws.Fault
		lacks error
	}{
		"throttled": {
			fault: fakeaws.Fault{Err: &fakeaws.Error{Code: "LimitExceededException", Status: 400}},
		},
		"500":           {fault: fakeaws.Fault{Err: &fakeaws.Error{Code: "InternalFailure", Status: 500}}},
		"no answer":     {fault: fakeaws.Fault{Kind: fakeaws.BlackHole}},
		"no connection": {fault: fakeaws.Fault{Kind: fakeaws.Partition}},
		"not known yet": {
			fault: fakeaws.Fault{Err: &fakeaws.Error{Code: "UnrecognizedClientException", Status: 400}},
		},
		"a source that is out": {lacks: errors.New("429")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, passes := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					fake, keys := fakeaws.New(fakeaws.Options{}), &testkit.Keyring{Key: "A", Err: test.lacks}
					fake.Kinesis.Create(testkit.TestStream, 1)
					testkit.CreateTopic(t, fake)
					test.fault.Service, test.fault.Client = fakeaws.ServiceKinesis, "A"
					remove := func() {}
					if keys.Err == nil {
						remove = fake.Faults.Add(test.fault)
					}
					d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
						o.FailFast = true
						withKeys(keys, o)
					})
					time.Sleep(20 * time.Second)
					if passes {
						remove()
						keys.Set(func(k *testkit.Keyring) { k.Err = nil })
						fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
						time.Sleep(time.Minute)
						require.Len(t, testkit.Messages(fake), 1)
						require.NoError(t, d.End())
						return
					}
					select {
					case err := <-d.Done:
						require.Error(t, err)
					case <-time.After(2 * time.Minute):
						d.Stop()
						require.Fail(t, "still running", "%v", <-d.Done)
					}
				})
			}
		})
	}
}
