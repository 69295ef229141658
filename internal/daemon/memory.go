package daemon

import (
	"io/fs"
	"strconv"
	"strings"
)

// BoundedGCPercent is GOGC where a memory limit bounds the heap anyway. Decoding pages is most of the daemon's work,
// and its garbage short-lived: collecting a quarter as often saves about a fifth of the CPU (make bench), and the limit
// makes the collector work harder when the heap comes near it. Without a limit Go's 100 stays.
const BoundedGCPercent = 400

// frugalGCPercent is GOGC while a configuration is read, which makes many times as much garbage as it keeps: a
// large file must not push the daemon out of its container.
const frugalGCPercent = 30

// CheckMemory is the soft memory limit of check, in bytes: it may run in the daemon's own container.
const CheckMemory = 36 << 20

// MemoryLimit returns what the Go runtime's soft memory limit should be, in bytes: nine tenths of the container's
// limit, so that the collector works harder before the kernel kills the process. The runtime follows the container's
// CPU quota by itself, but not its memory limit. It returns 0 when there is no limit, or when GOMEMLIMIT was set, whose
// value is then the operator's decision. root is the file system of the machine.
func MemoryLimit(root fs.FS, env func(string) (string, bool)) int64 {
	if value, set := env("GOMEMLIMIT"); set && value != "" {
		return 0
	}
	// cgroup v2, then v1. In a container both paths show the container's own group.
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		// "max", and v1's page-aligned largest number, mean that there is no limit.
		const unlimited = 1 << 50
		if err != nil || limit <= 0 || limit >= unlimited {
			return 0
		}
		return limit / 10 * 9
	}
	return 0
}
