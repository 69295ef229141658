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
	app := fmt.Sprintf("%s\x00%s\x00%d\x00%s", s.cfg.Table, s.app.streamARN, s.app.streamCreated, s.app.generation)
	if s.hashed.of == &text[0] && s.hashed.app == app {
		return s.hashed.hash
	}
	key := sha256.Sum256([]byte(app))
	h := hmac.New(sha256.New, key[:])
	_, _ = h.Write(text) // a hash never fails
	s.hashed = hashedConfig{&text[0], app, hex.EncodeToString(h.Sum(nil)[:16])}
	return s.hashed.hash
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

// configOfAll is the hash of the configuration that every live worker has, as far as their rows say; empty if there is none. Call it
// with mu held.
func (s *Store) configOfAll(now time.Time) string {
	if s.me == nil || !s.me.window.open(now) || s.scanned.Before(s.me.joined) {
		return ""
	}
	hash := s.configHashOf()
	for id, p := range s.peers {
		if !p.fenced && !s.retired[id] && p.config != hash {
			return ""
		}
	}
	return hash
}

// lookAtConfigs is called with every turn of watch.
func (s *Store) lookAtConfigs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if seen := s.configOfAll(now); seen != s.configs.seen {
		s.configs = configs{seen, now}
	}
}

// configPatience is for how long all live workers must have had the same configuration without a break for it to be more than a step of
// a deployment: what it took out is not coming back by a roll-back.
const configPatience = time.Minute

// Settled says whether every live worker has said for a minute that it has the configuration that is in force here. It does no I/O.
func (s *Store) Settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	seen := s.configOfAll(now) // it may have changed since the last look
	return seen != "" && seen == s.configs.seen && now.Sub(s.configs.since) >= configPatience
}

// Settled is that of the Store.
func (l *Lease) Settled() bool { return l.store.Settled() }

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
