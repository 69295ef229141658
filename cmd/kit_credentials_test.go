package cmd

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"kinesis-alerter/internal/fakeaws"
)

// keyring is a source of credentials.
type keyring struct {
	mu   sync.Mutex
	key  string
	good time.Duration // 0 for ever
	err  error
}

func (k *keyring) set(change func(*keyring)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

func (k *keyring) load(context.Context) (aws.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := aws.Credentials{AccessKeyID: k.key, SecretAccessKey: "secret"}
	if k.good > 0 {
		c.CanExpire, c.Expires = true, time.Now().Add(k.good)
	}
	return c, k.err
}

// expire makes every service refuse a key.
func expire(fake *fakeaws.AWS, key, code, snsCode string) {
	fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Client: key, Err: &fakeaws.Error{Code: snsCode, Message: "refused", Status: 403}})
	fake.Faults.Add(fakeaws.Fault{Client: key, Err: &fakeaws.Error{Code: code, Message: "refused", Status: 400}})
}
