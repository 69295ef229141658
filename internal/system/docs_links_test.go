package system

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

var (
	fence      = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	heading    = regexp.MustCompile(`(?m)^#{1,6} (.*)$`)
	// link is an inline link, or the target of a reference.
	link = regexp.MustCompile(`\]\(([^)\s]+)\)|(?m)^\[[^\]\n]+\]: (\S+)$`)
)

// documents are the texts of all pages of the repository by their path from here.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "bin" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			pages[path] = testkit.TextOf(t, path)
		}
		return nil
	}))
	require.Greater(t, len(pages), 50)
	return pages
}

// anchor is what a heading is called in links, as GitHub and the documentation's site call it.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ', r == '-':
			return '-'
		case r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// A link that leads nowhere is found here, in every page of the repository, with its anchor.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, anchors := documents(t), map[string]map[string]bool{}
	for path, text := range pages {
		anchors[path] = map[string]bool{}
		for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			anchors[path][anchor(m[1])] = true
		}
	}
	for path, text := range pages {
		text = inlineCode.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to := m[1] + m[2]
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			file, id, _ := strings.Cut(to, "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			require.FileExists(t, target, "%s links to %s", path, to)
			if id != "" && strings.HasSuffix(target, ".md") {
				require.True(t, anchors[target][id], "%s links to %s, which has no such heading", path, to)
			}
		}
	}
}

// What a newcomer has to read, and in which portions.
func TestPagesCanBeRead(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, len(strings.Fields(testkit.TextOf(t, "../../README.md"))), 1000, "words in README.md")
	for path, text := range documents(t) {
		if !strings.HasPrefix(path, "../../docs/") {
			continue
		}
		for line := range strings.Lines(fence.ReplaceAllString(text, "")) {
			if !strings.HasPrefix(line, "|") {
				continue
			}
			for cell := range strings.SplitSeq(line, " | ") {
				require.LessOrEqual(t, len(cell), 500, "a cell in %s that nobody reads: %s", path, cell)
			}
		}
		if filepath.Base(filepath.Dir(path)) == "docs" {
			opening, _, _ := strings.Cut(text, "\n## ")
			require.Contains(t, opening, "fter this page you ", "%s opens with what its reader can do afterwards", path)
		}
	}
}
