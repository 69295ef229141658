package daemon

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"kinesis-alerter/alert/output"
	"kinesis-alerter/internal/arns"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
)

// OutputClients are the clients that output streams are called by: each as the role of its output, in the region of its
// ARN. Like those of topics they are asked at each call, so that a role which a reload corrects is used for what waits.
// It is safe for concurrent use.
type OutputClients struct {
	clients clients

	mu    sync.RWMutex
	roles map[[2]string]credentials.Role // by name and stream, also of outputs that end
	made  map[placedRole]*kinesis.Client
}

// placedRole is a role in a region; either may be empty, for that of the process.
type placedRole struct {
	role   credentials.Role
	region string
}

// NewOutputClients makes the clients of a configuration's outputs.
func NewOutputClients(clients clients, c *config.Config) *OutputClients {
	o := &OutputClients{
		clients: clients, roles: map[[2]string]credentials.Role{}, made: map[placedRole]*kinesis.Client{},
	}
	o.Set(c)
	return o
}

// Set takes the roles from another configuration.
func (o *OutputClients) Set(c *config.Config) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, output := range c.Outputs {
		o.roles[[2]string{name, output.Stream}] = c.OutputRole(name)
	}
}

// Of is the client of an output.
func (o *OutputClients) Of(name string, c output.StreamConfig) (output.API, error) {
	return outputClient{of: o, name: name, stream: c.Stream}, nil
}

func (o *OutputClients) client(name, stream string) *kinesis.Client {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := placedRole{o.roles[[2]string{name, stream}], arns.Region(stream)}
	if o.made[key] == nil {
		o.made[key] = o.clients.As(key.role, stream).Kinesis
	}
	return o.made[key]
}

// outputClient calls one output stream.
type outputClient struct {
	of           *OutputClients
	name, stream string
}

// PutRecords implements output.API.
func (c outputClient) PutRecords(
	ctx context.Context, in *kinesis.PutRecordsInput, options ...func(*kinesis.Options),
) (*kinesis.PutRecordsOutput, error) {
	return c.of.client(c.name, c.stream).PutRecords(ctx, in, options...)
}
