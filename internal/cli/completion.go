package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kinesis-alerter/internal/config"
)

// completionTime is how long a shell waits for a configuration that is read to complete a name.
const completionTime = 2 * time.Second

func completionCommand(p *program) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Write the completion script of a shell",
		Long: "Write the completion script of a shell. It completes commands, flags, and what their values can be, " +
			"the topics and rules of the configuration among them.\n\n" +
			"bash: source <(kinesis-alerter completion bash), in ~/.bashrc; it needs the package bash-completion.\n\n" +
			"zsh: kinesis-alerter completion zsh > \"${fpath[1]}/_kinesis-alerter\", then start a new shell.\n\n" +
			"fish: kinesis-alerter completion fish > ~/.config/fish/completions/kinesis-alerter.fish",
		Example: "kinesis-alerter completion bash\nkinesis-alerter completion zsh\nkinesis-alerter completion fish",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return usage(c, "of which shell? %s", strings.Join(shells, ", "))
			}
			return nil
		},
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return c.Root().GenBashCompletionV2(p.stdout, true)
			case "zsh":
				return c.Root().GenZshCompletion(p.stdout)
			}
			return c.Root().GenFishCompletion(p.stdout, true)
		},
	}
}

// values has the values of a flag completed from a list.
func values(c *cobra.Command, flag string, all ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp))
}

// namesOf has the values of a flag completed from the configuration, which a flag names or which is looked for. One
// that cannot be read has no names.
func (p *program) namesOf(c *cobra.Command, flag string, file *string, names func(*config.LoadedConfig) []string) {
	_ = c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, _ string) ([]string,
		cobra.ShellCompDirective,
	) {
		ctx, cancel := context.WithTimeout(c.Context(), completionTime)
		defer cancel()
		name, err := p.configFile(*file, "")
		if err != nil || name == config.StandardInput {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		loaded, err := p.checkFile(ctx, name)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(loaded), cobra.ShellCompDirectiveNoFileComp
	})
}

// topicNames are the topics of a configuration.
func topicNames(c *config.LoadedConfig) []string { return slices.Sorted(maps.Keys(c.Topics)) }

// ruleNames are the rules of a configuration.
func ruleNames(c *config.LoadedConfig) (names []string) {
	for _, r := range c.Rules {
		names = append(names, r.Name)
	}
	return names
}

// onlyFilesWhereFiles keeps shells from offering files where a flag or an argument takes none: of flags whose value is
// not called FILE, and of commands whose arguments are not.
func onlyFilesWhereFiles(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if value, _ := pflag.UnquoteUsage(f); value != "FILE" {
			_ = c.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions) // those that have one keep it
		}
	})
	if c.ValidArgsFunction == nil && c.ValidArgs == nil && !strings.Contains(c.Use, "FILE") {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, child := range c.Commands() {
		onlyFilesWhereFiles(child)
	}
}
