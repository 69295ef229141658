package checkpoint

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// configHash is what the heartbeat says of this worker's configuration.
func (a *agreement) configHash() string {
	s := a.store
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.configHashLocked()
}

// configHashLocked is configHash. The key is the application's own, so that neither a table of known configurations nor
// another application's row reveals what is hashed.
func (a *agreement) configHashLocked() string {
	s := a.store
	if a.config == nil || s.view.app == nil {
		return ""
	}
	text := a.config()
	if len(text) == 0 {
		return ""
	}
	app := fmt.Sprintf("%s\x00%s\x00%d\x00%s", s.cfg.Table, s.view.app.StreamARN, s.view.app.StreamCreated,
		s.view.app.Generation)
	if a.hashed.of == &text[0] && a.hashed.app == app {
		return a.hashed.hash
	}
	key := sha256.Sum256([]byte(app))
	h := hmac.New(sha256.New, key[:])
	_, _ = h.Write(text) // a hash never fails
	a.hashed = hashedConfig{&text[0], app, hex.EncodeToString(h.Sum(nil)[:16])}
	return a.hashed.hash
}

// hashedConfig is the hash of a text that was hashed before.
type hashedConfig struct {
	of        *byte
	app, hash string
}

// configs watches whether the live workers have the same configuration.
type configs struct {
	seen  string    // the hash of all of them at the last look; empty if they differ, or that is not known
	since time.Time // without a break
}

// configOfAll is the hash of the configuration that every live worker has, as far as their rows say, if it is hash,
// that of this one; else it is empty.
func (v *view) configOfAll(now time.Time, hash string) string {
	if v.me == nil || !v.me.window.open(now) || v.scanned.Before(v.me.joined) {
		return ""
	}
	for id, p := range v.peers {
		if !p.Fenced && !v.retired[id] && p.Config != hash {
			return ""
		}
	}
	return hash
}

// configPatience is how long all live workers must have had the same configuration without a break. After that it is no
// longer a step of a deployment: a rollback will not bring back what it removed.
const configPatience = time.Minute

// Settled reports whether every live worker has said for a minute that it has the current configuration here.
// It does no I/O.
func (s *Store) Settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	seen := s.view.configOfAll(now, s.agreement.configHashLocked()) // it may have changed since the last look
	return seen != "" && seen == s.agreement.configs.seen && now.Sub(s.agreement.configs.since) >= configPatience
}

// Settled is Store.Settled.
func (l *Lease) Settled() bool { return l.store.Settled() }

// heard is when the last heartbeat of a peer was written, as far as this process can tell.
func (p *peer) heard() time.Time {
	switch {
	case p.moved:
		return p.since
	case !p.Beat.IsZero() && p.Beat.Before(p.since):
		return p.Beat
	case !p.Beat.IsZero(): // its clock is ahead
		return p.since
	}
	return time.Time{}
}

// since is the time of a heartbeat by the clock of this machine; an operator is shown its age.
func (s *Store) since(written, seen, now time.Time) time.Time {
	if written.IsZero() || written.Equal(seen) {
		return written
	}
	return now.Add(min(0, written.Sub(s.now())))
}
