package emulator

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/plain"
)

// noteEvery is how often the same note is shown.
const noteEvery = 10 * time.Second

// notes are for what a caller may not see: its SDK retries it, or hides it in a log. They are safe for concurrent use.
type notes struct {
	new chan string

	mu   sync.Mutex
	last map[string]time.Time // by kind
}

func (n *notes) add(at time.Time, kind, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if last, ok := n.last[kind]; ok && at.Sub(last) < noteEvery {
		return
	}
	n.last[kind] = at
	select {
	case n.new <- text:
	default: // the terminal does not take them; the next one comes in some seconds
	}
}

// watch looks at every answer.
func (e *emulator) watch(event fakeaws.Event) {
	var answer *fakeaws.Error
	if event.Err == nil || !errors.As(event.Err, &answer) {
		return
	}
	call := event.Service + " " + event.Operation
	switch answer.Code {
	case "ProvisionedThroughputExceededException":
		e.notes.add(event.At, call,
			fmt.Sprintf("%s is throttled, as AWS does it with more than five reads a second of a "+
				"shard: with several readers, set processing.poll_interval to 1s in each, or leave --limits out", call))
	case "UnknownOperationException":
		e.notes.add(event.At, call, plain.Text(call)+" is not emulated")
	}
}
