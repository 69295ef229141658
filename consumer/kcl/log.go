package kcl

import (
	"fmt"
	"io"

	"github.com/sirupsen/logrus"
	"github.com/vmware/vmware-go-kcl-v2/logger"
	"go.uber.org/zap"
)

// libraryLog writes the library's lines at debug level, whatever their own level is. Everything that matters is logged
// by the code that knows why. The library's Fatalf and Panicf must not end the process (defect 40).
type libraryLog struct{ log *zap.Logger }

var _ logger.Logger = libraryLog{}

func newLibraryLog(log *zap.Logger) libraryLog {
	// The library's renewal probe writes to the global logrus logger, whatever logger it was given.
	logrus.SetOutput(io.Discard)
	return libraryLog{log.Named("kcl")}
}

func (l libraryLog) debug(level, format string, args []any) {
	if e := l.log.Check(zap.DebugLevel, "kcl"); e != nil {
		e.Write(zap.String("kcl_level", level), zap.String("kcl_message", fmt.Sprintf(format, args...)))
	}
}

func (l libraryLog) Debugf(format string, args ...any) { l.debug("debug", format, args) }
func (l libraryLog) Infof(format string, args ...any)  { l.debug("info", format, args) }
func (l libraryLog) Warnf(format string, args ...any)  { l.debug("warn", format, args) }
func (l libraryLog) Errorf(format string, args ...any) { l.debug("error", format, args) }
func (l libraryLog) Fatalf(format string, args ...any) { l.debug("fatal", format, args) }
func (l libraryLog) Panicf(format string, args ...any) { l.debug("panic", format, args) }

func (l libraryLog) WithFields(logger.Fields) logger.Logger { return l }
