package system

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// cuttableClient reaches AWS until it is cut off, as a process does until it is killed.
type cuttableClient struct {
	aws.HTTPClient
	cut atomic.Bool
}

func (c *cuttableClient) Do(r *http.Request) (*http.Response, error) {
	if c.cut.Load() {
		return nil, errors.New("cut off")
	}
	return c.HTTPClient.Do(r)
}

// worksFor is what the status of a worker says that it does itself: its shards, and what it has settled.
func worksFor(s *status.Status) (held []string, lag float64) {
	for i := range s.Shards {
		if r := s.Shards[i].Reading; r != nil {
			held, lag = append(held, s.Shards[i].ID), max(lag, r.Lag)
		}
	}
	return held, lag
}

// Every worker's page has the totals of all workers, and they are the sum of what each of them says of itself: at rest,
// when one is killed, when its shards are taken over, and with one of a version that says less.
func TestStatusOfTheFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 8)
		testkit.CreateTopic(t, fake)
		var daemons []*testdaemon.TestDaemon
		var pages []*testdaemon.Page
		victim := &cuttableClient{}
		for i, host := range []string{"a", "b", "c"} {
			page := testdaemon.NewPage()
			pages = append(pages, page)
			daemons = append(daemons, testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
				o.Listener, o.Host = page, host
				if i == 2 {
					victim.HTTPClient = o.AWS.HTTPClient
					o.AWS.HTTPClient = victim
				}
			}))
		}
		produce := func(d time.Duration) { // twenty records a second, one of which alerts
			for i := range int(d / time.Second) {
				for key := range 20 {
					fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("key-", key), fmt.Appendf(nil, `{"heartRate":%d}`,
						map[bool]int{true: 180, false: 60}[key == i%20]))
				}
				time.Sleep(time.Second)
			}
		}
		produce(30 * time.Second)
		sums := func(live []*testdaemon.Page) (read int, records float64) {
			seen := map[string]bool{}
			for _, page := range live {
				s := page.Status(t)
				held, _ := worksFor(s)
				for _, id := range held {
					require.False(t, seen[id], "two workers say that they read %s", id)
					seen[id] = true
				}
				records += s.History.Records[len(s.History.Records)-1]
			}
			return len(seen), records
		}
		read, records := sums(pages)
		require.Equal(t, 8, read)
		for _, page := range pages {
			s := page.Status(t)
			require.Equal(t, []int{3, 3, 8, 8, 0}, []int{
				s.Totals.Workers, s.Totals.Readers, s.Totals.Open, s.Totals.Read, s.Totals.Unsaid,
			})
			require.InDelta(t, records, s.Totals.Records, records/5, "as of the last heartbeats")
			require.InDelta(t, 20, s.Totals.Records, 4)
			require.InDelta(t, 1, s.Totals.Alerts, 0.5)
			require.Less(t, s.Totals.Lag, 2.0)
			require.Equal(t, 1, s.Totals.Configurations)
			require.Len(t, s.Totals.Versions, 1)
			for i := range s.Workers {
				require.NotNil(t, s.Workers[i].Records, s.Workers[i].ID)
			}
			require.Len(t, s.History.Fleet.Records, len(s.History.Records))
			require.InDelta(t, 20, s.History.Fleet.Records[len(s.History.Fleet.Records)-1], 4)
			require.Contains(t, page.Get(t, "/", "*/*"), "\nfleet    8 of 8 shards read by 3 workers, ")
		}

		victim.cut.Store(true)
		lost, _ := worksFor(pages[2].Status(t))
		require.NotEmpty(t, lost)
		survivors := pages[:2]
		silent := 0
		for gone := false; !gone; { // from the kill until nobody counts it any more
			produce(time.Second)
			for _, page := range survivors {
				s := page.Status(t)
				held := 0
				for i := range s.Workers {
					if s.Workers[i].State != "fenced" {
						held += s.Workers[i].Shards
					}
				}
				require.LessOrEqual(t, s.Totals.Read, held, "what is read has an owner that counts")
				require.Equal(t, s.ShardCounts["held"]+s.ShardCounts["foreign"], s.Totals.Read+s.Totals.Silent)
				if s.Totals.Silent > 0 {
					silent++
					require.Contains(t, s.Summary, "silent")
				}
				require.Equal(t, 8, s.Totals.Open)
				gone = s.Totals.Workers == 2
			}
		}
		require.Greater(t, silent, 4, "the page does not say for a lease long that a dead worker reads")
		produce(30 * time.Second)
		read, _ = sums(survivors)
		require.Equal(t, 8, read, "they have its shards")
		s := pages[0].Status(t)
		require.Equal(t, []int{2, 2, 8, 8}, []int{s.Totals.Workers, s.Totals.Readers, s.Totals.Open, s.Totals.Read})
		require.InDelta(t, 20, s.Totals.Records, 4)

		// An older version writes its heartbeat, and neither a version nor what it does.
		older := config.Config{Stream: config.StreamConfig{Name: testkit.TestStream, Application: "heart-rate-alerts"}}
		clients := daemon.NewClients(testkit.Emulated(fake), prometheus.NewRegistry(), nil)
		store, err := checkpoint.New(func() checkpoint.Config {
			c := older.WithDefaults().Parts().Checkpoint
			c.Host = "old"
			return c
		}(), checkpoint.Deps{
			DynamoDB: clients.DynamoDB, Stream: clients.Kinesis, Log: zap.NewNop(),
			Registerer: prometheus.NewRegistry(),
		})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- store.Run(ctx) }()
		produce(20 * time.Second)
		s = pages[0].Status(t)
		require.Equal(t, 3, s.Totals.Workers)
		require.Equal(t, 1, s.Totals.Unsaid)
		require.Equal(t, 1, s.Totals.Versions["unknown"])
		require.Equal(t, 1, s.Totals.Configurations)
		text := pages[0].Get(t, "/", "*/*")
		require.Regexp(t, `\nfleet    \d of 8 shards read by \d workers.*, ≥ \d+ records/s`, text)
		require.Regexp(t, `\nold/\S+ +live +\S+ s ago +– +– +– +\d shards?.* unknown +unknown\n`, text)
		stop()
		require.NoError(t, <-done)
		victim.cut.Store(false)
		for _, d := range daemons {
			require.NoError(t, d.End())
		}
	})
}
