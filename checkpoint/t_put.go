package checkpoint

import (
	"context"
	"fmt"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func readApplication(ctx context.Context, t *table) (*application, error) {
	it, err := t.get(ctx, keyApplication, true)
	switch {
	case err != nil:
		return nil, err
	case it == nil:
		return nil, fmt.Errorf("%w: table %s has no row %s: name the lease table of an application that has run", ErrForeignTable, t.name, keyApplication)
	}
	return decodeApplication(it, time.Now())
}

// put sets an attribute or removes it.
func (e *expr) put(attr string, av ddb.AttributeValue, present bool) {
	if present {
		e.setAttr(attr, av)
	} else {
		e.removeAttr(attr)
	}
}

// sameAs compares what an operator can change.
func (r *row) sameAs(o *row) bool {
	return r.owner == o.owner && r.epoch == o.epoch && r.position == o.position && r.resolved == o.resolved &&
		r.rewinds == o.rewinds && r.startAt.String() == o.startAt.String() && r.paused == o.paused
}
