package credentials

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source gives credentials as the test wants them.
type source struct {
	*Provider
	gives func() (aws.Credentials, error)
	asked []time.Time
	logs  *observer.ObservedLogs
}

func newSource(gives func() (aws.Credentials, error)) *source {
	s := &source{gives: gives}
	s.Provider = New(func(context.Context) (aws.Credentials, error) {
		s.asked = append(s.asked, time.Now())
		return s.gives()
	})
	core, logs := observer.New(zap.InfoLevel)
	s.logs = logs
	s.Observe(zap.New(core), prometheus.NewPedanticRegistry())
	return s
}

func static(key string) func() (aws.Credentials, error) {
	return func() (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, nil
	}
}

// until gives credentials that are good for d from when they are asked for.
func until(key string, d time.Duration) func() (aws.Credentials, error) {
	return func() (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: key, SecretAccessKey: "secret", CanExpire: true, Expires: time.Now().Add(d),
		}, nil
	}
}

func fails(text string) func() (aws.Credentials, error) {
	return func() (aws.Credentials, error) { return aws.Credentials{}, errors.New(text) }
}

func (s *source) key(t *testing.T) string {
	t.Helper()
	c, err := s.Retrieve(t.Context())
	require.NoError(t, err)
	synctest.Wait()
	return c.AccessKeyID
}

func TestCredentialsAreAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(static("A"))
		for range 100 {
			go func() { _, _ = s.Retrieve(t.Context()) }()
		}
		synctest.Wait()
		time.Sleep(24 * time.Hour)
		require.Equal(t, "A", s.key(t))
		require.Len(t, s.asked, 1)
	})
}

// From five minutes before their end new ones are asked for. While that fails the ones at hand are used, until the end
// that the source gave and not a moment beyond it.
func TestCredentialsAreUsedUntilTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(until("A", time.Hour))
		begin := time.Now()
		require.Equal(t, "A", s.key(t))
		s.gives = fails("status 500")
		for time.Since(begin) < time.Hour {
			require.Equal(t, "A", s.key(t))
			if time.Since(begin) < time.Hour-RenewBefore {
				require.Len(t, s.asked, 1, "not before it is due")
				require.Zero(t, s.Status().FailingSince)
			} else {
				require.Equal(t, "status 500", s.Status().Failing)
			}
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, len(s.asked), 2+300/2, "at a bounded rate")
		_, err := s.Retrieve(t.Context())
		require.ErrorContains(t, err, "credentials: the last ones ended 0s ago and cannot be renewed: status 500")
		code, blamed := Blames(err)
		require.True(t, blamed)
		require.Equal(t, CodeUnavailable, code)
		require.Equal(
			t, 1,
			s.logs.FilterMessage("credentials cannot be renewed, the ones at hand are used until their end").Len(),
		)
		require.Equal(t, 1, s.logs.FilterMessageSnippet("the credentials have ended").Len())

		s.gives = until("B", time.Hour)
		time.Sleep(longestPause)
		require.Equal(t, "B", s.key(t))
		require.Zero(t, s.Status().FailingSince)
		require.Equal(t, 1, s.logs.FilterMessage("credentials resolved again").Len())
	})
}

// A source that hangs holds up no caller that has something to use.
func TestSourceThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		s := newSource(until("A", 4*time.Minute))
		require.Equal(t, "A", s.key(t))
		s.gives = func() (aws.Credentials, error) { <-hang; return aws.Credentials{}, errors.New("late") }
		time.Sleep(renewPause)
		for range 60 {
			start := time.Now()
			require.Equal(t, "A", s.key(t))
			require.Equal(t, start, time.Now())
			time.Sleep(time.Second)
		}
		require.Equal(t, "the source does not answer", s.Status().Failing)
		close(hang)
		synctest.Wait()

		// With nothing to use the caller waits, no longer than it wants.
		none := newSource(func() (aws.Credentials, error) { time.Sleep(time.Minute); return static("A")() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := none.Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Hour)
	})
}

func TestRefusedCredentialsAreResolvedAnewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(static("OLD"))
		require.Equal(t, "OLD", s.key(t))
		time.Sleep(time.Hour)
		s.gives = func() (aws.Credentials, error) { // the refusal is seen before they come
			time.Sleep(time.Millisecond)
			return static("NEW")()
		}
		s.refused(t.Context(), "SNS", "OLD", "ExpiredToken")
		require.Equal(t, "OLD", s.Status().Refused[0].key)
		time.Sleep(2 * time.Millisecond)
		require.Equal(t, "NEW", s.key(t))
		require.Empty(t, s.Status().Refused, "no service has refused the new ones")
		s.refused(t.Context(), "SNS", "OLD", "ExpiredToken")
		require.Empty(t, s.Status().Refused, "what comes late is about the old ones")
		require.Len(t, s.asked, 2)
	})
}

// While the source has nothing else the same credentials are used on, it is asked at a bounded rate, and when AWS
// accepts them, or new ones come, that is over.
func TestRefusedCredentialsWithoutOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(static("OLD"))
		s.key(t)
		begin := time.Now()
		for range 600 {
			s.refused(t.Context(), "SNS", "OLD", "ExpiredToken")
			s.refused(t.Context(), "Kinesis", "OLD", "ExpiredTokenException")
			require.Equal(t, "OLD", s.key(t))
			time.Sleep(100 * time.Millisecond)
		}
		require.LessOrEqual(t, len(s.asked), 30)
		refused := s.Status().Refused
		require.Len(t, refused, 2)
		require.Equal(t, "Kinesis", refused[0].Service)
		require.Equal(t, begin, refused[0].Since)
		require.Equal(
			t, 2, s.logs.FilterMessage("AWS refuses the credentials, they are resolved again").Len(), "once a service",
		)
		s.accepted("SNS", "OLD")
		require.Len(t, s.Status().Refused, 1, "each service speaks for itself")
		s.gives = static("NEW")
		time.Sleep(longestPause)
		s.key(t)
		require.Equal(t, "NEW", s.key(t))
		require.Empty(t, s.Status().Refused)
	})
}

// A source whose credentials are new each time, and refused each time, is no reason to ask it without a pause.
func TestNewCredentialsThatAreRefusedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := newSource(func() (aws.Credentials, error) {
			n++
			return static(string(rune('A' + n%26)))()
		})
		begin := time.Now()
		for range 600 {
			s.refused(t.Context(), "SNS", s.key(t), "InvalidClientTokenId")
			time.Sleep(100 * time.Millisecond)
		}
		require.LessOrEqual(t, len(s.asked), 30)
		require.WithinDuration(t, begin, s.refusals["SNS"].Since, 2*time.Second, "it is one refusal all along")
	})
}

// Credentials that have ended already are none, from any source.
func TestSourceWithDeadCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(until("A", -time.Minute))
		_, err := s.Retrieve(t.Context())
		require.ErrorContains(t, err, "credentials: there are none: the source gave credentials that ended at ")
		s.gives = func() (aws.Credentials, error) { panic("a source") }
		time.Sleep(time.Minute)
		_, err = s.Retrieve(t.Context())
		require.ErrorContains(t, err, "panic: a source")
	})
}

func TestRefusalCodes(t *testing.T) {
	for _, code := range []string{
		"ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId",
		"InvalidAccessKeyId",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature",
		"MissingAuthenticationTokenException",
	} {
		require.True(t, IsRefusal(code), code)
	}
	for _, code := range []string{
		"AccessDenied", "AccessDeniedException", "NotFound", "ThrottlingException", "", "Exception",
	} {
		require.False(t, IsRefusal(code), code)
	}
	require.Equal(
		t, "AKID", signer("AWS4-HMAC-SHA256 Credential=AKID/20261130/us-east-1/sns/aws4_request, SignedHeaders=host"),
	)
	require.Empty(t, signer(""))
}
