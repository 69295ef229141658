package plain

import (
	"os"
	"strings"

	"golang.org/x/term"
)

// IsTerminal reports whether stream, such as a writer, is a file where a person reads or types. The null device is
// none.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// HasColours reports whether the environment permits colours on a terminal: NO_COLOR, see no-color.org, and a terminal
// that is dumb do not.
func HasColours(env func(string) (string, bool)) bool {
	none, _ := env("NO_COLOR")
	kind, _ := env("TERM")
	return none == "" && kind != "dumb"
}

// ShellWord is a text as one word of a POSIX shell's command line.
func ShellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
