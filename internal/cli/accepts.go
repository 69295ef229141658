package cli

import "time"

// Accepts reports whether a command line, without the program's name, names a command and gives it flags and arguments
// that it takes. It runs nothing.
func Accepts(args []string) error {
	p := &program{now: time.Now, env: func(string) (string, bool) { return "", false }}
	root := p.tree()
	args, err := resolve(root, args)
	if err != nil {
		return err
	}
	found, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := found.ParseFlags(rest); err != nil {
		return found.FlagErrorFunc()(found, err)
	}
	return found.ValidateArgs(found.Flags().Args())
}
