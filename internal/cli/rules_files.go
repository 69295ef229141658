package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"kinesis-alerter/internal/config"
)

// testFiles are the files of tests that arguments name: files, patterns such as 'rules/*.test.yaml', which a shell may
// have left alone, and folders, which stand for every *.test.yaml in and below them.
func testFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		found := []string{arg}
		info, err := config.StatFile(arg)
		switch {
		case err == nil && info.Mode().IsRegular():
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?["):
			if found, err = filepath.Glob(arg); err != nil {
				return nil, config.UsageError(fmt.Sprintf("rules test: %s: %v", arg, err))
			}
			if len(found) == 0 {
				return nil, config.UsageError(fmt.Sprintf("rules test: no file matches %s", arg))
			}
		default:
			below, err := testsBelow(arg)
			if err != nil {
				return nil, err
			}
			if below != nil {
				found = below
			}
		}
		for _, file := range found {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

// testsBelow are the files of tests in a folder, and in those below it; nil for what is no folder.
func testsBelow(folder string) ([]string, error) {
	var files []string
	isFolder := false
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == folder: // the reader of the file says why
			return fs.SkipAll
		case err != nil:
			return err
		case path == folder:
			isFolder = d.IsDir()
		case !d.IsDir() && (strings.HasSuffix(path, ".test.yaml") || strings.HasSuffix(path, ".test.yml")):
			files = append(files, path)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("rules test: %w", err)
	case isFolder && len(files) == 0:
		return nil, config.UsageError(fmt.Sprintf("rules test: there is no *.test.yaml in %s or below it", folder))
	}
	return files, nil
}
