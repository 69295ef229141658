package consumer

import "kinesis-alerter/alert"

// part is what an entry of the watermark waits for: a task of the lanes.
type part struct {
	task // it is the task's owner

	entry *entry
	// decides says that the outcome of the record depends on the part. Alerts of other keys that ride along do not count.
	decides bool
	// page is the page whose credit the part keeps; nil when it keeps none. The shard's mutex guards it.
	page *takenPage
}

func newPart(key string) *part {
	p := &part{task: task{key: key, bytes: len(key) + recordOverhead}}
	p.owner = p
	return p
}

// partsOf sorts alerts by partition key, each key's in their order, into parts in the order of their first alerts.
func partsOf(alerts []*alert.Alert) []*part {
	parts := make([]*part, 0, 1)
	var byKey map[string]*part
	find := func(key string) *part {
		if n := len(parts); n > 0 && parts[n-1].key == key {
			return parts[n-1]
		}
		if byKey == nil && len(parts) > 0 {
			byKey = map[string]*part{parts[0].key: parts[0]}
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
		p.alerts = append(p.alerts, a)
		p.bytes = max(p.bytes, len(a.Record.Data)+len(p.key)+recordOverhead)
	}
	return parts
}

// letterPart is a record on its way to the dead letters.
func letterPart(rec *alert.Record, id string, reason alert.Reason) *part {
	p := newPart(rec.PartitionKey)
	p.bytes += len(rec.Data)
	p.letter = &alert.Letter{Record: *rec, Condition: alert.ConditionRetries, Reason: reason}
	p.letterID = id
	return p
}

// keepsPayload reports whether a part keeps a piece of the page that its record came with.
func (p *part) keepsPayload() bool {
	if p.letter != nil {
		return true
	}
	for _, a := range p.alerts {
		if len(a.Record.Data) > 0 {
			return true
		}
	}
	return false
}
