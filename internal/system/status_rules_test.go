package system

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

// While records come and no rule can match, the page says why: after 40 s at two records a second, within which no
// alert came.
func TestStatusOfRulesThatSeeNothing(t *testing.T) {
	t.Parallel()
	pattern := func(text string) []filter.Pattern {
		var p filter.Pattern
		require.NoError(t, p.UnmarshalJSON([]byte(text)))
		return []filter.Pattern{p}
	}
	for name, c := range map[string]struct {
		when   string
		filter []filter.Pattern
		record func(i int) string
		// level, code and text are of the problem; none where all is well. note is what the rule's row has.
		level      status.Level
		code, text string
		remedy     string
		note       string
	}{
		"gzip": {
			when: "id >= 0", record: func(i int) string {
				return zipped(fmt.Sprintf(`{"id":%d}`, i))
			}, level: status.LevelWarning, code: "records_unreadable",
			text:   `^100 % of the records of the last 15 m cannot be read \((\d+) of \d+\), so no rule sees them: they look like gzip data$`,
			remedy: "`input: [{decompress: auto}]`",
		},
		"half of them": {
			when: "id >= 0", record: func(i int) string {
				if i%2 == 0 {
					return zipped(`{"id":1}`)
				}
				return `{"id":1}`
			}, level: status.LevelWarning, code: "records_unreadable", text: `^50 % of the records .* gzip data$`,
		},
		"gzip under a filter": {
			when: "id >= 0", filter: pattern(`{"data":{"id":[{"exists":true}]}}`), record: func(int) string {
				return zipped(`{"id":1}`)
			},
			level: status.LevelWarning, code: "records_unreadable", text: `^100 % .* gzip data$`,
		},
		"lines": {
			when: "id >= 0", record: func(i int) string { return fmt.Sprintf("{\"id\":%d}\n{\"id\":%d}\n", i, i) },
			level: status.LevelWarning, code: "records_unreadable", text: `several JSON records joined by newlines$`,
			remedy: "write `input: [{split: lines}]` into the configuration and restart: it reads 1",
		},
		"two kinds": {
			when: "id >= 0", record: func(i int) string {
				if i%4 == 0 {
					return `[{"id":1}]`
				}
				return "\xff\xfe{\x00}\x00"
			}, level: status.LevelWarning, code: "records_unreadable", text: `: 7\d % of them look like UTF-16 text$`,
		},
		"a bad one now and then": {when: "id >= 0", record: func(i int) string {
			if i%10 == 0 {
				return "nonsense"
			}
			return `{"id":1}`
		}},
		"wrong case": {
			when: "ID >= 0", record: func(i int) string {
				return fmt.Sprintf(`{"id":%d}`, i)
			}, level: status.LevelWarning, code: "rule_field_missing",
			text: `^rule r looks at ID, which none of the last [5-8]\d records has: they have id$`,
			note: "looks at ID, which none of",
		},
		"number as text": {
			when: "id >= 0", record: func(i int) string {
				return fmt.Sprintf(`{"id":"%d"}`, i)
			}, level: status.LevelWarning, code: "rule_field_type",
			text: `^rule r needs id as number, but records have text there$`, note: "needs id as number",
		},
		"a field that is rare": {
			when: "pressure > 3 or id >= 0", record: func(int) string {
				return `{"id":1}`
			}, note: "looks at pressure, which none of the last",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
				fake.Kinesis.Create(testkit.TestStream, 2)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, func(cfg *config.Config, o *daemon.Options) {
					o.Listener, cfg.Filter = page, c.filter
					cfg.Rules = []alert.RuleConfig{{Name: "r", When: c.when, Topics: []string{"oncall"}}}
				})
				time.Sleep(10 * time.Second)
				for i := range 80 {
					fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("k", i), []byte(c.record(i)))
					time.Sleep(time.Second / 2)
				}
				s := page.Status(t)
				if c.code == "" {
					require.Empty(t, s.Problems)
				} else {
					require.Len(t, s.Problems, 1)
					p := s.Problems[0]
					require.Equal(t, []any{c.level, c.code}, []any{p.Level, p.Code})
					require.Regexp(t, c.text, p.Text)
					require.Contains(t, p.Remedy, c.remedy)
				}
				for _, kind := range []string{"text/plain", "text/html"} {
					require.Contains(t, page.Get(t, "/", kind), c.note)
				}
				require.NoError(t, d.End())
			})
		})
	}
}

// A template that fails and keys that are forgotten are named with their rule, and no more once it is over.
func TestStatusOfTemplatesAndForgottenKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener, c.State.MaxKeys = page, 10
			c.Rules = []alert.RuleConfig{
				{Name: "words", When: "id >= 0", Message: `{{ printf "%d" .Key }}`, Topics: []string{"oncall"}},
				{Name: "keys", When: "id >= 0", Dedup: time.Hour, Topics: []string{"oncall"}},
			}
		})
		time.Sleep(10 * time.Second)
		for i := range 12 {
			fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("k", i), fmt.Appendf(nil, `{"id":%d}`, i))
		}
		time.Sleep(10 * time.Second)
		texts := map[string]string{}
		for _, p := range page.Status(t).Problems {
			require.Equal(t, status.LevelWarning, p.Level)
			texts[p.Code] = p.Text
		}
		require.Len(t, texts, 2)
		require.Contains(t, texts["template_failing"],
			"rule words: a template of its messages failed 12 times in the last 15 m")
		require.Contains(t, texts["keys_forgotten"], "rule keys forgot 2 keys in the last 15 m")
		time.Sleep(20 * time.Minute)
		require.Empty(t, page.Status(t).Problems)
		require.NoError(t, d.End())
	})
}

// A rule that costs more than it may is named, and its records become dead letters, one a second of each shard;
// the other rule alerts all the same, and the shard continues.
func TestStatusOfARuleOverBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		queue, err := sqs.NewFromConfig(testkit.Emulated(fake)).CreateQueue(t.Context(), &sqs.CreateQueueInput{
			QueueName: aws.String("letters"),
		})
		require.NoError(t, err)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener, c.DeadLetter.SQS = page, aws.ToString(queue.QueueUrl)
			c.Rules = []alert.RuleConfig{
				{Name: "costly", When: `replace(host, ".", sep) != ""`, Topics: []string{"oncall"}},
				{Name: "plain", When: "id >= 50", Topics: []string{"oncall"}},
			}
		})
		time.Sleep(10 * time.Second)
		poison := fmt.Sprintf(`{"id":%%d,"host":"%s","sep":"%s"}`, strings.Repeat(".", 100_000),
			strings.Repeat("b", 100_000))
		for i := range 40 {
			fake.Kinesis.Put(testkit.TestStream, "k", fmt.Appendf(nil, poison, i))
			time.Sleep(time.Second / 4)
		}
		fake.Kinesis.Put(testkit.TestStream, "k", []byte(`{"id":50,"host":"a.b","sep":"-"}`))
		time.Sleep(10 * time.Second)
		s := page.Status(t)
		require.Len(t, s.Problems, 1)
		require.Equal(t, []any{status.LevelWarning, "rule_over_budget"}, []any{s.Problems[0].Level, s.Problems[0].Code})
		require.Contains(t, s.Problems[0].Text,
			"rule costly is beyond its budget of work or of text for 40 records in the last 15 m")
		require.Equal(t, map[string]uint64{"costly": 40}, s.Recent.OverBudget)
		letters := s.Records["dead_lettered"]
		require.InDelta(t, 10, letters, 1)
		require.Equal(t, 40-letters, s.Records["over_budget"])
		require.EqualValues(t, 1, s.Records["alerted"], "the next record is judged by both")
		require.Equal(t, 2, fake.SNS.Count(testkit.TestTopicARN))
		require.NoError(t, d.End())
	})
}

// A silence whose condition costs more than it may silences nothing, and is named.
func TestStatusOfASilenceOverBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener = page
			c.Rules = []alert.RuleConfig{{Name: "plain", When: "id >= 0", Topics: []string{"oncall"}}}
			c.Silences = []alert.SilenceConfig{
				{Name: "bench", When: `replace(host, ".", sep) != ""`, Until: "2000-01-03T00:00:00Z"},
			}
		})
		time.Sleep(10 * time.Second)
		fake.Kinesis.Put(testkit.TestStream, "k", fmt.Appendf(nil, `{"id":1,"host":"%s","sep":"%s"}`,
			strings.Repeat(".", 100_000), strings.Repeat("b", 100_000)))
		fake.Kinesis.Put(testkit.TestStream, "k", []byte(`{"id":2,"host":"a.b","sep":"-"}`))
		time.Sleep(20 * time.Second)
		s := page.Status(t)
		require.Len(t, s.Problems, 1)
		require.Equal(t, []any{status.LevelWarning, "silence_over_budget"}, []any{
			s.Problems[0].Level, s.Problems[0].Code,
		})
		require.Contains(t, s.Problems[0].Text,
			"the condition of the silence bench is beyond its budget of work or of text for 1 record in the last 15 m")
		require.Equal(t, 1, fake.SNS.Count(testkit.TestTopicARN), "the other record is silenced")
		require.NoError(t, d.End())
	})
}

// A record that would keep the filter busy for long passes it, and the page says so.
func TestStatusOfAFilterOverBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		var criteria strings.Builder
		for i := range 2500 {
			_, _ = fmt.Fprintf(&criteria, `,{"Pattern":%q}`,
				fmt.Sprintf(`{"data":{"a":[{"anything-but":["z","y%d"]}]}}`, i))
		}
		patterns, err := filter.ParseCriteria([]byte(`{"Filters":[` + criteria.String()[1:] + `]}`))
		require.NoError(t, err)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener, c.Filter = page, patterns
			c.Rules = []alert.RuleConfig{{Name: "plain", When: "id >= 0", Topics: []string{"oncall"}}}
		})
		time.Sleep(10 * time.Second)
		fake.Kinesis.Put(testkit.TestStream, "k", []byte(`{"id":1,"a":[`+strings.Repeat(`"z",`, 60_000)+`"z"]}`))
		fake.Kinesis.Put(testkit.TestStream, "k", []byte(`{"id":2,"a":"z"}`))
		time.Sleep(20 * time.Second)
		s := page.Status(t)
		require.Len(t, s.Problems, 1)
		require.Equal(t, []any{status.LevelWarning, "filter_over_budget"}, []any{
			s.Problems[0].Level, s.Problems[0].Code,
		})
		require.Contains(t, s.Problems[0].Text, "the filter is beyond its budget of work for 1 record in the last 15 m")
		require.Equal(t, 1, fake.SNS.Count(testkit.TestTopicARN), "the other record is filtered")
		require.NoError(t, d.End())
	})
}

// A filter that lets nothing pass may be intended: the page says so after an hour, as information.
func TestStatusOfAFilterThatDropsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener = page
			var p filter.Pattern
			require.NoError(t, p.UnmarshalJSON([]byte(`{"data":{"detail":{"heartRate":[{"exists":true}]}}}`)))
			c.Filter = []filter.Pattern{p}
		})
		put := func(n int, record string) *status.Status {
			for range n {
				time.Sleep(time.Second)
				fake.Kinesis.Put(testkit.TestStream, "k", []byte(record))
			}
			time.Sleep(6 * time.Second)
			return page.Status(t)
		}
		after := func(s *status.Status, d time.Duration) []status.Problem {
			s.At = s.At.Add(d)
			return status.Problems(s, false)
		}
		quiet := func(s *status.Status, d time.Duration) {
			t.Helper()
			for _, p := range after(s, d) {
				require.NotEqual(t, "filter_drops_all", p.Code)
			}
		}
		time.Sleep(10 * time.Second)
		s := put(9, `{"heartRate":60}`)
		quiet(s, time.Hour)
		s = put(21, `{"heartRate":60}`)
		require.Equal(t, uint64(30), s.Filter.Dropped)
		quiet(s, 50*time.Minute)
		all := after(s, 10*time.Minute)
		told := all[len(all)-1]
		require.Equal(t, []any{status.LevelInfo, "filter_drops_all"}, []any{told.Level, told.Code})
		require.Equal(t, "the filter has dropped every record for 1 h, 30 so far", told.Text)
		s = put(1, `{"detail":{"heartRate":60}}`)
		require.Zero(t, s.Filter.Dropped)
		s = put(20, `{"heartRate":60}`)
		require.Equal(t, uint64(20), s.Filter.Dropped)
		quiet(s, 50*time.Minute)
		require.NoError(t, d.End())
	})
}

func TestStatusOfALongSilence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		silence alert.SilenceConfig
		told    bool
	}{
		"for ever":       {alert.SilenceConfig{Until: "2099-01-01T00:00:00Z"}, true},
		"every rule":     {alert.SilenceConfig{Until: "2099-01-01T00:00:00Z", Rules: []string{"high", "low"}}, true},
		"one rule":       {alert.SilenceConfig{Until: "2099-01-01T00:00:00Z", Rules: []string{"low"}}, false},
		"on a condition": {alert.SilenceConfig{Until: "2099-01-01T00:00:00Z", When: `host == "h1"`}, false},
		"always true":    {alert.SilenceConfig{Until: "2099-01-01T00:00:00Z", When: `true`}, true},
		"of the bubble":  {alert.SilenceConfig{Until: "2000-01-20T00:00:00Z"}, false},
		"not yet":        {alert.SilenceConfig{From: "2098-01-01T00:00:00Z", Until: "2099-01-01T00:00:00Z"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				c.silence.Name = "works"
				d := testdaemon.StartDaemon(t, fake, func(cfg *config.Config, o *daemon.Options) {
					o.Listener, cfg.Silences = page, []alert.SilenceConfig{c.silence}
					cfg.Rules = append(cfg.Rules, alert.RuleConfig{
						Name: "low", When: "heartRate < 40", Topics: []string{"oncall"},
					})
				})
				time.Sleep(10 * time.Second)
				s := page.Status(t)
				if !c.told {
					require.Empty(t, s.Problems)
				} else {
					require.Len(t, s.Problems, 1)
					require.Equal(t, []any{status.LevelInfo, "silence_long"}, []any{
						s.Problems[0].Level, s.Problems[0].Code,
					})
					require.Equal(t, "the silence works mutes every rule until 2099-01-01", s.Problems[0].Text)
				}
				require.NoError(t, d.End())
			})
		})
	}
}

// A rule that can never match is reported by check, in the log and on the page, and keeps the daemon from nothing. So
// is a silence of many years.
func TestRulesThatCanNeverMatch(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`stream: {name: ExampleStream}
rules:
  - {name: a, when: temp > 100 and temp < 50}
  - {name: b, when: 'kind != "x" or kind != "y"'}
  - {name: fine, when: temp == nil}
silences:
  - {name: works, until: "2099-01-01T00:00:00Z"}
topics:
  t: {arn: "arn:aws:sns:us-east-1:000000000000:ExampleTopic"}
`), 0o600))
	code, out, stderr := command_(t, "check", file)
	require.Zero(t, code, stderr)
	require.Contains(t, stderr,
		file+
			":3:41: rules[0].when: temp > 100 and temp < 50: can never hold: temp > 100 and temp < 50 exclude "+
			"each other\n")
	require.Contains(t, stderr,
		file+`:4:34: rules[1].when: kind != "x" or kind != "y": kind != "x" or kind != "y" can never be false`)
	require.Regexp(t, file+`:7:26: silences\[0\].until: 2099-01-01T00:00:00Z: the silence works lasts \d{5} days`,
		stderr)
	require.Contains(t, out, "valid; 3 rules, 1 topic, 3 warnings\n")

	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener = page
			c.Rules = append(c.Rules, alert.RuleConfig{
				Name: "low", When: "heartRate > 100 and heartRate < 50", Topics: []string{"oncall"},
			})
		})
		time.Sleep(10 * time.Second)
		s := page.Status(t)
		require.Len(t, s.Problems, 1)
		require.Equal(t, []any{status.LevelWarning, "rule_never_matches"}, []any{
			s.Problems[0].Level, s.Problems[0].Code,
		})
		require.Equal(t, "rules[1].when can never hold: heartRate > 100 and heartRate < 50 exclude each other",
			s.Problems[0].Text)
		require.Contains(t, d.Log.String(), "configuration is valid, but probably not what was meant")
		require.NoError(t, d.End())
	})
}
