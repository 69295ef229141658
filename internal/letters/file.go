package letters

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// File reads the letters of a file: documents one after the other, or what aws sqs receive-message prints.
type File struct {
	name    string
	letters []Letter
	mu      sync.Mutex
	done    map[string]bool // by the hash of the document
	notes   *os.File
}

// NewFile makes a source of what a file holds. What an earlier run has noted as done is left out.
func NewFile(name string, text []byte) (*File, error) {
	f := &File{name: name, done: map[string]bool{}}
	if info, err := os.Stat(f.beside()); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file, and what is done would be noted there", f.beside())
	}
	noted, err := os.ReadFile(f.beside())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(noted)); lines.Scan(); {
		f.done[lines.Text()] = true
	}
	values := json.NewDecoder(bytes.NewReader(text))
	for {
		var v json.RawMessage
		if err := values.Decode(&v); errors.Is(err, io.EOF) {
			return f, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: behind letter %d: %w; want letters as JSON, one after the other", name,
				len(f.letters), err)
		}
		f.add(v)
	}
}

// beside is where it is noted what is done.
func (f *File) beside() string { return f.name + ".redriven" }

// add takes a letter, a list of letters, or messages of SQS with letters.
func (f *File) add(v json.RawMessage) {
	var list []json.RawMessage
	if json.Unmarshal(v, &list) == nil {
		for _, each := range list {
			f.add(each)
		}
		return
	}
	var message struct {
		Messages []json.RawMessage
		Body     *string
	}
	switch _ = json.Unmarshal(v, &message); {
	case len(message.Messages) > 0:
		for _, each := range message.Messages {
			f.add(each)
		}
	case message.Body != nil:
		f.put([]byte(*message.Body))
	default:
		f.put(v)
	}
}

func (f *File) put(document []byte) {
	sum := sha256.Sum256(document)
	if id := hex.EncodeToString(sum[:]); !f.done[id] {
		f.letters = append(f.letters, &filed{file: f, id: id, place: len(f.letters) + 1, document: document})
	}
}

// Next returns all letters.
func (f *File) Next(context.Context) ([]Letter, error) {
	if len(f.letters) == 0 {
		return nil, io.EOF
	}
	all := f.letters
	f.letters = nil
	return all, nil
}

// Close ends the notes.
func (f *File) Close(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.notes == nil {
		return nil
	}
	return f.notes.Close()
}

// filed is a letter in a file.
type filed struct {
	file     *File
	id       string
	place    int
	document []byte
}

func (l *filed) Where() string { return l.file.name + " #" + strconv.Itoa(l.place) }

func (l *filed) Load(context.Context) ([]byte, error) { return l.document, nil }

// Holds says that it may have any.
func (*filed) Holds(string) bool { return true }

// Remove notes beside the file that the letter is done.
func (l *filed) Remove(context.Context) (err error) {
	f := l.file
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.notes == nil {
		f.notes, err = os.OpenFile(f.beside(), os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return err
		}
	}
	_, err = f.notes.WriteString(l.id + "\n")
	return err
}
