package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// reachTimeout is how long an endpoint has to take a connection, and a name server to know its name.
const reachTimeout = 3 * time.Second

// Reach reports why the endpoints of a configuration cannot be reached, before a command begins that would try for a
// while: nothing listens at an address of AWS_ENDPOINT_URL, or the region's host does not exist. It decides about
// nothing that a proxy reaches, or a client of its own.
func Reach(ctx context.Context, cfg aws.Config, env func(string) (string, bool)) error {
	if _, own := cfg.HTTPClient.(*http.Client); own { // of a test or a demo, which reaches what it likes
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	given := map[string]string{}
	if cfg.BaseEndpoint != nil {
		given["AWS_ENDPOINT_URL"] = *cfg.BaseEndpoint
	}
	for _, service := range []string{"KINESIS", "DYNAMODB", "SNS"} {
		if text, _ := env("AWS_ENDPOINT_URL_" + service); text != "" {
			given["AWS_ENDPOINT_URL_"+service] = text
		}
	}
	if _, ok := given["AWS_ENDPOINT_URL"]; !ok && given["AWS_ENDPOINT_URL_KINESIS"] == "" {
		return regionExists(ctx, cfg)
	}
	for name, text := range given {
		if err := listens(ctx, name, text); err != nil {
			return err
		}
	}
	return nil
}

// listens connects to the endpoint that an environment variable, or a profile, names.
func listens(ctx context.Context, name, text string) error {
	at, err := url.Parse(text)
	if err != nil || at.Hostname() == "" || at.Scheme != "http" && at.Scheme != "https" {
		return fmt.Errorf("%s: want a URL such as http://127.0.0.1:4566", name)
	}
	if proxied(ctx, at) {
		return nil
	}
	port := at.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[at.Scheme]
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		return fmt.Errorf("nothing answers at %s (%s): %w. Start what should listen there, or correct or unset the "+
			"variable", at.Redacted(), name, cause(err))
	}
	return c.Close()
}

// regionExists asks the name server for the region's host of Kinesis.
func regionExists(ctx context.Context, cfg aws.Config) error {
	end, err := kinesis.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, kinesis.EndpointParameters{
		Region: &cfg.Region,
	})
	if err != nil || proxied(ctx, &end.URI) {
		return nil //nolint:nilerr // the first call says what the SDK thinks of the region
	}
	_, err = net.DefaultResolver.LookupHost(ctx, end.URI.Hostname())
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		return fmt.Errorf("AWS cannot be reached: there is no host %s. Is the region %s right (AWS_REGION), and is "+
			"there a network? For an emulator, set AWS_ENDPOINT_URL", end.URI.Hostname(), cfg.Region)
	}
	return nil
}

// proxied reports whether calls of a URL go to a proxy.
func proxied(ctx context.Context, at *url.URL) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(r)
	return err != nil || proxy != nil
}

// cause is the innermost part of an error of the network, which is what people look for.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
