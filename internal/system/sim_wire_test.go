package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"kinesis-alerter/internal/fakeaws"
)

// simLateLife is how long a request lives on that its sender has given up: a black hole would hold it forever.
const simLateLife = 20 * time.Second

var errSimCut = errors.New("simulation: the machine is cut off")

// simWire is one daemon's line to AWS. It tells the model what passes, and it can hold requests back until long after
// their sender has given them up, as a machine or a network that stalls does.
type simWire struct {
	who     string
	fake    *fakeaws.AWS
	history *simHistory
	sns     time.Duration // how long a publish takes

	mu    sync.Mutex
	gate  chan struct{} // while stalled; closed when that ends
	cut   bool          // nothing passes any more
	clean bool          // the daemon has ended in order: nothing may be sent any more
}

// RoundTrip implements http.RoundTripper.
func (w *simWire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	gate, cut, clean := w.gate, w.cut, w.clean
	w.mu.Unlock()
	switch {
	case clean:
		w.history.Add(simEvent{Kind: simAfterEnd, Who: w.who, ID: r.Header.Get("X-Amz-Target")})
		return nil, errSimCut
	case cut:
		return nil, errSimCut
	}
	entries := publishedNumbers(body)
	began, answered, takes := simAttempt, simAnswered, w.sns
	if r.Header.Get("X-Amz-Target") == putRecordsTarget {
		entries, began, answered = writtenNumbers(body), simWriting, simWritten
		takes = w.sns / 10 // a call has one record of a key, so a schedule of one key would never catch up
	}
	if len(entries) > 0 {
		w.history.Add(simEvent{Kind: began, Who: w.who, N: entries})
		select {
		case <-time.After(takes):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	var resp *http.Response
	if gate == nil {
		resp, err = w.send(r, body)
	} else {
		resp, err = w.sendLater(r, body, gate)
	}
	if err == nil && resp.StatusCode == http.StatusOK && resp.Header.Get(simSpoiled) == "" && len(entries) > 0 {
		if answered == simWritten {
			entries = acceptedNumbers(resp, entries)
		}
		w.history.Add(simEvent{Kind: answered, Who: w.who, N: entries})
	}
	return resp, err
}

func (w *simWire) send(r *http.Request, body []byte) (*http.Response, error) {
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return w.fake.RoundTrip(again)
}

// sendLater sends a request when the gate opens, also when its sender does not wait for it any more.
func (w *simWire) sendLater(r *http.Request, body []byte, gate <-chan struct{}) (*http.Response, error) {
	type result struct {
		resp *http.Response
		err  error
	}
	sent := make(chan result, 1)
	go func() { //nolint:contextcheck // it outlives its sender
		<-gate
		w.mu.Lock()
		cut := w.cut
		w.mu.Unlock()
		var res result
		switch {
		case cut:
			res.err = errSimCut
		case r.Context().Err() == nil:
			res.resp, res.err = w.send(r, body) //nolint:bodyclose // the caller closes it
		default:
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), simLateLife)
			defer cancel()
			late := r.Clone(ctx)
			late.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Credential="+w.who+"/",
				"Credential="+w.who+"-late/", 1))
			w.history.Add(simEvent{
				Kind: simLate, Who: w.who, N: publishedNumbers(body), ID: r.Header.Get("X-Amz-Target"),
			})
			res.resp, res.err = w.send(late, body) //nolint:bodyclose // it holds memory only
		}
		sent <- res
	}()
	select {
	case res := <-sent:
		return res.resp, res.err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// stall holds everything back until wake.
func (w *simWire) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gate == nil {
		w.gate = make(chan struct{})
	}
}

func (w *simWire) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gate != nil {
		close(w.gate)
		w.gate = nil
	}
}

// sever cuts the line for good. What it holds back still arrives at wake if that comes first.
func (w *simWire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
}

// End says that the daemon is gone.
func (w *simWire) end(clean bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut, w.clean = true, clean
}

// publishedNumbers are the records that a PublishBatch carries; none for any other request.
func publishedNumbers(body []byte) []int {
	if !bytes.HasPrefix(body, []byte("Action=PublishBatch")) {
		return nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil
	}
	var numbers []int
	for i := 1; ; i++ {
		message := form.Get(fmt.Sprintf("PublishBatchRequestEntries.member.%d.Message", i))
		if message == "" {
			return numbers
		}
		numbers = append(numbers, simNumber(message))
	}
}

// simNumber is the number of the record that a message is about, or -1.
func simNumber(message string) int {
	n := -1
	if _, after, ok := strings.Cut(message, `"n":`); ok {
		if _, err := fmt.Sscanf(after, "%d", &n); err != nil {
			return -1
		}
	}
	return n
}
