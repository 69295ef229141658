package testkit

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// SyncBuffer collects log lines.
type SyncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *SyncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *SyncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Story is the log without the audit lines.
func (b *SyncBuffer) Story() string {
	var story strings.Builder
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, `"logger":"audit"`) {
			story.WriteString(line)
		}
	}
	return story.String()
}

// Entries returns the lines with that message.
func (b *SyncBuffer) Entries(t *testing.T, message string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(b.String()) {
		var entry map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
		if entry["msg"] == message {
			found = append(found, entry)
		}
	}
	return found
}

// pipeOutput is an output that blocks, fails or takes lines.
type pipeOutput struct {
	SyncBuffer

	gate sync.Mutex
	open chan struct{} // closed while it takes lines
	err  error
}

// NewPipeOutput returns an output that can be blocked.
func NewPipeOutput() *pipeOutput {
	p := &pipeOutput{open: make(chan struct{})}
	close(p.open)
	return p
}

func (p *pipeOutput) Set(open bool, err error) {
	p.gate.Lock()
	defer p.gate.Unlock()
	select {
	case <-p.open:
		if !open {
			p.open = make(chan struct{})
		}
	default:
		if open {
			close(p.open)
		}
	}
	p.err = err
}

func (p *pipeOutput) Write(line []byte) (int, error) {
	p.gate.Lock()
	open := p.open
	p.gate.Unlock()
	<-open
	p.gate.Lock()
	err := p.err
	p.gate.Unlock()
	if err != nil {
		return 0, err
	}
	return p.SyncBuffer.Write(line)
}
