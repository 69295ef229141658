package system

import (
	"context"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// editWorld is a stream with one hot key, two topics, and daemons whose rules are edited.
type editWorld struct {
	t       *testing.T
	fake    *fakeaws.AWS
	rules   []alert.RuleConfig
	daemons []*testdaemon.TestDaemon
	reloads []chan os.Signal
	cords   []*cord
}

func (w *editWorld) start() {
	reloads, line := make(chan os.Signal, 1), &cord{fake: w.fake}
	var mine config.Config
	w.daemons = append(w.daemons, testdaemon.StartDaemon(w.t, w.fake, func(c *config.Config, o *daemon.Options) {
		c.Rules, c.Leases.Duration = w.rules, 5*time.Second
		c.Topics = map[string]alert.TopicConfig{
			"t": testkit.AnyRate(testkit.TestTopicARN), "u": testkit.AnyRate(testkit.TestTopicARN + "2"),
		}
		mine = *c
		o.AWS.HTTPClient = &http.Client{Transport: line}
		o.Reloads = reloads
		o.Reload = func(context.Context) (*config.LoadedConfig, error) {
			next := mine
			next.Rules = w.rules
			return &config.LoadedConfig{Config: next.WithDefaults(), Doc: &config.Document{}}, nil
		}
	}))
	w.reloads, w.cords = append(w.reloads, reloads), append(w.cords, line)
}

// leave ends the first daemon.
func (w *editWorld) leave(crash bool) {
	d := w.daemons[0]
	if w.daemons = w.daemons[1:]; crash {
		w.cords[len(w.cords)-len(w.daemons)-1].cut.Store(true)
	}
	if err := d.End(); err != nil && !crash {
		w.t.Errorf("%v\n%s", err, d.Log)
	}
}

// told is what each topic received about each rule, in one word each.
func (w *editWorld) told() map[string]string {
	out, ids := map[string]string{}, map[string]bool{}
	for topic, arn := range map[string]string{"t": testkit.TestTopicARN, "u": testkit.TestTopicARN + "2"} {
		for _, m := range w.fake.SNS.Messages(arn) {
			if id := m.Attributes["alert_id"].StringValue; ids[id] {
				continue // at least once
			} else {
				ids[id] = true
			}
			word := m.Attributes["kind"].StringValue
			if strings.Contains(m.Body, "it may still hold") {
				word = "ended"
			}
			of := topic + " " + m.Attributes["rule"].StringValue
			out[of] = strings.TrimSpace(out[of] + " " + word)
		}
	}
	return out
}

// TestRulesEditedWhileTheyFire: by a reload or a restart, with another owner or the same one, in a rolling deploy and
// after a crash, each topic that was notified of a key is notified of its end, once, and not before all workers have
// had the same rules for a minute.
func TestRulesEditedWhileTheyFire(t *testing.T) {
	t.Parallel()
	hot := func(name, when, topic, words string) alert.RuleConfig {
		return alert.RuleConfig{
			Name: name, When: when, Resolve: alert.Stretch{Time: 10 * time.Second}, Message: words,
			Topics: []string{topic},
		}
	}
	old := []alert.RuleConfig{
		hot("threshold", "v > 3", "t", "x"), hot("removed", "v > 3", "t", "x"), hot("moved", "v > 3", "t", "x"),
		hot("words", "v > 3", "t", "x"),
	}
	edited := []alert.RuleConfig{
		hot("threshold", "v > 4", "t", "x"), hot("moved", "v > 3", "u", "x"), hot("words", "v > 3", "t", "y"),
	}
	unremembering := []alert.RuleConfig{{Name: "plain", When: "v > 99", Topics: []string{"u"}}}
	const kept = "firing resolved"
	ended := map[string]string{
		"t threshold": kept, "t words": kept, "t removed": "firing ended", "t moved": "firing ended", "u moved": kept,
	}
	gone := map[string]string{
		"t threshold": "firing ended", "t words": "firing ended", "t removed": "firing ended",
		"t moved": "firing ended",
	}
	calm := map[string]string{"t threshold": kept, "t words": kept, "t removed": kept, "t moved": kept}
	reload := func(w *editWorld) { // its answer is in the log
		for _, c := range w.reloads[len(w.reloads)-len(w.daemons):] {
			c <- syscall.SIGHUP
		}
	}
	for name, way := range testkit.Named(map[string]struct {
		rules []alert.RuleConfig
		edit  func(w *editWorld)
		want  map[string]string
	}{
		"reload":  {edited, reload, ended},
		"restart": {edited, func(w *editWorld) { w.leave(false); w.start() }, ended},
		"crash":   {edited, func(w *editWorld) { w.leave(true); w.start() }, ended},
		"rolling deploy": {
			edited, func(w *editWorld) { w.start(); time.Sleep(40 * time.Second); w.leave(false) }, ended,
		},
		"reload, memory for nothing": {unremembering, reload, gone},
		"restart, memory for nothing": {unremembering, func(w *editWorld) {
			w.leave(false)
			w.start()
			time.Sleep(30 * time.Second)
			w.leave(false)
			w.start()
		}, gone},
		"roll-back": {edited, func(w *editWorld) {
			reload(w)
			time.Sleep(50 * time.Second)
			w.rules = old
			reload(w)
		}, calm},
		"roll-back by restarts": {edited, func(w *editWorld) {
			w.leave(false)
			w.start()
			time.Sleep(30 * time.Second)
			w.rules = old
			w.leave(false)
			w.start()
		}, calm},
	}, 3) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{Unthrottled: true})
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				client := sns.NewFromConfig(testkit.Emulated(fake))
				_, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{
					Name: aws.String(testkit.TestTopic + "2"),
				})
				require.NoError(t, err)
				w := &editWorld{t: t, fake: fake, rules: old}
				w.start()
				time.Sleep(90 * time.Second) // all workers read the latest format
				stop := make(chan struct{})
				go func() {
					for {
						fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"v":5}`))
						select {
						case <-time.After(2 * time.Second):
						case <-stop:
							fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"v":1}`))
							return
						}
					}
				}()
				time.Sleep(5 * time.Second)
				w.rules = way.rules
				way.edit(w)
				time.Sleep(45 * time.Second)
				if name == "reload" {
					for _, line := range []string{
						"rule removed was taken out with 1 key firing on this worker",
						"rule moved was removed from t with 1 key firing on this worker",
					} {
						require.Contains(t, w.daemons[0].Log.String(), line)
					}
					require.Contains(t, w.daemons[0].Log.String(), `"code":"rule_edited_firing"`)
				}
				for of, words := range w.told() {
					require.Equal(t, "firing", words, "%s, before all workers have had the same rules for a minute", of)
				}
				time.Sleep(90 * time.Second)
				close(stop)
				time.Sleep(time.Minute)
				require.Equal(t, way.want, w.told(), "%s", w.daemons[0].Log)
				last := w.daemons[0]
				w.leave(false)
				w.start()
				time.Sleep(3 * time.Minute)
				require.Equal(t, way.want, w.told(), "after one more restart: %s", last.Log)
				w.leave(false)
				require.Len(t, w.told(), len(way.want))
			})
		})
	}
}

// TestAlertsForATopicThatLeft: what waits for a topic that refuses alerts, when that leaves the configuration, goes
// where its rule goes now. Where that is nowhere, it is dropped, and counted. The next alerts of the key flow in any
// case.
func TestAlertsForATopicThatLeft(t *testing.T) {
	t.Parallel()
	missing := testkit.TestTopicARN + "-missing"
	for name, c := range map[string]struct {
		rules   []alert.RuleConfig
		want    []string
		dropped float64
	}{
		"its rule goes elsewhere": {
			[]alert.RuleConfig{{Name: "r", When: "v > 3", Topics: []string{"t"}}}, []string{"r 1", "r 2", "r 3"}, 0,
		},
		"its rule is gone": {
			[]alert.RuleConfig{{Name: "other", When: "v > 3", Topics: []string{"t"}}}, []string{"other 3"}, 2,
		},
		"its rule is about shadow": {
			[]alert.RuleConfig{
				{Name: "r", When: "v > 3", Topics: []string{"t"}, Mode: "shadow"}, {
					Name: "other", When: "v > 3", Topics: []string{"t"},
				},
			}, []string{"other 3"}, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{Unthrottled: true})
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				reloads, next := make(chan os.Signal, 1), config.Config{}
				d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
					c.Rules = []alert.RuleConfig{{Name: "r", When: "v > 3", Topics: []string{"left"}}}
					c.Topics = map[string]alert.TopicConfig{
						"t": testkit.AnyRate(testkit.TestTopicARN), "left": testkit.AnyRate(missing),
					}
					next, o.Reloads = *c, reloads
					o.Reload = func(context.Context) (*config.LoadedConfig, error) {
						return &config.LoadedConfig{Config: next.WithDefaults(), Doc: &config.Document{}}, nil
					}
				})
				time.Sleep(3 * time.Second)
				for _, data := range []string{`{"v":5,"n":1}`, `{"v":5,"n":2}`} {
					fake.Kinesis.Put(testkit.TestStream, "a", []byte(data))
				}
				time.Sleep(time.Minute)
				require.Empty(t, testkit.Messages(fake))
				for i := range c.rules {
					c.rules[i].Message = "{{ .Rule }} {{ .Fields.n }}"
				}
				next.Rules, next.Topics = c.rules, map[string]alert.TopicConfig{
					"t": testkit.AnyRate(testkit.TestTopicARN),
				}
				reloads <- syscall.SIGHUP
				time.Sleep(time.Minute)
				fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"v":5,"n":3}`))
				time.Sleep(10 * time.Second)
				require.Equal(t, c.want, testkit.Messages(fake))
				require.InDelta(t, c.dropped, testkit.Series(t, d.Reg, "kinesis_alerter_records_total", "invalid"), 0)
				require.NoError(t, d.End())
			})
		})
	}
}
