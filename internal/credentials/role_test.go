package credentials

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// Roles are assumed before a call needs them, once for all who use them, and only those in use are shown.
func TestRolesAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		base := New(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "BASE", SecretAccessKey: "x"}, nil
		})
		cfg := aws.Config{Region: "us-east-1", HTTPClient: fake.HTTPClient()}
		a := Role{ARN: "arn:aws:iam::111111111111:role/a", Session: "test"}
		b := Role{ARN: "arn:aws:iam::111111111111:role/b", Session: "test"}
		fake.STS.Set(b.ARN, fakeaws.AssumedRole{Denied: true})
		require.Same(t, base, base.As(Role{}, cfg))
		once := base.As(a, cfg)
		require.Same(t, once, base.As(a, cfg))
		_, err := base.As(b, cfg).Retrieve(t.Context())
		require.ErrorContains(t, err, "credentials of "+b.ARN+": there are none: sts:AssumeRole (AccessDenied): ")
		none, ok := errors.AsType[*Error](err)
		require.True(t, ok)
		require.Equal(t, b.ARN, none.Role())

		base.Keep(t.Context(), []Role{a})
		time.Sleep(time.Second)
		roles := base.Status().Roles
		require.Len(t, roles, 1)
		require.True(t, roles[0].Known)
		require.Equal(t, time.Now().Add(time.Hour-time.Second).Truncate(time.Second).UTC(), roles[0].Expires.UTC())
		calls := fake.History.Count("sts", "AssumeRole")
		time.Sleep(50 * time.Minute)
		base.Keep(t.Context(), []Role{a})
		require.Equal(t, calls, fake.History.Count("sts", "AssumeRole"), "they are good")
		time.Sleep(6 * time.Minute)
		base.Keep(t.Context(), []Role{a})
		synctest.Wait()
		require.Equal(t, calls+1, fake.History.Count("sts", "AssumeRole"), "renewed early")
	})
}
