package checkpoint

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/sleep"
)

const (
	// listEvery is how often the stream is listed. Children of a shard that ends come from its last GetRecords answer,
	// so a listing only finds what was changed while no worker read it.
	listEvery = time.Minute
	// listSpace is the least time between two listings on request. A shard that ends waits for one.
	listSpace = time.Second
	// incompleteEvery is how often the stream is listed while its listings are incomplete.
	incompleteEvery = 3 * time.Second
)

// catalog keeps the list of the stream's shards, and acts on what the stream says of them: ends leases of lost shards,
// takes wrong ends back, deletes rows past the retention.
type catalog struct {
	store *Store
	wake  chan struct{} // holds a request for a listing

	// Guarded by Store.mu.

	health    listingHealth // list writes it; nextListing, firstListing and Status read it
	retention time.Duration // of the stream's records; 0 while it is not known; describe writes it
	// Kinesis' time of the first answer about the stream; describe writes it, newApplication reads it
	met time.Time
}

func (c *catalog) relist() { ask(c.wake) }

// describe returns ARN and creation time (Unix seconds) of the stream, and notes its retention.
func (c *catalog) Describe(ctx context.Context) (arn string, created int64, err error) {
	s := c.store
	summary, err := s.stream.Describe(ctx)
	if err != nil {
		return "", 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.retention = summary.Retention
	if c.met.IsZero() {
		c.met = summary.At
	}
	return summary.ARN, summary.Created, nil
}

// list lists the whole stream and merges the answer into the lineage. at is the service's own time of the first page,
// or ours if it does not say.
func (c *catalog) List(ctx context.Context) (shards []types.Shard, at time.Time, err error) {
	s := c.store
	s.mu.Lock()
	known := s.view.lineage.Known()
	s.mu.Unlock()
	began := time.Now()
	if shards, at, err = s.stream.List(ctx); err != nil {
		return nil, time.Time{}, err
	}
	open := 0
	for i := range shards {
		if lineage.IsOpen(&shards[i]) {
			open++
		}
	}
	s.m.openShards.Set(float64(open))
	sound := lineage.Plausible(shards)
	complete := lineage.Covered(shards) && len(sound) == len(shards)
	s.mu.Lock()
	s.view.lineage.Listed(sound, known, began, complete)
	news := c.health.Note(began, complete)
	s.notifyLocked()
	s.mu.Unlock()
	s.planner.replan()
	if news {
		c.tellListing(complete, len(shards), open)
	}
	return shards, at, nil
}

// keepListing lists the stream every minute, at once on request, and every few seconds while the listing is incomplete.
func (c *catalog) run(ctx context.Context) error {
	s := c.store
	s.mu.Lock()
	listed := len(s.view.lineage.Shards) > 0 // the first worker has just listed it for its #application row
	s.mu.Unlock()
	var described time.Time
	said, undecided := "", false
	for {
		if !listed {
			describe := time.Since(described) >= listEvery/2
			if err := c.relook(ctx, describe); err != nil {
				if table.IsFatal(err) {
					return err
				}
				if text := table.FaultText(err); ctx.Err() == nil && text != said {
					said = text
					s.log.Warn("cannot list the stream, continuing with the shards that are known", zap.Error(err))
				}
				if !sleep.For(ctx, sleep.Backoff(4)) {
					return nil
				}
				continue
			}
			if describe {
				described = time.Now()
			}
			said = ""
			undecided = c.judge(ctx)
			c.collect(ctx)
			if !sleep.For(ctx, listSpace) {
				return nil
			}
		}
		if listed {
			undecided = c.judge(ctx)
		}
		listed = false
		t := time.NewTimer(c.nextListing(undecided))
		select {
		case <-t.C:
		case <-c.wake:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
		t.Stop()
	}
}

// nextListing is how long to wait for the next listing without a request.
func (c *catalog) nextListing(undecided bool) time.Duration {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if undecided || !c.health.complete {
		return sleep.Jitter(incompleteEvery)
	}
	return sleep.Jitter(listEvery)
}

// relook lists the stream. With describe it first checks that the table is still about this stream.
func (c *catalog) relook(ctx context.Context, describe bool) error {
	s := c.store
	if describe {
		arn, created, err := c.Describe(ctx)
		if err != nil {
			return err
		}
		s.mu.Lock()
		app := s.view.app
		s.mu.Unlock()
		if app.StreamARN != arn || app.StreamCreated != created {
			return s.opener.ensureApplication(ctx) // reports it, unless the table was recreated as well
		}
	}
	_, _, err := c.List(ctx)
	return err
}

// collect deletes the rows of shards that are past the retention: gone, read to the end or without an owner, and with
// every child begun, so that no gate and no start position depends on the row. A row that was not at its end is kept
// for the retention, so that a shard which comes back is read from its position. Its state goes with it. A child that
// has progress but no state of its own by then, which is the whole retention later, could not be read again from its
// beginning anyhow. The chunks go first, because only the row points to them.
func (c *catalog) collect(ctx context.Context) {
	s := c.store
	s.mu.Lock()
	var old []*table.Row
	for id, r := range s.view.rows {
		info := s.view.lineage.Shards[id]
		if info == nil || !info.Gone || s.view.leases[id] != nil ||
			(!r.Ended() && (r.Owner != "" || r.Progressed() && info.Absent.To.Sub(info.Absent.From) < c.retention)) {
			continue
		}
		if slices.ContainsFunc(s.view.lineage.Children(id), func(child string) bool {
			young := s.view.rows[child]
			return young == nil || !young.Progressed()
		}) {
			continue
		}
		old = append(old, r)
	}
	s.mu.Unlock()
	for _, r := range old {
		if r.State.Version != "" {
			if err := s.states.Sweep(ctx, r.ID, r.State, r.Epoch+1); err != nil {
				if ctx.Err() == nil {
					s.log.Warn("cannot delete the state of a shard past the retention yet", zap.String("shard", r.ID),
						zap.Error(err))
				}
				continue
			}
		}
		e := &table.Write{}
		e.IfEqual(table.AttrEpoch, table.Num(r.Epoch))
		e.IfAbsent(table.AttrOwner)
		if err := s.table.Remove(ctx, r.ID, e); err != nil {
			s.opener.noteTable(err)
			continue
		}
		s.mu.Lock()
		delete(s.view.rows, r.ID)
		delete(s.view.memory, r.ID)
		delete(s.view.lineage.Shards, r.ID)
		s.mu.Unlock()
		s.log.Info("row of a shard past the retention deleted", zap.String("shard", r.ID))
	}
}
