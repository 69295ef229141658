//go:build mutation

package system_test

// inputMutations break how the configuration says what records are, and how the tools follow it.
func inputMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "rules see records as the input gives them",
			file:   "internal/config/input.go", old: "	case c.Input.Text():\n",
			new: "	case !c.Input.Text():\n",
			by:  only("internal/config", "TestFormatFollowsTheInput"), says: `.*Error:.*`,
		},
		{
			breaks: "workers that differ in their input make different alerts",
			file:   "internal/config/yaml.go", old: "Input: c.Input, InputLimits: c.InputLimits, ",
			new: "",
			by:  only("internal/config", "TestMeaningOfAConfiguration"), says: `.*Error:.*`,
		},
		{
			breaks: "an input waits for a restart, and a reload says so",
			file:   "internal/config/changes.go", old: "	c.Score, c.Rules,",
			new: "	c.Input = next.Input\n	c.Score, c.Rules,",
			by:  only("internal/daemon", "TestReloadKeepsTheInput"), says: `.*Error:.*`,
		},
		{
			breaks: "no rules for texts are put into force over objects",
			file:   "internal/daemon/reload.go", old: "is != was {",
			new: "is != was && next.Input.Given() {",
			by:  only("internal/daemon", "TestReloadKeepsTheInput"), says: `.*Error:.*`,
		},
		{
			breaks: "the daemon takes records apart as the input says",
			file:   "internal/config/config.go", old: ", Plan: c.Plan(),",
			new: ",",
			by:  only("internal/cli", "TestToolsReadRecordsAsTheDaemonDoes"), says: `.*Messages:\s+run.*`,
		},
		{
			breaks: "check --sample takes records apart as the input says",
			file:   "internal/rehearse/sample.go", old: "loaded.Plan().Decoder(",
			new: "(*decode.Plan)(nil).Decoder(",
			by:  only("internal/cli", "TestToolsReadRecordsAsTheDaemonDoes"), says: `.*check --sample.*`,
		},
		{
			breaks: "tests of rules take records apart as the input says",
			file:   "internal/rehearse/play.go", old: "s.config.Plan().Decoder(",
			new: "(*decode.Plan)(nil).Decoder(",
			by:  only("internal/cli", "TestToolsReadRecordsAsTheDaemonDoes"), says: `.*rules test.*`,
		},
		{
			breaks: "a backtest takes records apart as the input says",
			file:   "internal/rehearse/backtest.go", old: "		plan := c.Plan()\n",
			new: "		plan := (*decode.Plan)(nil)\n",
			by:  only("internal/cli", "TestToolsReadRecordsAsTheDaemonDoes"), says: `.*rules backtest.*`,
		},
		{
			breaks: "a sample that is no text is one record",
			file:   "internal/rehearse/sample.go", old: "	if binary(text) {",
			new: "	if binary(text) && len(text) < 0 {",
			by:  only("internal/cli", "TestSampleIsOneRecordOrLines"), says: `.*Error:.*`,
		},
	}
}
