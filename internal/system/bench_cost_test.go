//go:build bench

package system

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// costCase is one line of the table in docs/cost.md.
type costCase struct {
	name            string
	shards, workers int
	perShard        int // records a second and shard
	change          func(*config.Config)
}

// TestFigureCost measures the calls and units in docs/cost.md, by whole daemons in virtual time, and prints that table.
func TestFigureCost(t *testing.T) {
	remember := func(c *config.Config) { c.Rules[0].Dedup = 10 * time.Minute }
	score := func(c *config.Config) {
		c.Score = []alert.ScoreConfig{{Fields: []string{"heartRate"}}}
	}
	poll := func(c *config.Config) { c.Processing.PollInterval = time.Second }
	var table strings.Builder
	for _, c := range []costCase{
		{"idle", 1, 1, 0, nil},
		{"idle", 10, 1, 0, nil},
		{"idle", 100, 1, 0, nil},
		{"idle", 10, 2, 0, nil},
		{"idle", 10, 4, 0, nil},
		{"busy", 1, 1, 10, nil},
		{"busy", 10, 1, 10, nil},
		{"busy", 100, 1, 10, nil},
		{"busy", 10, 2, 10, nil},
		{"busy, `poll_interval: 1s`", 10, 1, 10, poll},

		{"busy, a rule with `dedup`, 1,000 keys", 10, 1, 10, remember},
		{"busy, `score` of one field", 10, 1, 10, score},
	} {
		t.Run(fmt.Sprintf("%s-%d-%d", c.name, c.shards, c.workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.measure(t, &table) })
		})
	}
	fmt.Printf("\n| load | shards | workers | GetRecords/s | lease table writes/s | lease table reads/s | "+
		"state table writes/s | PublishBatch/s |\n|---|---|---|---|---|---|---|---|\n%s", &table)
}

func (c costCase) measure(t *testing.T, table *strings.Builder) {
	t.Helper()
	const span = 10 * time.Minute
	fake := fakeaws.New(fakeaws.Options{})
	fake.History.CountOnly()
	fake.Kinesis.Create(testkit.TestStream, c.shards)
	testkit.CreateTopic(t, fake)
	change := func(config *config.Config, _ *daemon.Options) {
		if c.change != nil {
			c.change(config)
		}
	}
	var daemons []*testdaemon.TestDaemon
	for range c.workers {
		daemons = append(daemons, testdaemon.StartDaemon(t, fake, change))
	}
	load := func(span time.Duration) {
		for end, i := time.Now().Add(span), 0; time.Now().Before(end); time.Sleep(time.Second) {
			for range c.perShard * c.shards {
				i++
				rate := 60 + i%80
				if i%(60*c.perShard*c.shards) == 0 { // one alert a minute
					rate = 200
				}
				key, data := fmt.Sprint("patient-", i%1000), fmt.Appendf(nil, `{"heartRate":%d}`, rate)
				fake.Kinesis.Put(testkit.TestStream, key, data)
			}
		}
	}
	load(time.Minute)
	// Of calls: GetRecords and PublishBatch. Of units: of the lease table written and read, of the state table written.
	totals := func() [5]float64 {
		read, write := fake.DynamoDB.Consumed("heart-rate-alerts")
		_, state := fake.DynamoDB.Consumed("heart-rate-alerts-state")
		return [5]float64{
			float64(fake.History.Count(fakeaws.ServiceKinesis, "GetRecords")), write, read, state,
			float64(fake.History.Count(fakeaws.ServiceSNS, "PublishBatch")),
		}
	}
	before := totals()
	load(span)
	fmt.Fprintf(table, "| %s | %d | %d |", c.name, c.shards, c.workers)
	for i, now := range totals() {
		fmt.Fprintf(table, " %.2f |", (now-before[i])/span.Seconds())
	}
	table.WriteString("\n")
	for _, d := range daemons {
		require.NoError(t, d.End())
	}
}
