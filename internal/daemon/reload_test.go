package daemon

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// reloadable is a reloader over a file, with a publisher that makes no calls.
type reloadable struct {
	*reloader
	t    *testing.T
	file string
	logs *observer.ObservedLogs
}

// inForceLine is what an answer says of the silence.
const inForceLine = "silence night: active until 2099-12-01T00:00:00Z; this process has silenced 0 alerts by it\n"

func newReloadable(t *testing.T) *reloadable {
	t.Helper()
	r := &reloadable{t: t, file: testkit.ConfigFile(t, testkit.ReloadConfig)}
	load := func(ctx context.Context) (*config.LoadedConfig, error) {
		return config.LoadConfig(ctx, r.file, testkit.Environment(nil))
	}
	loaded, err := load(t.Context())
	require.NoError(t, err)
	core, logs := observer.New(zap.InfoLevel)
	r.logs = logs
	reg, p := prometheus.NewRegistry(), loaded.Parts()
	r.reloader = NewReloader(loaded.Config, load, zap.New(core), reg)
	r.pipeline, err = loaded.Pipeline(alert.Deps{Stream: "arn", Log: zap.NewNop(), Registerer: reg})
	require.NoError(t, err)
	topics, err := sns.New(NewClients(testkit.Emulated(nil), prometheus.NewRegistry(), nil).SNS, nil)
	require.NoError(t, err)
	r.publisher, err = dispatch.New(p.SNS, dispatch.Deps{Service: topics})
	require.NoError(t, err)
	return r
}

func (r *reloadable) Write(edits ...string) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(r.file, []byte(strings.NewReplacer(edits...).Replace(testkit.ReloadConfig)),
		0o600))
}

func (r *reloadable) outcome(payload string) alert.Outcome {
	return r.pipeline.Shard("shard").Evaluate(&alert.Record{SequenceNumber: "1", Data: []byte(payload)}).Outcome
}

func TestReloadSaysWhatChanged(t *testing.T) {
	t.Parallel()
	r := newReloadable(t)
	r.Write(
		"v > 1", "v > 10", "  - {name: two, when: v > 2, topics: [a]}\n",
		"  - {name: three, when: v > 30, topics: [b]}\n",
		"topics:\n", "topics:\n  b: {arn: \"arn:aws:sns:us-east-1:000000000000:b\"}\n", "silences",
		"filter: [{data: {v: [{exists: true}]}}]\nsilences",
		"{name: s}", "{name: other}",
	)
	changes, err := r.reload(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{
		"rule one changed", "rule three added", "rule two removed", "topic b added", "filter changed",
		"stream differs, which needs a restart: the old value stays active",
	}, changes)
	require.Equal(t, "s", r.current.Stream.Name)
	require.Equal(t, alert.Unmatched, r.outcome(`{"v":5}`))
	require.Equal(t, alert.Filtered, r.outcome(`{}`))
	require.Equal(t, 1, r.logs.FilterMessage("configuration reloaded").Len())

	changes, err = r.reload(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"stream differs, which needs a restart: the old value stays active"}, changes)
}

func TestReloadKeepsTheOldSetWhereTheNewOneIsWrong(t *testing.T) {
	t.Parallel()
	r := newReloadable(t)
	r.Write("v > 1", "v >", "[a]", "[nosuch]")
	_, err := r.reload(t.Context())
	require.ErrorContains(t, err, "rules[0].when")
	require.ErrorContains(t, err, "rules[1].topics[0]")
	require.Equal(t, alert.Suppressed, r.outcome(`{"v":2}`), "silenced, so the rule is in force")
	require.Equal(t, 1, r.logs.FilterMessage("configuration file is refused, the old one stays active").Len())
	require.NoError(t, os.Remove(r.file))
	_, err = r.reload(t.Context())
	require.ErrorContains(t, err, "no such file")
	require.Equal(t, "the file cannot be read", r.last.Load().Error)
	require.InDelta(t, 0, testutil.ToFloat64(r.good), 0)
}

// The input of a process is that of its start, and a reload says so. Rules for texts would never match objects: they
// are not put into force.
func TestReloadKeepsTheInput(t *testing.T) {
	t.Parallel()
	r := newReloadable(t)
	r.Write("stream: {name: s}\n", "stream: {name: s}\ninput: cloudwatch_logs\ninput_limits: {ratio: 50}\n",
		"v > 1", "v > 3")
	changes, err := r.reload(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{
		"rule one changed", "input" + config.RestartNeeded, "input_limits" + config.RestartNeeded,
	}, changes)
	require.False(t, r.inForce.Load().Input.Given())

	r.Write("stream: {name: s}\n", "stream: {name: s}\ninput: [{parse: {as: text}}]\n",
		"v > 1", "data contains 'a'", "v > 2", "data contains 'b'")
	_, err = r.reload(t.Context())
	require.ErrorContains(t, err, "input: differs, which needs a restart: the rules are for records in text, and the "+
		"active input gives json; the old rules stay active")
	require.Equal(t, "v > 3", r.inForce.Load().Rules[0].When)
}

func TestReloadWithoutAFile(t *testing.T) {
	t.Parallel()
	r := newReloadable(t)
	r.load = nil
	_, err := r.reload(t.Context())
	require.ErrorContains(t, err, "started without a configuration file")
	require.InDelta(t, 1, testutil.ToFloat64(r.good), 0, "what cannot be asked for has not failed")
	require.Nil(t, r.last.Load())
}

// asking is a reloader whose file is read when the test lets it.
type asking struct {
	*reloadable
	begun chan struct{} // one for each load that begins
	let   chan struct{}
	loads int
	stop  func()
	ended chan error
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	a := &asking{
		reloadable: newReloadable(t), begun: make(chan struct{}, 10), let: make(chan struct{}),
		ended: make(chan error, 1),
	}
	load := a.load
	a.load = func(ctx context.Context) (*config.LoadedConfig, error) {
		a.loads++
		a.begun <- struct{}{}
		<-a.let
		return load(ctx)
	}
	ctx, cancel := context.WithCancel(t.Context())
	a.stop = cancel
	go func() { a.ended <- a.Run(nil)(ctx) }()
	return a
}

// ask asks over HTTP and answers the code when there is one; 0 where the caller has left.
func (a *asking) ask(ctx context.Context) <-chan string {
	answer := make(chan string, 1)
	go func() {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/-/reload", http.NoBody))
		answer <- fmt.Sprint(w.Code, " ", w.Body)
	}()
	return answer
}

// TestReloadsShareTheirAnswer: one runs, one waits, and all who ask meanwhile have its answer, which is about the file
// as it was after they had asked. Who has gone costs nothing.
func TestReloadsShareTheirAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t)
		first := a.ask(t.Context())
		<-a.begun
		a.Write("v > 1", "v > 10")
		var others []<-chan string
		for range 150 {
			others = append(others, a.ask(t.Context()))
		}
		synctest.Wait()
		a.let <- struct{}{}
		require.Equal(t, "200 rule one changed\n"+inForceLine, <-first)
		<-a.begun
		a.Write("v > 1", "v > 100")
		a.let <- struct{}{}
		for _, o := range others {
			require.Equal(t, "200 rule one changed\n"+inForceLine, <-o)
		}
		require.Equal(t, 2, a.loads)

		busy := a.ask(t.Context())
		<-a.begun
		gone, leave := context.WithCancel(t.Context())
		left := a.ask(gone)
		synctest.Wait()
		leave()
		<-left
		a.let <- struct{}{}
		require.Equal(t, "200 nothing changed\n"+inForceLine, <-busy)
		synctest.Wait()
		require.Equal(t, 3, a.loads, "nobody waits for another one")
		a.stop()
		require.NoError(t, <-a.ended)
	})
}

// TestStopEndsTheQueueOfReloads, also while a file hangs: each caller gets an answer, and what is read then is not put
// into force.
func TestStopEndsTheQueueOfReloads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t)
		a.Write("v > 1", "v > 10")
		running := a.ask(t.Context())
		<-a.begun
		waiting := a.ask(t.Context())
		synctest.Wait()
		a.stop()
		require.NoError(t, <-a.ended)
		const said = "503 the daemon is stopping, the old configuration stays active\n"
		require.Equal(t, said, <-running)
		require.Equal(t, said, <-waiting)
		require.Equal(t, said, <-a.ask(t.Context()))
		a.let <- struct{}{}
		synctest.Wait()
		require.Equal(t, alert.Suppressed, a.outcome(`{"v":2}`), "the old rule is in force")
		require.Equal(t, 1, a.loads)
	})
}

// TestReloadThatPanicsIsOneFailedReload: the next one works.
func TestReloadThatPanicsIsOneFailedReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReloadable(t)
		load, once := r.load, true
		r.load = func(ctx context.Context) (*config.LoadedConfig, error) {
			if once {
				once = false
				panic("of a library")
			}
			return load(ctx)
		}
		a := &asking{reloadable: r, ended: make(chan error, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { a.ended <- r.Run(nil)(ctx) }()
		require.Contains(t, <-a.ask(t.Context()), "422 ")
		require.InDelta(t, 0, testutil.ToFloat64(r.good), 0)
		require.Equal(t, "200 nothing changed\n"+inForceLine, <-a.ask(t.Context()))
		cancel()
		require.NoError(t, <-a.ended)
	})
}

// A file that would exhaust the daemon, or never ends, leaves the active configuration as it is; and a stop does not
// wait for one.
func TestReloadOfAHostileFileKeepsTheOldSet(t *testing.T) {
	t.Parallel()
	r := newReloadable(t)
	for name, file := range testkit.HostileConfigs() {
		require.NoError(t, os.WriteFile(r.file, []byte(file.Text), 0o600))
		_, err := r.reload(t.Context())
		require.Error(t, err, name)
		require.Equal(t, alert.Suppressed, r.outcome(`{"v":2}`), name)
	}
	require.NoError(t, os.Remove(r.file))
	require.NoError(t, syscall.Mkfifo(r.file, 0o600))
	_, err := r.reload(t.Context())
	require.ErrorContains(t, err, "is a pipe without a writer")
	writer, err := os.OpenFile(r.file, os.O_RDWR, 0) // and writes nothing
	require.NoError(t, err)
	defer writer.Close() //nolint:errcheck // nothing was written
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err = r.reload(stopped)
	require.ErrorIs(t, err, errStopping)
	require.Equal(t, alert.Suppressed, r.outcome(`{"v":2}`))
}

// TestReloadRefusesSilencesThatAreOver: the old file stays active.
func TestReloadRefusesSilencesThatAreOver(t *testing.T) {
	t.Parallel()
	r := newReloadable(t)
	r.Write("2099", "2020", "v > 1", "v > 100")
	_, err := r.reload(t.Context())
	require.ErrorContains(t, err,
		"silences[0].until: 2020-12-01T00:00:00Z: the silence night is over; remove it, or give it an end in the "+
			"future")
	require.Equal(t, alert.Suppressed, r.outcome(`{"v":2}`), "the old file is in force")
}

// TestReloadSaysWhatSilences: until when each is active, and what it has silenced so far, also over a reload.
func TestReloadSaysWhatSilences(t *testing.T) {
	t.Parallel()
	r := newReloadable(t)
	r.outcome(`{"v":2}`)
	r.outcome(`{"v":3}`)
	r.Write("silences: [", `silences: [{name: later, from: "2098-01-01T00:00:00Z", until: "2098-02-01T00:00:00Z"}, `)
	_, err := r.reload(t.Context())
	require.NoError(t, err)
	r.outcome(`{"v":2}`)
	w := httptest.NewRecorder()
	go func() { _ = r.Run(nil)(t.Context()) }()
	for w.Body.Len() == 0 || w.Code == http.StatusServiceUnavailable {
		w = httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/-/reload", http.NoBody))
	}
	require.Equal(t, "nothing changed\n"+
		"silence later: from 2098-01-01T00:00:00Z until 2098-02-01T00:00:00Z; this process has silenced 0 "+
		"alerts by it\n"+
		"silence night: active until 2099-12-01T00:00:00Z; this process has silenced 4 alerts by it\n",
		w.Body.String())
}
