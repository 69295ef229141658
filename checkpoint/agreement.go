package checkpoint

import (
	"context"
	"fmt"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"kinesis-alerter/checkpoint/table"
)

// formatPatience is how long all live workers must have read a format without a break before it is written. So a worker
// of an older version that joins meanwhile, in a rolling deploy or a rollback, can read every snapshot.
const formatPatience = time.Minute

// agreement is what all live workers have in common: the format of snapshots that they read, and their configuration.
// Guarded by Store.mu.
type agreement struct {
	store   *Store
	config  func() []byte // Deps.Configuration; may be nil
	formats formats
	configs configs
	hashed  hashedConfig
}

// giveKey puts a hash key into an #application row that has none: the key of this process if it has one, otherwise a
// new one.
func (o *opener) giveKey(ctx context.Context, app *table.Application, was ddb.AttributeValue) error {
	s := o.store
	s.mu.Lock()
	before := s.view.app
	s.mu.Unlock()
	key := table.NewHashKey()
	if before != nil && before.HasKey {
		key = before.Key
	}
	e := &table.Write{}
	e.IfEqual(table.AttrTable, table.Str(app.Generation))
	if was == nil {
		e.IfAbsent(table.AttrHashKey)
	} else {
		e.IfEqual(table.AttrHashKey, was)
	}
	e.Set(table.AttrHashKey, table.Str(key.String()))
	it, err := s.table.Update(ctx, table.KeyApplication, e)
	if old, lost := table.Refused(err); lost { // another worker was quicker
		it, err = old, nil
	}
	if err != nil {
		return err
	}
	if app.Key, app.HasKey = table.ParseHashKey(table.Text(it[table.AttrHashKey])); !app.HasKey {
		return fmt.Errorf("row %s of table %s changed at once, trying again", table.KeyApplication, s.cfg.Table)
	}
	s.log.Info("the application has a key under which it hashes what producers write")
	return nil
}

// formats watches which format of snapshots the live workers read.
type formats struct {
	seen   int       // by all of them at the last look; 0 if that is not known
	since  time.Time // without a break
	agreed int       // the latest one that all of them were seen to read for long enough
}

// look records the format that all live workers read. If the application's first worker read it too, there is no
// earlier version to roll back to.
func (f *formats) look(now time.Time, seen, born int) {
	if seen != f.seen {
		f.seen, f.since = seen, now
	}
	switch {
	case seen == 0:
	case seen < f.agreed, now.Sub(f.since) >= formatPatience, f.agreed == 0 && seen <= born:
		f.agreed = seen
	}
}

// readByAll is the latest format that every live worker reads, as far as their rows say; 0 while that is not known. own
// is what this one reads.
func (v *view) readByAll(now time.Time, own int) int {
	if v.me == nil || !v.me.window.open(now) || v.scanned.Before(v.me.joined) {
		return 0
	}
	least := max(own, table.FirstFormat)
	for id, p := range v.peers {
		if !p.Fenced && !v.retired[id] {
			least = min(least, p.Reads)
		}
	}
	return least
}

// look compares what the live workers read and are configured with. The watcher calls it at every tick.
func (a *agreement) look() {
	s := a.store
	s.mu.Lock()
	defer s.mu.Unlock()
	a.formatsLocked()
	now := time.Now()
	if seen := s.view.configOfAll(now, a.configHashLocked()); seen != a.configs.seen {
		a.configs = configs{seen, now}
	}
}

func (a *agreement) formatsLocked() {
	s := a.store
	now, born := time.Now(), 0
	if s.view.app != nil {
		born = s.view.app.Born
	}
	a.formats.look(now, s.view.readByAll(now, s.cfg.Reads), born)
}

// Agreement returns the application's hash key, and the latest format of snapshots that may be written: every live
// worker has said for a minute that it reads it (Config.Reads), or says so and the application's first worker did,
// too. It is the first format while that is not known, or there is no key. It does no I/O.
func (s *Store) Agreement() (key [16]byte, format int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.app == nil || !s.view.app.HasKey {
		return key, table.FirstFormat
	}
	s.agreement.formatsLocked() // a shard begins with this answer
	return s.view.app.Key, max(s.agreement.formats.agreed, table.FirstFormat)
}

// Agreement is that of the Store.
func (l *Lease) Agreement() (key [16]byte, format int) { return l.store.Agreement() }
