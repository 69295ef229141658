package read

import (
	"context"
	"sync"
)

// MinCredit is the least that a reader takes, in bytes: enough for a page of small records.
const MinCredit = 64 << 10

// Credits hands out byte credits for pages, to all shards of the process from one pool. A reader takes credits before
// it asks Kinesis for a page, so that a backlog cannot grow beyond the pool.
//
// No reader gets more than a quarter of what is free, but at least the minimum that it needs. So a few shards that are
// stuck with large pages leave room for the healthy ones. A page that turns out larger than its credits waits for the
// difference, except that one page at a time may overdraw: otherwise pages that wait for each other would wait forever.
// The overdraft has to be given back before the next page may overdraw; records may hold it for as long as SNS stalls.
type Credits struct {
	mu        sync.Mutex
	total     int
	used      int
	overdrawn bool
	waiters   []chan struct{}
}

// NewCredits makes a pool of so many bytes.
func NewCredits(total int) *Credits { return &Credits{total: max(total, MinCredit)} }

// take waits until it can grant at least `least` bytes, or a quarter of the pool if that is less, and returns what it
// granted, at most want.
func (b *Credits) take(ctx context.Context, want, least int) (int, error) {
	for {
		granted, wait := b.tryTake(want, least)
		if granted > 0 {
			return granted, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (b *Credits) tryTake(want, least int) (int, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	free := b.total - b.used
	granted := min(want, max(free/4, min(least, b.total/4), MinCredit))
	if granted <= free {
		b.used += granted
		return granted, nil
	}
	return 0, b.waitLocked()
}

// admit turns the credits of a page into its real size: it gives back the excess and waits for what is missing. After
// an error nothing is held for the page.
func (b *Credits) admit(ctx context.Context, c Credit, size int) (Credit, error) {
	for {
		sized, wait := b.tryAdmit(c, size)
		if wait == nil {
			return sized, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			b.Settle(c, 0)
			return Credit{}, context.Cause(ctx)
		}
	}
}

// tryAdmit is admit without the waiting: with a channel to wait for, nothing has changed.
func (b *Credits) tryAdmit(c Credit, size int) (Credit, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	missing := size - c.bytes
	switch {
	case c.overdraft: // admitted before, whatever its size
		return c, nil
	case missing <= b.total-b.used:
		b.used += missing
		if missing < 0 {
			b.wakeLocked()
		}
		return Credit{bytes: size}, nil
	case !b.overdrawn && b.used <= b.total:
		b.overdrawn = true
		return Credit{bytes: c.bytes, overdraft: true}, nil
	default:
		return Credit{}, b.waitLocked()
	}
}

// Add takes bytes for what a record holds apart from its page. It returns a channel that is closed when there may be
// room, as long as a quarter of the pool would not be left for pages; force takes them all the same.
func (b *Credits) Add(bytes int, force bool) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !force && b.used+bytes > b.total-b.total/4 {
		return b.waitLocked()
	}
	b.used += bytes
	return nil
}

// Credit is what a page holds of the budget.
type Credit struct {
	bytes     int
	overdraft bool
}

// Settle gives a page's credit back, except for the bytes that its unsettled records hold; these are given back one by
// one.
func (b *Credits) Settle(c Credit, kept int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += kept - c.bytes
	if c.overdraft {
		b.overdrawn = false
	}
	b.wakeLocked()
}

// Give gives bytes back.
func (b *Credits) Give(bytes int) { b.Settle(Credit{bytes: bytes}, 0) }

// InUse returns how many bytes are in use.
func (b *Credits) InUse() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

func (b *Credits) waitLocked() <-chan struct{} {
	ch := make(chan struct{})
	b.waiters = append(b.waiters, ch)
	return ch
}

func (b *Credits) wakeLocked() {
	for _, ch := range b.waiters {
		close(ch)
	}
	b.waiters = nil
}
