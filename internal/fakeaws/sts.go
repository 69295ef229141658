package fakeaws

// serviceSTS is only there so that a client can ask who it is, which people do first to see that they are connected.
const serviceSTS = "sts"

type sts struct{ account string }

func (*sts) name() string { return serviceSTS }

func (s *sts) operations() map[string]operation {
	return map[string]operation{"GetCallerIdentity": plain(func(*Request) (any, error) {
		return queryResult{"GetCallerIdentity", struct{ Arn, UserId, Account string }{
			"arn:aws:iam::" + s.account + ":root", s.account, s.account,
		}}, nil
	})}
}

func (*sts) unknown(op string) *Error {
	return errorf("UnknownOperationException", "STS.%s is not emulated", op)
}
