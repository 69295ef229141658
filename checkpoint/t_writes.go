package checkpoint

// fence adds the condition under which a holder may write: the row still names this worker and this epoch.
func (e *expr) fence(worker string, epoch int64) {
	e.ifEqual(attrOwner, str(worker))
	e.ifEqual(attrEpoch, num(epoch))
}

// progress adds an offer to a write, never below what is stored and never after a later one of the same owner. It may be
// stored over a checkpoint that is replaces.
func (e *expr) progress(p progress, number int64, replaces string) {
	e.ifBefore(number)
	e.setAttr(attrOffers, num(number))
	if !p.position.IsZero() {
		e.ifNotBeyond(p.position, replaces)
		e.setAttr(attrPosition, str(p.position.Sequence))
		e.setAttr(attrSub, num(int64(p.position.Sub)))
	}
	// Also without a position: the first record of a shard may be the one that waits.
	if p.resolved == "" {
		e.removeAttr(attrResolved)
	} else {
		e.setAttr(attrResolved, str(p.resolved))
	}
	e.context(p)
}

// context adds what is known beside the position.
func (e *expr) context(p progress) {
	if !p.caughtUp.IsZero() {
		e.setAttr(attrCaughtUp, num(p.caughtUp.UnixMilli()))
	}
	e.setAttr(attrLoad, num(int64(p.load)))
}
