package checkpoint

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
)

// reading makes a worker that reads formats of snapshots up to n; 0 is a version that does not say.
func reading(n int) func(*Config) { return func(c *Config) { c.Reads = n } }

// format is that which a process may write.
func (p *process) format() int {
	_, format := p.store.Agreement()
	return format
}

// A later format of snapshots is written once every live worker has said that it reads it, and not at the first word:
// during an upgrade workers of the version before come and go.
func TestFormatWaitsForEveryLiveWorker(t *testing.T) {
	bubble(t, 2, func(w *world) {
		old := w.start("old")
		a, b := w.start("a", reading(2)), w.start("b", reading(3))
		w.await("balance", 10*time.Second, func() bool { return len(a.held())+len(b.held()) > 0 })
		time.Sleep(3 * formatPatience)
		for _, p := range []*process{old, a, b} {
			require.Equal(t, 1, p.format(), p.name)
		}
		old.kill()
		time.Sleep(formatPatience / 2)
		require.Equal(t, 1, a.format(), "not at the first word")
		again := w.start("old-again")
		time.Sleep(formatPatience)
		require.Equal(t, 1, a.format(), "a worker of the version before came back")
		again.stop()
		w.await("the format that both read", 2*formatPatience,
			func() bool { return a.format() == 2 && b.format() == 2 })
		rolledBack := w.start("rolled-back")
		w.await("the format that all read", time.Minute, func() bool { return a.format() == 1 && b.format() == 1 })
		rolledBack.stop()
		a.stop()
		w.await("that of the last worker", 2*formatPatience, func() bool { return b.format() == 3 })
		b.stop()
	})
}

// An application that begins with a later format has no earlier version to go back to, so its shards begin with that
// format, after restarts, too: the first minutes of a worker are as the others.
func TestFormatOfAnApplicationThatBeginsWithIt(t *testing.T) {
	bubble(t, 2, func(w *world) {
		for _, name := range []string{"a", "b"} {
			p := w.start(name, reading(3))
			w.await("a shard", 30*time.Second, func() bool { return len(p.held()) > 0 })
			require.Equal(t, 3, p.format(), p.name)
			defer p.stop()
		}
		older := w.start("older")
		c := w.start("c", reading(3))
		time.Sleep(formatPatience / 2)
		require.Equal(t, 1, c.format(), "a live worker does not read it")
		older.stop()
		time.Sleep(formatPatience / 2)
		require.Equal(t, 1, c.format(), "not at the first word")
		c.stop()
	})
}

// The key of an application is made once, by the first worker that knows of one, and is the same for all workers
// forever.
func TestHashKeyIsOneForAnApplication(t *testing.T) {
	bubble(t, 1, func(w *world) {
		key := func(p *process) [16]byte {
			w.await("a table", 10*time.Second, p.store.Ready)
			key, _ := p.store.Agreement()
			require.NotZero(t, key)
			return key
		}
		first := w.start("first")
		made := key(first)
		require.Equal(t, table.HashKey(made).String(), table.Text(w.application()[table.AttrHashKey]))
		require.Equal(t, made, key(w.start("second")))

		// a worker of an earlier version wrote the row from memory
		w.edit(table.KeyApplication, func(e *table.Write) { e.Remove(table.AttrHashKey) })
		first.store.opener.suspectTable()
		w.await("the key that is known", 10*time.Second,
			func() bool { return table.Text(w.application()[table.AttrHashKey]) == table.HashKey(made).String() })

		w.edit(table.KeyApplication, func(e *table.Write) { e.Set(table.AttrHashKey, table.Str("no key")) })
		third := w.start("third")
		require.Equal(t, table.HashKey(key(third)).String(), table.Text(w.application()[table.AttrHashKey]),
			"one that cannot be read is made anew")
	})
}

// application is the row of that name.
func (w *world) application() table.Item {
	db, _ := w.clients("reader")
	it, err := (&table.Client{DB: db, Name: testTable}).Get(w.Context(), table.KeyApplication, true)
	require.NoError(w, err)
	return it
}

// What is taken out of a configuration is over once every live worker has had the same one for a minute: in a
// deployment, and before a roll-back, old and new live side by side.
func TestSettledWaitsForEveryLiveWorker(t *testing.T) {
	bubble(t, 2, func(w *world) {
		started := func(name string) (p *process, config *atomic.Pointer[[]byte]) {
			config = &atomic.Pointer[[]byte]{}
			config.Store(new([]byte("old")))
			w.config = func() []byte { return *config.Load() }
			return w.start(name), config
		}
		a, ofA := started("a")
		b, ofB := started("b")
		settled := func() bool { return a.store.Settled() && b.store.Settled() }
		time.Sleep(configPatience / 2)
		require.False(t, a.store.Settled() || b.store.Settled(), "not at the first word")
		w.await("a minute", 2*configPatience, settled)

		ofA.Store(new([]byte("new")))
		require.False(t, a.store.Settled(), "what was agreed on is not what is in force")
		time.Sleep(3 * configPatience)
		require.False(t, a.store.Settled() || b.store.Settled(), "they differ")
		ofB.Store(new([]byte("new")))
		time.Sleep(configPatience / 2)
		ofB.Store(new([]byte("old"))) // rolled back
		time.Sleep(configPatience / 2)
		ofB.Store(new([]byte("new")))
		time.Sleep(configPatience - 10*time.Second)
		require.False(t, a.store.Settled() || b.store.Settled(), "without a break")
		w.await("a minute", configPatience, settled)

		w.config = nil // a version that does not say
		old := w.start("old")
		w.await("the older version", 30*time.Second, func() bool { return !a.store.Settled() && !b.store.Settled() })
		time.Sleep(2 * configPatience)
		require.False(t, a.store.Settled() || b.store.Settled())
		old.stop()
		w.await("a minute", 2*configPatience, settled)
		a.stop()
		b.stop()
	})
}
