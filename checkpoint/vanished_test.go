package checkpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// The table vanishes while two workers share the stream: what each of them holds is its own to put back. A row that is
// not there is no free shard while its holder may still be at work.
func TestTableVanishesUnderTwoWorkers(t *testing.T) {
	bubble(t, 4, func(w *world) {
		create := func(c *Config) { c.CreateTable, c.LeaseDuration = true, 3*time.Second }
		a, b := w.start("a", create), w.start("b", create)
		w.await("shared", 10*time.Second, func() bool { return len(a.held()) == 2 && len(b.held()) == 2 })
		time.Sleep(time.Minute) // the shards rest where they are
		offer := func(sequence string) {
			for _, p := range []*process{a, b} {
				for _, id := range p.held() {
					if l := p.store.Lease(id); l != nil {
						l.Commit(position.Progress{Settled: true, At: position.Past(sequence), CaughtUp: time.Now()})
					}
				}
			}
		}
		offer("10")
		time.Sleep(2 * time.Second)
		w.aws.DynamoDB.DropTable(testTable)
		stop := time.Now().Add(20 * time.Second)
		for time.Now().Before(stop) {
			offer("11")
			owners := map[string]int{}
			for _, p := range []*process{a, b} {
				for _, id := range p.held() {
					if _, trusted := p.store.Trust(); trusted {
						owners[id]++
					}
				}
			}
			for id, n := range owners {
				require.LessOrEqual(w, n, 1, "workers that hold %s inside their trust windows", id)
			}
			for i := range uint64(4) {
				if row := w.row(table.ShardName(i)); row != nil {
					require.Contains(w, []any{"10", "11"}, row[table.AttrPosition],
						"%s was put back by the one that held it", table.ShardName(i))
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
		require.Len(w, append(a.held(), b.held()...), 4)
		a.stop()
		b.stop()
	})
}
