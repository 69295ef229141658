package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/sleep"
)

// opener reaches the table and its #application row, at the start and whenever they are gone.
type opener struct {
	store *Store
	wake  chan struct{} // suspectTable writes it

	// Guarded by Store.mu.

	ready     bool                  // the table was reached and its #application row read once
	tableSeen bool                  // the table was there once, so it is not created again unless allowed
	suspect   bool                  // table or #application row may be gone: the view takes no shard
	opening   opening               // what the Store waits for; Status reads it
	tried     bool                  // to write #application
	other     lineage.OtherIdentity // what the stream's summary says when it names another stream
}

// open reaches the table and the stream, and reads or writes the #application row. It retries until that is done, and
// logs a fault once for each change of its text. It returns an error only for what waiting cannot fix, once the table
// has said so for a minute: a single answer may be wrong. Another stream under the same name needs its own proof.
func (o *opener) open(ctx context.Context, failFast bool) error {
	s := o.store
	said := ""
	o.waitFor("table "+s.cfg.Table, "")
	begun := time.Now()
	var refused lineage.Sighting // what waiting cannot fix, said without a break
	for attempt := 0; ; attempt++ {
		s.alive()
		err := o.tryOpen(ctx)
		if table.IsFatal(err) {
			refused.Add(time.Now())
		} else {
			refused = lineage.Sighting{}
		}
		switch {
		case err == nil:
			if said != "" {
				s.log.Info("lease table reached")
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case table.IsFatal(err) && (failFast || errors.Is(err, table.ErrOtherStream) || refused.Confirmed()),
			failFast &&
				(table.NamesFault(err) || table.RefusesCredentials(err) && time.Since(begun) >= s.cfg.Patience):
			return err
		}
		o.waitForCall(err)
		if text := table.FaultText(err); text != said {
			said = text
			s.log.Error("cannot use the lease table yet, trying again", zap.Error(err))
		}
		if !sleep.For(ctx, sleep.Backoff(attempt)) {
			return context.Cause(ctx)
		}
	}
}

// opening is what the Store waits for before it can begin. It does not cover a table that vanishes later: the leases
// and heartbeats show what that means.
type opening struct {
	what, because string
	since         time.Time
}

// waitFor notes what the Store waits for, and why. While that stays the same, so does the time since when.
func (o *opener) waitFor(what, because string) {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session.begun {
		return
	}
	if o.opening.what != what {
		o.opening = opening{what: what, since: time.Now()}
	}
	o.opening.because = because
}

// waitForCall is waitFor for the subject of a failed call.
func (o *opener) waitForCall(err error) {
	what := "table " + o.store.cfg.Table
	if call, ok := errors.AsType[*table.CallError](err); ok {
		what = call.Resource
	}
	o.waitFor(what, table.Code(err))
}

func (o *opener) tryOpen(ctx context.Context) error {
	if err := o.ensureTable(ctx); err != nil {
		return err
	}
	return o.ensureApplication(ctx)
}

// ensureTable waits until the table is ACTIVE, and creates it if this process has never seen one.
func (o *opener) ensureTable(ctx context.Context) error {
	s := o.store
	for {
		s.alive()
		desc, err := o.describeTable(ctx)
		switch {
		case table.IsNotFound(err):
			s.mu.Lock()
			may := !o.tableSeen || s.cfg.CreateTable
			s.mu.Unlock()
			if !may {
				return fmt.Errorf("%w: %s: restore it from a backup, or start with --create-table to begin a new one",
					table.ErrGone, s.cfg.Table)
			}
			if err := o.createTable(ctx); err != nil {
				return err
			}
		case err != nil:
			return table.Fault("dynamodb:DescribeTable", "table "+s.cfg.Table, err)
		case desc.TableStatus == types.TableStatusActive, desc.TableStatus == types.TableStatusUpdating:
			if len(desc.KeySchema) != 1 || aws.ToString(desc.KeySchema[0].AttributeName) != table.AttrKey {
				return fmt.Errorf(
					"%w: the key of table %s is %s, not %s: give this application another table name (leases import "+
						"copies checkpoints)",
					table.ErrForeignTable, s.cfg.Table, keySchema(desc.KeySchema), table.AttrKey)
			}
			s.mu.Lock()
			first := !o.tableSeen
			o.tableSeen = true
			s.mu.Unlock()
			if first && s.cfg.NewTables.DeletionProtection && !aws.ToBool(desc.DeletionProtectionEnabled) {
				s.log.Warn("the lease table has no deletion protection, as leases.table wants it, and is not changed, " +
					"because it was there: aws dynamodb update-table --deletion-protection-enabled --table-name NAME")
			}
			return nil
		}
		if !sleep.For(ctx, sleep.Jitter(150*time.Millisecond)) {
			return context.Cause(ctx)
		}
	}
}

func (o *opener) describeTable(ctx context.Context) (*types.TableDescription, error) {
	s := o.store
	ctx, cancel := context.WithTimeout(ctx, 3*table.CallTimeout)
	defer cancel()
	out, err := s.table.DB.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.cfg.Table})
	if err != nil {
		return nil, err
	}
	return out.Table, nil
}

func keySchema(ks []types.KeySchemaElement) string {
	names := make([]string, 0, len(ks))
	for _, k := range ks {
		names = append(names, aws.ToString(k.AttributeName))
	}
	return strings.Join(names, "/")
}

func (o *opener) createTable(ctx context.Context) error {
	s := o.store
	ctx, cancel := context.WithTimeout(ctx, 5*table.CallTimeout)
	defer cancel()
	if err := s.maker.Create(ctx, s.cfg.Table); err != nil {
		return table.Fault(s.maker.Actions(), "table "+s.cfg.Table, err)
	}
	s.log.Info("lease table created")
	return nil
}

// ensureApplication reads the #application row, or writes it: for a new table from the stream as it is now, for one
// that vanished under us from memory.
func (o *opener) ensureApplication(ctx context.Context) error {
	s := o.store
	arn, created, err := s.catalog.Describe(ctx)
	if err != nil {
		return err
	}
	it, err := s.table.Get(ctx, table.KeyApplication, true)
	if err != nil {
		return err
	}
	if it == nil {
		if err := o.refuseForeign(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		app := s.view.app
		s.mu.Unlock()
		if app == nil {
			if app, err = o.newApplication(ctx, arn, created); err != nil {
				return err
			}
		}
		err := s.table.PutNew(ctx, app.Encode())
		if _, exists := table.Refused(err); err != nil && !exists {
			return err
		}
		// Read what won the race, also when we think that we did: the answer may belong to an earlier attempt.
		if it, err = s.table.Get(ctx, table.KeyApplication, true); err != nil {
			return err
		}
		if it == nil {
			return fmt.Errorf("row %s of table %s vanished at once", table.KeyApplication, s.cfg.Table)
		}
	}
	app, err := table.DecodeApplication(it, s.now())
	if err != nil {
		return err
	}
	if err := o.sameIdentity(ctx, app, lineage.Identity{ARN: arn, Created: created}); err != nil {
		return err
	}
	if !app.HasKey {
		if err := o.giveKey(ctx, app, it[table.AttrHashKey]); err != nil {
			return err
		}
	}
	o.adoptApplication(app)
	return nil
}

// sameStream refuses a table that is about another stream.
func (o *opener) sameStream(app *table.Application, arn string, created int64) error {
	s := o.store
	if app.StreamARN == arn && app.StreamCreated == created {
		return nil
	}
	reset := "kinesis-alerter leases reset --table " + s.cfg.Table
	if arn != app.StreamARN {
		reset += " --stream " + arn
	}
	return fmt.Errorf(
		"%w: table %s is about %s, created %s; the stream is %s, created %s: its sequence numbers mean nothing here. "+
			"To begin the new stream at its first record: %s. To keep what the table has, give the application "+
			"another name", table.ErrOtherStream, s.cfg.Table,
		app.StreamARN, time.Unix(app.StreamCreated, 0).UTC().Format(time.RFC3339), arn,
		time.Unix(created, 0).UTC().Format(time.RFC3339), reset)
}

func (o *opener) adoptApplication(app *table.Application) {
	s := o.store
	s.mu.Lock()
	before := s.view.app
	if before != nil && app.Origin.T0.IsZero() {
		app.Origin.T0 = before.Origin.T0
	}
	if before == nil || before.Generation != app.Generation {
		s.view.adopted = time.Now()
	}
	s.view.app, o.ready = app, true
	s.view.duration = app.Duration
	s.mu.Unlock()
	switch {
	case before == nil:
		if app.Duration != s.cfg.LeaseDuration {
			s.log.Warn(
				"the lease duration of the table applies; to change it, stop all workers and change the row "+
					"#application",
				zap.Duration("table", app.Duration), zap.Duration("configured", s.cfg.LeaseDuration))
		}
		s.log.Info("application read", zap.Time("t0", app.Origin.T0), zap.String("generation", app.Generation),
			zap.Duration("lease_duration", app.Duration))
	case before.Generation != app.Generation:
		s.log.Warn("the lease table was recreated by another worker", zap.String("generation", app.Generation),
			zap.String("before", before.Generation))
	}
	s.planner.replan()
}

// refuseForeign refuses a table without #application row that holds another library's rows.
func (o *opener) refuseForeign(ctx context.Context) error {
	s := o.store
	page, err := s.table.Page(ctx, nil)
	if err != nil {
		return err
	}
	for _, it := range page.Items {
		if _, java := it[table.AttrJavaLease]; java {
			return fmt.Errorf(
				"%w: table %s holds rows of a KCL for Java (row %s): give this application another table name; "+
					"leases import copies checkpoints",
				table.ErrForeignTable, s.cfg.Table, table.Text(it[table.AttrKey]))
		}
		if _, ours := it[table.AttrEpoch]; !ours && table.IsShardKey(table.Text(it[table.AttrKey])) {
			return fmt.Errorf("%w: row %s of table %s has no %s: give this application another table name",
				table.ErrForeignTable, table.Text(it[table.AttrKey]), s.cfg.Table, table.AttrEpoch)
		}
	}
	return nil
}

// newApplication fixes the moment at which the application begins. The listing comes first and gives T0: the shards
// that it lists were there at T0, and others are younger. If an earlier attempt failed, T0 is the first answer about
// the stream, so that no record is missed that came while the start waited. A shard may have been closed since then, so
// none counts as closed at T0: each is read from T0.
func (o *opener) newApplication(ctx context.Context, arn string, created int64) (*table.Application, error) {
	s := o.store
	shards, closed, at, err := o.firstListing(ctx)
	s.mu.Lock()
	again, met := o.tried, s.catalog.met
	o.tried = true
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if again && met.Before(at) {
		at, closed = met, nil
	}
	if err := o.describeTwice(ctx, arn, created); err != nil {
		return nil, err
	}
	app := &table.Application{
		StreamARN: arn, StreamCreated: created, Generation: randomHex(8), Duration: s.cfg.LeaseDuration,
		Origin: table.Origin{T0: at, Open: map[string]bool{}, Closed: closed}, Key: table.NewHashKey(), HasKey: true,
		Born: s.cfg.Reads,
	}
	for i := range shards {
		id := aws.ToString(shards[i].ShardId)
		if !closed[id] {
			app.Origin.Open[id] = true
		}
		if r := shards[i].SequenceNumberRange; r != nil && lineage.IsOpen(&shards[i]) && app.Shard.ID == "" {
			app.Shard = table.Mark{ID: id, First: aws.ToString(r.StartingSequenceNumber)}
		}
	}
	return app, nil
}

// keepTable restores the table and the #application row when a call found them gone.
func (o *opener) keepTable(ctx context.Context) error {
	s := o.store
	for {
		select {
		case <-o.wake:
		case <-ctx.Done():
			return nil
		}
		if err := o.open(ctx, false); err != nil {
			return err
		}
		s.mu.Lock()
		o.suspect = false
		for _, l := range s.view.leases {
			l.ledger.suspect = true
		}
		s.mu.Unlock()
		s.watcher.rescan()
		if !sleep.For(ctx, time.Second) { // a table that appears and vanishes must not be described in a tight loop
			return nil
		}
	}
}
