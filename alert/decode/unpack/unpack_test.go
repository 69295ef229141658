package unpack

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	stdzlib "compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const big = 64 << 20

func gzipped(tb testing.TB, data string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := stdgzip.NewWriter(&b)
	return written(tb, &b, w, data)
}

func zlibbed(tb testing.TB, data string) []byte {
	tb.Helper()
	var b bytes.Buffer
	return written(tb, &b, stdzlib.NewWriter(&b), data)
}

func deflated(tb testing.TB, data string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	require.NoError(tb, err)
	return written(tb, &b, w, data)
}

func zstded(tb testing.TB, data string, opts ...zstd.EOption) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, append(opts, zstd.WithEncoderConcurrency(1))...)
	require.NoError(tb, err)
	return written(tb, &b, w, data)
}

func snappied(tb testing.TB, data string) []byte {
	tb.Helper()
	var b bytes.Buffer
	return written(tb, &b, s2.NewWriter(&b, s2.WriterSnappyCompat(), s2.WriterConcurrency(1)), data)
}

func lz4ed(tb testing.TB, data string, opts ...lz4.Option) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	require.NoError(tb, w.Apply(opts...))
	return written(tb, &b, w, data)
}

func written(tb testing.TB, b *bytes.Buffer, w io.WriteCloser, data string) []byte {
	tb.Helper()
	_, err := io.WriteString(w, data)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return b.Bytes()
}

// raw is a payload that another writer made.
func raw(tb testing.TB, b64 string) []byte {
	tb.Helper()
	data, err := base64.StdEncoding.DecodeString(b64)
	require.NoError(tb, err)
	return data
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// lines is text as records have it, of about that size.
func lines(size int) string {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // test data
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(`{"level":"info","n":`)
		b.WriteString(strings.Repeat("7", 1+r.IntN(9)))
		b.WriteString("}\n")
	}
	return b.String()
}

// Every compression gives back what was packed, joined or not, by name and by magic number where there is one.
func TestUnpack(t *testing.T) {
	skippable := []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip")
	long := lines(300 << 10)
	for _, tc := range []struct {
		name  string
		kind  Kind
		named bool // auto leaves it alone
		src   []byte
		want  string
	}{
		{"gzip", Gzip, false, gzipped(t, "hello"), "hello"},
		{"gzip, large", Gzip, false, gzipped(t, long), long},
		{"gzip of nothing", Gzip, false, gzipped(t, ""), ""},
		{
			"gzip, with a name and a time", Gzip, false,
			raw(t, "H4sICADJDGsC/3BhcnQtMDAwMS5qc29uAKtWylOyMtRRKlayUnIvOrzn8PxUpVquapCoEUT00YxmmIhxLRcA7ZzkFjAAAAA="),
			"{\"n\":1,\"s\":\"Grüße\"}\n{\"n\":2,\"s\":\"☃\"}\n{\"n\":3}\n",
		},
		{"gzip, three members", Gzip, false, join(gzipped(t, "a\n"), gzipped(t, ""), gzipped(t, "b\n")), "a\nb\n"},
		{"gzip, padded with zeros", Gzip, false, join(gzipped(t, "a"), make([]byte, 500)), "a"},
		{"zlib", Zlib, false, zlibbed(t, "hello"), "hello"},
		{"zlib, large", Zlib, false, zlibbed(t, long), long},
		{"deflate", Deflate, true, deflated(t, long), long},
		{"zstd", Zstd, false, zstded(t, "hello"), "hello"},
		{"zstd, large, size not known", Zstd, false, zstded(t, long), long},
		{
			"zstd, two frames and a skippable one", Zstd, false, join(zstded(t, "a"), skippable, zstded(t, long)),
			"a" + long,
		},
		{"zstd, skippable first", Zstd, false, join(skippable, zstded(t, "a")), "a"},
		{"zstd, skippable only", Zstd, false, skippable, ""},
		{
			"zstd, by the command as a filter", Zstd, false,
			raw(t, "KLUv/QRoPQEA6HsibiI6MSwicyI6Ikdyw7zDn2UifQoy4piDM30KAwA1yYC58ppNf0Y8FQ=="),
			"{\"n\":1,\"s\":\"Grüße\"}\n{\"n\":2,\"s\":\"☃\"}\n{\"n\":3}\n",
		},
		{"snappy, framed", Snappy, false, snappied(t, long), long},
		{"snappy, two streams", Snappy, false, join(snappied(t, "a"), snappied(t, "b")), "ab"},
		{"snappy, the header alone", Snappy, false, []byte(magicSnappy), ""},
		{
			"snappy, by the JVM", Snappy, false,
			raw(t, "glNOQVBQWQAAAAABAAAAAQAAAC0rqHsibiI6MSwiYmlnIjo5MDA3MTk5MjU0NzQwOTkzLCJwcmljZSI6MS4xMH0="),
			`{"n":1,"big":9007199254740993,"price":1.10}`,
		},
		{"snappy, a block", Snappy, true, s2.EncodeSnappy(nil, []byte(long)), long},
		{"snappy_block", SnappyBlock, true, s2.EncodeSnappy(nil, []byte(long)), long},
		{"lz4", LZ4, false, lz4ed(t, long), long},
		{"lz4, small", LZ4, false, lz4ed(t, "hello"), "hello"},
		{
			"lz4, with all checksums", LZ4, false,
			lz4ed(t, long, lz4.BlockChecksumOption(true), lz4.ChecksumOption(true), lz4.SizeOption(uint64(len(long)))),
			long,
		},
		{"lz4, small blocks", LZ4, false, lz4ed(t, long, lz4.BlockSizeOption(lz4.Block64Kb)), long},
		{"lz4, legacy", LZ4, false, lz4ed(t, long, lz4.LegacyOption(true)), long},
		{
			"lz4, joined, other block sizes", LZ4, false,
			join(lz4ed(t, "a", lz4.BlockSizeOption(lz4.Block64Kb)), skippable, lz4ed(t, long)), "a" + long,
		},
		// The C library's, where each block refers to the one before.
		{"lz4, linked blocks", LZ4, false, raw(t,
			"BCJNGFxAEBsCAAAAAABvIgEAAP8IeyJsZXZlbCI6ImluZm8iLCJuIjoxfQoXAP"+strings.Repeat("/", 341)+
				"RUHZlbCI6rfb1YAoBAAAP9"+strings.Repeat("/", 343)+
				"6FBvIiwibjw7GrIlAAAADxcA"+strings.Repeat("/", 36)+
				"E1AiOjF9Cl6oEHYAAAAAXQfw1g=="), strings.Repeat(`{"level":"info","n":1}`+"\n", 6000)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kinds := []Kind{tc.kind}
			if !tc.named {
				kinds = append(kinds, Auto)
			}
			for _, kind := range kinds {
				var u Unpacker
				for _, dst := range [][]byte{nil, []byte("before"), make([]byte, 3, 1<<20)} {
					out, packed, fault := u.Append(dst, kind, tc.src, big)
					require.Nil(t, fault)
					require.True(t, packed)
					require.Equal(t, string(dst)+tc.want, string(out))
					out, _, fault = u.Append(dst, kind, tc.src, len(tc.want))
					require.Nil(t, fault, "the limit itself is within the limit")
					require.Equal(t, string(dst)+tc.want, string(out))
					if tc.want != "" {
						_, _, fault = u.Append(dst, kind, tc.src, len(tc.want)-1)
						require.Equal(t, payload.UnpackLimit, fault.Defect)
					}
				}
			}
			if tc.named {
				_, packed, fault := new(Unpacker).Append(nil, Auto, tc.src, big)
				require.Nil(t, fault)
				require.False(t, packed)
			}
		})
	}
}

// frame makes a frame of zstd by hand, from its flags and what follows.
func zstdOf(flags byte, rest ...byte) []byte {
	return append([]byte(magicZstd), append([]byte{flags}, rest...)...)
}

// What is broken says how, and where.
func TestBroken(t *testing.T) {
	flip := func(data []byte, at int) []byte {
		data = bytes.Clone(data)
		if at < 0 {
			at += len(data)
		}
		data[at] ^= 0x40
		return data
	}
	cut := func(data []byte, n int) []byte { return data[:len(data)-n] }
	gz, zl, zs := gzipped(t, "hello"), zlibbed(t, "hello"), zstded(t, "hello")
	sn, lz := snappied(t, "hello"), lz4ed(t, "hello")
	for _, tc := range []struct {
		kind Kind
		src  []byte
		want string
	}{
		{Auto, cut(gz, 1), "gzip: truncated at byte 28"},
		{Auto, cut(gz, 12), "gzip: truncated at byte 17"},
		{Auto, gz[:5], "gzip: truncated at byte 5"},
		{Auto, join(gz, gz[:2]), "gzip: truncated at byte 31"},
		{Auto, join(gz, []byte("text")), "gzip: data behind the last member, at byte 29 of 33"},
		{Auto, join(gz, gz, []byte{0, 0, 1}), "gzip: data behind the last member, at byte 58 of 61"},
		{Auto, flip(gz, -5), "gzip: checksum error at byte 21 of 29"},
		{Auto, flip(gz, -1), "gzip: checksum error at byte 21 of 29"},
		{Auto, flip(gz, 11), "gzip: checksum error at byte 21 of 29"},
		{Auto, join(gz[:10], []byte("\xff"), gz[11:]), "gzip: corrupt at byte 11 of 29"},
		{Auto, flip(gz, 3), "gzip: unknown flags at byte 3 of 29"},
		{Gzip, []byte("hello"), "gzip: does not begin with 1f 8b 08"},
		{Auto, cut(zl, 1), "zlib: truncated at byte 16"},
		{Auto, flip(zl, -1), "zlib: checksum error at byte 13 of 17"},
		{Auto, join(zl, []byte("\n")), "zlib: data behind the end, at byte 17 of 18"},
		{Zlib, []byte("\x78\xbb\x00\x00\x00\x00"), "zlib: needs a preset dictionary, at byte 2 of 6"},
		{Zlib, []byte("hello"), "zlib: does not begin with a header of zlib, such as 78 9c"},
		{Deflate, join(deflated(t, "hello"), []byte{1}), "deflate: data behind the end, at byte 11 of 12"},
		{Deflate, cut(deflated(t, "hello"), 3), "deflate: truncated at byte 8"},
		{Auto, cut(zs, 1), "zstd: truncated at byte"},
		{Auto, zs[:9], "zstd: truncated at byte 9"},
		{Auto, join(zs, make([]byte, 3)), "zstd: data behind the last frame, at byte"},
		{Auto, flip(zs, -1), "zstd: checksum error at byte"},
		{Auto, zstdOf(0x00, 0xa8, 0x09, 0, 0, 'a'), "zstd: window of 2048 MiB declared, above 128, at byte 5 of 10"},
		{Auto, zstdOf(0x21, 0x07, 1, 0x09, 0, 0, 'a'), "zstd: needs a dictionary, at byte 5 of 11"},
		{Auto, zstdOf(0x20, 2, 0x09, 0, 0, 'a'), "zstd: the frame at byte 0 of 10 declares 2 bytes, and holds others"},
		{Auto, zstdOf(0x20, 1, 0x0f, 0, 0, 'a'), "zstd: unknown block at byte 6 of 10"},
		{Auto, []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00ski"), "zstd: truncated at byte 11"},
		{Zstd, []byte("hello"), "zstd: does not begin with 28 b5 2f fd"},
		{Auto, cut(sn, 1), "snappy: truncated at byte"},
		{Auto, flip(sn, -1), "snappy: checksum error at byte 14 of"},
		{Auto, join(sn, []byte("\x03\x00\x00\x00")), "snappy: unknown chunk at byte"},
		{Snappy, []byte(`{"n":1}`), "snappy: corrupt block at byte 0 of 7"}, // as a block, it declares 123 bytes
		{Snappy, []byte("~"), "snappy: no block of snappy at byte 0 of 1"},
		{SnappyBlock, []byte("\xff\xff\xff\xff\x0f"), "snappy_block: no block of snappy at byte 0 of 5"},
		{SnappyBlock, flip(s2.EncodeSnappy(nil, []byte("hello")), 1), "snappy_block: corrupt block at byte 0 of 7"},
		{
			Snappy, []byte(magicXerial + "\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x09abc"),
			"snappy: truncated at byte 23",
		},
		{Auto, cut(lz, 1), "lz4: truncated at byte"},
		{Auto, flip(lz, -1), "lz4: checksum error at byte"},
		{Auto, flip(lz, 6), "lz4: checksum error at byte 6 of"},
		{Auto, join(lz, []byte("text")), "lz4: data behind the last frame, at byte"},
		{Auto, flip(lz, 4), "lz4: unknown flags at byte 4 of"},
		{LZ4, []byte("hello"), "lz4: does not begin with 04 22 4d 18"},
	} {
		_, packed, fault := new(Unpacker).Append(nil, tc.kind, tc.src, big)
		require.NotNil(t, fault, tc.want)
		require.True(t, packed)
		require.Equal(t, payload.BadCompression, fault.Defect)
		require.True(t, strings.HasPrefix(fault.Detail, tc.want), "%s; got %s", tc.want, fault.Detail)
	}
}

// Auto leaves alone what has no magic number that it knows, and text that happens to begin like zlib.
func TestAutoNeverGuesses(t *testing.T) {
	for _, src := range []string{
		"", "{", `{"n":1}`, "x", "x^", "x^2 + y^2 = 4 is the circle of sensor 7", "x\x01", "x\x01 is a text", "hello",
		"BZh91AY&SY", "\xfd7zXZ\x00", "PK\x03\x04", "\x1f\x8b", "\x1f\x9d\x90", "(\xb5/", "P*M", "\x05\x22\x4d\x18",
		"\xff\x06\x00\x00sNaPpX", strings.Repeat("x^2 ", 1000), "x^\xfc\xfcis no UTF-8",
	} {
		dst := []byte("as it was")
		out, packed, fault := new(Unpacker).Append(dst, Auto, []byte(src), big)
		require.Nil(t, fault, src)
		require.False(t, packed, src)
		require.Equal(t, "as it was", string(out))
	}
	for _, kind := range Kinds() {
		_, packed, fault := new(Unpacker).Append(nil, Kind(kind), nil, big)
		require.Nil(t, fault, kind)
		require.False(t, packed, "nothing is an empty record, whatever it should have been packed with")
	}
}

// rle is a frame of zstd with that many blocks of 128 KiB of zeros.
func rle(blocks int) []byte {
	out := zstdOf(0x00, 0x38)
	for n := range blocks {
		header := uint32(maxZstdBlock<<3 | 1<<1)
		if n == blocks-1 {
			header |= 1
		}
		out = append(out, byte(header), byte(header>>8), byte(header>>16), 0)
	}
	return out
}

// Bombs end at the limit. They take no memory beyond that, and none at all where the sizes are known.
func TestBombs(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	hugeBlock := binary.AppendUvarint(nil, 20<<20)
	for name, tc := range map[string]struct {
		kind Kind
		src  []byte
	}{
		"gzip members":        {Auto, bytes.Repeat(gzipped(t, zeros), 10)},
		"zlib":                {Auto, zlibbed(t, strings.Repeat(zeros, 10))},
		"deflate":             {Deflate, deflated(t, strings.Repeat(zeros, 10))},
		"zstd of RLE blocks":  {Auto, rle(80)},
		"zstd, size declared": {Auto, zstded(t, strings.Repeat(zeros, 10), zstd.WithSingleSegment(true))},
		"zstd, not declared":  {Auto, bytes.Repeat(zstded(t, zeros), 10)},
		"zstd frames":         {Auto, bytes.Repeat(rle(1), 80)},
		"snappy":              {Auto, snappied(t, strings.Repeat(zeros, 10))},
		"snappy_block":        {SnappyBlock, append(hugeBlock, make([]byte, 1<<20)...)},
		"lz4":                 {Auto, lz4ed(t, strings.Repeat(zeros, 10))},
		"lz4, legacy":         {Auto, lz4ed(t, strings.Repeat(zeros, 10), lz4.LegacyOption(true))},
	} {
		t.Run(name, func(t *testing.T) {
			const limit = 1 << 20
			var u Unpacker
			out, _, fault := u.Append(nil, tc.kind, tc.src, limit)
			require.NotNil(t, fault)
			require.Equal(t, payload.UnpackLimit, fault.Defect)
			require.LessOrEqual(t, cap(out), limit)
		})
	}
}

// What unpacks to nothing is read to its end as long as it is short, and refused when there is a lot of it.
func TestMuchOfNothing(t *testing.T) {
	emptyZstd := zstdOf(0x00, 0x38, 1, 0, 0)
	for name, part := range map[string][]byte{
		"gzip members": gzipped(t, ""), "zstd frames": emptyZstd, "lz4 frames": lz4ed(t, ""),
		"zstd skippable frames": []byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			var u Unpacker
			out, packed, fault := u.Append(nil, Auto, bytes.Repeat(part, 500), 0)
			require.Nil(t, fault)
			require.True(t, packed)
			require.Empty(t, out)
			if name != "zstd skippable frames" { // which cost next to nothing
				_, _, fault = u.Append(nil, Auto, bytes.Repeat(part, 20_000), 1<<20)
				require.NotNil(t, fault)
				require.Equal(t, payload.UnpackLimit, fault.Defect)
			}
		})
	}
}

// Small records are unpacked without an allocation.
func TestNoAllocations(t *testing.T) {
	text := lines(40 << 10)
	dst := make([]byte, 0, 256<<10)
	for kind, src := range map[Kind][]byte{
		Gzip: gzipped(t, text), Zlib: zlibbed(t, text), Deflate: deflated(t, text), Zstd: zstded(t, text),
		Snappy: snappied(t, text), SnappyBlock: s2.EncodeSnappy(nil, []byte(text)), LZ4: lz4ed(t, text),
	} {
		var u Unpacker
		allocated := testing.AllocsPerRun(10, func() {
			if out, _, _ := u.Append(dst, kind, src, 256<<10); len(out) != len(text) {
				t.Error(kind)
			}
		})
		if testkit.RaceMemory == 1 { // the race detector has pools forget on purpose
			require.Zero(t, allocated, kind)
		}
	}
}
