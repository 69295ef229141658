package emulator

import (
	"encoding/base64"
	"maps"
	"slices"
	"sync"
	"time"

	"kinesis-alerter/internal/fakeaws"
)

// kept is how many messages are held for pages that are opened later.
const kept = 500

// message is what SNS accepted, and what became of it.
type message struct {
	ID         int              `json:"id"` // from 1, without gaps
	At         time.Time        `json:"at"`
	Topic      string           `json:"topic"`
	Subject    string           `json:"subject"`
	Body       string           `json:"body"`
	Attributes []attribute      `json:"attributes"`
	Receipts   []receipt        `json:"receipts"`
	emails     []*fakeaws.Email // of the deliveries by e-mail
}

type attribute struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

type receipt struct {
	Protocol string          `json:"protocol"`
	Endpoint string          `json:"endpoint"`
	Outcome  fakeaws.Outcome `json:"outcome"`
}

// messages holds the newest messages. It is safe for concurrent use.
type messages struct {
	mu      sync.Mutex
	newest  []message
	last    int           // the id of the newest one
	emails  int           // delivered so far
	changed chan struct{} // closed at the next message
}

func newMessages() *messages { return &messages{changed: make(chan struct{})} }

// add takes a message from SNS.
func (m *messages) add(p fakeaws.Published) {
	one := message{
		At: p.At, Topic: p.TopicARN, Subject: p.Subject, Body: p.Body, Attributes: []attribute{}, Receipts: []receipt{},
	}
	for _, name := range slices.Sorted(maps.Keys(p.Attributes)) {
		a := p.Attributes[name]
		value := a.StringValue
		if len(a.BinaryValue) > 0 {
			value = base64.StdEncoding.EncodeToString(a.BinaryValue)
		}
		one.Attributes = append(one.Attributes, attribute{name, a.DataType, value})
	}
	for _, r := range p.Receipts {
		one.Receipts = append(one.Receipts, receipt{r.Protocol, r.Endpoint, r.Outcome})
		if r.Email != nil {
			one.emails = append(one.emails, r.Email)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	one.ID = m.last
	m.emails += len(one.emails)
	m.newest = append(m.newest, one)
	if len(m.newest) > kept {
		m.newest = slices.Delete(m.newest, 0, len(m.newest)-kept)
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// after returns the messages after an id, oldest first, and a channel that is closed when there are more.
func (m *messages) after(id int) (newer []message, more <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	skip := max(0, min(len(m.newest), len(m.newest)-(m.last-id)))
	return slices.Clone(m.newest[skip:]), m.changed
}

// counts are how many messages were accepted, and how many e-mails that made.
func (m *messages) counts() (accepted, emails int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.emails
}
