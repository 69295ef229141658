package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/screen"
)

const (
	region  = "us-east-1"
	account = "000000000000"
	// key is the access key of who reads the file of exports. The emulator takes any.
	key = "emulator"
)

// emulator is one run.
type emulator struct {
	options
	screen   *screen.Screen
	aws      *fakeaws.AWS
	messages *messages
	notes    notes
}

func newEmulator(o options, env func(string) (string, bool), stdout io.Writer) *emulator {
	return &emulator{
		options: o, screen: screen.New(stdout, env), messages: newMessages(),
		notes: notes{new: make(chan string, 16), last: map[string]time.Time{}},
	}
}

// emulate makes the account, which holds on to nothing that can grow for ever but records and rows.
func (e *emulator) emulate(endpoint string) {
	e.aws = fakeaws.New(fakeaws.Options{
		Region: region, Account: account, Unthrottled: !e.limits, ConfirmSubscriptions: true, Endpoint: endpoint,
		// at once: boto3 and the AWS CLI look again after ten seconds
		StreamActivation: time.Nanosecond, TableActivation: time.Nanosecond,
	})
	e.aws.History.CountOnly()
	e.aws.SNS.CountOnly()
	e.aws.History.Watch(e.watch)
	e.aws.SNS.OnPublish(e.messages.add)
}

// run serves until ctx is done or the limit is reached.
func (e *emulator) run(ctx context.Context) error {
	if e.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.limit)
		defer cancel()
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.listen)
	if err != nil {
		return e.taken(err)
	}
	endpoint := "http://" + reached(l.Addr())
	e.emulate(endpoint)
	arn, err := e.provision(ctx)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if e.envFile != "" {
		if err := os.WriteFile(e.envFile, []byte(exports(endpoint)), 0o600); err != nil {
			return errors.Join(fmt.Errorf("write the exports: %w; choose another --env-file", err), l.Close())
		}
	}
	e.introduce(endpoint, arn, loopback(l.Addr()))

	server := &http.Server{Handler: e.handler(ctx.Done()), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	err = e.show(ctx, served)
	_ = server.Close()
	if err == nil {
		if closed := <-served; !errors.Is(closed, http.ErrServerClosed) {
			err = closed
		}
	}
	e.screen.Progress("")
	accepted, emails := e.messages.counts()
	e.screen.Print(fmt.Sprintf("The emulator has ended: %s, %s, %s. What it held is gone.",
		plural(e.puts(), "put", "puts"),
		plural(accepted, "message published", "messages published"), plural(emails, "e-mail", "e-mails")))
	return err
}

// taken says what to do when the address cannot be had.
func (e *emulator) taken(err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	host, port, _ := net.SplitHostPort(e.listen)
	n, _ := strconv.Atoi(port)
	return fmt.Errorf("%s is taken, perhaps by another emulator; end that one, or choose another port: "+
		"make emulator ARGS=\"--listen %s\"", e.listen, net.JoinHostPort(host, strconv.Itoa(n%65535+1)))
}

// reached is how this machine reaches an address that is listened on.
func reached(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// provision makes the stream, and the topic with somebody who reads it.
func (e *emulator) provision(ctx context.Context) (topicARN string, err error) {
	clients := aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider(key, key, ""),
		HTTPClient: e.aws.HTTPClient(),
	}
	if _, err := kinesis.NewFromConfig(clients).CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName: &e.stream, ShardCount: aws.Int32(int32(e.shards)), //nolint:gosec // at most 500
	}); err != nil {
		return "", fmt.Errorf("--stream %s: %w", e.stream, err)
	}
	topics := sns.NewFromConfig(clients)
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &e.topic})
	if err != nil {
		return "", fmt.Errorf("--topic %s: %w", e.topic, err)
	}
	if _, err := topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("email"), Endpoint: &e.email,
	}); err != nil {
		return "", fmt.Errorf("--email %s: %w", e.email, err)
	}
	return aws.ToString(topic.TopicArn), nil
}

// handler finds out whether the page is asked for, or a service.
func (e *emulator) handler(ended <-chan struct{}) http.Handler {
	began := strconv.FormatInt(time.Now().UnixMilli(), 36)
	page := (&viewer{messages: e.messages, began: began, ended: ended}).handler()
	own := http.NewCrossOriginProtection() // a page of another site can send a form here, which publishes
	return own.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !local(r.Host):
			http.Error(w, "ask by an address or as localhost: a name may be another site's", http.StatusForbidden)
		case strings.HasPrefix(r.URL.Path, strings.TrimSuffix(pagePath, "/")):
			page.ServeHTTP(w, r)
		case r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Authorization") == "":
			http.Redirect(w, r, pagePath, http.StatusSeeOther)
		case strings.Contains(r.Header.Get("Content-Type"), "cbor"):
			e.notes.add(time.Now(), "cbor", cborIsNot)
			http.Error(w, cborIsNot, http.StatusUnsupportedMediaType)
		default:
			e.aws.ServeHTTP(w, r)
		}
	}))
}

const cborIsNot = "CBOR is not emulated: set AWS_CBOR_DISABLE=true and CBOR_ENABLED=false, as the file of exports does"

// show prints what comes, until the end.
func (e *emulator) show(ctx context.Context, served <-chan error) error {
	ticker := time.NewTicker(e.screen.Interval())
	defer ticker.Stop()
	shown, line := 0, ""
	for {
		newer, more := e.messages.after(shown)
		for _, m := range newer {
			if missed := m.ID - shown - 1; missed > 0 {
				e.screen.Print(e.screen.Paint(
					screen.Yellow, fmt.Sprintf("%d messages came faster than the terminal took them", missed),
				))
			}
			shown = m.ID
			e.print(m)
		}
		select {
		case <-more:
		case note := <-e.notes.new:
			e.screen.Print(e.screen.Paint(screen.Yellow, "note       "+note))
		case <-ticker.C:
			if next := e.line(); next != line && e.screen.Terminal() {
				line = next
				e.screen.Progress(line)
			}
		case err := <-served:
			return fmt.Errorf("the server has ended: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// print draws a message as each of its readers gets it.
func (e *emulator) print(m message) {
	for _, mail := range m.emails {
		e.screen.Email(*mail)
	}
	for _, r := range m.Receipts {
		switch r.Outcome {
		case fakeaws.Delivered:
			if !strings.HasPrefix(r.Protocol, "email") {
				e.screen.Print(fmt.Sprintf("delivered  %s %s: %s", r.Protocol, plain.Text(r.Endpoint), headline(m)))
			}
		case fakeaws.Deactivated:
			e.screen.Print(e.screen.Paint(screen.Yellow,
				fmt.Sprintf("lost       %s %s: %s: more than ten e-mails in a "+
					"second. AWS switches the subscription off then, until its reader confirms it again",
					r.Protocol, plain.Text(r.Endpoint), headline(m))))
		case fakeaws.Filtered, fakeaws.Discarded, fakeaws.Undeliverable, fakeaws.Pending:
			e.screen.Print(e.screen.Paint(screen.Yellow,
				fmt.Sprintf("%-10s %s %s: %s", r.Outcome, r.Protocol, plain.Text(r.Endpoint), headline(m))))
		}
	}
	if len(m.Receipts) == 0 {
		e.screen.Print(e.screen.Paint(screen.Yellow,
			fmt.Sprintf("nobody     reads %s: %s", plain.Text(m.Topic), headline(m))))
	}
}

// headline is one line of a message.
func headline(m message) string {
	text := m.Subject
	if text == "" {
		text, _, _ = strings.Cut(m.Body, "\n")
	}
	if runes := []rune(text); len(runes) > 100 {
		text = string(runes[:100]) + "…"
	}
	return plain.Text(text)
}

// line is the progress line.
func (e *emulator) line() string {
	accepted, emails := e.messages.counts()
	return fmt.Sprintf("%s | %s | %s | Ctrl-C ends it", plural(e.puts(), "put", "puts"),
		plural(accepted, "message published", "messages published"), plural(emails, "e-mail", "e-mails"))
}

// puts is how many calls put records.
func (e *emulator) puts() int {
	return e.aws.History.Count(fakeaws.ServiceKinesis, "PutRecord") +
		e.aws.History.Count(fakeaws.ServiceKinesis, "PutRecords")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
