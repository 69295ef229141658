package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"kinesis-alerter/internal/testkit"
)

const referenceHead = `# Commands

Made from the program: every command also says this with ` + "`--help`" + `.

- Exit codes: 0 clean, 1 failed while running (also: a stop whose drain did not complete), 2 wrong usage or configuration.
- Flags may stand before and after arguments. Long ones have two dashes.
- Times are RFC 3339, as in ` + "`2026-11-22T09:00:00Z`" + `, or so long before now: ` + "`-5m`, `-2h`, `-1d12h`" + `.
- A shard is named by its id, or by a suffix that no other shard has, as the status page shows it: ` + "`0002`" + `.
- Output for people may change. ` + "`--json`" + ` has stable names.
- Regions, credentials and endpoints come from the AWS SDK's environment variables and profiles
  (` + "`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`" + `, ...).
- Completion for bash, zsh and fish: [completion](#completion).

| command | does |
|---|---|
`

// The reference of commands is made from the tree.
func TestReferenceOfCommands(t *testing.T) {
	t.Parallel()
	var leaves []*cobra.Command
	seen := map[[2]string]int{}
	root := (&program{env: testkit.Environment(nil)}).tree()
	walk(root, func(c *cobra.Command) {
		if c.HasSubCommands() || c.Hidden || c.Name() == "help" {
			return
		}
		leaves = append(leaves, c)
		for _, row := range flagRows(c.LocalNonPersistentFlags()) {
			seen[row]++
		}
	})
	const often = 4 // a flag of so many commands is described once
	var page strings.Builder
	page.WriteString(referenceHead)
	name := func(c *cobra.Command) string { return strings.TrimPrefix(c.CommandPath(), "kinesis-alerter ") }
	cell := strings.NewReplacer("|", `\|`, "<", `\<`)
	row := func(flag [2]string) {
		fmt.Fprintf(&page, "| `%s` | %s |\n", strings.TrimSpace(flag[0]), cell.Replace(flag[1]))
	}
	for _, c := range leaves {
		fmt.Fprintf(&page, "| `%s` | [%s](#%s) |\n", name(c), c.Short, strings.ReplaceAll(name(c), " ", "-"))
	}
	page.WriteString("\n## Common flags\n\n| flag | does |\n|---|---|\n")
	var common [][2]string
	where := map[string][]string{} // by the flag's word and meaning, for one that has two
	meanings := map[string]int{}
	for flag, n := range seen {
		if n >= often {
			meanings[flag[0]]++
		}
	}
	for _, c := range leaves {
		for _, flag := range flagRows(c.LocalNonPersistentFlags()) {
			if seen[flag] >= often && meanings[flag[0]] > 1 {
				where[flag[0]+flag[1]] = append(where[flag[0]+flag[1]], "`"+name(c)+"`")
			}
		}
	}
	for flag, n := range seen {
		if n >= often {
			common = append(common, flag)
		}
	}
	slices.SortFunc(common, func(a, b [2]string) int {
		return strings.Compare(a[0][strings.Index(a[0], "--"):]+a[1], b[0][strings.Index(b[0], "--"):]+b[1])
	})
	for _, flag := range append(common, flagRows(root.PersistentFlags())...) {
		if of := where[flag[0]+flag[1]]; len(of) > 0 {
			flag[1] += ". Of " + strings.Join(of, ", ")
		}
		row(flag)
	}
	for _, c := range leaves {
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n`%s`\n\n```sh\n%s\n```\n", name(c), text, c.UseLine(), c.Example)
		var own [][2]string
		var also []string
		for _, flag := range flagRows(c.LocalNonPersistentFlags()) {
			if seen[flag] >= often {
				long, _, _ := strings.Cut(flag[0][strings.Index(flag[0], "--"):], " ")
				also = append(also, "`"+long+"`")
			} else {
				own = append(own, flag)
			}
		}
		if len(own) > 0 {
			page.WriteString("\n| flag | does |\n|---|---|\n")
		}
		for _, flag := range own {
			row(flag)
		}
		if len(also) > 0 {
			fmt.Fprintf(&page, "\n[Common flags](#common-flags): %s.\n", strings.Join(also, ", "))
		}
	}
	testkit.Golden(t, "../../../docs/reference/commands.md", page.String())
}
