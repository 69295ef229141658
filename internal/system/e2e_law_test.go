//go:build e2e

package system_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// The law of the status page, as the simulation holds it: while a record waits for its alert for more than a minute, or
// an open shard has had no reader for one, the page of some live worker warns. A page is asked every second.
const (
	lawPatience = time.Minute
	lawGrace    = 4 * time.Second
	lawNew      = 15 * time.Second // the age from which a worker can be expected to know
)

// lawPage is the part of the status that the law is about.
type lawPage struct {
	State   string  `json:"state"`
	Level   string  `json:"level"`
	Summary string  `json:"summary"`
	Uptime  float64 `json:"uptime_seconds"`
	Shards  []struct {
		ID      string `json:"id"`
		Reading any    `json:"reading"`
	} `json:"shards"`
}

func (p *lawPage) warns() bool { return p.Level == "warning" || p.Level == "critical" }

// law watches the pages of a world.
type law struct {
	w *faultWorld

	mu    sync.Mutex
	calm  bool // nothing goes wrong, so no page may warn
	seen  int  // pages
	warns int  // of them
	read  map[string]time.Time
}

func (w *faultWorld) watchLaw() *law {
	l := &law{w: w, read: map[string]time.Time{}}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		alarmed := time.Now()
		for {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			if broken := l.Look(&alarmed); broken != "" {
				w.t.Errorf("%s: %s", w.name, broken)
				return
			}
		}
	})
	w.t.Cleanup(sync.OnceFunc(func() {
		close(done)
		watching.Wait()
	}))
	return l
}

// Look asks all pages and says how the law is broken.
func (l *law) Look(alarmed *time.Time) string {
	began := time.Now()
	pages, knowing, summaries := 0, false, []string{}
	for _, d := range l.w.running() {
		_, body, err := d.getWithin(time.Second, "/api/v1/status")
		var p lawPage
		if err != nil || json.Unmarshal(body, &p) != nil || p.State == "stopping" {
			continue // it was ended, or stalls, just now
		}
		pages++
		knowing = knowing || p.Uptime >= lawNew.Seconds()
		summaries = append(summaries, fmt.Sprintf("%s says %q", d.name, p.Summary))
		if p.warns() {
			*alarmed = began
			if l.isCalm() {
				return fmt.Sprintf("nothing is wrong, and %s", summaries[len(summaries)-1])
			}
		}
		for _, s := range p.Shards {
			if s.Reading != nil {
				l.read[s.ID] = began
			}
		}
		l.count(p.warns())
	}
	if pages == 0 || !knowing { // where no process lives the alerting rules speak
		*alarmed = began
	}
	if time.Since(*alarmed) <= lawGrace {
		return ""
	}
	if since, ok := l.w.oldestMissing(); ok && began.Sub(since) > lawPatience+lawGrace {
		return fmt.Sprintf("a record waits for %s and every page is calm: %s", began.Sub(since),
			strings.Join(summaries, ", "))
	}
	for _, id := range l.w.openShards() {
		if _, ok := l.read[id]; !ok {
			l.read[id] = began // it is new
		}
		if idle := began.Sub(l.read[id]); idle > lawPatience+lawGrace {
			return fmt.Sprintf("%s was read by nobody for %s and every page is calm: %s", id, idle,
				strings.Join(summaries, ", "))
		}
	}
	return ""
}

func (l *law) isCalm() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calm
}

// String returns how many pages were looked at.
func (l *law) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d pages, %d warned", l.seen, l.warns)
}

func (l *law) count(warns bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen++
	if warns {
		l.warns++
	}
}

// during has no page warn while do runs.
func (l *law) during(do func()) {
	set := func(calm bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.calm = calm
	}
	set(true)
	do()
	set(false)
}

func (w *faultWorld) running() []*daemon {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.live)
}

// oldestMissing is when the oldest record was put that was not found yet.
func (w *e2eWorld) oldestMissing() (since time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for round, at := range w.putAt {
		for k := range w.keys {
			if !w.seen[round*w.keys+k] {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

func (w *e2eWorld) openShards() []string {
	out, err := w.kinesis.ListShards(w.t.Context(), &kinesis.ListShardsInput{StreamName: &w.name})
	if err != nil {
		return nil // the test is over
	}
	var ids []string
	for _, s := range out.Shards {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			ids = append(ids, *s.ShardId)
		}
	}
	return ids
}

// calm: workers come and go and the stream is resharded. Nothing is wrong, and no page may say so.
func calm(w *faultWorld) {
	a, _ := w.two()
	stop := w.feed(200 * time.Millisecond)
	time.Sleep(2 * time.Second)
	w.law.during(func() {
		time.Sleep(3 * time.Second)
		w.scale(4)
		time.Sleep(6 * time.Second)
		w.stop(a)
		time.Sleep(2 * time.Second)
		w.start()
		w.scale(2)
		time.Sleep(8 * time.Second)
	})
	stop()
}
