package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kinesis-alerter/internal/config"
)

// healthcheckTimeout is below the shortest timeout that orchestrators give a health check by default (ECS: 5 s).
const healthcheckTimeout = 2 * time.Second

// healthy is what a daemon answers that works, and mostHealth bounds the answer, in bytes.
const (
	healthy    = "ok"
	mostHealth = 4 << 10
)

func healthcheckCommand(p *program) *cobra.Command {
	var listen, file string
	var asJSON bool
	c := &cobra.Command{
		Use:     "healthcheck",
		Short:   "Ask the daemon on this machine whether it works",
		GroupID: groupDaemon,
		Long: "Ask the daemon on this machine whether it works, for the health checks of containers. It ends with 1 " +
			"where it does not, or does not answer within 2s. Where to ask is server.listen of the configuration, or " +
			"--listen, for a daemon that has that flag. Faults of the file do not matter: the daemon may run on an " +
			"older one.",
		Example: "kinesis-alerter healthcheck --config kinesis-alerter.yaml\n" +
			"kinesis-alerter healthcheck --listen 127.0.0.1:9465\n" +
			"kinesis-alerter healthcheck --json",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			fault := error(nil)
			if listen == "" {
				listen, fault = p.listenOf(c.Context(), file)
			}
			host, port, err := net.SplitHostPort(listen)
			if err != nil {
				return usage(c, "--listen %s: want HOST:PORT", listen)
			}
			if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
				host = "127.0.0.1"
			}
			err = p.healthcheck(c.Context(), "http://"+net.JoinHostPort(host, port)+"/healthz", asJSON)
			if err != nil && fault != nil {
				err = fmt.Errorf("%w; the configuration does not say where it listens: %w", err, fault)
			}
			return err
		},
	}
	declareConfig(c.Flags(), &file)
	c.Flags().StringVar(&listen, "listen", "",
		"the daemon's `ADDRESS`, instead of server.listen; all addresses mean this machine (default "+
			config.DefaultListen+")")
	declareJSON(c, &asJSON)
	return c
}

// listenOf is where a daemon with a configuration listens. A file that is not there, or has faults, is no reason to
// call the daemon dead: then it is what the file says of that alone, or the default.
func (p *program) listenOf(ctx context.Context, file string) (string, error) {
	file, err := p.configFile(file, "--listen ADDRESS")
	if err != nil {
		return config.DefaultListen, nil //nolint:nilerr // there is none, so the daemon has flags
	}
	loaded, err := p.checkFile(ctx, file)
	if err == nil {
		return loaded.Server.Listen, nil
	}
	if listen := config.ListenIn(ctx, file, p.env); listen != "" {
		return listen, nil
	}
	return config.DefaultListen, err
}

// healthJSON is an answer of the daemon as --json prints it. The names are stable.
type healthJSON struct {
	URL     string `json:"url"`
	Healthy bool   `json:"healthy"`
	// Status and Answer are missing where none came.
	Status int    `json:"status,omitempty"`
	Answer string `json:"answer,omitempty"`
	Error  string `json:"error,omitempty"`
}

func (p *program) healthcheck(ctx context.Context, url string, asJSON bool) error {
	out, err := askHealth(ctx, url)
	if out.Healthy = err == nil; err != nil {
		out.Error = err.Error()
	}
	if asJSON {
		return errors.Join(p.printJSON(out), err)
	}
	if err == nil {
		_, err = fmt.Fprintln(p.stdout, healthy)
	}
	return err
}

func askHealth(ctx context.Context, url string) (out healthJSON, err error) {
	out.URL = url
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return out, err
	}
	// Its own transport: a proxy of the environment has no business between a container and itself.
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: mostHealth},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return out, fmt.Errorf(
			"no answer: %w; is the daemon running, and is this where it listens (--config, --listen)?", err,
		)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostHealth))
	if err != nil {
		return out, fmt.Errorf("%s: %w", url, err)
	}
	out.Status, out.Answer = response.StatusCode, strings.TrimSpace(string(body))
	switch {
	case out.Status == http.StatusServiceUnavailable:
		return out, fmt.Errorf("%s: %s: %s", url, response.Status, out.Answer)
	case out.Status != http.StatusOK, out.Answer != healthy:
		begin := []rune(out.Answer)
		return out, fmt.Errorf("%s: %s, and no answer of kinesis-alerter: %q; another program listens there, or a "+
			"proxy: give the address of the daemon with --config or --listen",
			url, response.Status, string(begin[:min(len(begin), 60)]))
	}
	return out, nil
}
