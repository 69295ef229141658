package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"kinesis-alerter/internal/guard"
)

// What may be in the files that commands and the daemon read, in bytes.
const (
	// MostRecord is the largest record of Kinesis in base64, with what is around it.
	MostRecord = 16 << 20
	MostSample = 64 << 20
	MostExport = 16 << 20
	// MostExportRows is in rows: a stream has some ten thousand shards at most, and as many that ended.
	MostExportRows = 100_000
)

// mostFileTime is how long a file may take. A disk answers in milliseconds; a dead network file system never does.
const mostFileTime = 10 * time.Second

// StandardInput is how an argument names it.
const StandardInput = "-"

// StatFile refuses what does not end. See openFile.
func StatFile(name string) (fs.FileInfo, error) {
	info, err := os.Stat(name)
	if err == nil {
		err = readable(info.Mode())
	}
	if err != nil {
		return nil, withoutPath(err)
	}
	return info, nil
}

// OpenFile opens a file that ends: a regular one, or a pipe, as a shell's <(command) is. Devices, folders and sockets
// are refused. It does not wait for a writer of a pipe: a pipe without one is empty. Errors do not repeat the name.
func OpenFile(name string) (*os.File, error) {
	// Looked at before it is opened, since opening a device may do something.
	if _, err := StatFile(name); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, withoutPath(err)
	}
	info, err := file.Stat()
	if err == nil { // of what was opened: the name may have become another file's
		err = readable(info.Mode())
	}
	if err != nil {
		_ = file.Close()
		return nil, withoutPath(err)
	}
	return file, nil
}

func readable(mode fs.FileMode) error {
	switch {
	case mode.IsRegular(), mode&fs.ModeNamedPipe != 0:
		return nil
	case mode.IsDir():
		return errors.New("is a directory; name a file in it")
	case mode&fs.ModeDevice != 0:
		return errors.New("is a device, not a file")
	}
	return errors.New("is not a regular file")
}

// Replaceable returns why a file cannot be written: something is there that is no regular file. A pipe would wait for a
// reader, and a device may do something. What is not there can be made. Errors do not repeat the name.
func Replaceable(name string) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return withoutPath(err)
	}
	return writable(info.Mode())
}

func writable(mode fs.FileMode) error {
	if mode&fs.ModeNamedPipe != 0 {
		return errors.New("is a pipe, not a file")
	}
	return readable(mode)
}

// CreateFile makes a file, or empties one that is Replaceable.
func CreateFile(name string, mode fs.FileMode) (*os.File, error) {
	if err := Replaceable(name); err != nil {
		return nil, err
	}
	// O_NONBLOCK does not wait for the reader of a pipe.
	//nolint:gosec // the operator names the file
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK, mode)
	if err != nil {
		return nil, withoutPath(err)
	}
	info, err := file.Stat()
	if err == nil { // of what was opened: the name may have become another file's
		err = writable(info.Mode())
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err != nil {
		return nil, withoutPath(errors.Join(err, file.Close()))
	}
	return file, nil
}

// WriteFile writes the whole of a file, as CreateFile makes it.
func WriteFile(name string, text []byte, mode fs.FileMode) error {
	file, err := CreateFile(name, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return withoutPath(errors.Join(err, file.Close()))
}

// CloseWith closes a file that is only read when ctx ends, which ends the read of a pipe, or when the function that it
// returns is called.
func CloseWith(ctx context.Context, file *os.File) (done func()) {
	stop := context.AfterFunc(ctx, func() { _ = file.Close() })
	return func() {
		stop()
		_ = file.Close()
	}
}

// withoutPath is an error of the file system without the name, which callers put in front of it.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// ReadFile reads the whole of a file, see openFile, of at most `most` bytes.
func ReadFile(ctx context.Context, name string, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, mostFileTime, fmt.Errorf("cannot be read within %s", mostFileTime))
	defer cancel()
	return interruptible(ctx, func() ([]byte, error) {
		file, err := OpenFile(name)
		if err != nil {
			return nil, err
		}
		done := CloseWith(ctx, file)
		defer done()
		info, err := file.Stat()
		if err == nil && info.Mode().IsRegular() && info.Size() > most {
			return nil, tooLarge(most) // nothing is read: a file of holes would take longer than a reader may wait
		}
		data, err := readAll(file, most)
		if err == nil && len(data) == 0 && info != nil && !info.Mode().IsRegular() {
			err = errors.New("is a pipe without a writer")
		}
		return data, err
	})
}

// ReadInput is readFile, or standard input for "-". A person may type there, so it has no deadline.
func ReadInput(ctx context.Context, stdin io.Reader, name string, most int64) ([]byte, error) {
	if name != StandardInput {
		return ReadFile(ctx, name, most)
	}
	return interruptible(ctx, func() ([]byte, error) { return readAll(stdin, most) })
}

// readAll reads to the end, of at most `most` bytes. No more is allocated than there is.
func readAll(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(data)) > most {
		return nil, tooLarge(most)
	}
	return data, nil
}

func tooLarge(most int64) error { return fmt.Errorf("is larger than %d MiB", most>>20) }

// interruptible does work that does not look at its context, such as a system call or a compiler. When the context ends
// first, the work is left behind, and what it gives is dropped: it must change nothing.
func interruptible[T any](ctx context.Context, work func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		if err := guard.Do("reading a file", func() error { r.value, r.err = work(); return nil }); err != nil {
			r.err = err
		}
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// ByteOrderMark is how some editors begin a text in UTF-8. It is no part of the first record.
const ByteOrderMark = "\ufeff"

// NotUTF8 says what to do about a text in UTF-16.
const NotUTF8 = "the text is in UTF-16: save it as UTF-8"

// UTF16 reports whether a text begins with a byte order mark of UTF-16.
func UTF16(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))
}
