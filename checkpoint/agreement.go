package checkpoint

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// firstFormat is the format of snapshots that every version reads. A worker whose row names none reads no later one.
const firstFormat = 1

// formatPatience is for how long all live workers must have read a format without a break before it is written: a worker of an older
// version that joins meanwhile, as in a rolling deploy or one that is rolled back, can go on with every snapshot.
const formatPatience = time.Minute

// hashKey is the secret of an application, under which its workers hash what producers write. It lies in #application, from the
// first worker on that knows of it.
type hashKey [16]byte

func (k hashKey) String() string { return hex.EncodeToString(k[:]) }

func parseHashKey(s string) (k hashKey, ok bool) {
	n, err := hex.Decode(k[:], []byte(s[:min(len(s), 2*len(k))]))
	return k, err == nil && n == len(k) && len(s) == 2*len(k)
}

func newHashKey() hashKey {
	k, _ := parseHashKey(randomHex(len(hashKey{})))
	return k
}

// giveKey puts a hash key into an #application row that has none: that of this process, if it has one, and else a new one.
func (s *Store) giveKey(ctx context.Context, app *application, was ddb.AttributeValue) error {
	s.mu.Lock()
	before := s.app
	s.mu.Unlock()
	key := newHashKey()
	if before != nil && before.hasKey {
		key = before.key
	}
	e := &expr{}
	e.ifEqual(attrTable, str(app.generation))
	if was == nil {
		e.ifAbsent(attrHashKey)
	} else {
		e.ifEqual(attrHashKey, was)
	}
	e.setAttr(attrHashKey, str(key.String()))
	it, err := s.table.update(ctx, keyApplication, e)
	if old, lost := refused(err); lost { // another worker was quicker
		it, err = old, nil
	}
	if err != nil {
		return err
	}
	if app.key, app.hasKey = parseHashKey(text(it[attrHashKey])); !app.hasKey {
		return fmt.Errorf("row %s of table %s changed at once, trying again", keyApplication, s.cfg.Table)
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

// look takes what all live workers read. An application whose first worker read a format, too, has no earlier version to go back to.
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

// readByAll is the latest format that every live worker reads, as far as their rows say; 0 while that is not known. Call it with mu held.
func (s *Store) readByAll(now time.Time) int {
	if s.me == nil || !s.me.window.open(now) || s.scanned.Before(s.me.joined) {
		return 0
	}
	least := max(s.cfg.Reads, firstFormat)
	for id, p := range s.peers {
		if !p.fenced && !s.retired[id] {
			least = min(least, p.reads)
		}
	}
	return least
}

// lookAtFormats is called with every turn of watch.
func (s *Store) lookAtFormats() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookLocked()
}

// lookLocked is to be called with mu held.
func (s *Store) lookLocked() {
	now, born := time.Now(), 0
	if s.app != nil {
		born = s.app.born
	}
	s.formats.look(now, s.readByAll(now), born)
}

// Agreement answers the application's hash key, and the latest format of snapshots that may be written: every live worker has said
// for a minute that it reads it (Config.Reads), or says so and the application's first worker did, too. It is the first format while that is not known, or there is no key. It does no I/O.
func (s *Store) Agreement() (key [16]byte, format int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.app == nil || !s.app.hasKey {
		return key, firstFormat
	}
	s.lookLocked() // a shard begins with what it is told here
	return s.app.key, max(s.formats.agreed, firstFormat)
}

// Agreement is that of the Store.
func (l *Lease) Agreement() (key [16]byte, format int) { return l.store.Agreement() }
