package testkit

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"kinesis-alerter/internal/fakeaws"
)

// Keyring is a source of credentials.
type Keyring struct {
	mu   sync.Mutex
	Key  string
	Good time.Duration // 0 forever
	Err  error
}

// Set changes the source.
func (k *Keyring) Set(change func(*Keyring)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

// Load implements a provider of the SDK.
func (k *Keyring) Load(context.Context) (aws.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := aws.Credentials{AccessKeyID: k.Key, SecretAccessKey: "secret"}
	if k.Good > 0 {
		c.CanExpire, c.Expires = true, time.Now().Add(k.Good)
	}
	return c, k.Err
}

// Expire makes every service refuse a key.
func Expire(fake *fakeaws.AWS, key, code, snsCode string) {
	fake.Faults.Add(fakeaws.Fault{
		Service: fakeaws.ServiceSNS, Client: key, Err: &fakeaws.Error{Code: snsCode, Message: "refused", Status: 403},
	})
	fake.Faults.Add(fakeaws.Fault{Client: key, Err: &fakeaws.Error{Code: code, Message: "refused", Status: 400}})
}
