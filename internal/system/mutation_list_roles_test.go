//go:build mutation

package system_test

// roleMutations break how other accounts are called.
func roleMutations() []mutation {
	by := func(test string) killer { return killer{pkg: "internal/system", test: test} }
	const denied, ends = "TestRoleIsDeniedAtStartAndGrantedLater", "TestRoleEndsWhileRunning"
	return []mutation{
		{
			breaks: "a topic of another account is called as its role",
			file:   "internal/daemon/clients.go", old: "newClientsOf(c.Credentials.As(r, c.signed()), ",
			new: "newClientsOf(c.Credentials, ",
			by:  by(ends), says: `.*Error:.*`,
		},
		{
			breaks: "a role that STS refuses holds its topic",
			file:   "alert/delivery/verdict.go", old: `none.Role() != "" && cause`, new: `none.Role() == "x" && cause`,
			by: by(denied), says: `.*Error:.*`,
		},
		{
			breaks: "a role that is granted is used at once",
			file:   "internal/credentials/provider.go", old: "(!first || again)", new: "(!first || again && false)",
			by: by(denied), says: `.*Error:.*`,
		},
		{
			breaks: "roles are asked for before their first call",
			file:   "internal/credentials/role.go", old: "!of.unused {", new: "of.unused {",
			by: killer{pkg: "internal/credentials", test: "TestRolesAreKept"}, says: `.*Error:.*`,
		},
		{
			breaks: "alerts that wait are published as the role that a reload brings",
			file:   "internal/daemon/reload.go", old: "		r.roles(&next)\n", new: "",
			by: by("TestRoleIsCorrectedByAReload"), says: `.*Error:.*`,
		},
		{
			breaks: "a remedy names the role that was denied",
			file:   "internal/credentials/refusal.go", old: "err != nil && p.role != \"\"", new: "err != nil && p.role == \"x\"",
			by: by("TestRoleMayNotDoWhatItIsFor"), says: `.*Error:.*`,
		},
		{
			breaks: "commands call as the roles of the configuration",
			file:   "internal/cli/put.go", old: "nil).As(role, stream)", new: "nil).As(credentials.Role{}, stream)",
			by: killer{pkg: "internal/cli", test: "TestCommandsCallAsTheRoles"}, says: `.*Error:.*`,
		},
		{
			breaks: "a bucket of another region is found by what S3 says",
			file:   "alert/deadletter/s3.go", old: `at != "" && (region`, new: `at == "x" && (region`,
			by: by("TestDeadLettersReachABucketOfAnotherRegion"), says: `.*Error:.*`,
		},
		{
			breaks: "--fail-fast finds a role that STS refuses",
			file:   "internal/daemon/preflight.go", old: "credentials.IsRoleRefused(err)", new: "credentials.IsRoleRefused(nil)",
			by: by("TestFailFastNamesARefusedRole"), says: `.*Error:.*`,
		},
	}
}
