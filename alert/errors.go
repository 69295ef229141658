package alert

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// RejectedError says that the sink will never accept an alert as it is. The alert's key is held, not dropped.
type RejectedError struct {
	Reason Reason
	Err    error
}

func (e *RejectedError) Error() string { return fmt.Sprintf("rejected (%s): %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *RejectedError) Unwrap() error { return e.Err }

// GivenUpError says that publishing an alert was given up at a configured limit: its record is older than
// processing.max_record_age (ConditionAge), or SNS failed more often than processing.max_retry_attempts allows
// (ConditionRetries). Outages, throttling and faults of the topic's configuration count towards neither.
type GivenUpError struct {
	// Condition is ConditionRetries or ConditionAge.
	Condition string
	// Attempts is how often the alert was sent.
	Attempts int
	// Err is the last failure; nil if there was none.
	Err error
}

func (e *GivenUpError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("given up (%s) after %d attempts", e.Condition, e.Attempts)
	}
	return fmt.Sprintf("given up (%s) after %d attempts: %v", e.Condition, e.Attempts, e.Err)
}

// Unwrap returns the cause.
func (e *GivenUpError) Unwrap() error { return e.Err }

// ErrorText returns an AWS error as a line for the status page: the code and up to 200 characters of the message.
// Anything after a line break is left out, because AWS puts parts of the request there.
func ErrorText(err error) string {
	if err == nil {
		return ""
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no response in time"
	}
	var prefix, message string
	var answer interface {
		ErrorCode() string
		ErrorMessage() string
	}
	var call *url.Error
	switch {
	case errors.As(err, &answer):
		prefix, message = answer.ErrorCode(), answer.ErrorMessage()
	case errors.As(err, &call):
		message = call.Err.Error()
	default:
		message = err.Error()
	}
	message = oneLine(message)
	switch {
	case prefix == "":
		return message
	case message == "":
		return oneLine(prefix)
	}
	return oneLine(prefix) + ": " + message
}

// oneLine returns the first line of a text, without control characters.
func oneLine(text string) string {
	const most = 200
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n")
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(line, "\uFFFD") {
		if !unicode.IsGraphic(r) {
			r = ' '
		}
		if n++; n > most {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// ErrGathering says that an alert was not published because its topic has begun to collect a digest. Pass the alert to
// Gather instead.
var ErrGathering = errors.New("the topic gathers a digest")

// ErrHeld says that an alert was not published because the process is stopping and the topic refuses alerts: waiting
// would only delay the stop. The next owner of the shard publishes the alert.
var ErrHeld = errors.New("the topic refuses alerts, and the process stops")

// ConfigError is one fault of a Config.
type ConfigError struct {
	// Field is the path of the setting, such as "rules[2].when".
	Field string
	// Value is what was found there.
	Value string
	// Rule says what is expected and, for an expression or template, what is wrong with it.
	Rule string
	// Line and Col are the place inside an expression or template, from 1; 0 where there is none.
	Line, Col int
}

func (e *ConfigError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf(" (line %d, column %d of the value)", e.Line, e.Col)
	}
	return e.Field + ": " + strconv.Quote(e.Value) + ": " + e.Rule + at
}

// ConfigField returns the path of the setting.
func (e *ConfigError) ConfigField() string { return e.Field }
