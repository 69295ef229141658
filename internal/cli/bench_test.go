package cli

import (
	"io"
	"testing"

	"kinesis-alerter/internal/testkit"
)

// BenchmarkVersion is what every command pays before it begins; the bar of the whole process is 50 ms.
func BenchmarkVersion(b *testing.B) {
	for b.Loop() {
		if Main(b.Context(), []string{"version"}, testkit.Environment(nil), io.Discard, io.Discard) != ExitOK {
			b.Fatal("no version")
		}
	}
}
