package letters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

// operations are the calls of a redrive from a kind of source, by service and name.
func operations(kind string) []string {
	all := []string{"sns.PublishBatch"}
	if kind == "bucket" {
		return append(all, "s3.ListObjectsV2", "s3.GetObject", "s3.DeleteObject")
	}
	return append(all, "sqs.ReceiveMessage", "sqs.GetQueueAttributes", "sqs.DeleteMessage",
		"sqs.ChangeMessageVisibilityBatch")
}

// watched are the first and the last answer of each operation of a redrive that goes well.
func watched(t *testing.T, kind string) (first, last map[string]*fakeaws.Answer) {
	t.Helper()
	first, last = map[string]*fakeaws.Answer{}, map[string]*fakeaws.Answer{}
	synctest.Test(t, func(t *testing.T) {
		w := lying(t, kind)
		var mu sync.Mutex // calls are answered side by side
		w.Faults.Add(fakeaws.Fault{Kind: fakeaws.Changed, Rewrite: func(a *fakeaws.Answer) {
			mu.Lock()
			defer mu.Unlock()
			op := a.Service + "." + a.Operation
			last[op] = &fakeaws.Answer{Status: a.Status, Header: a.Header.Clone(), Body: bytes.Clone(a.Body)}
			if first[op] == nil {
				first[op] = last[op]
			}
		}})
		_, err := w.run(t.Context(), w.source(kind), Options{})
		require.NoError(t, err)
	})
	for _, op := range operations(kind) {
		require.Contains(t, last, op)
	}
	return first, last
}

const lyingLetters = 25

func lying(t *testing.T, kind string) *world {
	t.Helper()
	w := newWorld(t, standard)
	all := make([]*alert.Letter, lyingLetters)
	for i := range all {
		all[i] = alertLetter(i)
	}
	all[0].Message.Body = "" // SNS refuses that, so that the letter stays
	switch kind {
	case "queue":
		w.send(deadletter.Config{SQS: queueURL}, all...)
	case "bucket":
		w.send(deadletter.Config{S3: "s3://letters/mine"}, all...)
	}
	return w
}

// lies are ways in which an answer is false, and can be seen to be.
func lies(kind string, first, last map[string]*fakeaws.Answer) map[string]func(*fakeaws.Answer) {
	body := func(text string) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) { a.Status, a.Body = http.StatusOK, []byte(text) }
	}
	edit := func(change func(map[string]any)) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) {
			if json.Valid(a.Body) && bytes.HasPrefix(a.Body, []byte("{")) {
				a.JSON(change)
			}
		}
	}
	messages := func(change func(list []any) []any) func(*fakeaws.Answer) {
		return edit(func(doc map[string]any) {
			if list, ok := doc["Messages"].([]any); ok && len(list) > 1 {
				doc["Messages"] = change(list)
			}
		})
	}
	key := regexp.MustCompile(`<Key>[^<]*</Key>`)
	out := map[string]func(*fakeaws.Answer){
		"empty": body(""), "an object": body("{}"), "null": body("null"), "an element": body("<a/>"),
		"a page": body("<html><body>Please sign in</body></html>"),
		"half":   func(a *fakeaws.Answer) { a.Body = a.Body[:len(a.Body)/2] },
		"cut": func(a *fakeaws.Answer) {
			a.Length, a.Body = int64(len(a.Body)), a.Body[:len(a.Body)/2]
			a.Rest = iotest.ErrReader(io.ErrUnexpectedEOF)
		},
		"endless": func(a *fakeaws.Answer) { a.Rest = io.LimitReader(blanks{}, 40<<20) },
		"a redirect": func(a *fakeaws.Answer) {
			a.Status = http.StatusTemporaryRedirect
			a.Header.Set("Location", "http://elsewhere.test/")
		},
		"a null in a list": messages(func(list []any) []any { return append(list, nil) }),
		"one receipt": messages(func(list []any) []any {
			return same(list, "ReceiptHandle")
		}),
		"another's text": messages(func(list []any) []any {
			return same(list, "Body")
		}),
		"no receipts": messages(func(list []any) []any {
			for _, m := range list {
				delete(m.(map[string]any), "ReceiptHandle") //nolint:forcetypeassert // JSON
			}
			return list
		}),
		"no attributes": edit(func(doc map[string]any) { delete(doc, "Attributes") }),
		"attributes that are none": edit(func(doc map[string]any) {
			if all, ok := doc["Attributes"].(map[string]any); ok {
				for name := range all {
					all[name] = "many"
				}
			}
		}),
		"without its first key": func(a *fakeaws.Answer) {
			if at := key.FindIndex(a.Body); at != nil {
				a.Body = slices.Delete(bytes.Clone(a.Body), at[0], at[1])
			}
		},
		"one key": func(a *fakeaws.Answer) {
			if one := key.Find(a.Body); one != nil {
				a.Body = key.ReplaceAll(a.Body, bytes.Clone(one))
			}
		},
		"more without end": func(a *fakeaws.Answer) {
			a.Body = bytes.ReplaceAll(a.Body, []byte("<IsTruncated>false"), []byte("<IsTruncated>true"))
		},
	}
	for name, answers := range map[string]map[string]*fakeaws.Answer{"first": first, "last": last} {
		for _, op := range operations(kind) {
			was := answers[op]
			out["the "+name+" of "+op] = func(a *fakeaws.Answer) {
				a.Status, a.Body = was.Status, bytes.Clone(was.Body)
				maps.Copy(a.Header, was.Header.Clone()) // the SDK trims the texts in place
			}
		}
	}
	return out
}

// same gives every message what the first one has.
func same(list []any, member string) []any {
	for _, m := range list[1:] {
		//nolint:forcetypeassert // JSON of the emulator
		m.(map[string]any)[member] = list[0].(map[string]any)[member]
	}
	return list
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Whatever an operation answers, with or without effect, a letter is still there unless its alert was accepted; and
// when the answers are true again, the next redrive publishes and removes all.
func TestAnswersThatLieLoseNothing(t *testing.T) {
	type lying struct {
		kind, op string
		how      fakeaws.Kind
		lie      func(*fakeaws.Answer)
	}
	cases := map[string]lying{}
	for _, kind := range []string{"queue", "bucket"} {
		first, last := watched(t, kind)
		for name, lie := range lies(kind, first, last) {
			for _, op := range operations(kind) {
				of := fmt.Sprint(kind, " ", op, " ", name)
				cases[of+", done"] = lying{kind, op, fakeaws.Changed, lie}
				cases[of+", not done"] = lying{kind, op, fakeaws.Before, lie}
			}
		}
	}
	for name, c := range testkit.Named(cases, 25) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lied(t, c.kind, c.op, c.how, c.lie) })
		})
	}
}

// lied plays one of them.
func lied(t *testing.T, kind, op string, how fakeaws.Kind, lie func(*fakeaws.Answer)) {
	t.Helper()
	w := lying(t, kind)
	service, operation, _ := strings.Cut(op, ".")
	w.Faults.Add(fakeaws.Fault{Service: service, Operation: operation, Kind: how, Rewrite: lie})
	got, _ := w.run(t.Context(), w.source(kind), Options{}) // it may fail
	accepted := func() map[string]bool {
		seen := map[string]bool{}
		for _, m := range w.SNS.Messages(standard) {
			seen[m.Attributes["alert_id"].StringValue] = true
		}
		return seen
	}
	nowhere := func() (lost []string) {
		there := strings.Join(w.SQS.Bodies(queueURL), "")
		for _, key := range w.S3.Keys("letters") {
			document, _ := w.S3.Object("letters", key)
			there += string(document)
		}
		seen := accepted()
		for i := range lyingLetters {
			if id := alertLetter(i).AlertID; !seen[id] && !strings.Contains(there, id) {
				lost = append(lost, id)
			}
		}
		return lost
	}
	require.Empty(t, nowhere(), "neither accepted nor there")
	claimed := 0
	for _, r := range got {
		if r.Published {
			claimed++
		}
	}
	require.LessOrEqual(t, claimed, len(accepted()), "said to be published")
	w.Faults.Clear()
	time.Sleep(invisible)
	_, err := w.run(t.Context(), w.source(kind), Options{})
	require.NoError(t, err)
	require.Empty(t, nowhere(), "neither accepted nor there")
	require.Len(t, accepted(), lyingLetters-1)
	require.Equal(t, 1, w.left(kind))
}

// The largest letter that the daemon writes comes back: in S3 nothing is left out of it, and no bound is below it.
func TestLargestLetterComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, answer.MostObject, deadletter.MaxDocument)
		w := newWorld(t, standard)
		large := alertLetter(1)
		large.Record.Data = bytes.Repeat([]byte("\x7f"), 10<<20)
		large.Message.Body = strings.Repeat("\x7f", 1<<20) // each is six bytes in the document
		w.send(deadletter.Config{S3: "s3://letters/mine"}, large)
		got, err := w.run(t.Context(), w.source("bucket"), Options{})
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Empty(t, got[0].Kept)
		require.Empty(t, got[0].Saved.PayloadOmitted)
		require.Equal(t, large.Record.Data, got[0].Saved.Letter.Record.Data)
		require.Len(t, w.SNS.Messages(standard), 1)
	})
}
