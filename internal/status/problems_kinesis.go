package status

import (
	"cmp"
	"slices"
	"time"

	"kinesis-alerter/consumer/read"
)

func kinesisKinds() []kind {
	return []kind{
		{
			code:  "reads_failing",
			after: thresholds{critical: failingCritical},
			find: func(m *model, after thresholds) findings {
				g := m.stalled["reads_failing"]
				if g == nil {
					return nil
				}
				return found(cmp.Or(after.level(g.longest), LevelWarning), "Kinesis: no success for %s for %s%s%s",
					words(g.longest), g.count(), because(g.code),
					first(g.ids)).advise(read.Remedy(g.code, m.streamRole())).blaming(g.code)
			},
		},
		{
			code: "reads_throttled", remedy: read.Remedy("ProvisionedThroughputExceededException", ""),
			find: func(m *model, _ thresholds) findings {
				g := m.stalled["reads_throttled"]
				if g == nil {
					return nil
				}
				return found(
					LevelWarning, "Kinesis throttles the reads of %s, lag %s%s", g.count(), words(g.longest),
					first(g.ids),
				)
			},
		},
		{
			code:   "listing_incomplete",
			remedy: "wait: ListShards is asked again every few seconds; if this does not pass, ask AWS support",
			after:  thresholds{warning: 30 * time.Second},
			find: func(m *model, after thresholds) findings {
				d := m.ago(m.Stream.Incomplete)
				return found(after.level(d), "for %s ListShards has not named all shards of the stream as they are: "+
					"the open ones do not hold every key, or a shard's parent is open or has other keys", words(d))
			},
		},
	}
}

// streamRole is the role as which the stream is read; empty for the process itself.
func (m *model) streamRole() string {
	for i := range m.Credentials.Roles {
		if r := &m.Credentials.Roles[i]; slices.Contains(r.UsedBy, "stream") {
			return r.Role
		}
	}
	return ""
}

// answerKinds are about operations of AWS whose answers cannot be used. Nothing is lost by it: the calls are repeated.
func answerKinds() []kind {
	return []kind{{
		code: "bad_answers",
		remedy: "check AWS_ENDPOINT_URL, proxies and the network: what answers there is not AWS, or AWS has a fault; " +
			"nothing is lost",
		find: func(m *model, _ thresholds) (all findings) {
			for i := range m.BadAnswers {
				b := &m.BadAnswers[i]
				of := ""
				if len(b.Of) > 0 {
					of = first(b.Of)
				}
				all = append(all, found(LevelWarning, "bad answers of %s %s for %s, %s%s",
					b.Service, b.Operation, words(m.At.Sub(b.Since)), b.What, of)...)
			}
			return all
		},
	}}
}
