package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
)

// The groups of commands in the help, in its order.
const (
	groupDaemon  = "daemon"
	groupRules   = "rules"
	groupOperate = "operate"
)

// tree builds the commands. Each is made by a function of its own, in a file of its own.
func (p *program) tree() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "kinesis-alerter",
		Short: "Turn the records of a Kinesis stream into alerts on SNS",
		Long: "kinesis-alerter turns the records of a Kinesis stream into alerts on SNS.\n\n" +
			"Exit codes: 0 clean, 1 failed while running, 2 wrong usage or configuration. Regions, credentials and " +
			"endpoints come from the AWS SDK's environment variables and profiles (AWS_REGION, AWS_PROFILE, " +
			"AWS_ENDPOINT_URL, ...).",
		Example: "kinesis-alerter check --config kinesis-alerter.yaml\n" +
			"kinesis-alerter run --config kinesis-alerter.yaml\n" +
			"kinesis-alerter help leases rewind",
	})
	// The context comes with ExecuteContext; cobra's own texts and its way to end the process are not ours.
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { p.help(p.stdout, c) })
	root.PersistentFlags().BoolVarP(&p.verbose, "verbose", "v", false,
		"say more on standard error: the file and region that are used; run: log at the level debug")
	root.SetHelpCommand(helpCommand(p))
	root.AddGroup(
		&cobra.Group{ID: groupDaemon, Title: "The daemon:"},
		&cobra.Group{ID: groupRules, Title: "Rules and records:"},
		&cobra.Group{ID: groupOperate, Title: "Operate:"},
	)
	version := root.Flags().Bool("version", false, "say what this binary was built from")
	nothing := root.RunE
	root.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case *version:
			return printVersion(p)
		case len(args) == 0:
			p.help(p.stderr, c)
		}
		return nothing(c, args)
	}
	root.AddCommand(
		runCommand(p),
		initCommand(p),
		checkCommand(p),
		rulesCommand(p),
		explainCommand(p),
		putCommand(p),
		produceCommand(p),
		leasesCommand(p),
		drillCommand(p),
		lettersCommand(p),
		healthcheckCommand(p),
		versionCommand(p),
		completionCommand(p),
	)
	root.InitDefaultHelpCmd()
	onlyFilesWhereFiles(root)
	return root
}

// Commands are the commands that have a place in the documentation.
func Commands() []*cobra.Command {
	all := (&program{}).tree().Commands()
	return slices.DeleteFunc(all, func(c *cobra.Command) bool { return c.Hidden || c.Name() == "help" })
}

// group makes a command that only holds others.
func group(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !c.HasParent() {
			return config.UsageError("which command?")
		}
		return usage(c, "do what? %s", strings.Join(names(c), ", "))
	}
	return c
}

// usage is an error in how a command is called.
func usage(c *cobra.Command, format string, args ...any) error {
	return config.UsageError(c.CommandPath()[len(c.Root().Name())+1:] + ": " + fmt.Sprintf(format, args...))
}

// noArguments refuses what stands behind the flags of a command that takes no arguments.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(c, "unexpected argument %q", args[0])
}

// names are the names of the commands in a group.
func names(c *cobra.Command) []string {
	var all []string
	for _, child := range c.Commands() {
		if !child.Hidden {
			all = append(all, child.Name())
		}
	}
	return all
}

// resolve finds the command that args name, and returns them with its names first: cobra does not know the flags of a
// command that it has not found yet, and flags may stand anywhere. It refuses long flags with one dash, which pflag
// reads as a short one and its value.
func resolve(root *cobra.Command, args []string) ([]string, error) {
	c, i := root, 0
	var path, flags []string
	for ; i < len(args) && c.HasSubCommands(); i++ {
		if strings.HasPrefix(args[i], "-") && args[i] != "-" {
			flags = append(flags, args[i])
			if takesNext(c, args[i]) && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
			continue
		}
		child := find(c, args[i])
		if child == nil {
			return nil, noCommand(c, args[i])
		}
		c = child
		path = append(path, c.Name())
	}
	rest := slices.Concat(flags, args[i:])
	for i := 0; i < len(rest) && rest[i] != "--"; i++ {
		if err := oneDash(c, rest[i]); err != nil {
			return nil, err
		}
		if strings.HasPrefix(rest[i], "-") && takesNext(c, rest[i]) {
			i++ // a value may begin with a dash
		}
	}
	return append([]string{}, slices.Concat(path, rest)...), nil // cobra takes nil for the arguments of the process
}

// find returns the command of a group with a name, or nil.
func find(c *cobra.Command, name string) *cobra.Command {
	at := slices.IndexFunc(c.Commands(), func(child *cobra.Command) bool { return child.Name() == name })
	if at < 0 {
		return nil
	}
	return c.Commands()[at]
}

// takesNext reports whether a flag of a command, or of one below it, has its value in the next argument.
func takesNext(c *cobra.Command, arg string) bool {
	if strings.Contains(arg, "=") {
		return false
	}
	var f *pflag.Flag
	switch name := strings.TrimLeft(arg, "-"); {
	case strings.HasPrefix(arg, "--"):
		f = c.Flag(name)
	case len(name) == 1:
		f = c.Flags().ShorthandLookup(name)
	}
	if f != nil {
		return f.NoOptDefVal == ""
	}
	return slices.ContainsFunc(c.Commands(), func(child *cobra.Command) bool { return takesNext(child, arg) })
}

// oneDash refuses a long flag with one dash.
func oneDash(c *cobra.Command, arg string) error {
	name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
	if !strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "--") || len(name) < 2 {
		return nil
	}
	if near := config.Nearest(name, flagNames(c)); near != "" {
		return flagError(c, fmt.Errorf("-%s: write --%s", name, near))
	}
	return nil
}

func noCommand(c *cobra.Command, name string) error {
	near := config.Nearest(name, names(c))
	switch {
	case near != "" && !c.HasParent():
		return config.UsageError(fmt.Sprintf("no command %q; did you mean %q?", name, near))
	case !c.HasParent():
		return config.UsageError(fmt.Sprintf("no command %q; see kinesis-alerter help", name))
	case !c.HasSubCommands():
		return usage(c, "has no commands, so there is no %q", name)
	case near != "":
		return usage(c, "no command %q; did you mean %q?", name, near)
	}
	return usage(c, "no command %q; there are %s", name, strings.Join(names(c), ", "))
}

// flagError says what is wrong with a flag, in words of ours, and what was probably meant.
func flagError(c *cobra.Command, err error) error {
	where := strings.TrimPrefix(c.CommandPath(), c.Root().Name())
	var unknown *pflag.NotExistError
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	text := plain.Text(err.Error())
	switch {
	case errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) == 1:
		text = "no flag -" + unknown.GetSpecifiedName()
	case errors.As(err, &unknown):
		text = "no flag --" + unknown.GetSpecifiedName()
		if near := config.Nearest(unknown.GetSpecifiedName(), flagNames(c)); near != "" {
			text += "; did you mean --" + near + "?"
		}
	case errors.As(err, &missing):
		name, _ := pflag.UnquoteUsage(missing.GetFlag())
		text = fmt.Sprintf("--%s: give its %s", missing.GetFlag().Name, name)
	case errors.As(err, &value):
		given := value.GetValue()
		if given == "" {
			given = `""`
		}
		text = fmt.Sprintf("--%s %s: %s", value.GetFlag().Name, given, wanted(value))
	}
	return config.UsageError(strings.TrimPrefix(strings.TrimSpace(where)+": "+text, ": ") +
		"; see kinesis-alerter help" +
		where)
}

// wanted says what a flag takes.
func wanted(e *pflag.InvalidValueError) string {
	switch e.GetFlag().Value.Type() {
	case "int", "uint64":
		return "want a whole number"
	case "float64":
		return "want a number"
	case "duration":
		return "want a duration such as 10s, 5m or 1h30m"
	case "bool":
		return "want true or false"
	}
	return e.Unwrap().Error()
}

func flagNames(c *cobra.Command) []string {
	var all []string
	c.Flags().VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	return all
}
