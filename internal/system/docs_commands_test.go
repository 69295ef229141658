package system

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/internal/cli"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// section is a part of a page, from one heading to the next.
type section struct {
	page, text string
}

// guides are the sections of the pages that a user reads: README, docs, and the pages of deploy.
func guides(t *testing.T) (sections []section) {
	t.Helper()
	pages := documents(t)
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		if path != "../../README.md" && !strings.HasPrefix(path, "../../docs/") &&
			!strings.HasPrefix(path, "../../deploy/") {
			continue
		}
		for _, text := range regexp.MustCompile(`(?m)^#{2,} `).Split(pages[path], -1) {
			sections = append(sections, section{path, text})
		}
	}
	return sections
}

// block is a block of code and its language.
var block = regexp.MustCompile("(?ms)^( *)```(\\w+)\n(.*?)^ *```$")

// commands are the command lines of a section's blocks, without prompts, comments and continuation lines.
func (s section) commands() (lines []string) {
	for _, m := range block.FindAllStringSubmatch(s.text, -1) {
		if m[2] != "console" && m[2] != "sh" {
			continue
		}
		text := regexp.MustCompile(`(\\|\|)\n`).ReplaceAllString(m[3], "$1 ")
		for line := range strings.Lines(strings.ReplaceAll(text, `\ `, "")) {
			line = strings.TrimSpace(line)
			if m[2] == "console" {
				typed, prompt := strings.CutPrefix(line, "$ ")
				if !prompt {
					continue // what the command prints
				}
				line = typed
			}
			line, _, _ = strings.Cut(line, " #")
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// words splits a command line into its commands and these into words, as a shell does.
func words(line string) (commands [][]string) {
	command, word, quote := []string{}, "", rune(0)
	begun := false
	end := func() {
		if begun {
			command = append(command, word)
		}
		word, begun = "", false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ':
			end()
		case r == '|' || r == ';' || r == '&' || r == '(' || r == ')':
			end()
			if len(command) > 0 {
				commands = append(commands, command)
			}
			command = nil
		default:
			word, begun = word+string(r), true
		}
	}
	if end(); len(command) > 0 {
		commands = append(commands, command)
	}
	for i, command := range commands { // without redirections
		if at := slices.IndexFunc(command, func(w string) bool {
			return strings.HasPrefix(w, ">") || w == "<"
		}); at >= 0 {
			commands[i] = command[:at]
		}
	}
	return commands
}

// cannotRun are programs that CI does not run: they need AWS, a cluster, a registry or an init system.
func cannotRun(program string) bool {
	return slices.Contains([]string{
		"aws", "cosign", "dc", "dc2", "docker", "helm", "kubectl", "systemctl", "terraform", "apt", "rpm", "sudo",
	}, program)
}

// A command of ours in a page is one that the program takes, and what CI cannot run is marked so where it stands.
func TestCommandsInPagesExist(t *testing.T) {
	t.Parallel()
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`).
		FindAllStringSubmatch(testkit.TextOf(t, "../../Makefile"), -1) {
		targets[m[1]] = true
	}
	const mark = "not run by CI"
	marked := map[string]bool{} // pages that say it for all their commands, where they begin
	for path, text := range documents(t) {
		opening, _, _ := strings.Cut(text, "\n## ")
		marked[path] = strings.Contains(opening, mark) || strings.Contains(path, "/runbooks/")
	}
	ours, inText := 0, regexp.MustCompile("`((?:kinesis-alerter|make) [^`]+)`")
	for _, s := range guides(t) {
		lines := s.commands()
		for _, m := range inText.FindAllStringSubmatch(fence.ReplaceAllString(s.text, ""), -1) {
			lines = append(lines, strings.ReplaceAll(m[1], "\n", " ")+" # in the text")
		}
		for _, line := range lines {
			line, mentioned := strings.CutSuffix(strings.ReplaceAll(line, " TIME", " 2026-11-22T09:00:00Z"),
				" # in the text")
			for _, command := range words(line) {
				for len(command) > 1 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(command[0]) {
					command = command[1:]
				}
				switch program := command[0]; {
				case program == "kinesis-alerter" || program == "bin/kinesis-alerter":
					if len(command) == 1 || strings.ContainsAny(line, "[…") || strings.HasSuffix(line, " ...") {
						continue // a form, not a command
					}
					ours++
					err := cli.Accepts(command[1:])
					if mentioned && err != nil && strings.Contains(err.Error(), "give --config FILE") {
						err = nil // a sentence may leave it out
					}
					require.NoError(t, err, "%s: %s", s.page, line)
				case program == "make":
					for _, target := range command[1:] {
						require.True(t, strings.Contains(target, "=") || targets[target], "%s: %s", s.page, line)
					}
				case cannotRun(program):
					require.True(t, marked[s.page] || strings.Contains(s.text, mark), "%s: %s", s.page, line)
				}
			}
		}
	}
	require.Greater(t, ours, 40)
}

// An example of a configuration works as it is pasted, alone or into a file that has the rest; so does a test of rules.
func TestExamplesInPagesWork(t *testing.T) {
	t.Parallel()
	sections := map[string]bool{}
	for field := range reflect.TypeFor[config.Config]().Fields() {
		sections[strings.Split(field.Tag.Get("yaml"), ",")[0]] = true
	}
	examples := 0
	having := map[string]string{} // the configuration of a page that has a rule or an output
	for _, s := range guides(t) {
		if strings.HasPrefix(s.page, "../../deploy/") || strings.Contains(s.page, "/reference/") {
			continue
		}
		for _, m := range block.FindAllStringSubmatch(s.text, -1) {
			if m[2] != "yaml" {
				continue
			}
			examples++
			var example map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(m[3]), &example), "%s: %s", s.page, m[3])
			if example["tests"] != nil {
				name := regexp.MustCompile(`(?:rule|output): ([a-z-]+)`).FindStringSubmatch(m[3])
				require.NotNil(t, name, "%s: %s", s.page, m[3])
				playsIn(t, having[s.page+name[1]], m[3])
				continue
			}
			rule := map[string]any{"name": "error-rate", "when": "status >= 500"}
			whole := map[string]any{
				"stream": map[string]any{"name": "ExampleInputStream"},
				"topics": map[string]any{"oncall": map[string]any{"arn": "arn:aws:sns:us-east-1:000000000000:oncall"}},
				"rules":  []any{rule},
			}
			for key, value := range example {
				if !sections[key] { // a part of a rule
					rule[key] = value
				} else {
					whole[key] = value
				}
			}
			text, err := yaml.Marshal(whole)
			require.NoError(t, err)
			loaded, err := config.ParseConfig(t.Context(), filepath.Base(s.page), text, testkit.Environment(nil))
			require.NoError(t, err, "%s: %s", s.page, m[3])
			require.NoError(t, loaded.Trials(), "%s: %s", s.page, m[3])
			if example["rules"] != nil {
				for _, rule := range loaded.Rules {
					having[s.page+rule.Name] = string(text)
				}
			}
			for output := range loaded.Outputs {
				having[s.page+output] = string(text)
			}
		}
	}
	require.Greater(t, examples, 10)
}

// playsIn runs a test of rules beside a configuration.
func playsIn(t *testing.T, configuration, tests string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"kinesis-alerter.yaml": configuration, "rules.test.yaml": tests} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	var out bytes.Buffer
	args := []string{"rules", "test", filepath.Join(dir, "rules.test.yaml")}
	require.Equal(t, cli.ExitOK, cli.Main(t.Context(), args, testkit.Environment(nil), &out, &out), &out)
}
