//go:build e2e

package system_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// The leases of the scenarios are as short as they may be, and so is a stop that gets stuck.
const (
	faultLease      = 3 * time.Second
	faultStopBudget = 6 * time.Second
)

// TestE2EFaults lets processes of the built daemon, and the network between them and the emulators, fail in each of the
// ways below. Every scenario puts records all the while, and its history is judged as that of the main scenario is. The
// scenarios share the emulators and run as many at a time as there are cores, for two minutes on two.
func TestE2EFaults(t *testing.T) {
	at, binary := startEmulators(t), buildDaemon(t)
	for _, s := range []struct {
		name   string
		shards int32
		run    func(*faultWorld)
	}{
		{"calm", 2, calm},
		{"dynamodb-away", 2, dynamoDBAway},
		{"fleet-in-motion", 2, fleetInMotion},
		{"kinesis-away", 2, kinesisAway},
		{"sns-refuses", 2, snsRefuses},
		{"sigstop", 4, zombie},
		{"machine-suspended", 4, suspended},
		{"table-deleted", 4, tableDeleted},
		{"sigkill", 4, crash},
		{"sigterm-publish-stuck", 2, stopWhileStuck},
		{"sigterm-child-waits", 2, stopWhileChildWaits},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newFaultWorld(t, at, binary, "e2e-"+s.name, s.shards)
			s.run(w)
			w.conclude()
		})
	}
}

// faultWorld is a world whose daemons reach every service through a proxy.
type faultWorld struct {
	*e2eWorld
	binary                  string
	kinesisNet, leases, sns *proxy
	started                 int
	// live are the daemons that were not ended yet; mu guards them.
	live []*daemon
	law  *law
	// recovery says how long it took until all was well again, for the report.
	recovery []string
}

func newFaultWorld(t *testing.T, at emulators, binary, name string, shards int32) *faultWorld {
	t.Helper()
	w := &faultWorld{
		e2eWorld: newE2EWorld(t, at, name, shards, 20), binary: binary,
		kinesisNet: newProxy(t, at.kinesis), leases: newProxy(t, at.dynamodb), sns: newProxy(t, at.messaging),
	}
	w.lease, w.stopBudget = faultLease, faultStopBudget
	w.reach(emulators{kinesis: w.kinesisNet.url(), dynamodb: w.leases.url(), messaging: w.sns.url()})
	w.law = w.watchLaw()
	return w
}

// start starts a daemon and waits until it is ready.
func (w *faultWorld) start(flags ...string) *daemon {
	w.t.Helper()
	w.started++
	name := fmt.Sprintf("%s-worker-%d", w.name, w.started)
	d := startDaemonWith(w.t, w.binary, name, w.Config(), flags, w.env)
	d.ready()
	w.mu.Lock()
	w.live = append(w.live, d)
	w.mu.Unlock()
	return d
}

// two starts two daemons and waits until each has half of the shards.
func (w *faultWorld) two(flags ...string) (a, b *daemon) {
	w.t.Helper()
	a, b = w.start(flags...), w.start(flags...)
	eventually(w.t, 30*time.Second, "two workers share the stream", func() bool {
		return held(a) > 0 && held(a) == held(b)
	})
	return a, b
}

func held(d *daemon) float64 { return d.metric("kinesis_alerter_leases_held") }

// gone takes a daemon off the list of those that live.
func (w *faultWorld) gone(d *daemon) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live = slices.DeleteFunc(slices.Clone(w.live), func(other *daemon) bool { return other == d })
}

// kill is SIGKILL, which is a fault.
func (w *faultWorld) kill(d *daemon) time.Time {
	w.t.Helper()
	at := d.kill()
	w.Failed("SIGKILL of "+d.name, at, at)
	w.gone(d)
	return at
}

// stop is SIGTERM to a daemon that has what it needs, which is no fault.
func (w *faultWorld) stop(d *daemon) {
	w.t.Helper()
	code, took := d.terminate()
	require.Zero(w.t, code, "%s exits with 0 after SIGTERM:\n%s", d.name, d.states(20))
	require.Less(w.t, took, w.stopBudget+2*time.Second, "%s ends within its budget", d.name)
	w.gone(d)
}

// recovered waits until all that was put before now is found, and notes how long that took since a moment.
func (w *faultWorld) recovered(what string, since time.Time) {
	w.t.Helper()
	before := w.putCount()
	eventually(w.t, 45*time.Second, "all is found again after "+what, func() bool { return w.missing(before) == 0 })
	w.recovery = append(w.recovery, fmt.Sprintf("%s after %s", time.Since(since).Round(10*time.Millisecond), what))
}

// conclude ends the remaining daemons, judges, and says what happened.
func (w *faultWorld) conclude() {
	w.t.Helper()
	w.await(30 * time.Second)
	for _, d := range w.running() {
		w.stop(d)
	}
	w.Settle(1500 * time.Millisecond)
	v := w.audit()
	w.t.Logf("%-24s put %5d  found %5d  repeated %4d  %s  recovered: %s", strings.TrimPrefix(w.name, "e2e-"),
		w.putCount(), v.found, v.repeated, w.law,
		strings.Join(w.recovery, ", "))
}

// during asks the probes of the daemons for a while: both have to say that all is well, whatever AWS is like.
func (w *faultWorld) during(d time.Duration, daemons ...*daemon) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
		for _, daemon := range daemons {
			daemon.running()
			for _, path := range []string{"/healthz", "/readyz"} {
				status, body, err := daemon.Get(path)
				require.NoError(w.t, err, "%s %s", daemon.name, path)
				require.Equal(w.t, http.StatusOK, status, "%s %s: %s", daemon.name, path, body)
			}
		}
	}
}

// workerIDs are the ids under which the daemon was in the fleet, oldest first.
func workerIDs(d *daemon) []string {
	var ids []string
	for line := range d.lines() {
		var entry struct{ Msg, Worker string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "joined the fleet" {
			ids = append(ids, entry.Worker)
		}
	}
	return ids
}

// said counts the lines of the log with a message.
func said(d *daemon, message string) int {
	n := 0
	for line := range d.lines() {
		if bytes.Contains(line, []byte(message)) {
			n++
		}
	}
	return n
}

// leaseRow is what a worker may only change of a shard that it owns.
type leaseRow struct{ owner, epoch, checkpoint, sub, resolved, caughtUp string }

// rows reads the lease table: the rows of shards, and whether the worker rows are fenced.
func (w *faultWorld) rows() (shards map[string]leaseRow, fenced map[string]bool) {
	w.t.Helper()
	out, err := w.dynamodb.Scan(w.t.Context(), &dynamodb.ScanInput{
		TableName: aws.String(w.table()), ConsistentRead: aws.Bool(true),
	})
	require.NoError(w.t, err)
	shards, fenced = map[string]leaseRow{}, map[string]bool{}
	for _, item := range out.Items {
		value := func(name string) string {
			switch v := item[name].(type) {
			case *dynamodbtypes.AttributeValueMemberS:
				return v.Value
			case *dynamodbtypes.AttributeValueMemberN:
				return v.Value
			}
			return ""
		}
		key := value("leaseKey")
		if id, ok := strings.CutPrefix(key, "#worker/"); ok {
			_, fenced[id] = item["fenced"]
			continue
		}
		if !strings.HasPrefix(key, "#") {
			shards[key] = leaseRow{
				owner: value("leaseOwner"), epoch: value("leaseEpoch"), checkpoint: value("checkpoint"),
				sub:      value("checkpointSub"),
				resolved: value("resolved"), caughtUp: value("caughtUp"),
			}
		}
	}
	return shards, fenced
}

// crash: a worker is killed, its shards continue at the other, and a third one replaces it.
func crash(w *faultWorld) {
	a, _ := w.two()
	stop := w.feed(200 * time.Millisecond)
	time.Sleep(2 * time.Second)
	killed := w.kill(a)
	// What was put up to now may not be done yet; what is put in the next second and a half has to wait for the
	// takeover.
	time.Sleep(1500 * time.Millisecond)
	w.recovered("SIGKILL", killed)
	w.start()
	time.Sleep(2 * time.Second)
	stop()
}

// zombie: a worker is stopped for longer than its lease and wakes while the shards are another's. To see that it
// changes nothing, the other one holds its breath when it wakes.
func zombie(w *faultWorld) {
	a, b := w.two()
	stop := w.feed(200 * time.Millisecond)
	time.Sleep(1500 * time.Millisecond)
	asleep := workerIDs(a)
	frozen := a.signal(syscall.SIGSTOP)
	eventually(w.t, 15*time.Second, "the other worker has all shards", func() bool { return held(b) == 4 })
	w.recovered("SIGSTOP", frozen)
	stop()
	w.await(15 * time.Second)
	w.Settle(1500 * time.Millisecond) // everything is committed

	breathless := b.signal(syscall.SIGSTOP)
	before, _ := w.rows()
	woken := a.signal(syscall.SIGCONT)
	w.Failed("SIGSTOP", frozen, woken)
	eventually(w.t, faultLease/2, "the zombie notices that its leases are gone", func() bool {
		return said(a, "leases lost") > 0
	})
	time.Sleep(max(0, 800*time.Millisecond-time.Since(breathless)))
	after, _ := w.rows()
	b.signal(syscall.SIGCONT)
	require.Equal(w.t, before, after, "what the zombie changed while nobody else could have")
	for shard, row := range after {
		require.NotContains(w.t, asleep, row.owner, "the owner of %s", shard)
	}

	stop = w.feed(200 * time.Millisecond)
	eventually(w.t, 15*time.Second, "the woken worker is in the fleet under a new id", func() bool {
		return held(a) == 2 && held(b) == 2
	})
	ids := workerIDs(a)
	require.Len(w.t, ids, len(asleep)+1, "a worker id is used once")
	w.recovered("SIGCONT", woken)
	later, fenced := w.rows()
	for shard, row := range later {
		require.NotContains(w.t, asleep, row.owner, "the owner of %s", shard)
		require.GreaterOrEqual(w.t, number(w.t, row.epoch), number(w.t, before[shard].epoch), "the epoch of %s", shard)
	}
	if there, ok := fenced[asleep[0]]; ok {
		require.True(w.t, there, "the row of the dead worker id stays fenced")
	}
	stop()
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return n
}

// stopWhileStuck: SNS takes requests and never answers when the worker is to stop.
func stopWhileStuck(w *faultWorld) {
	a := w.start()
	w.put(10)
	eventually(w.t, 20*time.Second, "the first records are found", func() bool { return w.missing(w.putCount()) == 0 })
	stuck := time.Now()
	w.sns.blackHole()
	w.put(10)
	eventually(w.t, 10*time.Second, "all records are read", func() bool {
		return int(a.metric("kinesis_alerter_records_read_total")) == w.putCount()
	})
	code, took := a.terminate()
	w.gone(a)
	w.Failed("SNS silent", stuck, time.Now())
	require.Equal(w.t, 1, code, "a drain that did not complete is no clean stop:\n%s", a.states(20))
	require.Less(w.t, took, w.stopBudget+time.Second, "the stop ends within its budget")
	w.t.Logf("SIGTERM with %d alerts stuck: exit %d after %s, budget %s", w.missing(w.putCount()), code,
		took.Round(10*time.Millisecond), w.stopBudget)
	for shard, row := range first(w.rows()) {
		require.Empty(w.t, row.owner, "%s was released, or the next worker would wait for the lease to run out", shard)
	}
	w.sns.pass()
	mended := time.Now()
	w.start()
	w.recovered("the next start", mended)
	w.put(10)
}

func first[A, B any](a A, _ B) A { return a }

// stopWhileChildWaits: a worker is stopped while it drains parents, slowly, and their children may not start yet.
func stopWhileChildWaits(w *faultWorld) {
	w.stopBudget = 15 * time.Second // so that the drain can end in it
	a := w.start()
	w.put(5)
	eventually(w.t, 20*time.Second, "the first records are found", func() bool { return w.missing(w.putCount()) == 0 })
	w.sns.delay(250 * time.Millisecond) // half a second or more for each record of a key
	w.put(5)
	w.scale(4)
	eventually(w.t, 15*time.Second, "a parent is read to its end", func() bool {
		return said(a, "shard is closed, draining") > 0
	})
	w.put(5)
	waiting := w.missing(w.putCount())
	began := time.Now()
	w.stop(a)
	require.Equal(w.t, 2, said(a, "lease taken"), "only the parents were ever read")
	w.t.Logf("SIGTERM with %d records to be published: exit 0 after %s, %d are left", waiting,
		time.Since(began).Round(10*time.Millisecond), w.missing(w.putCount()))
	require.Positive(w.t, w.missing(w.putCount()), "the children had records, or this proves nothing")
	w.sns.delay(0)
	next := time.Now()
	w.start()
	w.recovered("the next start", next)
	w.put(5)
}

// suspended: all workers stall for longer than the lease, as on a laptop whose lid is closed.
func suspended(w *faultWorld) {
	a, b := w.two()
	stop := w.feed(200 * time.Millisecond)
	time.Sleep(1500 * time.Millisecond)
	lidClosed := a.signal(syscall.SIGSTOP)
	b.signal(syscall.SIGSTOP)
	time.Sleep(faultLease + 2*time.Second)
	a.signal(syscall.SIGCONT)
	woken := b.signal(syscall.SIGCONT)
	w.Failed("SIGSTOP of all", lidClosed, woken)
	w.recovered("SIGCONT of all", woken)
	stop()
}

// dynamoDBAway: the lease table cannot be reached for a minute, half of it without any answer. The workers stop to read
// when their windows close, say that they are well, and continue by themselves.
func dynamoDBAway(w *faultWorld) {
	a, b := w.two()
	stop := w.feed(time.Second)
	time.Sleep(2 * time.Second)
	away := time.Now()
	w.leases.blackHole()
	w.during(faultLease+2*time.Second, a, b)
	read := func() float64 {
		return a.metric("kinesis_alerter_records_read_total") + b.metric("kinesis_alerter_records_read_total")
	}
	require.Zero(w.t, held(a)+held(b), "leases whose trust windows are closed")
	stopped, put := read(), w.putCount()
	w.during(30*time.Second-time.Since(away), a, b)
	w.leases.refuse()
	w.during(60*time.Second-time.Since(away), a, b)
	require.InDelta(w.t, stopped, read(), 0, "records read without a lease")
	require.Greater(w.t, w.putCount(), put, "records were put meanwhile, or this proves nothing")
	w.leases.pass()
	back := time.Now()
	w.Failed("DynamoDB away", away, back)
	w.recovered("DynamoDB came back", back)
	w.during(2*time.Second, a, b)
	stop()
}

// kinesisAway: the stream cannot be reached for 20 s. No lease is lost, and nothing is an excuse for repetitions.
func kinesisAway(w *faultWorld) {
	a, b := w.two()
	stop := w.feed(400 * time.Millisecond)
	time.Sleep(2 * time.Second)
	lost := func() float64 {
		return a.metric("kinesis_alerter_lease_events_total", `event="expired"`) +
			b.metric("kinesis_alerter_lease_events_total", `event="expired"`)
	}
	before := lost()
	w.kinesisNet.blackHole()
	w.during(10*time.Second, a, b)
	w.kinesisNet.refuse()
	w.during(10*time.Second, a, b)
	w.kinesisNet.pass()
	w.recovered("Kinesis came back", time.Now())
	require.InDelta(w.t, before, lost(), 0, "leases lost because Kinesis was away")
	stop()
}

// snsRefuses: nothing can be published for 20 s. What was on its way when the connections were cut may be repeated.
func snsRefuses(w *faultWorld) {
	a, b := w.two()
	stop := w.feed(400 * time.Millisecond)
	time.Sleep(2 * time.Second)
	w.sns.refuse()
	cut := time.Now()
	w.Failed("SNS connections cut", cut, cut)
	w.during(20*time.Second, a, b)
	w.sns.pass()
	w.recovered("SNS came back", time.Now())
	stop()
}

// fleetInMotion: three workers, of which the oldest leaves by SIGTERM and by SIGKILL in turn and is replaced, while the
// stream goes from 2 shards to 8 and back; splits and merges meet both kinds of leaving.
func fleetInMotion(w *faultWorld) {
	for range 3 {
		w.start()
	}
	stop := w.feed(200 * time.Millisecond)
	for turn, shards := range []int32{4, 8, 4, 2, 4, 2} {
		w.scale(shards)
		time.Sleep(time.Second)
		if oldest := w.live[0]; turn%2 == 0 {
			w.stop(oldest)
		} else {
			killed := w.kill(oldest)
			time.Sleep(time.Second)
			w.recovered("SIGKILL", killed)
		}
		w.start()
	}
	stop()
}

// tableDeleted: an operator deletes the lease table under load. The workers were allowed to create it again.
func tableDeleted(w *faultWorld) {
	w.two("--create-table")
	stop := w.feed(300 * time.Millisecond)
	// so that there is something whose repetition the loss of the table does not explain
	time.Sleep(uncommitted + 3*time.Second)
	deleted := time.Now()
	_, err := w.dynamodb.DeleteTable(w.t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String(w.table())})
	require.NoError(w.t, err)
	time.Sleep(2 * time.Second)
	eventually(w.t, 30*time.Second, "the table and the rows of all shards are there again", func() bool {
		_, err := w.dynamodb.DescribeTable(w.t.Context(), &dynamodb.DescribeTableInput{
			TableName: aws.String(w.table()),
		})
		if err != nil {
			return false
		}
		shards, _ := w.rows()
		return len(shards) == 4 && !slices.ContainsFunc(slices.Collect(maps.Values(shards)), func(r leaseRow) bool {
			return r.owner == "" || r.checkpoint == ""
		})
	})
	w.Failed("table deleted", deleted, time.Now())
	w.recovered("DeleteTable", deleted)
	time.Sleep(2 * time.Second)
	stop()
}
