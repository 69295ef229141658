package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
)

// leasesFlags are the flags of the command leases.
type leasesFlags struct {
	config, table, stream string
	json, yes, force, all bool
	to, from              string
	wait                  time.Duration
}

// operator carries out one leases command.
type operator struct {
	leasesFlags
	program *program
	aws     aws.Config
	now     func() time.Time
	// terminal is where a confirmation is typed, or nil without a terminal.
	terminal io.Reader
}

// leaseVerb is one of the things that the command leases does.
type leaseVerb struct {
	name string
	// shards and all: whether it takes shards, and --all instead; file: that it takes one file at most.
	shards, all, file bool
	// flags are those that make sense for some verbs only.
	flags []string
	run   func(o *operator, ctx context.Context, args []string) error
}

func leaseVerbs() []leaseVerb {
	return []leaseVerb{
		{name: "list", run: (*operator).list},
		{
			name: "release", shards: true, flags: []string{"yes", "force"},
			run: planned(func(ctx context.Context, _ *operator, a *admin.Admin, shards []string) ([]admin.Change,
				error,
			) {
				return a.Release(ctx, shards)
			}),
		},
		{
			name: "rewind", shards: true, all: true, flags: []string{"all", "to", "yes", "force"},
			run: planned(func(ctx context.Context, o *operator, a *admin.Admin, shards []string) ([]admin.Change,
				error,
			) {
				to, err := o.target(false)
				if err != nil {
					return nil, err
				}
				return a.Rewind(ctx, shards, to)
			}),
		},
		{
			name: "pause", shards: true, all: true, flags: []string{"all", "yes"},
			run: planned(func(ctx context.Context, _ *operator, a *admin.Admin, shards []string) ([]admin.Change,
				error,
			) {
				return a.Pause(ctx, shards)
			}),
		},
		{
			name: "resume", shards: true, all: true, flags: []string{"all", "yes"},
			run: planned(func(ctx context.Context, _ *operator, a *admin.Admin, shards []string) ([]admin.Change,
				error,
			) {
				return a.Resume(ctx, shards)
			}),
		},
		{name: "reset", flags: []string{"to", "yes", "force"}, run: (*operator).reset},
		{name: "export", file: true, run: (*operator).export},
		{name: "import", file: true, flags: []string{"from", "wait", "yes", "force"}, run: (*operator).imports},
	}
}

func (o *leasesFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&o.config, "config", "", "the configuration `FILE` of the workers")
	fs.StringVar(&o.table, "table", "", "without a file: the `NAME` of the lease table")
	fs.StringVar(&o.stream, "stream", "",
		"without a file: the stream's `NAME` or ARN (default the one that the table is about)")
	fs.BoolVar(&o.json, "json", false, "print JSON")
	fs.BoolVar(&o.all, "all", false, "rewind, pause, resume: every shard")
	fs.StringVar(&o.to, "to", "", "rewind, reset: to this `TIME` (RFC 3339), or trim_horizon; reset: or latest")
	fs.StringVar(&o.from, "from", "", "import: the `TABLE` of vmware-go-kcl or of a KCL for Java")
	fs.DurationVar(&o.wait, "wait", 10*time.Second,
		"import --from: how long that table must not move; more than its lease `DURATION`")
	fs.BoolVar(&o.yes, "yes", false, "make the changes without asking")
	fs.BoolVar(&o.force, "force", false,
		"release, rewind, reset, import: also take shards from workers that are alive; import: leave out rows that "+
			"cannot be read")
}

func leasesCommand(p *program, fs *flag.FlagSet) func(context.Context, []string) error {
	o := &operator{program: p, now: time.Now}
	o.declare(fs)
	return func(ctx context.Context, args []string) error {
		verb, rest, err := o.parse(fs, args)
		if err != nil {
			return err
		}
		if o.aws, err = daemon.LoadAWS(ctx); err != nil {
			return config.FieldErrors{{Rule: err.Error()}}
		}
		if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			o.terminal = os.Stdin
		}
		return verb.run(o, ctx, rest)
	}
}

// parse finds the verb and what is wrong with the command line.
func (o *operator) parse(fs *flag.FlagSet, args []string) (leaseVerb, []string, error) {
	verbs := leaseVerbs()
	names := make([]string, len(verbs))
	for i, v := range verbs {
		names[i] = v.name
	}
	bad := func(text string, values ...any) (leaseVerb, []string, error) {
		return leaseVerb{}, nil, config.UsageError("leases: " + fmt.Sprintf(text, values...))
	}
	if len(args) == 0 {
		return bad("do what? %s", strings.Join(names, ", "))
	}
	i := slices.Index(names, args[0])
	if i < 0 {
		if near := config.Nearest(args[0], names); near != "" {
			return bad("no command %q; did you mean %q?", args[0], near)
		}
		return bad("no command %q; there are %s", args[0], strings.Join(names, ", "))
	}
	verb, rest := verbs[i], args[1:]
	special := []string{"all", "to", "from", "wait", "yes", "force"}
	var stray string
	fs.Visit(func(f *flag.Flag) {
		if slices.Contains(special, f.Name) && !slices.Contains(verb.flags, f.Name) {
			stray = f.Name
		}
	})
	switch {
	case stray != "":
		return bad("%s has no --%s", verb.name, stray)
	case (o.config == "") == (o.table == ""):
		return bad("give --config FILE, or --table NAME")
	case o.config != "" && o.stream != "":
		return bad("the stream is in the file; give --stream with --table only")
	case verb.shards && len(rest) == 0 && !o.all && verb.all:
		return bad("%s which shards? name them, or give --all", verb.name)
	case verb.shards && len(rest) == 0 && !o.all:
		return bad("%s which shards?", verb.name)
	case len(rest) > 0 && o.all:
		return bad("give either shards or --all")
	case verb.file && len(rest) > 1, !verb.file && !verb.shards && len(rest) > 0:
		return bad("unexpected argument %q", rest[len(rest)-1])
	case verb.name == "import" && (o.from == "") == (len(rest) == 0):
		return bad("import what? a FILE that leases export wrote, or --from TABLE")
	case verb.name == "export" && o.config == "":
		return bad("export needs --config: where shards without a checkpoint start is not in the table")
	}
	if verb.name == "rewind" || verb.name == "reset" {
		if _, err := o.target(verb.name == "reset"); err != nil {
			return leaseVerb{}, nil, err
		}
	}
	return verb, rest, nil
}

// target is what --to says: for a reset the first record, if nothing is said.
func (o *operator) target(resets bool) (checkpoint.Start, error) {
	var to checkpoint.Start
	if o.to == "" && resets {
		return checkpoint.Start{Kind: checkpoint.StartTrimHorizon}, nil
	}
	err := to.UnmarshalText([]byte(o.to))
	switch {
	case resets && err != nil:
		return to,
			config.UsageError(fmt.Sprintf("leases: reset --to %q: want trim_horizon, latest, or a time such as "+
				"2026-11-22T09:00:00Z", o.to))
	case resets && to.Kind == checkpoint.StartLatest:
		return to, nil
	case err != nil || to.Kind == checkpoint.StartLatest:
		return to,
			config.UsageError(fmt.Sprintf("leases: rewind --to %q: want a time such as 2026-11-22T09:00:00Z, or "+
				"trim_horizon", o.to))
	case to.Kind == checkpoint.StartTime && to.Time.After(o.now()):
		return to, config.UsageError(fmt.Sprintf("leases: rewind --to %s: is in the future, and nothing was there yet",
			o.to))
	}
	return to, nil
}

// admin opens the table.
func (o *operator) admin(ctx context.Context, create bool) (*admin.Admin, error) {
	c, deps, err := o.parts(ctx)
	if err != nil {
		return nil, err
	}
	return checkpoint.NewAdmin(ctx, c, deps, create && (c.StreamName != "" || c.StreamARN != ""))
}

// Parts says which table of which stream it is, and by what it is reached.
func (o *operator) parts(ctx context.Context) (checkpoint.Config, checkpoint.Deps, error) {
	c := checkpoint.Config{Application: o.table, StreamName: o.stream}
	if strings.HasPrefix(o.stream, "arn:") {
		c.StreamName, c.StreamARN = "", o.stream
	}
	if o.config != "" {
		loaded, err := config.CheckConfig(ctx, o.config, o.program.env)
		if err != nil {
			return c, checkpoint.Deps{}, err
		}
		c = loaded.Parts().Checkpoint
	}
	reg := prometheus.NewRegistry()
	clients := daemon.NewClients(o.aws, reg, nil).Of(c.StreamARN)
	return c, checkpoint.Deps{
		DynamoDB: clients.DynamoDB, Stream: clients.Kinesis, Log: zap.NewNop(), Registerer: reg,
	}, nil
}

func (o *operator) list(ctx context.Context, _ []string) error {
	a, err := o.admin(ctx, false)
	if err != nil {
		return err
	}
	t, err := a.Table(ctx)
	if err != nil {
		return err
	}
	a.Check(ctx, &t)
	if o.json {
		return o.Print(tableJSON(t, o.now()))
	}
	return writeTable(o.program.stdout, t, o.now())
}

// planned makes a verb of what plans its changes.
func planned(plan func(context.Context, *operator, *admin.Admin, []string) ([]admin.Change, error)) func(*operator,
	context.Context, []string) error {
	return func(o *operator, ctx context.Context, args []string) error {
		a, err := o.admin(ctx, false)
		if err != nil {
			return err
		}
		changes, err := plan(ctx, o, a, args)
		if err != nil {
			return err
		}
		return o.change(ctx, a, changes)
	}
}

func (o *operator) imports(ctx context.Context, args []string) error {
	var from admin.Export
	if o.from == "" {
		text, err := config.ReadFile(ctx, args[0], config.MostExport)
		if err != nil {
			return fmt.Errorf("leases: %s: %w", args[0], err)
		}
		if bytes.Count(text, []byte("{")) > config.MostExportRows { // three bytes would make a row of two hundred
			return fmt.Errorf("leases: %s has more than %d rows, which no application has", args[0],
				config.MostExportRows)
		}
		if err := json.Unmarshal(text, &from); err != nil {
			return fmt.Errorf("leases: %s is no file that leases export wrote: %w", args[0], err)
		}
	}
	a, err := o.admin(ctx, true)
	if err != nil {
		return err
	}
	var plan admin.ImportPlan
	if o.from != "" {
		_, _ = plain.Fprintf(o.program.stderr, "watching table %s for %s\n", o.from, o.wait)
		plan, err = a.ImportTable(ctx, o.from, o.wait)
	} else {
		plan, err = a.Import(ctx, from)
	}
	if err != nil {
		return err
	}
	return o.changeByPlan(ctx, a, plan)
}

// changeByPlan makes an import. With rows that cannot be imported it refuses, or leaves them out if it is forced.
func (o *operator) changeByPlan(ctx context.Context, a *admin.Admin, plan admin.ImportPlan) error {
	to := o.program.stdout
	if o.json {
		to = o.program.stderr
	}
	for _, note := range plan.Notes {
		_, _ = plain.Fprintln(to, note)
	}
	if len(plan.Faults) == 0 {
		return o.change(ctx, a, plan.Changes)
	}
	if !o.force {
		return o.refused(plan.Changes, &admin.ImportError{Faults: plan.Faults})
	}
	return errors.Join(o.change(ctx, a, plan.Changes), &admin.ImportError{Faults: plan.Faults, LeftOut: true})
}

func (o *operator) export(ctx context.Context, args []string) error {
	a, err := o.admin(ctx, false)
	if err != nil {
		return err
	}
	out, err := a.Export(ctx, o.now())
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return o.Print(out)
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	// An export is what saves an application, so it never replaces one.
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("leases: %w; export does not overwrite a file", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("leases: %w", err)
	}
	_, err = plain.Fprintf(o.program.stdout, "%d shards of table %s exported to %s\n", len(out.Shards), out.Table,
		args[0])
	return err
}

// change shows the changes, asks, and makes them.
func (o *operator) change(ctx context.Context, a *admin.Admin, changes []admin.Change) error {
	if len(changes) == 0 {
		if o.json {
			return o.Print(changesJSON(nil, nil))
		}
		_, err := plain.Fprintln(o.program.stdout, "nothing to change")
		return err
	}
	if !o.json {
		if err := writeChanges(o.program.stdout, changes, o.force); err != nil {
			return err
		}
	}
	if live := slices.IndexFunc(changes, func(c admin.Change) bool { return c.Live }); live >= 0 && !o.force {
		c := changes[live]
		return o.refused(changes,
			fmt.Errorf("shard %s is %w, %s; nothing was changed. Pause it first (leases pause %s), which drains it, "+
				"or take it with --force",
				c.Before.Shard, admin.ErrLeaseLive, c.Before.Owner, c.Before.Shard))
	}
	if err := o.confirm(len(changes)); err != nil {
		return o.refused(changes, err)
	}
	made, err := a.Apply(ctx, changes, o.force)
	if o.json {
		return errors.Join(o.Print(changesJSON(changes, made)), err)
	}
	_, _ = plain.Fprintf(o.program.stdout, "%d of %d changed\n", len(made), len(changes))
	return err
}

// refused shows a program what it would have changed; people have seen it already.
func (o *operator) refused(changes []admin.Change, why error) error {
	if o.json {
		return errors.Join(o.Print(changesJSON(changes, nil)), why)
	}
	return why
}

// confirm asks the operator to type yes.
func (o *operator) confirm(n int) error {
	if o.yes {
		return nil
	}
	if o.terminal == nil || o.json {
		return config.UsageError("leases: nothing was changed; repeat the command with --yes to make these changes")
	}
	_, _ = plain.Fprintf(o.program.stderr, "make %s? type yes: ",
		cmp.Or(map[int]string{1: "this change"}[n], fmt.Sprintf("these %d changes", n)))
	answer, _ := bufio.NewReader(o.terminal).ReadString('\n')
	if strings.TrimSpace(answer) != "yes" {
		return config.UsageError("leases: not confirmed, nothing was changed; give --yes without a terminal")
	}
	return nil
}

func (o *operator) Print(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = o.program.stdout.Write(append(text, '\n'))
	return err
}
