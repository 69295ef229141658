package config

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"kinesis-alerter/internal/credentials"
)

// longestSession is how long the name of a role's session may be.
const longestSession = 64

// StreamRole is as whom the stream is read.
func (c Config) StreamRole() credentials.Role { return c.role(c.Stream.RoleARN, c.Stream.ExternalID) }

// TopicRole is as whom a topic's alerts are published.
func (c Config) TopicRole(name string) credentials.Role {
	return c.role(c.Topics[name].RoleARN, c.Topics[name].ExternalID)
}

// OutputRole is as whom an output is written.
func (c Config) OutputRole(name string) credentials.Role {
	return c.role(c.Outputs[name].RoleARN, c.Outputs[name].ExternalID)
}

// DeadLetterRole is as whom dead letters are sent.
func (c Config) DeadLetterRole() credentials.Role {
	return c.role(c.DeadLetter.RoleARN, c.DeadLetter.ExternalID)
}

// Roles are all roles that are assumed.
func (c Config) Roles() []credentials.Role {
	var out []credentials.Role
	for _, r := range c.roleFields() {
		if r.ARN != "" && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// RoleUsers are the sections that use a role.
func (c Config) RoleUsers(arn string) []string {
	var out []string
	for field, r := range c.roleFields() {
		if r.ARN == arn {
			out = append(out, field)
		}
	}
	return out
}

// roleFields are the sections that can have a role, with it.
func (c Config) roleFields() iter.Seq2[string, credentials.Role] {
	return func(yield func(string, credentials.Role) bool) {
		if !yield("stream", c.StreamRole()) || !yield("dead_letter", c.DeadLetterRole()) {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
			if !yield("topics."+name, c.TopicRole(name)) {
				return
			}
		}
		for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
			if !yield("outputs."+name, c.OutputRole(name)) {
				return
			}
		}
	}
}

// role has the application as the name of its session; such a name has every character that a session takes.
func (c Config) role(arn, externalID string) credentials.Role {
	if arn == "" {
		return credentials.Role{ExternalID: externalID}
	}
	session := c.Stream.Application[:min(len(c.Stream.Application), longestSession)]
	return credentials.Role{ARN: arn, ExternalID: externalID, Session: session}
}

func externalID(s string) bool {
	return len(s) >= 2 && len(s) <= 1224 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("_+=,.@:/-", r)
	})
}
