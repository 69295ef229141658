//go:build mutation

package system_test

// fileMutations break what keeps files from stopping a command or the daemon, and what is in the environment from being
// shown.
func fileMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "devices are not read",
			file:   "internal/config/file.go",
			old:    "	case mode&fs.ModeDevice != 0:\n		return errors.New(\"is a device, not a file\")\n",
			new:    "	case mode&fs.ModeDevice != 0:\n		return nil\n",
			by:     only("internal/cli", "TestFilesThatDoNotEnd"), says: `.*Error:.*`,
		},
		{
			breaks: "a file is bounded while it is read",
			file:   "internal/config/file.go", old: "io.LimitReader(r, most+1)", new: "io.LimitReader(r, most)",
			by: only("internal/cli", "TestFilesThatDoNotEnd"), says: `.*Error:.*`,
		},
		{
			breaks: "nothing waits for a file once its context has ended",
			file:   "internal/config/file.go",
			old:    "	case <-ctx.Done():\n		var none T\n		return none, context.Cause(ctx)\n	}",
			new:    "	}",
			by:     only("internal/cli", "TestFilesAreLeftBehind"), says: `.*Error:.*|.*deadlock.*|.*timed out.*`,
		},
		{
			breaks: "aliases count as often as they stand there",
			file:   "internal/config/document_limits.go", old: "e.values += below.values", new: "e.values++",
			by: only("internal/config", "TestHostileConfigsAreRefused"), says: `.*Error:.*`,
		},
		{
			breaks: "values are counted before they are made",
			file:   "internal/config/document.go", old: "if valuesAtMost(data) > mostValues {", new: "if false {",
			by: only("internal/config", "TestHostileConfigsAreRefused"), says: `.*Error:.*`,
		},
		{
			breaks: "the bound of the values is one",
			file:   "internal/config/document_limits.go", old: "				n += 2 // key and value\n",
			new: "				n++\n",
			by:  only("internal/config", "TestValuesAtMost"), says: `.*Error:.*`,
		},
		{
			breaks: "an expression's brackets are counted before it is parsed",
			file:   "alert/condition/compile.go", old: "if nesting(source) > mostNesting {", new: "if false {",
			by: only("internal/config", "TestHostileConfigsAreRefused"), says: `.*Error:.*`,
		},
		{
			breaks: "regular expressions are priced before they are compiled",
			file:   "alert/condition/regexp.go", old: "		n *= max(re.Min, re.Max, 1)\n", new: "",
			by: only("internal/config", "TestHostileConfigsAreRefused"), says: `.*Error:.*`,
		},
		{
			breaks: "what variables give is bounded",
			file:   "internal/config/document.go", old: "			d.room -= len(value)\n", new: "",
			by: only("internal/config", "TestHostileConfigsAreRefused"), says: `.*Error:.*`,
		},
		{
			breaks: "an error shows no value of a variable",
			file:   "internal/config/shown.go",
			old:    "			text = strings.ReplaceAll(text, form, \"${\"+given[value]+\"}\")\n",
			new:    "			_ = form\n",
			by:     only("internal/config", "TestErrorsShowNoVariables"), says: `.*Error:.*`,
		},
		{
			breaks: "an error shows no part of a value of a variable",
			file:   "internal/config/shown.go", old: "			rule = withoutParts(rule, value)\n",
			new: "			_ = withoutParts(rule, value)\n",
			by:  only("internal/config", "TestErrorsShowNoVariables"), says: `.*Error:.*`,
		},
		{
			breaks: "a deep record of a sample costs its own size",
			file:   "internal/config/field_names.go", old: "node.Length > MostSuggested",
			new: "node.Length > 100*MostSuggested",
			by:  only("internal/cli", "TestDeepSampleCostsItsOwnSize"), says: `.*Error:.*`,
		},
		{
			breaks: "plain HTTP to another host is told",
			file:   "internal/daemon/clients.go", old: `at.Scheme == "http" &&`,
			new: `at.Scheme == "none" &&`,
			by:  only("internal/daemon", "TestPlainEndpointsAreTold"), says: `.*Error:.*`,
		},
	}
}
