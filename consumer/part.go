package consumer

import (
	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/consumer/watermark"
)

// part is what an entry of the watermark waits for: a task of the lanes.
type part struct {
	lanes.Task // the part is the task's owner

	entry *watermark.Entry
	// decides says that the outcome of the record depends on the part. Alerts of other keys that ride along do not
	// count.
	decides bool
	// page is the page whose bytes the part holds; nil when it holds none. The shard's mutex guards it.
	page *takenPage
	// apart says that the part's payload is a copy of its own, beside the page.
	apart bool
}

func newPart(key string) *part {
	p := &part{Task: lanes.Task{Key: key, Bytes: len(key) + read.RecordOverhead}}
	p.Owner = p
	return p
}

// partOf returns the part that owns a task of the lanes.
func partOf(t *lanes.Task) *part { return t.Owner.(*part) } //nolint:forcetypeassert // newPart made it

// partsOf sorts alerts by partition key, each key's in their order, into parts in the order of their first alerts.
func partsOf(alerts []*alert.Alert) []*part {
	parts := make([]*part, 0, 1)
	var byKey map[string]*part
	find := func(key string) *part {
		if n := len(parts); n > 0 && parts[n-1].Key == key {
			return parts[n-1]
		}
		if byKey == nil && len(parts) > 0 {
			byKey = map[string]*part{parts[0].Key: parts[0]}
		}
		p := byKey[key]
		if p == nil {
			p = newPart(key)
			parts = append(parts, p)
			if byKey != nil {
				byKey[key] = p
			}
		}
		return p
	}
	for _, a := range alerts {
		p := find(a.Record.PartitionKey)
		p.Alerts = append(p.Alerts, a)
		p.Bytes = max(p.Bytes, len(a.Record.Data)+len(p.Key)+read.RecordOverhead)
	}
	return parts
}

// letterPart is a record on its way to the dead letters.
func letterPart(rec *alert.Record, id string, reason alert.Reason) *part {
	p, kept := newPart(rec.PartitionKey), rec.Kept()
	p.Key = kept.PartitionKey // the record's is a part of its page
	p.Bytes += len(kept.Data)
	p.Letter = &alert.Letter{Record: kept, Condition: alert.ConditionRetries, Reason: reason}
	p.LetterID = id
	return p
}

// keepsPayload reports whether a part holds bytes of the page that its record came with.
func (p *part) keepsPayload() bool {
	if p.Letter != nil {
		return true
	}
	for _, a := range p.Alerts {
		if len(a.Record.Data) > 0 {
			return true
		}
	}
	return false
}
