// Command rendered holds rendered manifests against the built daemon and against each other. Schemas say that a
// manifest is well-formed; this says that it works: the configuration passes the daemon's own check, the arguments are
// ones that the daemon takes, probes, ports and selectors meet, and the pod has the privileges and the time to stop
// that it should.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	o := options{env: map[string]string{}}
	flag.StringVar(&o.daemon, "daemon", "", "the built daemon's `FILE`")
	flag.StringVar(&o.values, "values", "", "the values `FILE` of Helm whose config must have arrived, in every value")
	flag.StringVar(&o.rules, "rules", "", "the rules `FILE` that a PrometheusRule must have, word for word")
	flag.StringVar(&o.dashboard, "dashboard", "", "the dashboard `FILE` that a ConfigMap must have, byte for byte")
	flag.Func("same", "a `FILE` with manifests that must be the same but for names; may be repeated",
		func(s string) error {
			o.same = append(o.same, s)
			return nil
		})
	flag.BoolVar(&o.start, "start", false,
		"also start the daemon with the rendered arguments, and ask it what the probes ask")
	flag.Func("env", "`NAME=VALUE` of a variable that a Secret would give", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("want NAME=VALUE")
		}
		o.env[name] = value
		return nil
	})
	flag.Parse()
	if o.daemon == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rendered:", err)
		os.Exit(1)
	}
	problems, summary := check(context.Background(), o, text)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, "rendered:", p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Println(summary)
}
