package emulator

import (
	"fmt"
	"strings"

	"kinesis-alerter/internal/screen"
)

// exports are what a shell needs to know. What would lead past the emulator is taken out.
func exports(endpoint string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# A shell that has read this file (. FILE) reaches the emulator at %s, not AWS.\n", endpoint)
	b.WriteString("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_IGNORE_CONFIGURED_ENDPOINT_URLS\n")
	for _, service := range []string{"KINESIS", "DYNAMODB", "SNS", "SQS", "S3", "STS"} {
		fmt.Fprintf(&b, "unset AWS_ENDPOINT_URL_%s\n", service)
	}
	for _, line := range exported(endpoint) {
		b.WriteString("export " + line + "\n")
	}
	// The SDKs for Java speak CBOR to Kinesis, each with a switch of its own.
	b.WriteString("export AWS_CBOR_DISABLE=true CBOR_ENABLED=false\n")
	// Version 1 of the AWS CLI asks AWS' own endpoint for SQS, whatever AWS_ENDPOINT_URL says, and versions of 2022
	// and before know no such variable.
	b.WriteString("aws() {\n\tcommand aws ${AWS_ENDPOINT_URL:+--endpoint-url} " +
		"${AWS_ENDPOINT_URL:+\"$AWS_ENDPOINT_URL\"} " +
		"\"$@\"\n}\n")
	return b.String()
}

func exported(endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL=" + endpoint, "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + key, "AWS_SECRET_ACCESS_KEY=" + key,
	}
}

// introduce says what is there, and what to type next.
func (e *emulator) introduce(endpoint, arn string, loopback bool) {
	show := e.screen.Print
	row := func(name, format string, args ...any) {
		show(e.screen.Paint(screen.Bold, fmt.Sprintf("%-11s", name)) + fmt.Sprintf(format, args...))
	}
	row("emulator", "%s  Kinesis, DynamoDB, SNS, SQS and S3", endpoint)
	row("messages", "%s%s  what subscribers get, as below", endpoint, pagePath)
	row("stream", "%s, %s", e.stream, plural(e.shards, "shard", "shards"))
	row("topic", "%s, read by %s", arn, e.email)
	if e.limits {
		row("limits", "each shard takes 5 reads, 1,000 records and 1 MiB a second, as on AWS")
	} else {
		row("limits", "none; --limits throttles each shard as AWS does")
	}
	if !loopback {
		show(e.screen.Paint(screen.Yellow, "note       not only this machine reaches it, and it checks no credentials"))
	}
	show("")
	command := func(format string, args ...any) {
		show("  " + e.screen.Paint(screen.Cyan, fmt.Sprintf(format, args...)))
	}
	show("In other terminals, first:")
	if e.envFile != "" {
		command(". %s", dotted(e.envFile))
		show("which says")
	}
	for _, line := range exported(endpoint) {
		show("    export " + line)
	}
	show("Then, after make build, a configuration from a record that needs no alert, and a daemon in one of them:")
	command(`echo '{"service": "checkout", "latency": 120}' | bin/kinesis-alerter init --stream %s --topic-arn %s `+
		`--sample -`, e.stream, arn)
	command("bin/kinesis-alerter run")
	show("And a record that alerts in another:")
	command(`bin/kinesis-alerter put '{"service": "checkout", "latency": 900}'`)
	show("")
}

// dotted is a file as the shell's command "." finds it: without a slash it would look in PATH.
func dotted(file string) string {
	if strings.Contains(file, "/") {
		return file
	}
	return "./" + file
}
