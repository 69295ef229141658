package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/internal/credentials"
)

const (
	// refusedWorthAWord is how long AWS may refuse the credentials: new ones, where there are any, are in use before.
	refusedWorthAWord = 2 * time.Second
	refusedCritical   = 30 * time.Second
	// unrenewedWorthAWord is how long renewing the credentials may fail.
	unrenewedWorthAWord = 2 * time.Second
	// endsCritical is how soon credentials end that cannot be renewed.
	endsCritical = time.Minute
)

// CredentialsStatus is how the page shows a source of credentials.
func CredentialsStatus(s credentials.Status) Credentials {
	out := Credentials{
		Known: s.Known, Expires: Moment(s.Expires), Failing: s.Failing, FailingSince: Moment(s.FailingSince), Refused: []refusal{},
	}
	for _, r := range s.Refused {
		out.Refused = append(out.Refused, refusal{Service: r.Service, Code: r.Code, Since: r.Since.UTC()})
	}
	return out
}

// credentialsProblems looks at the credentials, and says whether there is something about them. What the calls say that fail
// because of them is a symptom then.
func credentialsProblems(st *Status, add addProblem) bool {
	refused, lacking := refusedProblem(st, add), renewalProblem(st, add)
	return refused || lacking
}

// CredentialsTrouble says what is wrong with the credentials, for a command that failed; empty when nothing is.
func CredentialsTrouble(p *credentials.Provider) string {
	var texts []string
	credentialsProblems(&Status{At: time.Now(), Credentials: CredentialsStatus(p.Status())},
		func(_ Level, _, _, text string, args ...any) { texts = append(texts, fmt.Sprintf(text, args...)) })
	return strings.Join(texts, "; ")
}

func refusedProblem(st *Status, add addProblem) bool {
	c := &st.Credentials
	var services []string
	longest := time.Duration(0)
	for _, r := range c.Refused {
		services = append(services, fmt.Sprintf("%s (%s)", r.Service, r.Code))
		longest = max(longest, st.At.Sub(r.Since))
	}
	if longest < refusedWorthAWord {
		return false
	}
	ends, level := "", atLeast(longest, refusedWorthAWord, refusedCritical)
	if c.Expires != nil && c.Expires.After(st.At) {
		ends = ", though they end only in " + words(c.Expires.Sub(st.At))
	}
	if st.State == "running" && st.Worker.TrustedUntil == nil {
		level, ends = LevelCritical, ends+"; nothing is read or published"
	}
	const remedy = "give the process other credentials where it has these from: the whole chain is read again every few seconds; " +
		"and check this machine's clock"
	add(level, "credentials_refused", remedy, "credentials: not accepted by %s for %s%s", strings.Join(services, ", "), words(longest), ends)
	return true
}

func renewalProblem(st *Status, add addProblem) bool {
	c := &st.Credentials
	if c.FailingSince == nil || st.At.Sub(*c.FailingSince) < unrenewedWorthAWord {
		return false
	}
	const remedy = "check what gives the process its credentials: the container's or instance's metadata service, STS and the role, or the shared file"
	failing := st.At.Sub(*c.FailingSince)
	switch left := leftOf(c, st.At); {
	case !c.Known:
		add(atLeast(failing, unrenewedWorthAWord, refusedCritical), "credentials_not_renewed", remedy,
			"credentials: there are none, for %s so far (%s)", words(failing), c.Failing)
	case c.Expires == nil: // they were refused, and what is at hand has no end
		add(LevelWarning, "credentials_not_renewed", remedy, "credentials: cannot be resolved anew for %s (%s)", words(failing), c.Failing)
	case left <= 0:
		add(LevelCritical, "credentials_not_renewed", remedy,
			"credentials: the last ones ended %s ago and cannot be renewed (%s): nothing is read or published", words(-left), c.Failing)
	default:
		level := LevelWarning
		if left <= endsCritical {
			level = LevelCritical
		}
		add(level, "credentials_not_renewed", remedy, "credentials: cannot be renewed for %s, the ones at hand end in %s (%s)",
			words(failing), words(left), c.Failing)
	}
	return true
}

func leftOf(c *Credentials, at time.Time) time.Duration {
	if c.Expires == nil {
		return 0
	}
	return c.Expires.Sub(at)
}

// withoutSymptoms takes out the problems that the credentials bring about: where they are the cause, only they are of help.
func withoutSymptoms(list []Problem, st *Status) []Problem {
	failing := map[string]string{}
	for i := range st.Topics {
		failing[st.Topics[i].Name] = st.Topics[i].Failing
	}
	return slices.DeleteFunc(list, func(p Problem) bool {
		switch p.Code {
		case "trust_ended", "table_failing", "start_waits", "reads_failing", "dead_letters_failing", "dead_letters_held":
			return blamesCredentials(p.Text)
		case "topic_failing", "topic_held":
			return slices.Contains([]string{"credentials", "credentials_refused", "signature"}, failing[p.Object])
		}
		return false
	})
}

// blamesCredentials says whether a text names an error code of the credentials in brackets, or a destination's own words for it.
func blamesCredentials(text string) bool {
	for _, part := range strings.Split(text, "(")[1:] {
		if end := strings.IndexAny(part, "):"); end > 0 && credentials.IsCause(part[:end]) {
			return true
		}
	}
	return strings.Contains(text, faultWords("signature")) || strings.Contains(text, faultWords("credentials_refused"))
}
