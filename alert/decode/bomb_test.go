package decode

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

const recordBytes = 10 << 20

// upTo is as many copies as fit into a record.
func upTo(part []byte) []byte { return bytes.Repeat(part, recordBytes/len(part)) }

// gzipOf wraps a deflate stream that unpacks to nothing.
func gzipOf(stream []byte) []byte {
	return append(append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), stream...), make([]byte, 8)...)
}

// repeatedBits is a deflate stream of many equal blocks, whose bits are given as '0' and '1' in their order, and an
// end.
func repeatedBits(block string, size int) []byte {
	const end = "1100000000" // the last block, by the fixed codes: nothing
	out := make([]byte, 0, size)
	var b byte
	n := 0
	put := func(bits string) {
		for _, c := range bits {
			b |= byte(c-'0') << n //nolint:gosec // a digit
			if n++; n == 8 {
				out, b, n = append(out, b), 0, 0
			}
		}
	}
	for len(out) < size {
		put(block)
	}
	put(end)
	put("0000000")
	return out
}

// bombs are records of 10 MiB that unpack to far more than a record may, or to nothing at all.
func bombs(tb testing.TB) []struct {
	name string
	data []byte
} {
	tb.Helper()
	zeros := strings.Repeat("\x00", 64<<20)
	member := zipped(tb, zeros)
	rle := []byte("\x28\xb5\x2f\xfd\x00\x38")
	for len(rle) < recordBytes-4 {
		rle = append(rle, 0x02, 0x00, 0x10, 0x00)
	}
	rle = append(rle, 0x03, 0x00, 0x10, 0x00)
	raws := append([]byte("\x28\xb5\x2f\xfd\x00\x38"), upTo([]byte{0, 0, 0})...)
	raws = append(raws, 1, 0, 0)
	stored := append(upTo([]byte("\x00\x00\x00\xff\xff")), "\x01\x00\x00\xff\xff"...)
	layers := append(zipped(tb, string(bytes.Repeat(zipped(tb, ""), 16<<20/20))), make([]byte, recordBytes-1<<20)...)
	var records []fakeaws.UserRecord
	for range recordBytes / len(member) {
		records = append(records, fakeaws.UserRecord{Data: member})
	}
	var small []fakeaws.UserRecord
	one := zipped(tb, zeros[:1<<20])
	for range recordBytes / (len(one) + 8) {
		small = append(small, fakeaws.UserRecord{Data: one})
	}
	return []struct {
		name string
		data []byte
	}{
		{"160 members of 64 MiB of zeros", bytes.Repeat(member, 160)},
		{"zstd, RLE blocks", rle},
		{"empty gzip members", upTo(zipped(tb, ""))},
		{"empty stored blocks", gzipOf(stored)},
		{"empty blocks by the fixed codes", gzipOf(repeatedBits("0100000000", recordBytes))},
		{"empty blocks with codes of their own", gzipOf(repeatedBits(emptyDynamic, recordBytes))},
		{"empty zstd frames", upTo([]byte("\x28\xb5\x2f\xfd\x00\x38\x01\x00\x00"))},
		{"skippable frames", upTo([]byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"))},
		{"empty zstd blocks", raws},
		{"two layers, and nothing inside", layers},
		{"an aggregate of bombs", fakeaws.Aggregate([]string{"k"}, records)},
		{"an aggregate of small bombs", fakeaws.Aggregate([]string{"k"}, small)},
		{"64 MiB of newlines", append(zipped(tb, strings.Repeat("\n", 63<<20)), make([]byte, 1<<20)...)},
	}
}

// emptyDynamic is a block of deflate with codes of its own, and nothing but its end.
const emptyDynamic = "001" + "00000" + "00000" + "0111" + // 257 codes for lengths, 1 for distances, 18 for their own
	"000" + "000" + "100" + // the codes of 16, 17 and 18: 18 has one bit
	"000000000000000000000000000000000000000000" + "100" + // the others: 1 has one bit
	"1" + "1111111" + "1" + "1101011" + "0" + "0" + // 138 and 118 zeros, then the end with one bit and a distance
	"0"

// cpu is what the process has used, and rss the most memory that it ever had.
func cpu(tb testing.TB) (used time.Duration, rss int64) {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	status, err := os.ReadFile("/proc/self/status") // what getrusage calls the most includes that of the parent
	require.NoError(tb, err)
	_, peak, found := strings.Cut(string(status), "VmHWM:")
	require.True(tb, found)
	_, err = fmt.Sscanf(peak, "%d kB", &rss)
	require.NoError(tb, err)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), rss << 10
}

// TestBombBar plays each bomb in a process of its own: what it adds to the process is within the bound and 32 MiB, or
// with many bombs in an aggregate 96. The time is printed only.
func TestBombBar(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("make sim measures it, on Linux")
	}
	// it makes no bomb itself, or that would hide what reading it takes
	if name, child := os.LookupEnv("KA_BOMB"); child {
		data, err := os.ReadFile(os.Getenv("KA_BOMB_FILE")) //nolint:gosec // of this test
		require.NoError(t, err)
		runBomb(t, name, stepsPlan(t, DefaultLimits(), auto(), auto(), byLine()), data)
		return
	}
	testkit.Long(t) // it starts processes
	for _, b := range bombs(t) {
		file := filepath.Join(t.TempDir(), "bomb")
		require.NoError(t, os.WriteFile(file, b.data, 0o600))
		//nolint:gosec // itself
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBombBar$", "-test.v")
		cmd.Env = append(os.Environ(), "KA_BOMB="+b.name, "KA_BOMB_FILE="+file)
		out, err := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "MiB more") {
				t.Log(strings.TrimSpace(line))
			}
		}
		if err != nil {
			t.Errorf("%s: %v: %s", b.name, err, out)
		}
	}
}

func runBomb(t *testing.T, name string, p *Plan, data []byte) {
	t.Helper()
	d, rec := p.Decoder(NewBudget()), &alert.Record{Data: data}
	small := &alert.Record{Data: zipped(t, numbered(100))}
	require.NoError(t, d.Each(t.Context(), small, func(*UserRecord) error { return nil }))
	runtime.GC()
	cpuBefore, rssBefore := cpu(t)
	const rounds = 3
	pieces, last := 0, error(nil)
	for range rounds {
		require.NoError(
			t, d.Each(t.Context(), rec, func(u *UserRecord) error { pieces, last = pieces+1, u.Err; return nil }),
		)
	}
	cpuAfter, rssAfter := cpu(t)
	t.Logf("%-40s %4d ms, %3d MiB more, %d pieces, %v", name, (cpuAfter-cpuBefore).Milliseconds()/rounds,
		(rssAfter-rssBefore)>>20, pieces/rounds, last)
	most := int64(DefaultLimits().Bytes + 32<<20)
	if pieces > rounds { // of an aggregate every record makes garbage, of which the collector leaves more or less
		most += 64 << 20
	}
	require.LessOrEqual(t, rssAfter-rssBefore, most)
}
