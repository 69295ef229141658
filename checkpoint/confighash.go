package checkpoint

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// configHash is what the heartbeat says of this worker's configuration. Call it without mu.
func (s *Store) configHash() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.configHashOf()
}

// configHashOf is configHash with mu held. The key is the application's own, so that neither a table of known configurations nor
// another application's row tells what is hashed.
func (s *Store) configHashOf() string {
	if s.config == nil || s.app == nil {
		return ""
	}
	text := s.config()
	if len(text) == 0 {
		return ""
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", s.cfg.Table, s.app.streamARN, s.app.streamCreated, s.app.generation))
	h := hmac.New(sha256.New, key[:])
	_, _ = h.Write(text) // a hash never fails
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// heard is when the last heartbeat of a peer was written, as far as this process can tell.
func (p *peer) heard() time.Time {
	switch {
	case p.moved:
		return p.since
	case !p.beat.IsZero() && p.beat.Before(p.since):
		return p.beat
	case !p.beat.IsZero(): // its clock is ahead
		return p.since
	}
	return time.Time{}
}

// since is the time of a heartbeat by the clock of this machine, of which a person is shown the age.
func (s *Store) since(written, seen, now time.Time) time.Time {
	if written.IsZero() || written.Equal(seen) {
		return written
	}
	return now.Add(min(0, written.Sub(s.now())))
}
