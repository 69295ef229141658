package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pageWidth is how wide help is where there is no terminal.
const pageWidth = 100

func helpCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND...]",
		Short:   "Show this page, or that of a command",
		Example: "kinesis-alerter help run\nkinesis-alerter help leases rewind",
		RunE: func(c *cobra.Command, args []string) error {
			of := c.Root()
			for _, name := range args {
				child := find(of, name)
				if child == nil {
					return noCommand(of, name)
				}
				of = child
			}
			p.help(p.stdout, of)
			return nil
		},
	}
}

// help writes what a command does, and how it is called.
func (p *program) help(w io.Writer, c *cobra.Command) {
	width := pageWidth
	if p.out.width > 0 {
		width = min(pageWidth, max(p.out.width, 50))
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		say("%s\n\n", strings.Join(wrap(paragraph, width), "\n"))
	}
	if c.HasAvailableSubCommands() {
		say("Usage: %s COMMAND [flags]\n", c.CommandPath())
	} else {
		say("Usage: %s\n", c.UseLine())
	}
	for _, g := range append(c.Groups(), &cobra.Group{Title: "Commands:"}) {
		var rows [][2]string
		for _, child := range c.Commands() {
			if child.GroupID == g.ID && !child.Hidden {
				rows = append(rows, [2]string{child.Name(), child.Short})
			}
		}
		columns(w, width, g.Title, rows)
	}
	columns(w, width, "Flags:", flagRows(c.LocalNonPersistentFlags()))
	columns(w, width, "Flags of every command:", append([][2]string{{"-h, --help", "show this page"}},
		flagRows(c.Root().PersistentFlags())...))
	if c.Example != "" {
		say("\nExamples:\n  %s\n", strings.ReplaceAll(c.Example, "\n", "\n  "))
	}
	if c.HasAvailableSubCommands() {
		say("\nkinesis-alerter help%s COMMAND tells more of a command.\n",
			strings.TrimPrefix(c.CommandPath(), c.Root().Name()))
	}
}

// flagRows are flags with what they do, without --help.
func flagRows(flags *pflag.FlagSet) (rows [][2]string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		lead := "    "
		if f.Shorthand != "" {
			lead = "-" + f.Shorthand + ", "
		}
		if f.NoOptDefVal != "" { // pflag has the two values of a switch
			value = ""
		}
		switch f.DefValue {
		case "", "0", "0s", "false", "[]":
		default:
			usage += " (default " + f.DefValue + ")"
		}
		rows = append(rows, [2]string{strings.TrimRight(lead+"--"+f.Name+" "+value, " "), usage})
	})
	return rows
}

// columns writes rows of two columns under a title, the second one wrapped.
func columns(w io.Writer, width int, title string, rows [][2]string) {
	wide := 12
	for _, row := range rows {
		wide = max(wide, len(row[0]))
	}
	for i, row := range rows {
		if i == 0 {
			_, _ = fmt.Fprintf(w, "\n%s\n", title)
		}
		for _, line := range wrap(row[1], max(30, width-wide-4)) {
			_, _ = fmt.Fprintf(w, "  %-*s  %s\n", wide, row[0], line)
			row[0] = ""
		}
	}
}

// wrap breaks a text between words into lines of a width.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
