package testkit

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// HostileText is what a stranger may call a field, an owner, a version or an error.
const HostileText = "E\x1b]0;owned\x07\x1b[2J\u009b31m\u202e\nOK  forged\r\u2028"

// Obeyed fails where a text holds what a terminal obeys or a reader is misled by, or a line that a stranger made up.
func Obeyed(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text))
	for _, r := range text {
		require.True(t, strconv.IsPrint(r) || r == '\n', "%q in %q", r, text)
	}
	for line := range strings.SplitSeq(text, "\n") {
		require.False(t, strings.HasPrefix(line, "OK  forged"), text)
	}
}

// Fill puts a text into every text of a value, and one element into every list.
func Fill(v reflect.Value, text string) {
	switch v.Kind() { //nolint:exhaustive // the rest holds no text
	case reflect.Pointer:
		if v.IsNil() && v.CanSet() && v.Type() != reflect.TypeFor[*time.Time]() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		if !v.IsNil() {
			Fill(v.Elem(), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for _, field := range v.Fields() {
			if field.CanSet() {
				Fill(field, text)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		Fill(v.Index(0), text)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		Fill(key, text)
		Fill(value, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(text)
	}
}
