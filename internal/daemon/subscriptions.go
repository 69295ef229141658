package daemon

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert/sns"
)

const (
	// subscriptionsLook is how often what is known of the topics is compared with what they had. It makes no call
	// unless that has changed.
	subscriptionsLook = 15 * time.Second
	// subscriptionsKept is how long a topic is expected to have as many subscriptions as it had.
	subscriptionsKept = 24 * time.Hour
	// subscriptionsFresh is how old the time may get at which a topic was last seen to have them.
	subscriptionsFresh = time.Hour
	// subscriptionsMost is the quota of a topic, and subscriptionsTopics how many topics are remembered.
	subscriptionsMost   = 12_500_000
	subscriptionsTopics = 500
)

// hadSubscriptions is what a topic had, and when it was last seen to have as many.
type hadSubscriptions struct {
	Confirmed int       `json:"confirmed"`
	At        time.Time `json:"at"`
}

// after returns what to remember once a topic reports n.
func (h hadSubscriptions) after(n int, now time.Time) hadSubscriptions {
	switch {
	case n < h.Confirmed && now.Sub(h.At) < subscriptionsKept:
	case n != h.Confirmed, now.Sub(h.At) >= subscriptionsFresh:
		return hadSubscriptions{n, now}
	}
	return h
}

// subscriptionMemory remembers how many subscriptions the topics had, by ARN. It is kept with the application, so that
// a restart does not forget it.
type subscriptionMemory struct {
	topics func() []sns.TopicStatus
	load   func(context.Context) (string, error)
	save   func(context.Context, string) error
	log    *zap.Logger

	mu  sync.Mutex
	had map[string]hadSubscriptions
}

// Run looks until ctx is done.
func (m *subscriptionMemory) Run(ctx context.Context) error {
	ticker := time.NewTicker(subscriptionsLook)
	defer ticker.Stop()
	loaded, said := false, false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		err := m.Look(ctx, &loaded)
		switch {
		case err == nil:
			said = false
		case ctx.Err() == nil && !said:
			said = true
			m.log.Warn("the numbers of subscriptions cannot be kept with the application, trying again", zap.Error(err))
		}
	}
}

// Look records what the topics report, and stores what is new.
func (m *subscriptionMemory) Look(ctx context.Context, loaded *bool) error {
	if !*loaded {
		if err := m.merge(ctx); err != nil {
			return err
		}
		*loaded = true
	}
	if !m.learn(time.Now()) {
		return nil
	}
	err := m.merge(ctx) // what other workers have seen meanwhile
	if err == nil {
		m.learn(time.Now())
		err = m.save(ctx, m.encode())
	}
	*loaded = err == nil // else all of it is loaded again
	return err
}

// merge adds what the application has stored; of two entries the later one counts.
func (m *subscriptionMemory) merge(ctx context.Context) error {
	text, err := m.load(ctx)
	if err != nil {
		return err
	}
	var kept map[string]hadSubscriptions
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil // nothing, or of a later version: it is written again
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	next := maps.Clone(m.had)
	if next == nil {
		next = map[string]hadSubscriptions{}
	}
	now := time.Now()
	for arn, had := range kept {
		if had.Confirmed < 0 || had.Confirmed > subscriptionsMost || had.At.After(now.Add(subscriptionsFresh)) ||
			len(next) >= subscriptionsTopics {
			continue // it is not trusted: any writer of the table may have changed it
		}
		if mine, known := next[arn]; !known || had.At.After(mine.At) {
			next[arn] = had
		}
	}
	m.had = next
	return nil
}

// learn returns whether there is something new to keep.
func (m *subscriptionMemory) learn(now time.Time) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[string]hadSubscriptions{}
	for arn, had := range m.had { // a topic that left the configuration may come back, for a day
		if now.Sub(had.At) < subscriptionsKept {
			next[arn] = had
		}
	}
	for _, t := range m.topics() {
		if !t.Subscriptions.Known() {
			if had, known := m.had[t.ARN]; known {
				next[t.ARN] = had
			}
			continue
		}
		next[t.ARN] = m.had[t.ARN].after(t.Subscriptions.Confirmed, now)
	}
	changed = !maps.Equal(m.had, next)
	m.had = next
	return changed
}

func (m *subscriptionMemory) encode() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, err := json.Marshal(m.had)
	if err != nil { // numbers and times
		return "{}"
	}
	return string(text)
}

// most is how many subscriptions a topic had within the last day. Safe for concurrent use.
func (m *subscriptionMemory) most(arn string) int {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.had[arn].Confirmed
}
