package credentials

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/stretchr/testify/require"
)

// environment takes away what the machine of the test has.
func environment(t *testing.T, set map[string]string) {
	t.Helper()
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for name, value := range set {
		t.Setenv(name, value)
	}
}

func load(t *testing.T) *Provider {
	t.Helper()
	cfg, err := LoadConfig(t.Context(), awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.DisableKeepAlives = true
	}))
	require.NoError(t, err)
	return Of(cfg)
}

func key(t *testing.T, p *Provider) string {
	t.Helper()
	c, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	return c.AccessKeyID
}

// New keys in the shared file are found as soon as AWS refuses the old ones.
func TestChainReadsTheSharedFileAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	environment(t, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file})
	write := func(key string) {
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = secret\n", key)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("OLD")
	p := load(t)
	require.Equal(t, "OLD", key(t, p))
	write("NEW")
	require.Equal(t, "OLD", key(t, p), "no service has complained")
	require.Eventually(t, func() bool {
		p.refused(t.Context(), "Kinesis", "OLD", "ExpiredTokenException")
		return key(t, p) == "NEW"
	}, 10*time.Second, 50*time.Millisecond)
}

// A container's credentials have the end that the container gave, and a source that fails before it costs nothing.
func TestChainTellsTheEndOfAContainersCredentials(t *testing.T) {
	var status, asked atomic.Int64
	end := time.Now().Add(320 * time.Second).UTC().Truncate(time.Second)
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if code := status.Load(); code != 0 {
			w.WriteHeader(int(code))
			return
		}
		_, _ = fmt.Fprintf(
			w, `{"AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":%q}`, end.Format(time.RFC3339),
		)
	}))
	defer source.Close()
	environment(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": source.URL + "/credentials"})
	p := load(t)
	require.Equal(t, "A", key(t, p))
	require.Equal(t, end, p.Status().Expires)

	status.Store(400)
	p.mu.Lock()
	// a minute before the end, by a monotonic clock
	p.have.Expires, p.next = time.Now().Add(time.Minute), time.Time{}
	p.mu.Unlock()
	require.Eventually(t, func() bool {
		require.Equal(t, "A", key(t, p))
		return p.Status().Failing != ""
	}, 10*time.Second, 20*time.Millisecond)
	status.Store(0)
	require.Eventually(t, func() bool {
		require.Equal(t, "A", key(t, p))
		return p.Status().Failing == "" && p.Status().Expires.Equal(end)
	}, 20*time.Second, 20*time.Millisecond)
}

// The SDK takes an hour for the end of an instance's credentials where that is further away, and continues with dead
// ones. The end is the one that the instance gave.
func TestChainTellsTheEndOfAnInstancesCredentials(t *testing.T) {
	end := time.Now().Add(6 * time.Hour).UTC().Truncate(time.Second)
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			_, _ = fmt.Fprint(w, "token")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			_, _ = fmt.Fprint(w, "role")
		default:
			_, _ = fmt.Fprintf(w,
				`{"Code":"Success","AccessKeyId":"I","SecretAccessKey":"s","Token":"t","Expiration":%q}`,
				end.Format(time.RFC3339))
		}
	}))
	defer metadata.Close()
	environment(t, map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.URL, "AWS_EC2_METADATA_DISABLED": "false",
	})
	p := load(t)
	require.Equal(t, "I", key(t, p))
	require.Equal(t, end, p.Status().Expires)
}
