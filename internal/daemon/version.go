package daemon

import (
	"io"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/internal/plain"
)

// version is set by the release build: -ldflags "-X kinesis-alerter/internal/daemon.version=1.2.3".
var version string

// revision is set likewise where the source is not in a repository, as in the build of the container image.
var revision string //nolint:gochecknoglobals // the linker sets it, which the linter only knows of version

// build says what is running. Its names in JSON are stable.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// CurrentBuild reads what the linker and the go command have left in the binary.
func CurrentBuild() build {
	b := build{Version: version, Revision: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	b.Revision += dirty
	if b.Revision == "unknown" && revision != "" {
		b.Revision = revision[:min(12, len(revision))]
	}
	if b.Version == "" {
		b.Version = "development"
	}
	return b
}

// Register shows the build as a metric.
func (b build) Register(reg prometheus.Registerer) {
	promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
		Name: "kinesis_alerter_build_info", Help: "The running build. Always 1.",
	}, []string{"version", "revision", "goversion"}).WithLabelValues(b.Version, b.Revision, b.Go).Set(1)
}

func (b build) Print(w io.Writer) {
	_, _ = plain.Fprintf(w, "kinesis-alerter %s (revision %s, %s, %s/%s)\n", b.Version, b.Revision, b.Go, b.OS,
		b.Arch)
}
