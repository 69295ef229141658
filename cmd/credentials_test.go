package cmd

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/fakeaws"
)

// withKeys makes a keyring the source of a daemon's credentials.
func withKeys(k *keyring, o *Options) { o.AWS.Credentials = credentials.New(k.load) }

// AWS refuses the credentials, and later the source has others: alerts flow within seconds, without a restart. Meanwhile the
// page has one problem, and that is the credentials.
func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	for code, snsCode := range map[string]string{
		"ExpiredTokenException": "ExpiredToken", "UnrecognizedClientException": "InvalidClientTokenId",
		"InvalidSignatureException": "SignatureDoesNotMatch",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page, keys := fakeaws.New(fakeaws.Options{}), newPage(), &keyring{key: "OLD"}
				fake.Kinesis.Create(testStream, 2)
				createTopic(t, fake)
				d := startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener = page; withKeys(keys, o) })
				put := func(n int) {
					for i := range n {
						fake.Kinesis.Put(testStream, fmt.Sprint("patient-", i), []byte(`{"heartRate":180}`))
					}
				}
				put(10)
				time.Sleep(10 * time.Second)
				require.Len(t, messages(fake), 10)

				expire(fake, "OLD", code, snsCode)
				put(10)
				time.Sleep(8 * time.Second)
				s := page.status(t)
				require.Contains(t, s.Summary, "Credentials: not accepted by DynamoDB ("+code+"), Kinesis ("+code+")")
				for _, after := range []time.Duration{25 * time.Second, time.Minute} {
					time.Sleep(after)
					s = page.status(t)
					require.Equal(t, LevelCritical, s.Level)
					require.Equal(t, "credentials_refused", s.Problems[0].Code)
					for _, p := range s.Problems[1:] {
						require.Contains(t, []string{"lag", "shards_unread"}, p.Code, "no service is blamed beside them: %s", p.Text)
					}
				}
				require.LessOrEqual(t, len(d.log.entries(t, "AWS refuses the credentials, they are resolved anew")), 3, "one line a service")

				keys.set(func(k *keyring) { k.key = "NEW" })
				put(10)
				time.Sleep(20 * time.Second)
				require.Len(t, messages(fake), 30)
				s = page.status(t)
				require.NotContains(t, s.Summary, "redentials")
				require.NoError(t, d.end())
			})
		})
	}
}

// One service alone may refuse them: SNS does, and what waits for the topic flows as soon as there are others.
func TestCredentialsThatSNSRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page, keys := fakeaws.New(fakeaws.Options{}), newPage(), &keyring{key: "OLD"}
		fake.Kinesis.Create(testStream, 1)
		createTopic(t, fake)
		d := startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener = page; withKeys(keys, o) })
		time.Sleep(5 * time.Second)
		fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Client: "OLD", Err: &fakeaws.Error{Code: "InvalidClientTokenId", Message: "refused", Status: 403},
		})
		fake.Kinesis.Put(testStream, "a", []byte(`{"heartRate":180}`))
		time.Sleep(50 * time.Second)
		s := page.status(t)
		require.Len(t, s.Problems, 1)
		require.Regexp(t, `^Credentials: not accepted by SNS \(InvalidClientTokenId\) for 50 s\.$`, s.Summary)
		keys.set(func(k *keyring) { k.key = "NEW" })
		time.Sleep(11 * time.Second)
		require.Len(t, messages(fake), 1)
		require.Equal(t, LevelOK, page.status(t).Level)
		require.NoError(t, d.end())
	})
}

// The source of the credentials fails. They are used until their end, and no call is signed with them afterwards; the page,
// the log and the errors name the credentials and the time that is left.
func TestCredentialsThatCannotBeRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPage()
		keys := &keyring{key: "A", good: 320 * time.Second}
		fake.Kinesis.Create(testStream, 1)
		createTopic(t, fake)
		d := startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener = page; withKeys(keys, o) })
		time.Sleep(10 * time.Second)
		keys.set(func(k *keyring) { k.err = errors.New("the source answered 500") })
		put := 0
		for range 10 { // five of the minutes that are left
			fake.Kinesis.Put(testStream, "a", []byte(`{"heartRate":180}`))
			put++
			time.Sleep(29 * time.Second)
			require.Len(t, messages(fake), put, "they are good")
		}
		s := page.status(t)
		require.Regexp(t, `^Credentials: cannot be renewed for .*, the ones at hand end in \d+ s \(the source answered 500\)\.$`, s.Summary)
		require.Len(t, s.Problems, 1)
		time.Sleep(time.Minute)
		s = page.status(t)
		require.Regexp(t, `^Credentials: the last ones ended .* ago and cannot be renewed \(the source answered 500\): nothing is read or published\.`, s.Summary)
		require.Equal(t, LevelCritical, s.Level)
		for _, p := range s.Problems {
			require.Contains(t, []string{"credentials_not_renewed", "lag", "shards_unread"}, p.Code, p.Text)
		}
		calls := len(fake.History.Events())
		time.Sleep(time.Minute)
		require.Len(t, fake.History.Events(), calls, "nothing is sent beyond their end")
		require.Len(t, d.log.entries(t, "credentials cannot be renewed, the ones at hand are used until their end"), 1)
		require.InDelta(t, 0, gauge(t, d.reg, "kinesis_alerter_credentials_expiry_seconds"), 0)

		keys.set(func(k *keyring) { k.err, k.good = nil, time.Hour })
		fake.Kinesis.Put(testStream, "a", []byte(`{"heartRate":180}`))
		time.Sleep(20 * time.Second)
		require.Len(t, messages(fake), put+1)
		require.Equal(t, LevelOK, page.status(t).Level)
		require.NoError(t, d.end())
	})
}

// A start without credentials says so, and goes on as soon as there are some.
func TestStartWithoutCredentials(t *testing.T) {
	t.Parallel()
	for name, failFast := range map[string]bool{"waiting": false, "fail fast": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), newPage()
				keys := &keyring{key: "A", err: errors.New("no role found")}
				fake.Kinesis.Create(testStream, 1)
				createTopic(t, fake)
				d := startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener, o.FailFast = page, failFast; withKeys(keys, o) })
				time.Sleep(20 * time.Second)
				require.Regexp(t, `^Credentials: there are none, for \d+ s so far \(no role found\)\.$`, page.status(t).Summary)
				require.Len(t, page.status(t).Problems, 1)
				keys.set(func(k *keyring) { k.err = nil })
				fake.Kinesis.Put(testStream, "a", []byte(`{"heartRate":180}`))
				time.Sleep(20 * time.Second)
				require.Len(t, messages(fake), 1)
				require.NoError(t, d.end())
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
		"throttled":            {fault: fakeaws.Fault{Err: &fakeaws.Error{Code: "LimitExceededException", Status: 400}}},
		"500":                  {fault: fakeaws.Fault{Err: &fakeaws.Error{Code: "InternalFailure", Status: 500}}},
		"no answer":            {fault: fakeaws.Fault{Kind: fakeaws.BlackHole}},
		"no connection":        {fault: fakeaws.Fault{Kind: fakeaws.Partition}},
		"not known yet":        {fault: fakeaws.Fault{Err: &fakeaws.Error{Code: "UnrecognizedClientException", Status: 400}}},
		"a source that is out": {lacks: errors.New("429")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, passes := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					fake, keys := fakeaws.New(fakeaws.Options{}), &keyring{key: "A", err: test.lacks}
					fake.Kinesis.Create(testStream, 1)
					createTopic(t, fake)
					test.fault.Service, test.fault.Client = fakeaws.ServiceKinesis, "A"
					remove := func() {}
					if keys.err == nil {
						remove = fake.Faults.Add(test.fault)
					}
					d := startDaemon(t, fake, func(_ *Config, o *Options) { o.FailFast = true; withKeys(keys, o) })
					time.Sleep(20 * time.Second)
					if passes {
						remove()
						keys.set(func(k *keyring) { k.err = nil })
						fake.Kinesis.Put(testStream, "a", []byte(`{"heartRate":180}`))
						time.Sleep(time.Minute)
						require.Len(t, messages(fake), 1)
						require.NoError(t, d.end())
						return
					}
					select {
					case err := <-d.done:
						require.Error(t, err)
					case <-time.After(2 * time.Minute):
						d.stop()
						require.Fail(t, "still running", "%v", <-d.done)
					}
				})
			}
		})
	}
}
