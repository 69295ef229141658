//go:build bench

package system_test

import (
	"crypto/md5" //nolint:gosec // Kinesis' own way from a key to a shard
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/internal/fakeaws"
)

// TestFigures measures what docs/performance.md promises, with real processes and real time, and prints it beside its
// bar. It fails only when something could not be measured: a busy machine is no defect of the daemon.
func TestFigures(t *testing.T) {
	f := &figures{binary: buildDaemon(t)}
	t.Run("start", f.start)
	t.Run("latency", f.latency)
	t.Run("SIGTERM", func(t *testing.T) { f.takeover(t, false) })
	t.Run("SIGKILL", func(t *testing.T) { f.takeover(t, true) })
	t.Run("idle-table", f.idleTable)
	t.Run("idle-memory", f.idleMemory)
	t.Run("backlog-memory-1MiB", func(t *testing.T) { f.backlogMemory(t, 10, 1<<20-64) })
	t.Run("backlog-memory-1KB", func(t *testing.T) { f.backlogMemory(t, 10_000, 1000) })
	t.Run("page-to-watermark", f.pageToWatermark)
	t.Run("pipeline", f.pipeline)
	t.Run("storm", f.storm)
	t.Run("CPU", func(t *testing.T) { f.cpu(t, "100") })
	t.Run("CPU-GOGC-400", func(t *testing.T) { f.cpu(t, "400") })
	t.Run("beside-the-SDK-200", func(t *testing.T) { f.besideSDK(t, "200-byte", smallRecord) })
	t.Run("beside-the-SDK-1KB", func(t *testing.T) { f.besideSDK(t, "1 kB, 65 members,", wideRecord()) })
	t.Run("outputs", f.outputs)
	_, _ = fmt.Fprintf(t.Output(), "\n%d CPUs, load average %s\n", runtime.NumCPU(), loadAverage())
	for _, row := range f.rows {
		_, _ = fmt.Fprintf(t.Output(), "%-88s bar %-36s %s\n", row[0], row[1], row[2])
	}
}

type figures struct {
	binary string
	rows   [][3]string
}

func (f *figures) Add(t *testing.T, figure, bar, format string, args ...any) {
	t.Helper()
	measured := fmt.Sprintf(format, args...)
	t.Logf("%s: %s (bar %s)", figure, measured, bar)
	f.rows = append(f.rows, [3]string{figure, bar, measured})
}

// daemon starts a daemon and waits until it holds that many leases.
func (f *figures) daemon(t *testing.T, e *emulator, name, config string, leases int) *daemon {
	t.Helper()
	d := startDaemon(t, f.binary, name, config, e.env(name)...)
	d.ready()
	d.holds(leases)
	return d
}

func (d *daemon) holds(leases int) {
	d.tb.Helper()
	eventually(d.tb, 90*time.Second, fmt.Sprintf("%s holds %d leases", d.name, leases), func() bool {
		d.running()
		return int(d.metric("kinesis_alerter_leases_held")) == leases
	})
}

// start is the time from a process start, with the table there and its leases free, until a record of each of 100
// shards was handed out.
func (f *figures) start(t *testing.T) {
	const shards = 100
	e := newEmulator(t, shards, fakeaws.Options{})
	config := e.Config(10*time.Second, 10, false)
	first := f.daemon(t, e, "first", config, shards)
	code, _ := first.terminate()
	require.Zero(t, code)

	read, all := map[string]bool{}, make(chan time.Time, 1)
	e.watch(func(h handed, shard string) {
		if read[shard] = true; len(read) == shards {
			all <- h.at
		}
	})
	for shard := range shards {
		e.put(shard, keyOf(shard, shards), 200)
	}
	listed := e.aws.History.Count(fakeaws.ServiceKinesis, "ListShards")
	began := time.Now()
	d := startDaemon(t, f.binary, "second", config, e.env("second")...)
	select {
	case at := <-all:
		f.Add(t, "100 shards, all being read after process start", "<= 2 s, <= 12 ListShards", "%.2f s, %d ListShards",
			at.Sub(began).Seconds(), e.aws.History.Count(fakeaws.ServiceKinesis, "ListShards")-listed)
	case <-time.After(60 * time.Second):
		t.Fatalf("after 60 s only %d of %d shards are read:\n%s", len(read), shards, d.states(20))
	}
}

// latency is the time from the end of a put to the answer of the GetRecords that brings it, which is when the daemon
// has it, and to the alert at SNS.
func (f *figures) latency(t *testing.T) {
	const shards, perShard = 4, 100
	e := newEmulator(t, shards, fakeaws.Options{})
	f.daemon(t, e, "reader", e.Config(10*time.Second, 1, true), shards)
	stop := make(chan struct{})
	done := e.produce(shards*perShard, stop)
	time.Sleep(20 * time.Second)
	close(stop)
	<-done
	time.Sleep(time.Second)
	e.mu.Lock()
	defer e.mu.Unlock()
	var intake, alert []time.Duration
	for id, at := range e.acked {
		if h, ok := e.handed[id]; ok {
			intake = append(intake, h.at.Sub(at))
		}
		if s, ok := e.sent[id]; ok {
			alert = append(alert, s.Sub(at))
		}
	}
	require.Len(t, intake, len(e.acked), "records were not read")
	require.Len(t, alert, len(e.acked), "records did not alert")
	f.Add(t, "put acknowledged to intake, 200 ms polling, 100 records/s per shard", "p50 <= 110 ms, p99 <= 250 ms",
		"p50 %d ms, p99 %d ms (alert at SNS: p50 %d ms, p99 %d ms)", quantile(intake, 0.5).Milliseconds(),
		quantile(intake, 0.99).Milliseconds(),
		quantile(alert, 0.5).Milliseconds(), quantile(alert, 0.99).Milliseconds())
}

// takeover is the time from the end of one of two workers until records of its shards go to the other.
func (f *figures) takeover(t *testing.T, crash bool) {
	t.Helper()
	const shards = 8
	const lease = 10 * time.Second
	e := newEmulator(t, shards, fakeaws.Options{})
	config := e.Config(lease, 1, true)
	leaving := f.daemon(t, e, "leaving", config, shards)
	staying := startDaemon(t, f.binary, "staying", config, e.env("staying")...)
	staying.holds(shards / 2)
	stop := make(chan struct{})
	done := e.produce(shards*50, stop)
	owners := map[string]string{}
	e.watch(func(h handed, shard string) { owners[shard] = h.to })
	time.Sleep(3 * time.Second)

	var orphans []string
	e.mu.Lock()
	for shard, owner := range owners {
		if owner == "leaving" {
			orphans = append(orphans, shard)
		}
	}
	e.mu.Unlock()
	require.Len(t, orphans, shards/2, "each worker reads half of the shards")
	found, all := map[string]time.Time{}, make(chan struct{})
	e.watch(func(h handed, shard string) {
		if _, ok := found[shard]; ok || h.to != "staying" || !slices.Contains(orphans, shard) {
			return
		}
		if found[shard] = h.at; len(found) == len(orphans) {
			close(all)
		}
	})
	began := time.Now()
	if crash {
		began = leaving.kill()
	} else {
		code, took := leaving.terminate()
		require.Zero(t, code)
		t.Logf("stopped in %s", took)
	}
	select {
	case <-all:
	case <-time.After(60 * time.Second):
		t.Fatalf("after 60 s the survivor reads %d of %d shards:\n%s", len(found), len(orphans), staying.states(20))
	}
	close(stop)
	<-done
	var times []time.Duration
	for _, at := range found {
		times = append(times, at.Sub(began))
	}
	figure, bar := "first record after SIGTERM of the other worker", "<= 1 s"
	if crash {
		figure, bar = "first record after SIGKILL of the other worker, lease 10 s", "<= 11 s"
	}
	f.Add(t, figure, bar, "first shard %.2f s, last of %d shards %.2f s", slices.Min(times).Seconds(), len(times),
		slices.Max(times).Seconds())
}

func (f *figures) idleTable(t *testing.T) {
	const shards, span = 100, 60 * time.Second
	e := newEmulator(t, shards, fakeaws.Options{})
	f.daemon(t, e, "idle", e.Config(10*time.Second, 10, false), shards)
	time.Sleep(15 * time.Second)
	readBefore, writeBefore := e.aws.DynamoDB.Consumed("bench")
	writesBefore := e.writes()
	time.Sleep(span)
	read, write := e.aws.DynamoDB.Consumed("bench")
	f.Add(t, "DynamoDB with 100 idle shards and 1 worker", "<= 1 write/s, <= 5 RCU/s",
		"%.2f writes/s (%.2f WCU/s), %.2f RCU/s",
		float64(e.writes()-writesBefore)/span.Seconds(), (write-writeBefore)/span.Seconds(),
		(read-readBefore)/span.Seconds())
}

// writes counts the calls that write to the table.
func (e *emulator) writes() int {
	n := 0
	for _, op := range []string{"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"} {
		n += e.aws.History.Count(fakeaws.ServiceDynamoDB, op)
	}
	return n
}

func (f *figures) idleMemory(t *testing.T) {
	const shards = 64
	e := newEmulator(t, shards, fakeaws.Options{})
	d := f.daemon(t, e, "idle", e.Config(10*time.Second, 10, false), shards)
	time.Sleep(30 * time.Second)
	f.Add(t, "resident memory, 64 idle shards", "<= 64 MiB", "%.0f MiB (peak %.0f MiB)", d.memory("VmRSS"),
		d.memory("VmHWM"))
}

// backlogMemory gives every shard a page of 10 MB whose records all alert, to an SNS that never answers.
func (f *figures) backlogMemory(t *testing.T, perShard, size int) {
	t.Helper()
	const shards = 64
	e := newEmulator(t, shards, fakeaws.Options{})
	for shard := range shards {
		key := keyOf(shard, shards)
		for range perShard {
			e.put(len(e.acked), key, size)
		}
	}
	remove := e.aws.Faults.Add(fakeaws.Fault{
		Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.BlackHole,
	})
	t.Cleanup(remove)
	d := f.daemon(t, e, "stuck", e.Config(10*time.Second, 1, true), shards)
	time.Sleep(40 * time.Second)
	require.Empty(t, e.sent, "SNS stood still")
	f.Add(t, fmt.Sprintf("resident memory, 64 shards, pages of %d x %d bytes, SNS standing still", perShard, size),
		"<= 256 MiB",
		"%.0f MiB (peak %.0f MiB), %.0f MB read, %.0f MB counted as buffered", d.memory("VmRSS"), d.memory("VmHWM"),
		d.metric("kinesis_alerter_record_bytes_total")/1e6, d.metric("kinesis_alerter_buffered_bytes")/1e6)
}

var benchmarkLine = regexp.MustCompile(
	`(?m)^BenchmarkPageToWatermark/rules=10\S*\s+\d+\s+([\d.]+) ns/op.*?(\d+) allocs/op`,
)

func (f *figures) pageToWatermark(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "test", "-run", "^$", "-bench",
		"^BenchmarkPageToWatermark$/^rules=10$", "-benchmem", "../../consumer").CombinedOutput()
	require.NoError(t, err, "%s", out)
	m := benchmarkLine.FindSubmatch(out)
	require.NotNil(t, m, "no BenchmarkPageToWatermark/rules=10 in: %s", out)
	ns, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(t, err)
	f.Add(t, "a record that matches none of 10 rules, page to watermark", "<= 0.8 us, <= 2 allocs",
		"%.2f us, %s allocs", ns/1000, m[2])
}

// pipeline is what evaluation costs: CPU time on one processor, so that other work on the machine counts little.
func (f *figures) pipeline(t *testing.T) {
	out := goTest(t, "-run", "^TestMemoryOfKeys$", "-v", "-bench", "^Benchmark(Evaluate|Snapshot)$", "-cpu", "1",
		"-count", "3", "-benchmem", "../../alert")
	for _, c := range []struct{ rules, bar string }{
		{"1", "<= 600 ns, <= 1 alloc"}, {"100", "<= 700 ns"}, {"1000", "<= 900 ns"},
	} {
		ns, rest := least(t, out, "BenchmarkEvaluate/rules="+c.rules+" ", "cpu-ns/op")
		f.Add(t, "a 200-byte record that no rule matches, decoding included, "+c.rules+" rules", c.bar, "%.0f ns, %s",
			ns, allocs.FindString(rest))
	}
	ms, _ := least(t, out, "BenchmarkSnapshot/save ", "cpu-ms/op")
	f.Add(t, "snapshot of 100,000 keys", "<= 50 ms", "%.0f ms", ms)
	memory := regexp.MustCompile(`100,000 keys: (\S+ MiB)`).FindStringSubmatch(out)
	require.NotNil(t, memory, "%s", out)
	f.Add(t, "memory of 100,000 live dedup keys", "<= 20 MiB", "%s", memory[1])
	out = goTest(t, "-run", "^$", "-bench", "^BenchmarkMatch$/.*/^patterns=1000$", "-cpu", "1", "-count", "3",
		"../../alert/filter")
	most := 0.0
	for _, m := range regexp.MustCompile(`(?m)^BenchmarkMatch/(\S+)/patterns=1000 `).FindAllStringSubmatch(out, -1) {
		ns, _ := least(t, out, "BenchmarkMatch/"+m[1]+"/patterns=1000 ", "cpu-ns/op")
		most = max(most, ns)
	}
	require.Positive(t, most)
	f.Add(t, "1,000 filter patterns, the dearest of all shapes", "<= 2 us", "%.2f us", most/1000)
}

// storm is a million alerts to a topic with e-mail, from three workers, in virtual time.
func (f *figures) storm(t *testing.T) {
	t.Setenv("SCALE", "1")
	out := goTest(t, "-run", "^TestStorm$", "-v", "../../alert/dispatch")
	said := regexp.MustCompile(`(\d+ alerts by \d+ workers.*)`).FindString(out)
	require.NotEmpty(t, said, "%s", out)
	f.Add(t, "a storm of 1,000,000 alerts to an e-mail topic", "<= 10 messages in any second, every id", "%s", said)
}

var allocs = regexp.MustCompile(`\d+ allocs/op`)

func goTest(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", //nolint:gosec // arguments of this file
		append([]string{"test"}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// least is the smallest figure of a unit in the lines of a benchmark, and the rest of its line.
func least(t *testing.T, out, name, unit string) (figure float64, line string) {
	t.Helper()
	for l := range strings.SplitSeq(out, "\n") {
		fields := strings.Fields(l)
		at := slices.Index(fields, unit)
		if !strings.HasPrefix(l, name) || at < 1 {
			continue
		}
		n, err := strconv.ParseFloat(fields[at-1], 64)
		require.NoError(t, err)
		if line == "" || n < figure {
			figure, line = n, l
		}
	}
	require.NotEmpty(t, line, "no %s of %s in: %s", unit, name, out)
	return figure, line
}

// cpu is what the daemon's process spends on records that a stub hands out as fast as it asks. A collector that finds
// an idle processor uses it, so on a quiet machine the figure is the higher one.
func (f *figures) cpu(t *testing.T, gogc string) {
	t.Helper()
	const shards, span = 16, 20 * time.Second
	e := newEmulator(t, shards, fakeaws.Options{})
	e.flood = newFlood(smallRecord)
	d := startDaemon(t, f.binary, "busy", e.Config(10*time.Second, 10, false), append(e.env("busy"), "GOGC="+gogc)...)
	d.holds(shards)
	time.Sleep(10 * time.Second)
	cpuBefore, readBefore, at := d.cpuSeconds(), d.metric("kinesis_alerter_records_read_total"), time.Now()
	time.Sleep(span)
	cpu, read, wall := d.cpuSeconds()-cpuBefore, d.metric("kinesis_alerter_records_read_total")-readBefore,
		time.Since(at)
	require.Positive(t, read)
	f.Add(t, "CPU per million 200-byte records, 16 shards, 10 rules, GOGC "+gogc, "<= 3.5 s",
		"%.2f s at %.0f records/s (peak memory %.0f MiB)",
		cpu/read*1e6, read/wall.Seconds(), d.memory("VmHWM"))
}

// besideSDK is what the daemon's process spends on records with 100 rules, beside a process that only calls GetRecords
// of the SDK: pairs of runs, one after the other, of which the medians count. BASELINE is the path of another binary
// that is measured in the same way.
func (f *figures) besideSDK(t *testing.T, what, data string) {
	t.Helper()
	const shards, rounds = 16, 3
	e := newEmulator(t, shards, fakeaws.Options{})
	e.flood = newFlood(data)
	bare := func() (cpu, memory float64) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBareSDK$") //nolint:gosec // this test
		cmd.Env = append(os.Environ(), append(e.env("bare"), "AWS_SECRET_ACCESS_KEY=x", "AWS_REGION=us-east-1",
			"BARE_SHARDS="+strconv.Itoa(shards))...)
		require.NoError(t, cmd.Start())
		defer func() {
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
		}()
		served := func() float64 {
			e.flood.mu.Lock()
			defer e.flood.mu.Unlock()
			return float64(e.flood.served)
		}
		cpu, memory, _ = spends(t, cmd.Process.Pid, served)
		return cpu, memory
	}
	own := func(binary string) (cpu, memory float64) {
		d := startDaemon(t, binary, "busy", e.Config(10*time.Second, 100, false), e.env("busy")...)
		d.holds(shards)
		cpu, memory, rate := spends(t, d.cmd.Process.Pid, func() float64 {
			return d.metric("kinesis_alerter_records_read_total")
		})
		code, _ := d.terminate()
		t.Logf("%s: %.2f s a million, %.0f MiB, %.0f records/s, exit %d", binary, cpu, memory, rate, code)
		return cpu, memory
	}
	var sdk, cpu, ratio, memory, before []float64
	for range rounds {
		b, _ := bare()
		c, m := own(f.binary)
		sdk, cpu, ratio, memory = append(sdk, b), append(cpu, c), append(ratio, c/b), append(memory, m)
		if baseline := os.Getenv("BASELINE"); baseline != "" {
			c, m := own(baseline)
			before = append(before, c)
			t.Logf("bare SDK %.2f s, baseline %.2f s (%.2f), %.0f MiB, now %.2f s (%.2f)", b, c, c/b, m,
				cpu[len(cpu)-1], ratio[len(ratio)-1])
		}
	}
	for _, of := range [][]float64{sdk, cpu, ratio, memory, before} {
		slices.Sort(of)
	}
	text := fmt.Sprintf("%.2f s beside %.2f s (ratio %.2f), peak memory %.0f MiB", cpu[rounds/2], sdk[rounds/2],
		ratio[rounds/2], memory[rounds/2])
	if before != nil {
		text += fmt.Sprintf("; baseline %.2f s", before[rounds/2])
	}
	f.Add(t, "CPU per million "+what+" records, 16 shards, 100 rules, beside a bare loop of the SDK",
		"<= 0.65 x, <= 130 MiB (1 kB: 180)", "%s", text)
}

// spends is what a process spends on a million of what count counts.
func spends(tb testing.TB, pid int, count func() float64) (cpu, memory, rate float64) {
	tb.Helper()
	time.Sleep(4 * time.Second)
	cpuBefore, before, at := cpuSeconds(tb, pid), count(), time.Now()
	time.Sleep(7 * time.Second)
	n := count() - before
	require.Positive(tb, n)
	return (cpuSeconds(tb, pid) - cpuBefore) / n * 1e6, memoryOf(tb, pid, "VmHWM"), n / time.Since(at).Seconds()
}

// TestBareSDK is the process that besideSDK compares with.
func TestBareSDK(t *testing.T) {
	shards, err := strconv.Atoi(os.Getenv("BARE_SHARDS"))
	if err != nil {
		t.Skip("make bench runs it, by besideSDK")
	}
	debug.SetGCPercent(100)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	client := kinesis.NewFromConfig(cfg)
	var all errgroup.Group
	for range shards {
		all.Go(func() error {
			next := aws.String("0")
			for {
				out, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
				if err != nil {
					return err
				}
				next = out.NextShardIterator
			}
		})
	}
	require.NoError(t, all.Wait())
}

// outputs is what it costs to write every record to an output stream, beside writing nothing: three pairs of runs, one
// after the other, of which the medians count.
func (f *figures) outputs(t *testing.T) {
	const shards, span, pairs = 16, 10 * time.Second, 3
	run := func(output string) (cpu, rate float64) {
		e := newEmulator(t, shards, fakeaws.Options{})
		e.flood = newFlood(smallRecord)
		d := startDaemon(t, f.binary, "busy", e.Config(10*time.Second, 10, false)+output, e.env("busy")...)
		d.holds(shards)
		time.Sleep(5 * time.Second)
		done := func() float64 { return d.metric("kinesis_alerter_records_total", `outcome="unmatched"`) }
		cpuBefore, before, at := d.cpuSeconds(), done(), time.Now()
		time.Sleep(span)
		cpu, n, wall := d.cpuSeconds()-cpuBefore, done()-before, time.Since(at).Seconds()
		require.Positive(t, n)
		if output != "" {
			require.GreaterOrEqual(t, d.metric("kinesis_alerter_output_records_total", `result="written"`), n)
		}
		code, _ := d.terminate()
		t.Logf("%q: %.2f s a million, %.0f records/s, exit %d", output, cpu/n*1e6, n/wall, code)
		return cpu / n * 1e6, n / wall
	}
	var none, all, rates []float64
	for range pairs {
		cpu, _ := run("")
		none = append(none, cpu)
		cpu, rate := run("outputs: {all: {stream: onward}}\n")
		all, rates = append(all, cpu), append(rates, rate)
	}
	for _, of := range [][]float64{none, all, rates} {
		slices.Sort(of)
	}
	f.Add(t, "an output of every 200-byte record, 10,000 keys, 20 ms a call, 16 shards",
		"<= 2.5 s more, >= 20000 records/s",
		"%.2f s a million beside %.2f without, %.0f records/s", all[pairs/2], none[pairs/2], rates[pairs/2])
}

// memory reads a line of the process' status, in MiB.
func (d *daemon) memory(line string) float64 {
	d.tb.Helper()
	d.running()
	return memoryOf(d.tb, d.cmd.Process.Pid, line)
}

func memoryOf(tb testing.TB, pid int, line string) float64 {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(tb, err)
	_, rest, ok := strings.Cut(string(status), line+":")
	require.True(tb, ok, "no %s in the status of the process", line)
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	require.NoError(tb, err)
	return kib / 1024
}

// cpuSeconds is what the process has used so far, user and system, in steps of 10 ms.
func (d *daemon) cpuSeconds() float64 {
	d.tb.Helper()
	d.running()
	return cpuSeconds(d.tb, d.cmd.Process.Pid)
}

func cpuSeconds(tb testing.TB, pid int) float64 {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(tb, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	user, err := strconv.ParseFloat(fields[11], 64)
	require.NoError(tb, err)
	system, err := strconv.ParseFloat(fields[12], 64)
	require.NoError(tb, err)
	return (user + system) / 100 // USER_HZ
}

// keyOf finds a partition key of a shard, where shards divide the hash keys evenly.
func keyOf(shard, shards int) string {
	for i := 0; ; i++ {
		key := fmt.Sprintf("key-%d-%d", shard, i)
		sum := md5.Sum([]byte(key))                                           //nolint:gosec // as above
		hi, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:8]), uint64(shards)) //nolint:gosec // small and positive
		if hi == uint64(shard) {                                              //nolint:gosec // as above
			return key
		}
	}
}

func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[int(q*float64(len(d)-1))]
}

// loadAverage is the machine's, over 1, 5 and 15 minutes: figures of a busy machine say little.
func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(data))[:3], " ")
}
