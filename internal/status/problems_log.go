package status

import "time"

// logBlocked is how long a line may take to be written before it is a problem.
const logBlocked = 5 * time.Second

// logProblems looks at the output of the log. Alerting does not depend on it, but what was sent must have an answer later.
func logProblems(st *Status, add addProblem) {
	const remedy = "read the pipe of the process, or make room on its disk: look at the log driver of the container"
	l := &st.Log
	if l.Since == nil {
		return
	}
	blocked := st.At.Sub(*l.Since)
	if l.AuditDropped > 0 {
		add(LevelCritical, "audit_lines_lost", remedy, "%s dropped for %s, because the log output takes no lines",
			are(l.AuditDropped, "audit line"), words(blocked))
	}
	if l.Dropped > 0 || blocked >= logBlocked {
		add(LevelWarning, "log_blocked", remedy, "the log output has taken no line for %s; %s, %s dropped",
			words(blocked), wait(uint64(max(0, l.Waiting)), "line"), are(l.Dropped, "line"))
	}
}
