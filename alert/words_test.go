package alert

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

func TestTemplateSeesTheAlert(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, TopicConfig{}, RuleConfig{
		Name: "heart", Labels: map[string]string{"team": "cardio"},
		Runbook: "https://wiki.example/{{ .Rule }}", Dashboard: "https://graf.example/?key={{ urlquery .Key }}",
		Message: `{{ .Rule }} {{ .Severity }} {{ .Key }} {{ .Kind }} {{ .ID }} {{ .At.Format "15:04" }} {{ ` +
			`.Since.Format "15:04" }} ` +
			`{{ .Suppressed }} {{ .Value }} {{ .Labels.team }} {{ .Runbook }} {{ .Dashboard }} {{ .Topic }} {{ ` +
			`.Stream }} {{ .Record.SubSequence }}`,
	})
	a := someAlert(KindRepeat, `{}`)
	a.Suppressed = 3
	require.Equal(t, "heart critical p 17 repeat 8cf6 09:05 08:00 3 199.5 cardio https://wiki.example/heart "+
		"https://graf.example/?key=p+17 oncall "+testStream+" 2", message(t, r, a).Body)

	r = newRenderer(t, TopicConfig{}, RuleConfig{
		Name:    "heart",
		Message: `{{ with .Value }}{{ . }}{{ else }}no value{{ end }}{{ if .Since.IsZero }}, no since{{ end }}`,
	})
	for _, value := range []float64{0, math.NaN(), math.Inf(1)} {
		a = &Alert{Value: value}
		if value != 0 {
			a.Worse = 1
		}
		require.Equal(t, "no value, no since", message(t, r, a).Body)
	}
}

// TestNullIsMissing: what text/template calls <no value> is in no message.
func TestNullIsMissing(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`x {{ .Fields.note }}`:                                            "", // the default words
		`x {{ .Fields.nosuch }}`:                                          "",
		`x {{ .Fields.order.note }}`:                                      "",
		`x {{ index .Fields "note" }}`:                                    "",
		`x {{ index .Fields "nosuch" }}`:                                  "",
		`x {{ range .Fields.list }}{{ . }}{{ end }}`:                      "",
		`{{ with .Fields }}{{ .note }}{{ end }}`:                          "",
		`{{ template "t" . }}{{ define "t" }}{{ .Fields.note }}{{ end }}`: "",
		`x {{ get .Fields "note" }}.`:                                     "x .",
		`x {{ get .Fields "order" "nosuch" }}.`:                           "x .",
		`x {{ .Fields.note | default "-" }}.`:                             "x -.",
		`x {{ if .Fields.note }}a{{ else }}b{{ end }}.`:                   "x b.",
		`x {{ with get .Fields "note" }}a{{ else }}b{{ end }}.`:           "x b.",
		`x {{ eq (get .Fields "nosuch") "y" }}.`:                          "x false.",
		`x {{ json .Fields.note }}.`:                                      "x null.",
		`x {{ $y := get .Fields "id" }}{{ $y }}.`:                         "x 7.",
		`x {{ .Value }}.`:                                                 "x .",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			r := newRenderer(t, TopicConfig{}, RuleConfig{Name: "heart", Message: source})
			a := someAlert(KindFiring, `{"id":7,"note":null,"order":{"note":null},"list":[1,null]}`)
			a.Worse = 0
			got := message(t, r, a).Body
			require.NotContains(t, got, "no value")
			if want == "" {
				require.Contains(t, got, `{"id":7,"note":null`, "the default words")
				return
			}
			require.Equal(t, want, got)
		})
	}
}

// TestKindsDoNotLookLikeNewAlarms: a template that does not mention kinds was written for new alerts.
func TestKindsDoNotLookLikeNewAlarms(t *testing.T) {
	t.Parallel()
	cases := []struct {
		kind             Kind
		subject, message string
		wantSubject      string
		wantBody         string
	}{
		{KindFiring, "Heart rate", "too high", "Heart rate", "too high"},
		{"", "Heart rate", "too high", "Heart rate", "too high"},
		{KindResolved, "Heart rate", "too high", "[RESOLVED] Heart rate", "[RESOLVED] too high"},
		{KindRepeat, "Heart rate", "too high", "[STILL FIRING] Heart rate", "[STILL FIRING] too high"},
		{KindDrill, "Heart rate", "too high", "[DRILL] Heart rate", "[DRILL] too high"},
		{KindResolved, "", "", "[RESOLVED] Anomaly detected", "*"},
		{KindResolved, "{{ .Fields.nosuch }}", "x", "[RESOLVED] Anomaly detected", "[RESOLVED] x"},
		{KindResolved, "{{ .Kind }}: heart", "{{ $.Kind }}: heart", "resolved: heart", "resolved: heart"},
		{
			KindResolved, `{{ template "k" . }}{{ define "k" }}{{ .Kind }}{{ end }}`,
			`{{ with . }}{{ .Kind }}{{ end }}`,
			"resolved", "resolved",
		},
		{KindResolved, `{{ $d := . }}{{ $d.Kind }}`, `{{ (.).Kind }}`, "resolved", "resolved"},
		{KindResolved, `{{ printf "%.3s" (.Kind) }}`, `{{ if eq .Kind "resolved" }}well{{ end }}`, "res", "well"},
		{
			KindResolved, `{{ if json . }}all of it{{ end }}`, `{{ if json $ }}all of it{{ end }}`, "all of it",
			"all of it",
		},
		// Another Kind is not the alert's.
		{KindResolved, `{{ .Fields.Kind }}`, `{{ with .Fields }}{{ .Kind }}{{ end }}`, "[RESOLVED] x", "[RESOLVED] x"},
		{
			KindResolved, `{{ range .Fields.list }}{{ .Kind }}{{ end }}`,
			`{{ template "k" .Fields }}{{ define "k" }}{{ $.Kind }}{{ end }}`, "[RESOLVED] y", "[RESOLVED] x",
		},
		{KindResolved, strings.Repeat("x", 99), "x", "[RESOLVED] " + strings.Repeat("x", 88), "[RESOLVED] x"},
		// A document for a machine stays one.
		{KindResolved, "x", `{"rule":{{ json .Rule }}}`, "[RESOLVED] x", `{"rule":"heart"}`},
		{KindResolved, "x", `{{ json . }}`, "[RESOLVED] x", "*"},
		{KindWatchdog, "Heart rate", "too high", "[WATCHDOG] The alert pipeline works", "*"},
		{KindWatchdog, "{{ .Kind }}", "{{ .Kind }}", "watchdog", "watchdog"},
	}
	for _, c := range cases {
		t.Run(string(c.kind)+" "+c.subject+" "+c.message, func(t *testing.T) {
			t.Parallel()
			r := newRenderer(t, TopicConfig{Subject: c.subject, Message: c.message}, RuleConfig{Name: "heart"})
			m := message(t, r, someAlert(c.kind, `{"Kind":"x","list":[{"Kind":"y"}]}`))
			require.Equal(t, c.wantSubject, m.Subject)
			if c.wantBody != "*" {
				require.Equal(t, c.wantBody, m.Body)
			}
		})
	}
}

// TestDefaultBody: alerts that time causes are put in plain words, with all that is known.
func TestDefaultBody(t *testing.T) {
	t.Parallel()
	heart := newRenderer(t, TopicConfig{}, RuleConfig{Name: "heart"})
	absence := newRenderer(t, TopicConfig{}, RuleConfig{Name: "quiet", Absence: AbsenceConfig{After: 1}})
	rest := `
Severity: critical
Key: p 17
Value: 199.5
Since: 2026-11-22T08:00:00Z
At: 2026-11-22T09:05:00Z
Last record: shard shardId-000000000006, sequence number 4959, sub-sequence 2, arrived 2026-11-22T09:04:59Z`

	require.Equal(t, `Anomaly detected ...  {"x":1}`, message(t, heart, someAlert(KindFiring, `{"x":1}`)).Body)
	require.Equal(t, "The rule heart fires: its condition holds."+rest,
		message(t, heart, someAlert(KindFiring, "")).Body)
	require.Equal(t, "The rule heart is resolved: its condition no longer holds."+rest+"\nData: {\"x\":1}",
		message(t, heart, someAlert(KindResolved, `{"x":1}`)).Body)
	require.Equal(t, "The rule heart still fires: its condition still holds."+rest,
		message(t, heart, someAlert(KindRepeat, "")).Body)
	require.Equal(t, "The rule quiet fires: no record has come."+rest,
		message(t, absence, someAlert(KindFiring, "")).Body)
	require.Equal(t, "The rule quiet still fires: no record has come."+rest,
		message(t, absence, someAlert(KindRepeat, "")).Body)
	require.Equal(t, "The rule quiet is resolved: records are coming again."+rest,
		message(t, absence, someAlert(KindResolved, "")).Body)

	shard := &Alert{Kind: KindFiring, Record: Record{Shard: "shardId-000000000006"}}
	require.Equal(t, "The rule quiet fires: no record has come.\nLast record: shard shardId-000000000006",
		message(t, absence, shard).Body)
	require.Equal(t, "The rule quiet fires: no record has come.", message(t, absence, &Alert{}).Body)

	m := message(t, newRenderer(t, TopicConfig{Message: "{{ .Fields.x }}"}, RuleConfig{Name: "drill"}),
		&Alert{Kind: KindDrill, Topic: "oncall"})
	require.Equal(t, "[DRILL] This is a test", m.Subject)
	require.Equal(t, "This is a test of the topic oncall. Nothing happened, and no action is needed.",
		m.Body)

	m = message(t, newRenderer(t, TopicConfig{Subject: "s", Message: "m"},
		RuleConfig{Name: "watchdog", Severity: SeverityInfo}), &Alert{Kind: KindWatchdog})
	require.Equal(t, "[WATCHDOG] The alert pipeline works", m.Subject)
	require.Equal(t, "The alert pipeline of the stream "+testStream+" works. This message repeats while it does. "+
		"If it stops, alerts have stopped, too: check the pipeline.\nSeverity: info", m.Body)
}

// TestTemplateForRecordsIsNoFailureWithoutOne: a rule that resolves after a time must not count a failure each time.
func TestTemplateForRecordsIsNoFailureWithoutOne(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, TopicConfig{}, RuleConfig{
		Name: "heart", Subject: "{{ .Fields.rate }}", Message: "{{ .Record.Data }}",
		Runbook:    "https://x.example/{{ .Fields.rate }}",
		Attributes: map[string]AttributeConfig{"rate": {Type: "Number", Value: "{{ .Fields.rate }}"}},
	})
	m := message(t, r, someAlert(KindResolved, ""))
	require.Equal(t, "[RESOLVED] Anomaly detected", m.Subject)
	require.True(t, strings.HasPrefix(m.Body, "The rule heart is resolved"))
	require.Len(t, m.Attributes, 4)
	require.Empty(t, failures(r))

	message(t, r, someAlert(KindResolved, "{}"))
	require.Equal(t, map[string]int{partSubject: 1, partLink: 1, partAttribute: 1}, failures(r),
		"with a record it is one")

	r = newRenderer(t, TopicConfig{}, RuleConfig{Name: "heart", Subject: "{{ .Kind }} {{ .Fields.rate }}"})
	message(t, r, someAlert(KindResolved, ""))
	require.Equal(t, map[string]int{partSubject: 1}, failures(r), "one that knows the kinds should know better")
}

func TestBodyIsCompleted(t *testing.T) {
	t.Parallel()
	const runbook, dashboard = "https://wiki.example/heart", "https://graf.example/d?key={{ urlquery .Key }}"
	cases := []struct {
		name, message string
		suppressed    uint32
		want          string
	}{
		{
			"links", "too high\n", 0,
			"too high\n\nRunbook: https://wiki.example/heart\nDashboard: https://graf.example/d?key=p+17",
		},
		{
			"suppressed", "too high {{ .Runbook }}{{ .Dashboard }}", 2,
			"too high https://wiki.example/hearthttps://graf.example/d?key=p+17\n\n(2 more were suppressed since " +
				"the last message)",
		},
		{
			"one suppressed", "{{ .Runbook }}", 1,
			"https://wiki.example/heart\n\n(1 more was suppressed since the last message)\nDashboard: " +
				"https://graf.example/d?key=p+17",
		},
		{"said", "{{ .Suppressed }}{{ if .Runbook }}r{{ end }}{{ with .Dashboard }}d{{ end }}", 5, "5rd"},
		{"document", ` [1, {{ .Value }}] `, 5, " [1, 199.5] "},
		{
			"no document", `[x`, 0,
			"[x\n\nRunbook: https://wiki.example/heart\nDashboard: https://graf.example/d?key=p+17",
		},
		{
			"default words", "", 0,
			"Anomaly detected ...  {}\n\nRunbook: https://wiki.example/heart\nDashboard: " +
				"https://graf.example/d?key=p+17",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRenderer(t, TopicConfig{}, RuleConfig{
				Name: "heart", Message: c.message, Runbook: runbook,
				Dashboard: dashboard,
			})
			a := someAlert(KindFiring, `{}`)
			a.Suppressed = c.suppressed
			require.Equal(t, c.want, message(t, r, a).Body)
		})
	}
}

func TestLinkThatIsNoneIsLeftOut(t *testing.T) {
	t.Parallel()
	for source, fails := range map[string]bool{
		"{{ .Fields.url }}": true, "https://x.example/{{ .Key }}": true, "{{ .Fields.nosuch }}": true,
		"https://{{ .Fields.none }}":           true,
		"https://x.example/{{ .Fields.long }}": true, "{{ .Fields.none }}": false, " {{ .Fields.good }}\n": false,
	} {
		r := newRenderer(t, TopicConfig{}, RuleConfig{Name: "heart", Message: "m", Runbook: source})
		m := message(t, r, someAlert(KindFiring,
			`{"url":"javascript:alert(1)","none":"","good":"HTTPS://x.example/a","long":"`+strings.Repeat("x",
				maxLink)+`"}`))
		if fails {
			require.Equal(t, map[string]int{partLink: 1}, failures(r), source)
		} else {
			require.Empty(t, failures(r), source)
		}
		if strings.Contains(source, "good") {
			require.Equal(t, "m\n\nRunbook: HTTPS://x.example/a", m.Body)
		} else {
			require.Equal(t, "m", m.Body, source)
		}
	}
}

func TestBodiesOfProtocols(t *testing.T) {
	t.Parallel()
	topic := TopicConfig{
		Message: "default",
		Bodies: map[string]string{
			"sms":   "{{ .Rule }}: {{ .Record.Data }}",
			"sqs":   `{"alert":{{ json .ID }},"fields":{{ json .Fields }}}`,
			"email": "Heart rate",
			"http":  "{{ .Fields.nosuch }}",
		},
	}
	r := newRenderer(t, topic, RuleConfig{
		Name: "heart", Labels: map[string]string{"team": "x"},
		Runbook: "https://wiki.example/",
	})
	a := someAlert(KindResolved, `{"a":[1]}`)
	a.Suppressed = 4
	require.Equal(t, Message{
		Subject: "[RESOLVED] Anomaly detected",
		Body: "[RESOLVED] default\n\n(4 more were suppressed since the last message)\nRunbook: " +
			"https://wiki.example/",
		Bodies: map[string]string{
			"sms": "[RESOLVED] heart: {\"a\":[1]}\n\n(4 more were suppressed since the last message)",
			"sqs": `{"alert":"8cf6","fields":{"a":[1]}}`,
			"email": "[RESOLVED] Heart rate\n\n(4 more were suppressed since the last message)\nRunbook: " +
				"https://wiki.example/",
		},
	}, message(t, r, a), "what fails is left to the default; there are no attributes, since SNS would leave them out")
	require.Equal(t, map[string]int{partBody: 1}, failures(r))

	sms := message(t, r, someAlert(KindFiring, strings.Repeat("ä", 1000))).Bodies["sms"]
	require.LessOrEqual(t, len(sms), maxSMS)
	require.True(t, utf8.ValidString(sms))
	require.Contains(t, sms, "sequence number 4959")
}

// TestSampleWithBodies: without rules, too, a message with bodies has no attributes.
func TestSampleWithBodies(t *testing.T) {
	t.Parallel()
	var f faults
	r := f.render(f.topicWords("topics.oncall", TopicConfig{Bodies: map[string]string{"sms": "x"}}), nil)
	require.Empty(t, f)
	m := message(t, r, &Alert{Record: Record{Data: []byte("payload")}})
	require.Equal(t, Message{
		Subject: "Anomaly detected", Body: "Anomaly detected ...  payload", Bodies: map[string]string{"sms": "x"},
	}, m)
}

func TestGroupID(t *testing.T) {
	t.Parallel()
	topic := TopicConfig{
		ARN:     "arn:aws:sns:us-east-1:000000000000:alerts.fifo",
		GroupID: " {{ .Rule }}-{{ .Fields.ward }}\n",
	}
	r := newRenderer(t, topic, RuleConfig{Name: "heart"})
	require.Equal(t, "heart-7", message(t, r, someAlert(KindFiring, `{"ward":7}`)).Group)
	require.Empty(t, failures(r))
	require.Empty(t, message(t, r, someAlert(KindFiring, `{}`)).Group, "the publisher takes the partition key")
	require.Equal(t, map[string]int{partGroup: 1}, failures(r))
}

func TestWordsConfigErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 100)
	cases := []struct {
		name  string
		topic TopicConfig
		rule  RuleConfig
		want  string
	}{
		{
			"long subject",
			TopicConfig{Subject: long},
			RuleConfig{},
			`topics.a.subject: "` + long + `": has 100 characters, SNS takes 99`,
		},
		{
			"subject of lines",
			TopicConfig{},
			RuleConfig{Subject: "a\nb"},
			`rules[0].subject: "a\nb": must not contain line breaks or control characters: SNS takes none in a subject`,
		},
		{"no subject", TopicConfig{}, RuleConfig{Subject: " "}, `rules[0].subject: " ": must not be empty`},
		{
			"no message",
			TopicConfig{Message: "\n"},
			RuleConfig{},
			`topics.a.message: "\n": must not be empty: SNS takes no empty message`,
		},
		{
			"protocol",
			TopicConfig{Bodies: map[string]string{"pager": "x"}},
			RuleConfig{},
			`topics.a.bodies.pager: "x": "pager" is not one of the protocols: email, email-json, sms, sqs, http, ` +
				`https, lambda, application, firehose`,
		},
		{
			"default",
			TopicConfig{Bodies: map[string]string{"default": "x"}},
			RuleConfig{},
			`topics.a.bodies.default: "x": is what message is for`,
		},
		{
			"no body",
			TopicConfig{Bodies: map[string]string{"sms": ""}},
			RuleConfig{},
			`topics.a.bodies.sms: "": must not be empty: leave it out for the protocol to get the message`,
		},
		{
			"blank body",
			TopicConfig{Bodies: map[string]string{"sms": " "}},
			RuleConfig{},
			`topics.a.bodies.sms: " ": must not be empty: SNS takes no empty message`,
		},
		{
			"attributes with bodies",
			TopicConfig{Bodies: map[string]string{"sms": "x"}},
			RuleConfig{Attributes: map[string]AttributeConfig{"b": {Value: "x"}, "a": {Value: "x"}}},
			`rules[0].attributes: "a, b": topics.a has bodies, and SNS leaves all attributes out of a message with ` +
				`a body for each protocol: do without one of the two`,
		},
		{
			"group",
			TopicConfig{ARN: "arn:aws:sns:us-east-1:000000000000:alerts", GroupID: "x"},
			RuleConfig{},
			`topics.a.group_id: "x": is for FIFO topics, whose ARN ends in .fifo; this one is ` +
				`"arn:aws:sns:us-east-1:000000000000:alerts"`,
		},
		{
			"link",
			TopicConfig{},
			RuleConfig{Runbook: "wiki/heart"},
			`rules[0].runbook: "wiki/heart": must be an absolute URL that begins with http:// or https://`,
		},
		{
			"link to nowhere",
			TopicConfig{},
			RuleConfig{Runbook: "https://"},
			`rules[0].runbook: "https://": must be an absolute URL that begins with http:// or https://`,
		},
		{
			"link with space",
			TopicConfig{},
			RuleConfig{Dashboard: "https://x.example/a b"},
			`rules[0].dashboard: "https://x.example/a b": must not contain white space or control characters: ` +
				`values need the function urlquery`,
		},
		{
			"link of another kind",
			TopicConfig{},
			RuleConfig{Dashboard: "ftp://x.example/{{ .Key }}"},
			`rules[0].dashboard: "ftp://x.example/{{ .Key }}": must begin with http:// or https://`,
		},
		{
			"behind what depends on the record",
			TopicConfig{Message: "{{ round 1 .Fields.a }}\n{{ .Rul }}"},
			RuleConfig{},
			`topics.a.message: "{{ round 1 .Fields.a }}\n{{ .Rul }}": can't evaluate field Rul: there is no such ` +
				`thing in a message (line 2, column 4 of the value)`,
		},
		{
			"of a record, behind",
			TopicConfig{Message: "{{ if .Fields.a }}{{ $.Record.Dta }}{{ end }}"},
			RuleConfig{},
			`topics.a.message: "{{ if .Fields.a }}{{ $.Record.Dta }}{{ end }}": can't evaluate field Dta: a record ` +
				`has no such thing (line 1, column 23 of the value)`,
		},
		{
			"hidden",
			TopicConfig{Message: "{{ if .Fields.a }}{{ .fields }}{{ end }}"},
			RuleConfig{},
			`topics.a.message: "{{ if .Fields.a }}{{ .fields }}{{ end }}": can't evaluate field fields: there is no ` +
				`such thing in a message (line 1, column 22 of the value)`,
		},
		{
			"label",
			TopicConfig{},
			RuleConfig{Message: "{{ .Labels.taem }}", Labels: map[string]string{"team": "x"}},
			`rules[0].message: "{{ .Labels.taem }}": the rule has no label taem (line 1, column 11 of the value)`,
		},
		{
			"zone",
			TopicConfig{},
			RuleConfig{Message: `{{ .At | date "15:04" "Europe/Berln" }}`},
			`rules[0].message: "{{ .At | date \"15:04\" \"Europe/Berln\" }}": "Europe/Berln" is no time zone of the ` +
				`IANA (line 1, column 23 of the value)`,
		},
		{
			"zone of the host",
			TopicConfig{},
			RuleConfig{Message: `{{ date "15:04" "Local" .At }}`},
			`rules[0].message: "{{ date \"15:04\" \"Local\" .At }}": "Local" is no time zone of the IANA (line 1, ` +
				`column 17 of the value)`,
		},
		{
			"arguments",
			TopicConfig{},
			RuleConfig{Message: `{{ .Fields.a }}{{ truncate "x" .Key }}`},
			`rules[0].message: "{{ .Fields.a }}{{ truncate \"x\" .Key }}": expected integer; found "x" (line 1, ` +
				`column 28 of the value)`,
		},
		{
			"too few",
			TopicConfig{},
			RuleConfig{Message: `{{ upper }}`},
			`rules[0].message: "{{ upper }}": wrong number of args for upper: want 1 got 0 (line 1, column 4 of the ` +
				`value)`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.rule.Name, c.rule.When = "r", "true"
			require.EqualError(t, Config{
				Topics: map[string]TopicConfig{"a": c.topic},
				Rules:  []RuleConfig{c.rule},
			}.Validate(), c.want)
		})
	}
	for _, fine := range []string{
		"{{ .Labels.team }}", "{{ with .Fields }}{{ .anything }}{{ end }}",
		`{{ template "x" .Fields }}{{ define "x" }}{{ .Dta }}{{ $.Dta }}{{ end }}`,
		"{{ range .Fields.l }}{{ .Dta }}{{ else }}{{ .Rule }}{{ end }}", "{{ $x := .Fields }}{{ $x.Dta }}",
		"{{ .At.Year }}{{ .Record.Arrival.Unix }}",
		strings.Repeat("{{ .Rule }}", 40),
	} {
		require.NoError(t, Config{
			Topics: map[string]TopicConfig{"a": {Message: fine}},
			Rules:  []RuleConfig{{Name: "r", When: "true"}},
		}.Validate(), fine)
	}
}

// acceptable holds a message to the rules of SNS, with room for the largest attributes.
func acceptable(t require.TestingT, m Message) {
	require.NotEmpty(t, m.Subject)
	require.True(t, utf8.ValidString(m.Subject))
	require.LessOrEqual(t, utf8.RuneCountInString(m.Subject), 99)
	require.False(t, strings.ContainsFunc(m.Subject, lineOrControl), "%q", m.Subject)
	require.NotEmpty(t, m.Body)
	require.True(t, utf8.ValidString(m.Body))
	for protocol, body := range m.Bodies {
		require.Contains(t, protocols(), protocol)
		require.NotEmpty(t, body)
		require.True(t, utf8.ValidString(body))
	}
	require.True(t, utf8.ValidString(m.Group))
	if len(m.Bodies) > 0 {
		require.Empty(t, m.Attributes)
		require.Empty(t, m.Structure)
	}
	require.LessOrEqual(t, len(m.Attributes), 10)
	seen, size := make(map[string]bool), 0
	for _, a := range m.Attributes {
		require.Regexp(t, `^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`, a.Name)
		require.NotRegexp(t, `(?i)^(aws|amazon)\.`, a.Name)
		require.False(t, seen[a.Name])
		seen[a.Name] = true
		size += len(a.Name) + len(a.Type) + len(a.Value)
		require.NotEmpty(t, a.Value)
		require.True(t, utf8.ValidString(a.Value))
		require.False(t, strings.ContainsFunc(a.Value, unsupportedInAttribute), "%q", a.Value)
		switch a.Type {
		case "String":
		case "Number":
			require.Regexp(t, `^-?[0-9]+(\.[0-9]{1,5})?$`, a.Value)
			n, err := strconv.ParseFloat(a.Value, 64)
			require.NoError(t, err)
			require.LessOrEqual(t, math.Abs(n), 1e9)
		case "String.Array":
			v := jsontext.Value(a.Value)
			require.True(t, v.IsValid() && v.Kind() == '[', a.Value)
		default:
			require.Fail(t, "type", a.Type)
		}
	}
	require.Less(t, size, 64<<10)
}

// loops reports whether a template has loops, which an author may want to run long; the fuzzer must not.
func loops(source string) bool {
	return strings.Contains(source, "range") && (strings.Count(source, "range") > 1 ||
		regexp.MustCompile(`[0-9_]{4}|0[xXoObB]|[eE'pP]`).MatchString(
			strings.ReplaceAll(strings.ReplaceAll(source, "range", ""), "end", "")))
}

// FuzzTemplates: no template and no record makes a panic, or a message that SNS refuses.
func FuzzTemplates(f *testing.F) {
	for _, source := range []string{
		"{{ .Record.Data }} {{ .Fields.a }}", `{{ with .Fields }}{{ .a | default "x" | upper }}{{ end }}`,
		`{{ json . }}`, `{{ printf "%v" . }}`,
		`{{ range .Fields.l }}{{ . }}{{ end }}`, `{{ truncate 3 .Key }}{{ round 2 .Value }}`,
		`{{ define "x" }}{{ template "x" }}{{ end }}`,
		`{{ date "2006" "UTC" .At }}{{ duration (.At.Sub .Since) }}`,
		`{{ get .Fields "a" "b" }}{{ join "," .Fields.l }}`, "https://x.example/{{ urlquery .Key }}",
		"[1, {{ json .Fields.a }}]", "{{/* */}}", `{{ define "template" }}x{{ end }}`, "{{ break }}", "\xff",
		"{{ 12345 }}", "{{ .Value }}", "{{ $ }}",
	} {
		f.Add(source, `{"a":"b","l":[1,"x",null]}`, "key", uint8(0))
		f.Add(source, "", "\x00\xff😀", uint8(2))
	}
	f.Fuzz(func(t *testing.T, source, payload, key string, kind uint8) {
		if loops(source) {
			return
		}
		var errs faults
		topic := TopicConfig{ARN: "x.fifo", Subject: source, Message: source, GroupID: source}
		rule := RuleConfig{
			Name: "r", Labels: map[string]string{"team": "x"}, Runbook: source, Dashboard: source,
			Attributes: map[string]AttributeConfig{
				"s": {Value: source}, "n": {Type: "Number", Value: source},
				"a": {Type: "String.Array", Value: source},
			},
		}
		kinds := []Kind{KindFiring, KindRepeat, KindResolved, KindWatchdog, KindDigest, KindDrill, ""}
		a := someAlert(kinds[int(kind)%len(kinds)], payload)
		a.Key, a.Record.PartitionKey, a.Suppressed = key, key, uint32(kind)
		ruleWords := errs.ruleWords("rules[0]", rule)
		for _, bodies := range []map[string]string{nil, {"sms": source, "sqs": source}} {
			if topic.Bodies = bodies; bodies != nil {
				ruleWords.names = nil
			}
			r := errs.render(errs.topicWords("topics.a", topic), ruleWords)
			for _, err := range errs {
				require.NotEmpty(t, err.Error())
			}
			m, err := r.message(a)
			require.NoError(t, err)
			acceptable(t, m)
			again, err := r.message(a)
			require.NoError(t, err)
			require.Equal(t, m, again)
		}
	})
}

// TestAcceptedConfigsMakeAcceptableMessages: SNS accepts the messages of every configuration that check accepts.
func TestAcceptedConfigsMakeAcceptableMessages(t *testing.T) {
	t.Parallel()
	accepted := 0
	try := func(t *rapid.T) {
		plain := rapid.SampledFrom([]string{
			"{{ .Fields.a }}", "{{ .Fields.n }}", "{{ json .Fields.l }}", "{{ .Key }}", "{{ .Kind }}",
			"{{ .Record.Data }}", "{{ .Labels.a }}", "x\n", "7", "[]",
			"https://x.example/", "{{ .Value }}", strings.Repeat("long ", 20),
			"😀", "{{ urlquery .Fields.a }}",
		})
		fragment := rapid.OneOf(plain, rapid.SampledFrom([]string{"{{ if .Fields.a }}", "{{ end }}"}),
			rapid.StringN(0, 5, -1))
		label, names, bodies := fragment, []string{"a..b", "AWS.x", "kind"}, []string{"default", "fax"}
		if rapid.Bool().Draw(t, "plain") { // nearly all others are refused
			fragment, label, names, bodies = plain, rapid.SampledFrom([]string{"7", "x"}), nil, nil
		}
		source := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(
				rapid.SliceOfN(fragment, 0, 3).Draw(t, "fragments"), "")
		})
		name := rapid.SampledFrom(append(names, "a", "b", "c.d", "e", "f", "g", "h", "i"))
		config := Config{Topics: map[string]TopicConfig{"one": {
			Subject: source.Draw(t, "topic subject"),
			Message: source.Draw(t, "topic message"),
		}, "two": {}}}
		if rapid.Bool().Draw(t, "bodies") {
			two := TopicConfig{Bodies: rapid.MapOfN(rapid.SampledFrom(append(bodies, protocols()...)), source, 0,
				2).Draw(t, "two")}
			config.Topics["two"] = two
		}
		rule := RuleConfig{
			Name: "r", When: "true", Subject: source.Draw(t, "subject"), Message: source.Draw(t, "message"),
			Runbook: rapid.SampledFrom([]string{"", "https://x.example/"}).Draw(t, "runbook") + source.Draw(t, "link"),
			Labels:  rapid.MapOfN(name, label, 0, 4).Draw(t, "labels"),
			Topics: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"one", "two"}), 1, 2, rapid.ID).Draw(t,
				"topics"),
		}
		if rapid.Bool().Draw(t, "attributes?") {
			rule.Attributes = rapid.MapOfN(name, rapid.Custom(func(t *rapid.T) AttributeConfig {
				return AttributeConfig{Type: rapid.SampledFrom([]string{"", "String", "Number", "String.Array"}).Draw(t,
					"type"), Value: source.Draw(t, "value")}
			}), 0, 6).Draw(t, "attributes")
		}
		config.Rules = []RuleConfig{rule}
		p, err := NewOf(config, Deps{Stream: testStream, Log: zap.NewNop(), Registerer: prometheus.NewRegistry()})
		if err != nil {
			return
		}
		accepted++
		payload := fmt.Sprintf(`{"a":%s,"n":%d,"l":["x",2]}`, quoted(rapid.String().Draw(t, "a")),
			rapid.Int32().Draw(t, "n"))
		d := p.Shard("shardId-000000000000").Evaluate(
			&Record{Shard: "shardId-000000000000", SequenceNumber: "1", PartitionKey: "k", Data: []byte(payload)})
		require.Len(t, d.Alerts, len(rule.Topics))
		for _, a := range d.Alerts {
			m, err := a.Render()
			require.NoError(t, err)
			acceptable(t, m)
			if slices.Contains(rule.Topics, a.Topic) && len(config.Topics[a.Topic].Bodies) > 0 {
				require.Empty(t, m.Attributes)
			}
		}
	}
	for range 5 { // all of a few draws may be refused
		if rapid.Check(t, try); accepted > 0 {
			return
		}
	}
	t.Error("check accepts nothing")
}

func quoted(s string) string {
	b, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil {
		return `""`
	}
	return string(b)
}
