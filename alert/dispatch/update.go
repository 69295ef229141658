package dispatch

import (
	"time"

	"go.uber.org/zap"
)

// Update puts another configuration into effect, while Run runs, before it or after it. It returns the errors of a
// wrong one, and then changes nothing.
//
// New topics begin at once. Rates, digests and all other settings of topics that stay apply to what is sent from now
// on. A topic whose ARN changed is a new one; the old one ends when all that it has is published. A topic that is no
// longer there takes alerts of the rules that were, and ends when nothing has waited for it for a minute; from then on
// its alerts are rejected and its metrics are gone.
func (p *Publisher) Update(cfg Config) error {
	if err := p.deps.Service.Validate(cfg); err != nil {
		return err
	}
	cfg = cfg.WithDefaults()
	p.updating.Lock()
	defer p.updating.Unlock()
	p.metrics.target.Store(int64(cfg.LatencyTarget))
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, t := range p.topics {
		if tc, stays := cfg.Topics[name]; stays && tc.ARN == t.settings.Load().ARN {
			p.metrics.expect(name, tc.Rules)
			p.change(t, &settings{Config: cfg, TopicConfig: tc})
			continue
		} else if stays {
			t.log.Info("topic has another ARN, the old one ends when nothing waits for it",
				zap.String("new_topic_arn", tc.ARN))
			p.replaced[t] = true
			delete(p.topics, name)
			p.end(t, cfg, true)
			continue
		}
		t.log.Info("topic has left the configuration, it ends when nothing has waited for it for a while")
		p.end(t, cfg, false)
	}
	for name, tc := range cfg.Topics {
		if p.topics[name] != nil {
			continue
		}
		p.metrics.expect(name, tc.Rules)
		t := p.newTopic(name, cfg)
		p.topics[name] = t
		if p.launch != nil {
			p.launch(t)
		}
	}
	return nil
}

// change gives a topic other settings.
func (p *Publisher) change(t *topic, s *settings) {
	t.settings.Store(s)
	p.showShare(t, time.Now())
	t.gatherer.rouse()
}

// end lets a topic end as soon as nothing waits for it. It keeps its rate. One that never ran ends at once.
func (p *Publisher) end(t *topic, cfg Config, replaced bool) {
	p.change(t, &settings{
		Config:      cfg,
		TopicConfig: t.settings.Load().TopicConfig,
		ending:      true,
		replaced:    replaced,
	})
	if !p.launched {
		p.removeLocked(t)
		t.left = true
		close(t.ended)
	}
}

// forget takes a topic out in which nothing waits, unless it is back in the configuration, and says whether it did.
func (p *Publisher) forget(t *topic) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !t.settings.Load().ending {
		return false
	}
	p.removeLocked(t)
	t.log.Info("topic has ended")
	return true
}

func (p *Publisher) removeLocked(t *topic) {
	delete(p.replaced, t)
	if p.topics[t.name] == t {
		delete(p.topics, t.name)
		p.metrics.forget(t.name)
		p.deps.Service.Forget(t.name)
	}
}
