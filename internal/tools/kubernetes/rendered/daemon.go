package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// daemon is the built binary, run with the variables of a container and no others.
type daemon struct {
	file string
	env  map[string]string
}

func (d daemon) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.file, args...) //nolint:gosec // the binary that was just built
	cmd.Env = []string{}
	for name, value := range d.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// check runs the daemon's check, and returns the effective configuration.
func (d daemon) check(ctx context.Context, file string) ([]byte, error) {
	cmd := d.command(ctx, "check", "--config", file, "--print")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s check: %w\n%s", d.file, err, said.String())
	}
	return out.Bytes(), nil
}

// answers starts the daemon with the container's arguments, as far as a machine without AWS goes: on another port, with
// the file where it is here, and with an endpoint that nobody answers on. It asks what the probes and the scraper ask,
// and stops it as the kubelet does.
func (d daemon) answers(ctx context.Context, config string, container corev1.Container) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	admin, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	nobody, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	args := slices.Clone(container.Args)
	args = slices.DeleteFunc(args, func(s string) bool { return s == "--fail-fast" })
	args[slices.Index(args, "--config")+1] = config
	args[slices.Index(args, "--listen")+1] = admin
	cmd := d.command(ctx, args...)
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none", "AWS_REGION=us-east-1",
		"AWS_ENDPOINT_URL=http://"+nobody)
	log, err := os.CreateTemp("", "rendered-*.log")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(log.Name()) }()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	said := func(err error) error {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s %s: %w\n%s", d.file, strings.Join(args, " "), err, text)
	}
	asked := probe(ctx, admin, container, exited)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return said(errors.Join(asked, err))
	}
	if err := <-exited; err != nil {
		return said(errors.Join(asked, fmt.Errorf("SIGTERM: %w", err)))
	}
	if asked != nil {
		return said(asked)
	}
	return nil
}

func probe(ctx context.Context, admin string, container corev1.Container, exited chan error) error {
	// It lives at once. It is not ready: that takes a lease table, so a 503 with a reason is the answer that is wanted.
	want := map[string]int{
		container.LivenessProbe.HTTPGet.Path:  http.StatusOK,
		container.ReadinessProbe.HTTPGet.Path: http.StatusServiceUnavailable,
		container.StartupProbe.HTTPGet.Path:   http.StatusOK,
		"/metrics":                            http.StatusOK,
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := get(ctx, "http://"+admin+"/")
		if err == nil {
			break
		}
		select {
		case <-tick.C:
		case end := <-exited:
			exited <- end
			return fmt.Errorf("it ended before it answered: %w", end)
		case <-ctx.Done():
			return fmt.Errorf("no answer within a minute: %w", err)
		}
	}
	var errs []error
	for path, status := range want {
		got, err := get(ctx, "http://"+admin+path)
		if err == nil && got != status {
			err = fmt.Errorf("GET %s: %d, want %d", path, got, status)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func get(ctx context.Context, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
