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

// outputClients are the clients that output streams are called by: each as the role of its output, in the region of its
// ARN. Like those of topics they are asked at each call, so that a role which a reload corrects is used for what waits.
// It is safe for concurrent use.
type outputClients struct {
	clients clients

	mu    sync.RWMutex
	roles map[string]credentials.Role // by name, also of outputs that end
	made  map[placedRole]*kinesis.Client
}

// placedRole is a role in a region; either may be empty, for that of the process.
type placedRole struct {
	role   credentials.Role
	region string
}

func newOutputClients(clients clients, c *config.Config) *outputClients {
	o := &outputClients{
		clients: clients, roles: map[string]credentials.Role{}, made: map[placedRole]*kinesis.Client{},
	}
	o.set(c)
	return o
}

// set takes the roles from another configuration.
func (o *outputClients) set(c *config.Config) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name := range c.Outputs {
		o.roles[name] = c.OutputRole(name)
	}
}

// of is the client of an output.
func (o *outputClients) of(name string, c output.StreamConfig) (output.API, error) {
	return outputClient{of: o, name: name, stream: c.Stream}, nil
}

func (o *outputClients) client(name, stream string) *kinesis.Client {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := placedRole{o.roles[name], arns.Region(stream)}
	if o.made[key] == nil {
		o.made[key] = o.clients.As(key.role, stream).Kinesis
	}
	return o.made[key]
}

// outputClient calls one output stream.
type outputClient struct {
	of           *outputClients
	name, stream string
}

// PutRecords implements output.API.
func (c outputClient) PutRecords(
	ctx context.Context, in *kinesis.PutRecordsInput, options ...func(*kinesis.Options),
) (*kinesis.PutRecordsOutput, error) {
	return c.of.client(c.name, c.stream).PutRecords(ctx, in, options...)
}
