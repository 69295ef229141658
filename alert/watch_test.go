package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// watched is a shard under rules, with records at two a second.
type watched struct {
	t        *testing.T
	pipeline *Pipeline
	shard    *Evaluator
	at       time.Time
}

func newWatched(t *testing.T, when ...string) *watched {
	t.Helper()
	c := Config{Topics: map[string]TopicConfig{"t": {ARN: "arn:aws:sns:us-east-1:000000000000:t"}}}
	for i, w := range when {
		c.Rules = append(c.Rules, RuleConfig{Name: fmt.Sprintf("r%d", i), When: w})
	}
	p, err := NewOf(c, Deps{
		Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/s", Log: zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	require.NoError(t, err)
	return &watched{t, p, p.Shard("shardId-000000000000"), time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
}

func (w *watched) put(n int, every time.Duration, data string) {
	for range n {
		w.at = w.at.Add(every)
		d := w.shard.Evaluate(&Record{Data: []byte(data), Arrival: w.at})
		require.NotEqual(w.t, Invalid, d.Outcome)
	}
}

// findings are those of a rule, in words.
func (w *watched) findings(rule int) []string {
	var out []string
	for _, f := range w.pipeline.Status().Rules[rule].Fields {
		switch {
		case !f.Missing():
			out = append(out, fmt.Sprintf("%s is %s, not %s", f.Field, f.Has, f.Wanted))
		case f.Similar == "":
			out = append(out, "no "+f.Field)
		default:
			out = append(out, fmt.Sprintf("no %s but %s, sure %v", f.Field, f.Similar, f.Sure))
		}
	}
	return out
}

func TestFieldThatNoRecordHas(t *testing.T) {
	const half = 500 * time.Millisecond
	for name, c := range map[string]struct {
		when, record, want string
	}{
		"another case": {`ID >= 0`, `{"id":7}`, "no ID but id, sure true"},
		"another case, below": {
			`order.Price > 3`, `{"order":{"price":7}}`,
			"no order.Price but order.price, sure true",
		},
		"another style": {`heart_rate > 3`, `{"heartRate":7}`, "no heart_rate but heartRate, sure true"},
		"a dot in the name": {
			`sensor.temp > 3`, `{"sensor.temp":7}`,
			`no sensor.temp but $env["sensor.temp"], sure true`,
		},
		"no dot in the name": {
			`$env["sensor.temp"] > 3`, `{"sensor":{"temp":7}}`,
			`no $env["sensor.temp"] but sensor.temp, sure true`,
		},
		"behind a term that fails": {
			`kind == "b" and Temp > 3`, `{"kind":"a","temp":7}`,
			"no Temp but temp, sure true",
		},
		"in a function":        {`len(Kind) > 3`, `{"kind":"abc"}`, "no Kind but kind, sure true"},
		"nothing like it":      {`pressure > 3`, `{"id":7}`, "no pressure"},
		"elsewhere, too early": {`reading.temp > 3`, `{"sensor":{"temp":7}}`, "no reading.temp"},
		"a letter, too early":  {`temperatur > 3`, `{"temperature":7}`, "no temperatur"},
		"inside a list":        {`Temp > 3`, `{"list":[{"temp":7}]}`, "no Temp"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t, c.when)
			w.put(watchFew-1, half, c.record)
			require.Empty(t, w.findings(0), "too few records to say so")
			w.put(40, half, c.record)
			require.Equal(t, []string{c.want}, w.findings(0))
		})
	}
	t.Run("null is there, and a rule may ask itself", func(t *testing.T) {
		w := newWatched(t, `id > 3`, `ID == nil`, `(ID ?? 0) > 3`, `partition_key == "a"`)
		w.put(100, half, `{"id":null}`)
		for i := range 4 {
			require.Empty(t, w.findings(i))
		}
	})
	t.Run("other names are reported when there can be no doubt", func(t *testing.T) {
		w := newWatched(t, `reading.temp > 3`, `temperatur > 3`)
		w.put(watchRecords+2*noteRecords, time.Millisecond, `{"sensor":{"temp":7},"temperature":7}`)
		require.Equal(t, []string{"no reading.temp but sensor.temp, sure false"}, w.findings(0))
		require.Equal(t, []string{"no temperatur but temperature, sure false"}, w.findings(1))
	})
	t.Run("a rare event is none, until it did not come for 10,000 records and an hour", func(t *testing.T) {
		w := newWatched(t, `kind == "rare" and Level > 3`)
		w.put(1, half, `{"kind":"rare","Level":7}`)
		w.put(watchRecords+2*noteRecords, time.Millisecond, `{"kind":"often","level":7}`)
		require.Empty(t, w.findings(0), "an hour has not passed")
		w.put(1, 2*time.Hour, `{"kind":"rare","Level":7}`)
		w.put(100, time.Minute, `{"kind":"often","level":7}`)
		require.Empty(t, w.findings(0), "there were not enough records")
		w.put(watchRecords, time.Second, `{"kind":"often","level":7}`)
		require.Equal(t, []string{"no Level"}, w.findings(0))
		w.put(noteRecords, time.Millisecond, `{"kind":"rare","Level":7}`)
		require.Empty(t, w.findings(0))
	})
	t.Run("one that comes ends it", func(t *testing.T) {
		w := newWatched(t, `Level > 3`)
		w.put(100, half, `{"level":7}`)
		require.Len(t, w.findings(0), 1)
		w.put(1, 11*time.Second, `{"level":7,"Level":7}`)
		require.Empty(t, w.findings(0))
	})
	t.Run("all shards together", func(t *testing.T) {
		w := newWatched(t, `Level > 3`)
		w.put(100, half, `{"level":7}`)
		w.shard = w.pipeline.Shard("shardId-000000000001")
		w.put(1, 11*time.Second, `{"Level":7}`)
		require.Empty(t, w.findings(0))
	})
	t.Run("names of records are bounded", func(t *testing.T) {
		w := newWatched(t, `Level > 3`)
		for i := range 3 * maxSampledNames {
			w.put(1, 11*time.Second, fmt.Sprintf(`{"a%d":1,"b%d":{"c":2}}`, i, i))
		}
		require.LessOrEqual(t, len(w.pipeline.current.Load().watch.names), maxSampledNames)
		w.put(1, 11*time.Second, `{"level":1}`)
		require.Equal(t, []string{"no Level but level, sure true"}, w.findings(0))
	})
}

func TestFieldOfAnotherType(t *testing.T) {
	const half = 500 * time.Millisecond
	for name, c := range map[string]struct {
		when, record string
		want         []string
	}{
		"a number as text":   {`id >= 0`, `{"id":"7"}`, []string{"id is text, not number"}},
		"text as a number":   {`code == "503"`, `{"code":503}`, []string{"code is number, not text"}},
		"in a list":          {`code in [503, 504]`, `{"code":"503"}`, []string{"code is text, not number"}},
		"text wanted":        {`code startsWith "5"`, `{"code":503}`, []string{"code is number, not text"}},
		"truth as text":      {`open == true`, `{"open":"true"}`, []string{"open is text, not boolean"}},
		"a condition itself": {`open`, `{"open":"true"}`, []string{"open is text, not boolean"}},
		"its opposite":       {`not open`, `{"open":1}`, []string{"open is number, not boolean"}},
		"a list":             {`tags == "prod"`, `{"tags":["prod"]}`, []string{"tags is list or object, not text"}},
		"the right one":      {`id >= 0`, `{"id":-7}`, nil},
		"null":               {`id >= 0`, `{"id":null}`, nil},
		"another kind of event": {
			`kind == "b" and value > 5`, `{"kind":"a","value":"x"}`, nil,
		},
		"one of both will do": {`code in ["503", 503]`, `{"code":503}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t, c.when)
			w.put(100, half, c.record)
			require.Equal(t, c.want, w.findings(0))
		})
	}
	w := newWatched(t, `id >= 0`)
	w.put(100, half, `{"id":"7"}`)
	require.Len(t, w.findings(0), 1)
	w.put(1, 11*time.Second, `{"id":7}`)
	require.Empty(t, w.findings(0), "one of the right type ends it")
	w.put(watchRecords+noteRecords, time.Second, `{"id":"7"}`)
	require.Equal(t, []string{"id is text, not number"}, w.findings(0))
}

// An output whose condition or key names a field that no record has writes nothing, and says so.
func TestFieldOfAnOutputThatNoRecordHas(t *testing.T) {
	t.Parallel()
	c := Config{
		Topics: map[string]TopicConfig{"t": {ARN: "arn:aws:sns:us-east-1:000000000000:t"}},
		Rules:  []RuleConfig{{Name: "r", When: "id > 1000"}},
		Outputs: map[string]OutputConfig{
			"fine": {When: "id > 1", Key: "id"}, "key": {Key: "ID"}, "when": {When: "Id > 1"},
		},
	}
	p, err := NewOf(c, Deps{
		Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/s", Log: zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	require.NoError(t, err)
	w := &watched{t, p, p.Shard("shardId-000000000000"), time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	w.put(60, time.Second, `{"id":7}`)
	require.Empty(t, p.Status().Rules[0].Fields)
	got := p.Status().Outputs
	require.Len(t, got, 2)
	for output, field := range map[string]string{"key": "ID", "when": "Id"} {
		require.Len(t, got[output], 1)
		require.Equal(t, field, got[output][0].Field)
		require.Equal(t, "id", got[output][0].Similar)
	}
}
