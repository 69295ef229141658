package letters

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
)

// Judge says which alerts a letter stands for, by the rules in force. It is safe for concurrent use.
type Judge struct {
	config alert.Config
	stream string // name
	// remembering are the rules that cannot judge one record by itself.
	remembering []string

	mu        sync.Mutex
	pipelines map[string]*alert.Pipeline // by the ARN of the stream
}

// NewJudge makes a judge of a valid configuration for a stream.
func NewJudge(config alert.Config, stream string) *Judge {
	j := &Judge{config: config, stream: stream, pipelines: map[string]*alert.Pipeline{}}
	scored := func(rule string) bool {
		return slices.ContainsFunc(config.Mentions(), func(m alert.Mention) bool {
			return m.Rule == rule && slices.ContainsFunc(config.Score, func(s alert.ScoreConfig) bool {
				return strings.HasPrefix(m.Name(), strings.TrimSuffix(s.As, "_SCORE"))
			})
		})
	}
	for i := range config.Rules {
		if r := &config.Rules[i]; r.Remembers() || scored(r.Name) {
			j.remembering = append(j.remembering, r.Name)
		}
	}
	return j
}

// Alerts are what a letter has to publish. Where there is nothing, why says so. undecided are the rules that could have
// more to say of its record but remember others.
func (j *Judge) Alerts(s *deadletter.Saved) (alerts []*alert.Alert, undecided []string, why string) {
	l := &s.Letter
	if name := s.Stream[strings.LastIndexByte(s.Stream, '/')+1:]; name != j.stream {
		return nil, nil, fmt.Sprintf("it is of the stream %s, and the configuration is about %s", name, j.stream)
	}
	if a := s.Alert(); a != nil {
		return j.known([]*alert.Alert{a})
	}
	switch {
	case l.AlertID != "" && slices.Contains(j.remembering, l.Rule):
		return nil, []string{l.Rule}, "it holds no message, and its rule " + l.Rule + " remembers other records"
	case l.Rule != "" && !slices.ContainsFunc(j.config.Rules, func(r alert.RuleConfig) bool {
		return r.Name == l.Rule
	}):
		return nil, nil, "it holds no message, and the configuration has no rule " + l.Rule
	case len(l.Record.Data) == 0:
		return nil, nil, "it holds neither a message nor a record: what is too long for a queue or topic is left out"
	}
	p, err := j.pipeline(s.Stream)
	if err != nil {
		return nil, nil, err.Error()
	}
	d := p.Shard(l.Record.Shard).Evaluate(&l.Record)
	for _, a := range d.Alerts {
		switch {
		case slices.Contains(j.remembering, a.Rule):
		case l.AlertID == "":
			alerts = append(alerts, a)
		case a.Rule == l.Rule && a.Topic == l.Topic && a.Kind == alert.KindFiring:
			a.ID = l.AlertID // of a shard that was rewound it has another one
			alerts = append(alerts, a)
		}
	}
	if l.AlertID == "" && d.Outcome != alert.Invalid {
		undecided = j.remembering
	}
	if len(alerts) > 0 {
		alerts, _, why = j.known(alerts)
		return alerts, undecided, why
	}
	why = "no rule alerts for its record: " + d.Outcome.String()
	if d.Reason != "" {
		why += ", " + string(d.Reason)
	}
	return nil, undecided, why
}

// known checks that all topics are configured: else nothing of the letter is published.
func (j *Judge) known(alerts []*alert.Alert) (_ []*alert.Alert, _ []string, why string) {
	for _, a := range alerts {
		if _, ok := j.config.Topics[a.Topic]; !ok {
			return nil, nil, "the configuration has no topic " + a.Topic
		}
	}
	return alerts, nil, ""
}

// pipeline is that of the rules for a stream, whose ARN is part of every alert's id.
func (j *Judge) pipeline(stream string) (*alert.Pipeline, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := j.pipelines[stream]; p != nil {
		return p, nil
	}
	rules, err := j.config.Compile()
	if err != nil {
		return nil, err
	}
	p, err := alert.New(rules, alert.Deps{Stream: stream, Log: zap.NewNop(), Registerer: prometheus.NewRegistry()})
	if err == nil {
		j.pipelines[stream] = p
	}
	return p, err
}
