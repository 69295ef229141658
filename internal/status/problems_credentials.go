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
		{
			code:   "role_credentials",
			remedy: credentials.RoleRemedy + "; it is tried again every few seconds",
			after:  thresholds{warning: 2 * time.Second, critical: 30 * time.Second},
			find:   roleCredentials,
		},
	}
}

// roleCredentials are the roles that cannot be assumed, or whose credentials are not accepted. What the credentials of
// the process cause is a symptom of those.
func roleCredentials(m *model, after thresholds) findings {
	var out findings
	for i := range m.Credentials.Roles {
		r := &m.Credentials.Roles[i]
		c := held{
			Credentials{
				Known: r.Known, Expires: r.Expires, Failing: r.Failing, FailingSince: r.FailingSince,
				Refused: r.Refused,
			}, r,
		}
		found := append(c.refused(m, after), c.unrenewed(m, after)...)
		out = append(out, found[:min(len(found), 1)].blaming(r.Failing)...)
	}
	return out
}

// held are the credentials of the process, or of a role.
type held struct {
	Credentials
	role *RoleCredentials // nil for those of the process
}

// name is what the credentials are called.
func (c *held) name() string {
	switch {
	case c.role == nil:
		return "credentials"
	case len(c.role.UsedBy) == 0:
		return "credentials of " + c.role.Role
	}
	return fmt.Sprintf("credentials of %s (%s)", c.role.Role, strings.Join(c.role.UsedBy, ", "))
}

// lacking is what a process without them does not do.
func (c *held) lacking() string {
	if c.role == nil {
		return "nothing is read or published"
	}
	return "what needs them waits"
}

// endsCritical is how soon credentials end that cannot be renewed.
const endsCritical = time.Minute

func refusedCredentials(m *model, after thresholds) findings {
	return (&held{Credentials: m.Credentials}).refused(m, after)
}

func (c *held) refused(m *model, after thresholds) findings {
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
	if level != "" && c.role == nil && m.State == "running" && m.Worker.TrustedUntil == nil {
		level, ends = LevelCritical, ends+"; "+c.lacking()
	}
	return found(level, "%s: not accepted by %s for %s%s", c.name(), strings.Join(services, ", "), words(longest), ends)
}

func unrenewedCredentials(m *model, after thresholds) findings {
	return (&held{Credentials: m.Credentials}).unrenewed(m, after)
}

func (c *held) unrenewed(m *model, after thresholds) findings {
	failing := m.ago(c.FailingSince)
	level, left := after.level(failing), -m.ago(c.Expires)
	switch {
	case level == "":
		return nil
	case !c.Known:
		return found(level, "%s: there are none, for %s so far (%s)", c.name(), words(failing), c.Failing)
	case c.Expires == nil: // they were refused, and what is at hand has no end
		return found(LevelWarning, "%s: cannot be resolved again for %s (%s)", c.name(), words(failing), c.Failing)
	case left <= 0:
		return found(LevelCritical,
			"%s: the last ones ended %s ago and cannot be renewed (%s): %s",
			c.name(), words(-left), c.Failing, c.lacking())
	case left <= endsCritical:
		level = LevelCritical
	default:
		level = LevelWarning
	}
	return found(level, "%s: cannot be renewed for %s, the ones at hand end in %s (%s)",
		c.name(), words(failing), words(left), c.Failing)
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

// CredentialsStatus is how the page shows a source of credentials. usedBy says which sections have a role.
func CredentialsStatus(s credentials.Status, usedBy func(role string) []string) Credentials {
	out := Credentials{
		Known: s.Known, Expires: Moment(s.Expires), Failing: s.Failing, FailingSince: Moment(s.FailingSince),
		Refused: []refusal{},
	}
	for _, r := range s.Refused {
		out.Refused = append(out.Refused, refusal{Service: r.Service, Code: r.Code, Since: r.Since.UTC()})
	}
	for _, r := range s.Roles {
		c := CredentialsStatus(r, usedBy)
		out.Roles = append(out.Roles, RoleCredentials{
			Role: r.Role, UsedBy: usedBy(r.Role),
			Known: c.Known, Expires: c.Expires, Failing: c.Failing, FailingSince: c.FailingSince, Refused: c.Refused,
		})
	}
	return out
}

// CredentialsTrouble returns what is wrong with the credentials, for a command that failed; empty when nothing is.
func CredentialsTrouble(p *credentials.Provider) string {
	var texts []string
	m := newModel(&Status{At: time.Now(), Credentials: CredentialsStatus(p.Status(), noUsers)}, false)
	for _, k := range credentialsKinds() {
		for _, f := range k.find(m, k.after) {
			texts = append(texts, f.text)
		}
	}
	return strings.Join(texts, "; ")
}

// noUsers is for a command, which says itself what failed.
func noUsers(string) []string { return nil }
