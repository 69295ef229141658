package fakeaws

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const serviceSTS = "sts"

// STS gives out the credentials of roles, and remembers them: a call that is signed with those of a role in another
// account goes there, and one that is signed with ended ones is refused. A role that nothing was said of is given to
// whoever asks.
type STS struct {
	account string

	mu    sync.Mutex
	roles map[string]AssumedRole
	keys  map[string]sessionKey
}

// AssumedRole is what happens to those who ask for a role.
type AssumedRole struct {
	// Denied refuses them.
	Denied bool
	// ExternalID is the one that they have to name, if it is not empty.
	ExternalID string
	// Session is how long the credentials are good for. Defaults to what is asked for.
	Session time.Duration
	// In is the account of the role. Defaults to the one that is asked.
	In *AWS
}

// sessionKey is what an access key id is good for.
type sessionKey struct {
	role AssumedRole
	ends time.Time
}

func newSTS(o Options) *STS {
	return &STS{account: o.Account, roles: map[string]AssumedRole{}, keys: map[string]sessionKey{}}
}

// Set says what happens to those who ask for a role from now on.
func (s *STS) Set(arn string, r AssumedRole) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[arn] = r
}

func (*STS) name() string { return serviceSTS }

func (s *STS) operations() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity": plain(func(*Request) (any, error) {
			return queryResult{"GetCallerIdentity", struct{ Arn, UserId, Account string }{
				"arn:aws:iam::" + s.account + ":root", s.account, s.account,
			}}, nil
		}),
		"AssumeRole": plain(s.assume),
	}
}

// assume is AssumeRole.
func (s *STS) assume(r *Request) (any, error) {
	arn, session := r.Form.Get("RoleArn"), r.Form.Get("RoleSessionName")
	if !strings.HasPrefix(arn, "arn:") || len(session) < 2 {
		return nil, errorf("ValidationError", "RoleArn and RoleSessionName are required")
	}
	good := time.Hour
	if seconds, err := strconv.Atoi(r.Form.Get("DurationSeconds")); err == nil {
		good = time.Duration(seconds) * time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	role := s.roles[arn]
	if role.Denied || role.ExternalID != "" && role.ExternalID != r.Form.Get("ExternalId") {
		return nil, &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "User: arn:aws:iam::" +
			s.account + ":user/test is not authorized to perform: sts:AssumeRole on resource: " + arn}
	}
	if role.Session > 0 {
		good = role.Session
	}
	key := "ASIA" + s.account + "N" + strconv.Itoa(len(s.keys))
	k := sessionKey{role, time.Now().Add(good)}
	s.keys[key] = k
	type credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
	type user struct {
		AssumedRoleID string `xml:"AssumedRoleId"`
		Arn           string
	}
	return queryResult{"AssumeRole", struct {
		XMLName         xml.Name `xml:"AssumeRoleResult"`
		Credentials     credentials
		AssumedRoleUser user
	}{
		Credentials:     credentials{key, "secret", "token", k.ends.UTC().Format(time.RFC3339)},
		AssumedRoleUser: user{"AROA:" + session, arn + "/" + session},
	}}, nil
}

// home is the account that a call signed with this key reaches; ended says that the key is good for none any more.
func (s *STS) home(key string) (in *AWS, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, known := s.keys[key]
	return k.role.In, known && !time.Now().Before(k.ends)
}

func (*STS) unknown(op string) *Error {
	return errorf("UnknownOperationException", "STS.%s is not emulated", op)
}
