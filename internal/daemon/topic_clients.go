package daemon

import (
	"sync"

	"kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
)

// TopicClients are the clients that topics are called by: each as the role of its topic. There is one for each role.
// They are asked at each call, so that a role which a reload corrects is used for the alerts that wait. It is safe for
// concurrent use.
type TopicClients struct {
	clients clients

	mu    sync.RWMutex
	roles map[[2]string]credentials.Role // by name and ARN, also of topics that end
	made  map[credentials.Role]sns.Client
}

// NewTopicClients makes the clients of a configuration's topics.
func NewTopicClients(clients clients, c *config.Config) *TopicClients {
	t := &TopicClients{
		clients: clients, roles: map[[2]string]credentials.Role{}, made: map[credentials.Role]sns.Client{},
	}
	t.Set(c)
	return t
}

// Set takes the roles from another configuration.
func (t *TopicClients) Set(c *config.Config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, topic := range c.Topics {
		role := c.TopicRole(name)
		t.roles[[2]string{name, topic.ARN}] = role
		if t.made[role] == nil {
			t.made[role] = t.clients.As(role, "").SNS
		}
	}
}

// Of is the client of a topic.
func (t *TopicClients) Of(name, arn string) sns.Client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.made[t.roles[[2]string{name, arn}]]
}
