package credentials

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Role is a role that the process assumes to call another account. The zero value is the process itself.
type Role struct {
	ARN, ExternalID string
	// Session is how CloudTrail of the other account calls the process.
	Session string
}

// roleSession is how long the credentials of a role are good for. Every role allows it, also to a process that has
// assumed a role itself.
const roleSession = time.Hour

// RoleRemedy is what to do about a role that cannot be assumed.
const RoleRemedy = "let the role's trust policy name the role of this process, with the external id where it wants " +
	"one, and allow sts:AssumeRole on the role in the policy of this process"

// As returns the Provider of a role; it is p itself for the zero Role. There is one for each role. cfg says how STS is
// reached: with the credentials of p.
func (p *Provider) As(r Role, cfg aws.Config) *Provider {
	if r.ARN == "" {
		return p
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if of, ok := p.roles[r]; ok {
		return of
	}
	cfg.Credentials = p
	client := sts.NewFromConfig(cfg, func(o *sts.Options) { o.Retryer = aws.NopRetryer{} })
	source := stscreds.NewAssumeRoleProvider(client, r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.Duration, o.RoleSessionName = roleSession, r.Session
		if r.ExternalID != "" {
			o.ExternalID = &r.ExternalID
		}
	})
	of := New(func(ctx context.Context) (aws.Credentials, error) {
		c, err := source.Retrieve(ctx)
		return c, assuming(err)
	})
	of.role, of.log, of.metrics, of.changed = r.ARN, p.log, p.metrics, p.changed
	p.roles[r] = of
	return of
}

// Keep begins to renew the credentials of these roles where that is due, and shows no others in the status. It does not
// wait. Called again and again it shows a role that cannot be assumed before a call needs it, and hears when it can.
func (p *Provider) Keep(ctx context.Context, used []Role) {
	p.mu.Lock()
	roles := maps.Clone(p.roles)
	p.mu.Unlock()
	for r, of := range roles {
		of.mu.Lock()
		if of.unused = !slices.Contains(used, r); !of.unused {
			of.refreshLocked(ctx)
		}
		of.unlock()
	}
}

// IsRoleRefused reports whether STS gave no credentials of a role, for which RoleRemedy is the remedy.
func IsRoleRefused(err error) bool {
	_, refused := errors.AsType[*roleRefusedError](err)
	return refused
}

// assuming puts a refusal of STS into words.
func assuming(err error) error {
	if _, own := errors.AsType[*Error](err); own || err == nil {
		return err // the credentials that the role would be assumed with
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err
	}
	return &roleRefusedError{
		text: fmt.Sprintf("sts:AssumeRole (%s): %s", api.ErrorCode(), api.ErrorMessage()), err: err,
	}
}

// roleRefusedError is an answer of STS.
type roleRefusedError struct {
	text string
	err  error
}

func (r *roleRefusedError) Error() string { return r.text }
func (r *roleRefusedError) Unwrap() error { return r.err }
