package dispatch

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// auditIDs is how many ids of alerts one line of the audit log has.
const auditIDs = 100

// receipts write down the messages of a topic that its service accepted: in the audit log, in the metrics, and for
// Recent. They are safe for concurrent use.
type receipts struct {
	topic   string
	ages    *delivery.Ages
	audit   *zap.Logger
	metrics *topicMetrics
	recent  *recent
	tallies *tallies
}

// alert writes down an alert. What Recent gets are copies: its ring must not keep a page of records in memory.
func (s *receipts) alert(a *alert.Alert, messageID string, now time.Time) {
	latency := s.ages.Since(a.Occurred(), now)
	s.metrics.accepted(a.Rule, a.ID, latency)
	s.tallies.add(a.Rule, a.Kind, false)
	if line := s.audit.Check(zapcore.InfoLevel, "alert published"); line != nil {
		key := sha256.Sum256([]byte(a.Record.PartitionKey)) // keys may name people
		line.Write(
			zap.String("alert_id", a.ID), zap.String("rule", a.Rule), zap.String("topic", s.topic),
			zap.String("message_id", messageID), zap.String("shard", a.Record.Shard),
			zap.String("sequence_number", a.Record.SequenceNumber), zap.Uint32("sub", a.Record.SubSequence),
			zap.String("partition_key_sha256", hex.EncodeToString(key[:8])), zap.Duration("latency", latency))
	}
	s.recent.add(accepted(a, s.topic, messageID, now))
}

// digest writes down a digest, and each of its members.
func (s *receipts) digest(d *digest, messageID string, now time.Time) {
	ids := make([]string, 0, d.live)
	var first time.Time
	d.each(func(m *member) {
		ids = append(ids, m.id)
		if at := m.arrived(); first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
		latency := time.Duration(0)
		if m.arrival != 0 {
			latency = s.ages.Since(m.arrived(), now)
		}
		example := ""
		if len(ids) == 1 { // one is enough: a digest can have a million
			example = m.id
		}
		s.metrics.accepted(d.lines[m.line].rule, example, latency)
		s.tallies.add(d.lines[m.line].rule, d.lines[m.line].kind, true)
	})
	s.metrics.digests.Inc()
	s.metrics.members.Add(float64(len(ids)))
	s.recent.add(Accepted{
		ID: d.id, Topic: s.topic, Kind: alert.KindDigest, Alerts: len(ids), Occurred: first, At: now,
		MessageID: messageID,
	})
	s.audit.Info("digest published", zap.String("digest_id", d.id), zap.String("topic", s.topic),
		zap.String("message_id", messageID), zap.Int("alerts", len(ids)))
	for part := 0; part*auditIDs < len(ids); part++ {
		s.audit.Info("alerts of a digest", zap.String("digest_id", d.id), zap.String("topic", s.topic),
			zap.Int("part", part), zap.Strings("alert_ids", ids[part*auditIDs:min(len(ids), (part+1)*auditIDs)]))
	}
}
