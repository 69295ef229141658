package decode

import "context"

// Budget lets one record at a time of a process take more memory than each decoder has of its own. Nobody waits for
// anything else while holding it, see Decoder.Yield. The zero value is not usable.
type Budget struct{ held chan struct{} }

// NewBudget makes the budget of a process.
func NewBudget() *Budget { return &Budget{held: make(chan struct{}, 1)} }

func (b *Budget) take(ctx context.Context) error {
	select {
	case b.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *Budget) give() { <-b.held }
