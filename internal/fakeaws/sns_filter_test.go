package fakeaws

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Examples of the SNS Developer Guide, "String value matching" and "Numeric value matching", and their corners.
func TestFilterPolicyOnAttributes(t *testing.T) {
	attributes := map[string]MessageAttribute{
		"interests": {DataType: "String.Array", StringValue: `["soccer","rugby",null,7]`},
		"sport":     {DataType: "String", StringValue: "rugby"},
		"price":     {DataType: "Number", StringValue: "100.50"},
		"photo":     {DataType: "Binary", BinaryValue: []byte("rugby")},
		"broken":    {DataType: "String.Array", StringValue: "rugby"},
	}
	tests := []struct {
		policy string
		want   bool
	}{
		{`{"sport":["rugby","tennis"]}`, true},
		{`{"sport":["Rugby"]}`, false},
		{`{"sport":["rugby"],"price":[1]}`, false},
		{`{"price":[100.5]}`, true},
		{`{"price":["100.50"]}`, false},
		{`{"price":[{"numeric":[">",100,"<=",100.5]}]}`, true},
		{`{"price":[{"numeric":["<",100]},{"numeric":["=",1.005e2]}]}`, true},
		{`{"price":[{"numeric":[">",100.5]}]}`, false},
		{`{"sport":[{"numeric":[">",0]}]}`, false},
		{`{"sport":[{"prefix":"rug"}]}`, true},
		{`{"sport":[{"suffix":"by"}]}`, true},
		{`{"sport":[{"equals-ignore-case":"RUGBY"}]}`, true},
		{`{"sport":[{"anything-but":["rugby"]}]}`, false},
		{`{"sport":[{"anything-but":"soccer"}]}`, true},
		{`{"sport":[{"anything-but":{"prefix":"ru"}}]}`, false},
		{`{"missing":[{"anything-but":["x"]}]}`, false},
		{`{"interests":["rugby"]}`, true},
		{`{"interests":[null]}`, true},
		{`{"interests":[7]}`, true},
		{`{"interests":[{"anything-but":["rugby"]}]}`, true},
		{`{"missing":[{"exists":false}]}`, true},
		{`{"sport":[{"exists":false}]}`, false},
		{`{"sport":[{"exists":true}]}`, true},
		{`{"photo":["rugby"]}`, false},
		{`{"broken":["rugby"]}`, false},
		{`{}`, true},
		{``, true},
	}
	for _, tt := range tests {
		t.Run(tt.policy, func(t *testing.T) {
			p, err := parseFilterPolicy(tt.policy, "")
			require.NoError(t, err)
			require.Equal(t, tt.want, p.match("ignored", attributes))
		})
	}
}

func TestFilterPolicyOnBody(t *testing.T) {
	const body = `{"rule":"high","score":3.5,"ok":true,"none":null,"tags":["a","b"],` +
		`"at":{"ward":"7","beds":[{"n":1},{"n":2}]}}`
	tests := []struct {
		policy, body string
		want         bool
	}{
		{`{"rule":["high"]}`, body, true},
		{`{"score":[{"numeric":[">",3]}]}`, body, true},
		{`{"ok":[true]}`, body, true},
		{`{"ok":["true"]}`, body, false},
		{`{"none":[null]}`, body, true},
		{`{"missing":[null]}`, body, false},
		{`{"tags":["b"]}`, body, true},
		{`{"at":{"ward":["7"]}}`, body, true},
		{`{"at":{"beds":{"n":[2]}}}`, body, true},
		{`{"at":{"beds":{"n":[3]}}}`, body, false},
		{`{"rule":{"deep":["x"]}}`, body, false},
		{`{"rule":["high"]}`, `not JSON`, false},
		{`{"rule":["high"]}`, `["high"]`, false},
	}
	for _, tt := range tests {
		t.Run(tt.policy+" "+tt.body[:8], func(t *testing.T) {
			p, err := parseFilterPolicy(tt.policy, filterBody)
			require.NoError(t, err)
			require.Equal(t, tt.want, p.match(tt.body, nil))
		})
	}
}

// A policy that SNS refuses must not pass silently here.
func TestFilterPolicyRefuses(t *testing.T) {
	tests := []struct{ policy, message string }{
		{`{"a":"b"}`, "must be an object or an array"},
		{`{"a":[]}`, "Empty arrays"},
		{`{"a":{"b":["c"]}}`, "does not support nested"},
		{`{"a":[["b"]]}`, "Match value"},
		{`{"a":[{"prefix":1}]}`, "must be a string"},
		{`{"a":[{"exists":"no"}]}`, "exists match pattern"},
		{`{"a":[{"numeric":[">"]}]}`, "Value of > must be numeric"},
		{`{"a":[{"numeric":[]}]}`, "numeric match"},
		{`{"a":[{"numeric":7}]}`, "numeric match"},
		{`{"a":[{"numeric":["~",1]}]}`, "operator"},
		{`{"a":[{"numeric":[">","1"]}]}`, "Value of > must be numeric"},
		{`{"a":[{"wildcard":"x*"}]}`, "Unrecognized match type"},
		{`{"a":[{"prefix":"x","suffix":"y"}]}`, "Only one key"},
		{`{"a":[{"anything-but":{"suffix":"y"}}]}`, "anything-but"},
		{`{"$or":[{"a":["b"]},{"c":["d"]}]}`, "$or"},
		{`{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}`, "5 keys"},
		{`{"a":[1,2,3,4,5,6,7,8,9,10,11,12,13],"b":[1,2,3,4,5,6,7,8,9,10,11,12]}`, "too complex"},
	}
	for _, tt := range tests {
		t.Run(tt.policy, func(t *testing.T) {
			_, err := parseFilterPolicy(tt.policy, filterAttributes)
			require.ErrorContains(t, err, tt.message)
		})
	}
}
