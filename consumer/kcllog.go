package consumer

import (
	"fmt"
	"io"

	"github.com/sirupsen/logrus"
	"github.com/vmware/vmware-go-kcl-v2/logger"
	"go.uber.org/zap"
)

// kclLog takes the KCL's log lines at debug level, whatever it calls them: everything that matters is told by the code
// that knows why, and the library's Fatalf and Panicf must not end the process (defect 40).
type kclLog struct{ log *zap.Logger }

var _ logger.Logger = kclLog{}

func newKCLLog(log *zap.Logger) kclLog {
	// The library's renewal probe writes to the global logrus logger, whatever logger it was given.
	logrus.SetOutput(io.Discard)
	return kclLog{log.Named("kcl")}
}

func (l kclLog) debug(level, format string, args []any) {
	if e := l.log.Check(zap.DebugLevel, "kcl"); e != nil {
		e.Write(zap.String("kcl_level", level), zap.String("kcl_message", fmt.Sprintf(format, args...)))
	}
}

func (l kclLog) Debugf(format string, args ...any) { l.debug("debug", format, args) }
func (l kclLog) Infof(format string, args ...any)  { l.debug("info", format, args) }
func (l kclLog) Warnf(format string, args ...any)  { l.debug("warn", format, args) }
func (l kclLog) Errorf(format string, args ...any) { l.debug("error", format, args) }
func (l kclLog) Fatalf(format string, args ...any) { l.debug("fatal", format, args) }
func (l kclLog) Panicf(format string, args ...any) { l.debug("panic", format, args) }

func (l kclLog) WithFields(logger.Fields) logger.Logger { return l }
