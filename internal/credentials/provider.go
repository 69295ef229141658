package credentials

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// RenewBefore is how long before their end new credentials are asked for.
	RenewBefore = 5 * time.Minute
	// loadTimeout bounds one load. Sources that ask a person take longer, and there is no person here.
	loadTimeout = 20 * time.Second
	// Pauses between loads that bring nothing new.
	firstPause   = time.Second
	longestPause = 5 * time.Second
	// renewPause is the longest pause between two looks for new credentials while the ones at hand are good.
	renewPause = 30 * time.Second
	// slow is how long a load may take before it counts as failing.
	slow = 5 * time.Second
	// mostText bounds what is shown of a source's error.
	mostText = 300
)

// Load resolves the whole chain again and returns what it gives. Credentials that can expire have the end that their
// source gave.
type Load func(context.Context) (aws.Credentials, error)

// Provider is an aws.CredentialsProvider. It is safe for concurrent use.
type Provider struct {
	load Load
	role string // whose credentials they are; empty for those of the process
	// refusing says that there are refusals: only then does a call that succeeds matter.
	refusing atomic.Bool

	mu      sync.Mutex
	lines   []func() // of the log, and calls of changed: for when mu is free
	changed func()
	log     *zap.Logger
	metrics *metrics
	have    aws.Credentials // without keys while there are none
	ended   bool            // it was reported that they have ended
	// loading is closed when the load under way has ended; nil without one, which began at began.
	loading chan struct{}
	began   time.Time
	// next is when the next load may begin, after so many in vain.
	next   time.Time
	inVain int
	// err is why the last load failed, and failing since when loads do; nil and zero while they do not.
	err     error
	failing time.Time
	warned  bool // that they do
	// refusals are the services that did not accept the credentials, and have not since.
	refusals map[string]Refusal
	roles    map[Role]*Provider // that are assumed with the credentials
	unused   bool               // no configuration in force has the role
}

// Refusal is a service of AWS that does not accept the credentials at hand.
type Refusal struct {
	Service, Code string
	Since         time.Time

	key string // the access key id
}

// Status is what a Provider knows of its credentials.
type Status struct {
	// Role is the ARN of the role whose credentials they are; empty for those of the process.
	Role string
	// Known says that there are or were credentials, Expires when they end or ended; zero for never.
	Known   bool
	Expires time.Time
	// Failing is why they cannot be loaded or renewed, FailingSince since when; zero while they can.
	Failing      string
	FailingSince time.Time
	// Refused are the services that do not accept them, by name.
	Refused []Refusal
	// Roles are the credentials of the roles that are assumed with them, by ARN.
	Roles []Status

	unused bool
}

// New makes a Provider that logs nothing, see Observe. It loads nothing before it is asked.
func New(load Load) *Provider {
	return &Provider{
		load: load, log: zap.NewNop(), metrics: newMetrics(nil, nil), refusals: map[string]Refusal{},
		roles: map[Role]*Provider{},
	}
}

// Of returns the Provider of a configuration. Where that has another one, it becomes the source of a new Provider.
func Of(cfg aws.Config) *Provider {
	if p, ok := cfg.Credentials.(*Provider); ok {
		return p
	}
	return New(func(ctx context.Context) (aws.Credentials, error) {
		if cfg.Credentials == nil {
			return aws.Credentials{}, errors.New("no source of credentials is configured")
		}
		return cfg.Credentials.Retrieve(ctx)
	})
}

// Observe makes the Provider and those of its roles log their state changes and register metrics. Call it once.
func (p *Provider) Observe(log *zap.Logger, reg prometheus.Registerer) {
	m := newMetrics(reg, p.left)
	p.each(func(of *Provider) { of.log, of.metrics = log, m })
}

// OnChange makes the Provider and those of its roles call f when other credentials have replaced the current ones, or
// are there after there could be none. f must not wait.
func (p *Provider) OnChange(f func()) { p.each(func(of *Provider) { of.changed = f }) }

// each changes the Provider, those of its roles, and those that it will make.
func (p *Provider) each(change func(*Provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
	for _, of := range p.roles {
		of.mu.Lock()
		change(of)
		of.mu.Unlock()
	}
}

// left returns how many seconds the current credentials are still valid: infinite if they have no end, 0 without any.
func (p *Provider) left() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.have.HasKeys():
		return 0
	case !p.have.CanExpire:
		return math.Inf(1)
	}
	return max(0, time.Until(p.have.Expires).Seconds())
}

// Retrieve implements aws.CredentialsProvider. It waits for a load only where there are no credentials, and as long as
// ctx lives. The error is an *Error.
func (p *Provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	p.mu.Lock()
	p.refreshLocked(ctx)
	have, usable, wait := p.have, p.usableLocked(time.Now()), p.loading
	p.unlock()
	if usable {
		return have, nil
	}
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return aws.Credentials{}, &Error{
				text: p.name() + ": the source has not answered yet", role: p.role, err: ctx.Err(),
			}
		}
	}
	p.mu.Lock()
	defer p.unlock()
	if p.usableLocked(time.Now()) {
		return p.have, nil
	}
	return aws.Credentials{}, p.errorLocked()
}

// name is what the credentials are called in errors.
func (p *Provider) name() string {
	if p.role == "" {
		return "credentials"
	}
	return "credentials of " + p.role
}

// say queues a state change for the log.
func (p *Provider) say(level zapcore.Level, text string, fields ...zap.Field) {
	log := p.log
	if p.role != "" {
		fields = append(fields, zap.String("role", p.role))
	}
	p.lines = append(p.lines, func() { log.Log(level, text, fields...) })
}

// unlock frees mu and writes what was said meanwhile: a log that stalls must hold no call up.
func (p *Provider) unlock() {
	lines := p.lines
	p.lines = nil
	p.mu.Unlock()
	for _, write := range lines {
		write()
	}
}

// Status is what is known of the credentials now.
func (p *Provider) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := Status{Role: p.role, unused: p.unused, Known: p.have.HasKeys()}
	for _, of := range p.roles {
		if s := of.Status(); !s.unused {
			out.Roles = append(out.Roles, s)
		}
	}
	slices.SortFunc(out.Roles, func(a, b Status) int { return cmp.Compare(a.Role, b.Role) })
	if p.have.CanExpire {
		out.Expires = p.have.Expires
	}
	switch {
	case p.err != nil:
		out.Failing, out.FailingSince = bounded(p.err.Error()), p.failing
	case p.loading != nil && time.Since(p.began) >= slow:
		out.Failing, out.FailingSince = "the source does not answer", p.began
	}
	for _, service := range slices.Sorted(maps.Keys(p.refusals)) {
		if r := p.refusals[service]; r.key == p.have.AccessKeyID {
			out.Refused = append(out.Refused, r)
		}
	}
	return out
}

// usableLocked reports whether the credentials at hand have not ended.
func (p *Provider) usableLocked(now time.Time) bool {
	if !p.have.HasKeys() {
		return false
	}
	if !p.have.CanExpire || now.Before(p.have.Expires) {
		return true
	}
	if !p.ended {
		p.ended = true
		p.say(
			zap.ErrorLevel, "the credentials have ended, nothing can be asked of AWS until there are new ones",
			zap.Time("at", p.have.Expires),
		)
	}
	return false
}

// refreshLocked begins a load if one is due.
func (p *Provider) refreshLocked(ctx context.Context) {
	now := time.Now()
	due := !p.have.HasKeys() || p.have.CanExpire && !now.Before(p.have.Expires.Add(-RenewBefore)) || p.isRefusedLocked()
	if !due || p.loading != nil || now.Before(p.next) {
		return
	}
	done := make(chan struct{})
	p.loading, p.began = done, now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	go func() {
		defer cancel()
		defer close(done)
		p.settle(p.safeLoad(ctx))
	}()
}

// safeLoad makes a panic of a source an error.
func (p *Provider) safeLoad(ctx context.Context) (c aws.Credentials, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return p.load(ctx)
}

// settle records the result of a load.
func (p *Provider) settle(c aws.Credentials, err error) {
	p.mu.Lock()
	defer p.unlock()
	now := time.Now()
	p.loading = nil
	switch {
	case err != nil:
	case !c.HasKeys():
		err = errors.New("the source gave credentials without keys")
	case c.CanExpire && !now.Before(c.Expires):
		err = fmt.Errorf("the source gave credentials that ended at %s", c.Expires.UTC().Format(time.RFC3339))
	}
	if err != nil {
		p.failedLocked(now, err)
		return
	}
	p.metrics.ok.Inc()
	first, again := !p.have.HasKeys(), p.err != nil
	renewed := c.AccessKeyID != p.have.AccessKeyID || c.SecretAccessKey != p.have.SecretAccessKey ||
		c.SessionToken != p.have.SessionToken
	if p.warned || p.ended || renewed && p.isRefusedLocked() {
		p.say(zap.InfoLevel, "credentials resolved again", zap.Bool("changed", renewed))
	}
	p.have, p.err, p.failing, p.warned, p.ended = c, nil, time.Time{}, false, false
	if renewed && (!first || again) && p.changed != nil {
		p.lines = append(p.lines, p.changed)
	}
	if len(p.refusals) > 0 { // also for credentials that are new each time, and refused each time
		p.pauseLocked(now)
		return
	}
	p.inVain, p.next = 0, now.Add(firstPause)
	if c.CanExpire { // a source may hand out the same ones until shortly before their end
		p.next = now.Add(min(max(c.Expires.Sub(now)/10, firstPause), renewPause))
	}
}

func (p *Provider) failedLocked(now time.Time, err error) {
	p.metrics.failed.Inc()
	if p.err == nil {
		p.failing = now
	}
	p.err = err
	p.pauseLocked(now)
	if p.warned {
		return
	}
	p.warned = true
	fields := []zap.Field{zap.String("error", bounded(err.Error()))}
	if p.role != "" {
		fields = append(fields, zap.String("remedy", RoleRemedy))
	}
	switch {
	case !p.have.HasKeys():
		p.say(zap.ErrorLevel, "there are no credentials, the source is asked again and again", fields...)
	default:
		if p.have.CanExpire {
			fields = append(fields, zap.Duration("end_in", p.have.Expires.Sub(now)))
		}
		p.say(zap.ErrorLevel, "credentials cannot be renewed, the ones at hand are used until their end", fields...)
	}
}

// pauseLocked sets the pause after a load that brought nothing usable.
func (p *Provider) pauseLocked(now time.Time) {
	pause := min(firstPause<<min(p.inVain, 10), longestPause)
	p.inVain++
	p.next = now.Add(pause/2 + rand.N(pause/2+1)) //nolint:gosec // spreading load needs no secrecy
}

// isRefusedLocked reports whether a service refuses the credentials at hand.
func (p *Provider) isRefusedLocked() bool {
	for _, r := range p.refusals {
		if r.key == p.have.AccessKeyID {
			return true
		}
	}
	return false
}

// refused notes that a service did not accept the credentials with this access key id.
func (p *Provider) refused(ctx context.Context, service, key, code string) {
	p.mu.Lock()
	defer p.unlock()
	p.metrics.refusals.Inc()
	if key != p.have.AccessKeyID {
		return // replaced since the call began
	}
	before, known := p.refusals[service]
	r := Refusal{Service: service, Code: code, Since: time.Now(), key: key}
	if known {
		r.Since = before.Since
	}
	p.refusals[service] = r
	p.refusing.Store(true)
	if !known {
		p.say(
			zap.ErrorLevel, "AWS refuses the credentials, they are resolved again", zap.String("service", service),
			zap.String("code", code),
		)
	}
	p.refreshLocked(ctx)
}

// accepted notes that a service accepted them.
func (p *Provider) accepted(service, key string) {
	p.mu.Lock()
	defer p.unlock()
	r, known := p.refusals[service]
	if !known || key != p.have.AccessKeyID {
		return
	}
	delete(p.refusals, service)
	p.say(
		zap.InfoLevel, "AWS accepts the credentials again", zap.String("service", service),
		zap.Duration("after", time.Since(r.Since)),
	)
	if len(p.refusals) == 0 {
		p.refusing.Store(false)
		p.inVain = 0
	}
}

// errorLocked returns why there are no usable credentials.
func (p *Provider) errorLocked() error {
	e := &Error{text: p.name() + ": there are none", role: p.role, err: p.err}
	if p.have.HasKeys() {
		ago := time.Since(p.have.Expires).Round(time.Second)
		e.text = fmt.Sprintf("%s: the last ones ended %s ago and cannot be renewed", p.name(), ago)
	}
	if p.err != nil {
		e.text += ": " + bounded(p.err.Error())
	}
	return e
}

// Error says that there are no credentials to sign a call with.
type Error struct {
	text string
	role string
	err  error
}

// Role is the ARN of the role whose credentials there are none of; empty for those of the process.
func (e *Error) Role() string { return e.role }

func (e *Error) Error() string { return cmp.Or(e.text, "credentials: there are none") }

// Unwrap returns what the source answered, or why no caller waited for it.
func (e *Error) Unwrap() error { return e.err }

// ErrorCode is CodeUnavailable. It gives an Error a code, as an error of AWS has one.
func (*Error) ErrorCode() string { return CodeUnavailable }

// ErrorMessage implements smithy.APIError.
func (e *Error) ErrorMessage() string { return e.Error() }

// ErrorFault implements smithy.APIError.
func (*Error) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

// bounded cuts a text that comes from outside.
func bounded(s string) string {
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "\uFFFD")
	if len(s) <= mostText {
		return s
	}
	return strings.ToValidUTF8(s[:mostText], "") + "…"
}
