//go:build mutation

package system_test

// docsMutations break what the documentation says.
func docsMutations() []mutation {
	only := func(test string) killer { return killer{pkg: "internal/system", test: test} }
	return []mutation{
		{
			breaks: "commands in the documentation are those of the program",
			file:   "internal/cli/leases_rewind.go", old: `&to, "to", ""`, new: `&to, "until", ""`,
			by: only("TestCommandsInPagesExist"), says: `.*no flag --to.*`,
		},
		{
			breaks: "the reference of metrics is that of the registry",
			file:   "consumer/metrics.go", old: `"User records ingested.`, new: `"Records.`,
			by: only("TestReferenceOfMetrics"), says: `.*go test -update rewrites.*`,
		},
	}
}
