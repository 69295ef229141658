package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/internal/credentials"
)

func credentialsKinds() []kind {
	return []kind{
		{
			code: "credentials_refused",
			remedy: "give the process other credentials where it has these from: the whole chain is read again " +
				"every few " +
				"seconds; and check this machine's clock",
			after: thresholds{warning: 2 * time.Second, critical: 30 * time.Second}, // new ones are in use before
			find:  refusedCredentials,
		},
		{
			code: "credentials_not_renewed",
			remedy: "check what gives the process its credentials: the container's or instance's metadata service, " +
				"STS and " +
				"the role, or the shared file",
			after: thresholds{warning: 2 * time.Second, critical: 30 * time.Second},
			find:  unrenewedCredentials,
		},
	}
}

// endsCritical is how soon credentials end that cannot be renewed.
const endsCritical = time.Minute

func refusedCredentials(m *model, after thresholds) findings {
	c := &m.Credentials
	var services []string
	longest := time.Duration(0)
	for _, r := range c.Refused {
		services = append(services, fmt.Sprintf("%s (%s)", r.Service, r.Code))
		longest = max(longest, m.At.Sub(r.Since))
	}
	ends, level := "", after.level(longest)
	if c.Expires != nil && c.Expires.After(m.At) {
		ends = ", though they end only in " + words(c.Expires.Sub(m.At))
	}
	if level != "" && m.State == "running" && m.Worker.TrustedUntil == nil {
		level, ends = LevelCritical, ends+"; nothing is read or published"
	}
	return found(level, "credentials: not accepted by %s for %s%s", strings.Join(services, ", "), words(longest), ends)
}

func unrenewedCredentials(m *model, after thresholds) findings {
	c, failing := &m.Credentials, m.ago(m.Credentials.FailingSince)
	level, left := after.level(failing), -m.ago(c.Expires)
	switch {
	case level == "":
		return nil
	case !c.Known:
		return found(level, "credentials: there are none, for %s so far (%s)", words(failing), c.Failing)
	case c.Expires == nil: // they were refused, and what is at hand has no end
		return found(LevelWarning, "credentials: cannot be resolved again for %s (%s)", words(failing), c.Failing)
	case left <= 0:
		return found(LevelCritical,
			"credentials: the last ones ended %s ago and cannot be renewed (%s): nothing is read or published",
			words(-left), c.Failing)
	case left <= endsCritical:
		level = LevelCritical
	default:
		level = LevelWarning
	}
	return found(level, "credentials: cannot be renewed for %s, the ones at hand end in %s (%s)",
		words(failing), words(left), c.Failing)
}

// blaming makes the findings symptoms of the credentials where one of the errors of AWS, a code with or without a
// message or a reason of a delivery, names these as its cause.
func (f findings) blaming(errors ...string) findings {
	blames := func(text string) bool {
		return slices.ContainsFunc(strings.FieldsFunc(
			text, func(r rune) bool { return strings.ContainsRune("():", r) },
		),
			func(code string) bool {
				return credentials.IsCause(code) ||
					slices.Contains([]string{"credentials", "credentials_refused", "signature"}, code)
			})
	}
	if slices.ContainsFunc(errors, blames) {
		for i := range f {
			for _, k := range credentialsKinds() {
				f[i].symptomOf = append(f[i].symptomOf, k.code)
			}
		}
	}
	return f
}

// CredentialsStatus is how the page shows a source of credentials.
func CredentialsStatus(s credentials.Status) Credentials {
	out := Credentials{
		Known:        s.Known,
		Expires:      Moment(s.Expires),
		Failing:      s.Failing,
		FailingSince: Moment(s.FailingSince),
		Refused:      []refusal{},
	}
	for _, r := range s.Refused {
		out.Refused = append(out.Refused, refusal{Service: r.Service, Code: r.Code, Since: r.Since.UTC()})
	}
	return out
}

// CredentialsTrouble returns what is wrong with the credentials, for a command that failed; empty when nothing is.
func CredentialsTrouble(p *credentials.Provider) string {
	var texts []string
	m := newModel(&Status{At: time.Now(), Credentials: CredentialsStatus(p.Status())}, false)
	for _, k := range credentialsKinds() {
		for _, f := range k.find(m, k.after) {
			texts = append(texts, f.text)
		}
	}
	return strings.Join(texts, "; ")
}
