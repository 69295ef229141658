package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
)

// LoadConfig reads region, endpoints and credentials the way every AWS tool does: environment variables, shared files,
// container and instance roles. The credentials are a Provider that resolves the whole chain again for every load.
func LoadConfig(ctx context.Context, client *awshttp.BuildableClient) (aws.Config, error) {
	// What the SDK would write to stderr by itself is in its error, too.
	quiet := config.WithLogger(logging.Nop{})
	base, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client), quiet)
	if err != nil {
		return aws.Config{}, err
	}
	out := base.Copy()
	out.Credentials = New(func(ctx context.Context) (aws.Credentials, error) {
		role := &instanceRole{client: imds.NewFromConfig(base)}
		fresh, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client), quiet,
			// When to renew is the Provider's decision: the SDK would report an end that is too early.
			config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 0 }),
			config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = role }))
		if err != nil {
			return aws.Credentials{}, err
		}
		c, err := fresh.Credentials.Retrieve(ctx)
		if err == nil && c.Source == ec2rolecreds.ProviderName && role.end.After(c.Expires) {
			c.Expires = role.end
		}
		return c, err
	})
	return out, nil
}

// mostMetadata bounds one answer of an instance's metadata service.
const mostMetadata = 64 << 10

// instanceRole is the metadata service of an instance. It notes the end of the credentials that it gave, because the
// SDK reports no end that is more than an hour away.
type instanceRole struct {
	client ec2rolecreds.GetMetadataAPIClient
	end    time.Time
}

// GetMetadata implements ec2rolecreds.GetMetadataAPIClient.
func (r *instanceRole) GetMetadata(
	ctx context.Context, in *imds.GetMetadataInput, o ...func(*imds.Options),
) (*imds.GetMetadataOutput, error) {
	out, err := r.client.GetMetadata(ctx, in, o...)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(out.Content, mostMetadata))
	_ = out.Content.Close()
	if err != nil {
		return nil, err
	}
	var role struct{ Expiration time.Time }
	if json.Unmarshal(text, &role) == nil { // else it is the list of roles
		r.end = role.Expiration
	}
	out.Content = io.NopCloser(bytes.NewReader(text))
	return out, nil
}
