package table

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/zap"

	"kinesis-alerter/internal/sleep"
)

// Setting is what a new table gets after it was created. The values are shown to people.
type Setting string

// The settings.
const (
	SettingTags     Setting = "tags"
	SettingRecovery Setting = "point-in-time recovery"
)

const (
	// settingPatience is how long DynamoDB may take until a new table takes a setting. It usually takes seconds.
	settingPatience = 2 * time.Minute
	// settingRetry is how often a refused setting is tried again: somebody may have allowed it.
	settingRetry = time.Minute
)

// Wanted is what a table gets that this program creates. A table that is there is not changed.
type Wanted struct {
	Tags                map[string]string
	DeletionProtection  bool
	PointInTimeRecovery bool
}

// Lack is a setting that is wanted for a table which this process created, and that the table still does not have.
type Lack struct {
	Table   string
	Setting Setting
	Code    string // of the last answer
	Since   time.Time
	Refused bool // a permission is missing
}

// lack is a Lack, and what it takes to end it.
type lack struct {
	Lack
	arn  string // of the table, for tags
	said string // the last code that was logged
}

// due reports whether the setting should be there by now.
func (l *Lack) due(now time.Time) bool { return l.Refused || now.Sub(l.Since) > settingPatience }

// Maker creates tables. What CreateTable cannot set, or may not, Run sets afterwards: nothing waits for it.
type Maker struct {
	db     DynamoDB
	wanted Wanted
	log    *zap.Logger
	wake   chan struct{}

	mu    sync.Mutex
	lacks []*lack
}

// NewMaker makes a Maker.
func NewMaker(db DynamoDB, wanted Wanted, log *zap.Logger) *Maker {
	return &Maker{db: db, wanted: wanted, log: log, wake: make(chan struct{}, 1)}
}

// Actions are the permissions that Create needs.
func (m *Maker) Actions() string {
	if len(m.wanted.Tags) > 0 {
		return "dynamodb:CreateTable and dynamodb:TagResource"
	}
	return "dynamodb:CreateTable"
}

// Create makes an on-demand table. If another worker is faster, that is not an error. A table is better without its
// tags than not at all: if they are refused, it is created without them, and the tags are tried later.
func (m *Maker) Create(ctx context.Context, name string) error {
	in := &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{{
			AttributeName: aws.String(AttrKey),
			KeyType:       types.KeyTypeHash,
		}},
		AttributeDefinitions: []types.AttributeDefinition{{
			AttributeName: aws.String(AttrKey),
			AttributeType: types.ScalarAttributeTypeS,
		}},
		Tags: m.wanted.tags(),
	}
	if m.wanted.DeletionProtection {
		in.DeletionProtectionEnabled = aws.Bool(true)
	}
	_, err := m.db.CreateTable(ctx, in)
	if err != nil && len(in.Tags) > 0 && NamesFault(err) {
		in.Tags = nil
		out, bare := m.db.CreateTable(ctx, in)
		if bare == nil {
			m.note(lack{
				Lack: Lack{Table: name, Setting: SettingTags, Code: Code(err), Refused: IsDenied(err)},
				arn:  aws.ToString(out.TableDescription.TableArn),
			})
			err = nil
		}
	}
	// In use: by another worker with the same configuration, or by an attempt of ours whose answer was lost.
	if _, inUse := errors.AsType[*types.ResourceInUseException](err); inUse {
		err = nil
	}
	if err == nil && m.wanted.PointInTimeRecovery {
		m.note(lack{Lack: Lack{Table: name, Setting: SettingRecovery}})
	}
	return err
}

func (w *Wanted) tags() (tags []types.Tag) {
	for _, key := range slices.Sorted(maps.Keys(w.Tags)) {
		tags = append(tags, types.Tag{Key: &key, Value: aws.String(w.Tags[key])})
	}
	return tags
}

func (m *Maker) note(l lack) {
	l.Since = time.Now()
	m.mu.Lock()
	if !slices.ContainsFunc(m.lacks, func(o *lack) bool { return o.Table == l.Table && o.Setting == l.Setting }) {
		m.lacks = append(m.lacks, &l) // Create may be called again while the table is being created
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Lacks are the settings that should be there by now.
func (m *Maker) Lacks() (out []Lack) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lacks {
		if l.due(time.Now()) {
			out = append(out, l.Lack)
		}
	}
	return out
}

// Run sets what new tables still lack, until ctx is done.
func (m *Maker) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		m.mu.Lock()
		open := slices.Clone(m.lacks)
		m.mu.Unlock()
		if len(open) == 0 {
			attempt = -1
			select {
			case <-m.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		wait := settingRetry
		for _, l := range open {
			if !m.set(ctx, l) {
				wait = min(wait, sleep.Backoff(attempt))
			}
		}
		if !m.rest(ctx, wait) {
			m.leave()
			return nil
		}
	}
}

// rest waits, at most until another table was created; false once ctx is done.
func (m *Maker) rest(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// set tries one setting. It returns false where DynamoDB only takes its time.
func (m *Maker) set(ctx context.Context, l *lack) (settled bool) {
	err := m.call(ctx, l)
	if ctx.Err() != nil {
		return false
	}
	fields := []zap.Field{zap.String("table", l.Table), zap.String("setting", string(l.Setting))}
	m.mu.Lock()
	defer m.mu.Unlock()
	if code := Code(err); err == nil || code == "UnknownOperationException" {
		m.lacks = slices.DeleteFunc(m.lacks, func(o *lack) bool { return o == l })
		if err == nil {
			m.log.Info("the new table has a setting of leases.table", fields...)
		} else {
			m.log.Warn("this endpoint does not know a setting of leases.table: the table is without it", fields...)
		}
		return true
	}
	l.Code, l.Refused = Code(err), IsDenied(err)
	if l.due(time.Now()) && l.said != l.Code {
		l.said = l.Code
		m.log.Warn("the new table lacks a setting of leases.table, trying again every minute",
			append(fields, zap.Error(Fault(l.Setting.action(), "table "+l.Table, err)))...)
	}
	return l.Refused
}

func (m *Maker) call(ctx context.Context, l *lack) error {
	ctx, cancel := context.WithTimeout(ctx, 5*CallTimeout)
	defer cancel()
	if l.Setting == SettingTags {
		_, err := m.db.TagResource(ctx, &dynamodb.TagResourceInput{ResourceArn: &l.arn, Tags: m.wanted.tags()})
		return err
	}
	_, err := m.db.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
		TableName: &l.Table,
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: aws.Bool(true),
		},
	})
	return err
}

// leave names what nobody sets any more: the next process finds a table that is there.
func (m *Maker) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lacks {
		m.log.Warn("this process ends before the new table has a setting of leases.table: set it yourself",
			zap.String("table", l.Table), zap.String("setting", string(l.Setting)))
	}
}

// action is the permission that a setting needs.
func (s Setting) action() string {
	if s == SettingTags {
		return "dynamodb:TagResource"
	}
	return "dynamodb:UpdateContinuousBackups"
}
