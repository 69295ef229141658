package testkit

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strconv"
)

// Gzip packs a payload.
func Gzip(payload []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(payload) // into memory
	_ = w.Close()
	return b.Bytes()
}

// LogEvents is a payload as CloudWatch Logs puts it, before it is packed. The kind is DATA_MESSAGE or CONTROL_MESSAGE.
func LogEvents(kind string, messages ...string) []byte {
	type event struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	events := []event{}
	for i, m := range messages {
		events = append(events, event{strconv.Itoa(i), 1_796_000_000_000 + int64(i), m})
	}
	text, _ := json.Marshal(map[string]any{ // texts and numbers
		"messageType": kind, "owner": "123456789012", "logGroup": "/aws/lambda/orders", "logStream": "stream",
		"subscriptionFilters": []string{"all"}, "logEvents": events,
	})
	return text
}
