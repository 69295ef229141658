//go:build e2e

// Package grafana_test asks a real Prometheus, which scrapes real daemons, everything that the dashboard asks. What a
// panel shows on a screen is not looked at: there is no Grafana here.
package grafana_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/internal/fakeaws"
)

const (
	job    = "heart-rate-alerts"
	stream = "ExampleOutputStream"
	region = "us-east-1"

	rateInterval = 10 * time.Second // at a scrape a second; Grafana takes four scrapes at least
	running      = 35 * time.Second // what the graphs show
)

// dashboard is what the test reads of deploy/grafana/kinesis-alerter.json.
type dashboard struct {
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Annotations struct {
		List []struct {
			Name   string
			Target target
		}
	}
}

type panel struct {
	ID      int
	Title   string
	Panels  []panel
	Targets []target
}

type target struct {
	RefID   string `json:"refId"`
	Expr    string
	Instant bool
	// Exemplar asks for single alerts behind a latency.
	Exemplar bool
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("kinesis-alerter.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// each visits every panel that has queries, those of folded rows too.
func each(panels []panel, visit func(panel)) {
	for _, p := range panels {
		if len(p.Targets) > 0 {
			visit(p)
		}
		each(p.Panels, visit)
	}
}

func TestEveryPanelHasData(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") != "" {
			require.NoError(t, err, "install Prometheus (Debian: prometheus)")
		}
		t.Skip("prometheus is not on the PATH (Debian: prometheus); make deploy-check needs it")
	}
	w := newWorld(t)
	p := startPrometheus(t, prometheus)
	a, b := w.start("a"), w.start("b")
	p.scrape(a.admin, b.admin)
	w.produce()

	// What an operator does in a week: one process is replaced, and the rules are read again.
	time.Sleep(running / 3)
	c := w.start("c")
	p.scrape(a.admin, b.admin, c.admin)
	time.Sleep(running / 6)
	b.end()
	p.scrape(a.admin, c.admin)
	answer, err := http.Post(a.admin+"/-/reload", "", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	time.Sleep(running / 2)

	// Everything is asked for one moment, while the traffic goes on. The order of the variables is that of their chain.
	p.now = time.Now()
	board := readDashboard(t)
	variables := map[string]string{"__rate_interval": rateInterval.String(), "datasource": "prometheus"}
	for _, v := range board.Templating.List {
		if v.Type != "query" {
			continue
		}
		query, ok := v.Query.(map[string]any)["query"].(string)
		require.True(t, ok, v.Name)
		values, err := p.labelValues(fill(query, variables))
		require.NoError(t, err, "the variable %s", v.Name)
		require.NotEmpty(t, values, "the variable %s", v.Name)
		variables[v.Name] = "(" + strings.Join(quoted(values), "|") + ")"
	}
	require.Equal(t, "("+job+")", variables["job"])
	require.Equal(t, "("+stream+")", variables["stream"])
	require.Contains(t, variables["instance"], quoted([]string{strings.TrimPrefix(a.admin, "http://")})[0])

	queries, exemplars := 0, 0
	ask := func() (empty []string) {
		queries = 0
		each(board.Panels, func(panel panel) {
			for _, q := range panel.Targets {
				queries++
				if why := p.shows(fill(q.Expr, variables), q.Instant); why != nil {
					empty = append(empty, fmt.Sprintf("panel %d, %s, query %s: %s", panel.ID, panel.Title, q.RefID,
						why))
				}
			}
		})
		for _, a := range board.Annotations.List {
			queries++
			if why := p.shows(fill(a.Target.Expr, variables), false); why != nil {
				empty = append(empty, fmt.Sprintf("annotation %s: %s", a.Name, why))
			}
		}
		return empty
	}
	// The time of a save is shown when there was one, and they are rare: one a minute, and as the hand-overs above come
	// out.
	empty := ask()
	for deadline := time.Now().Add(90 * time.Second); len(empty) > 0 && time.Now().Before(deadline); empty = ask() {
		time.Sleep(2 * time.Second)
		p.now = time.Now()
	}
	require.Empty(t, empty, "queries without an answer")
	each(board.Panels, func(panel panel) {
		for _, q := range panel.Targets {
			if q.Exemplar {
				exemplars++
				require.NotZero(t, p.exemplars(fill(q.Expr, variables)),
					"panel %d, %s, has no alert_id behind its latencies", panel.ID, panel.Title)
			}
		}
	})
	require.NotZero(t, exemplars)
	require.Greater(t, queries, 80)
	t.Logf("%d queries answered; the variables are %v", queries, variables)

	// The same with every choice at All, which Grafana replaces by the variable's own expression.
	for _, v := range []string{"job", "stream", "instance"} {
		variables[v] = ".+"
	}
	each(board.Panels, func(panel panel) {
		for _, q := range panel.Targets {
			require.NoError(t, p.shows(fill(q.Expr, variables), q.Instant), "panel %d, %s, with All", panel.ID,
				panel.Title)
		}
	})

	// A check that finds nothing is worth nothing.
	require.ErrorIs(t, p.shows(`sum(rate(kinesis_alerter_made_up_total[10s]))`, false), errEmpty)
	require.ErrorIs(t, p.shows(`sum(rate(kinesis_alerter_records_total{rule="none"}[10s]))`, false), errEmpty)
	require.ErrorIs(t,
		p.shows(`histogram_quantile(0.9, sum by (le) (rate(kinesis_alerter_fetch_duration_seconds_sum[10s])))`, false),
		errEmpty)
	require.Error(t, p.shows(`sum(rate(kinesis_alerter_records_total[10s])`, false))

	// The bad day was one, so the panels about failures have shown more than zeros.
	for _, metric := range []string{
		"publish_failures_total", "publish_retries_total", "read_failures_total", "digests_total",
		"digest_members_total", "dead_letters_total",
		"dead_letter_failures_total", "invalid_records_total", "alerts_suppressed_total", "rule_undefined_total",
		"handoffs_total",
		"state_saves_total", `aws_requests_total{code!="OK"}`,
	} {
		require.NoError(t, p.shows("sum(kinesis_alerter_"+metric+") > 0", false))
	}

	p.rulesWork()
	// Faults that pass and a process that is replaced are no reason to wake anybody.
	require.ErrorIs(t, p.shows(`ALERTS{severity="page", alertstate="firing"}`, false), errEmpty)

	// A real fault is seen where somebody looks first, and the alert about it begins to wait for its time.
	w.aws.Faults.Clear()
	w.aws.Faults.Add(fakeaws.Fault{
		Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.Before,
		Err: &fakeaws.Error{
			Code: "AuthorizationError", Message: "not authorized to perform: SNS:Publish", Status: http.StatusForbidden,
		},
	})
	top := ""
	each(board.Panels, func(panel panel) {
		if panel.Title == "Destinations refusing" {
			top = fill(panel.Targets[0].Expr, variables)
		}
	})
	require.NotEmpty(t, top)
	require.Eventually(t, func() bool {
		p.now = time.Now()
		return p.shows(top+" > 0", true) == nil &&
			p.shows(`ALERTS{alertname="KinesisAlerterTopicFault", alertstate="pending", reason="not_authorized", topic="audit"}`, true) == nil
	}, 30*time.Second, time.Second, "%s", top)
}

// fill puts the values of variables into a query, as Grafana does.
func fill(expr string, variables map[string]string) string {
	names := slices.Collect(maps.Keys(variables))
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		expr = strings.ReplaceAll(expr, "${"+name+"}", variables[name])
		expr = strings.ReplaceAll(expr, "$"+name, variables[name])
	}
	return expr
}

// quoted are values as they stand in a regular expression in a PromQL string.
func quoted(values []string) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, strings.ReplaceAll(regexp.QuoteMeta(v), `\`, `\\`))
	}
	return out
}

// server is a running Prometheus.
type server struct {
	t       *testing.T
	url     string
	targets string
	now     time.Time
}

func startPrometheus(t *testing.T, binary string) *server {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs("../prometheus/rules.yaml")
	require.NoError(t, err)
	s := &server{t: t, targets: filepath.Join(dir, "targets.json")}
	s.scrape()
	config := fmt.Sprintf(`global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: %s
    file_sd_configs: [{files: [%q], refresh_interval: 1s}]
`, rules, job, s.targets)
	file := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	address := freeAddress(t)
	s.url = "http://" + address
	log, err := os.Create(filepath.Join(t.ArtifactDir(), "prometheus.log"))
	require.NoError(t, err)
	cmd := exec.Command(binary, //nolint:gosec // the Prometheus on the PATH
		"--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address,
		"--enable-feature=exemplar-storage")
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	require.Eventually(t, func() bool {
		answer, err := http.Get(s.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, 30*time.Second, 100*time.Millisecond, "Prometheus is ready; its log is %s", log.Name())
	return s
}

// freeAddress is one that the kernel has just given and taken back: Prometheus does not tell which port it chose.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// scrape says which daemons there are.
func (s *server) scrape(admins ...string) {
	s.t.Helper()
	hosts := []string{}
	for _, a := range admins {
		hosts = append(hosts, strings.TrimPrefix(a, "http://"))
	}
	text, err := json.Marshal([]map[string]any{{"targets": hosts}})
	require.NoError(s.t, err)
	temporary := s.targets + ".new"
	require.NoError(s.t, os.WriteFile(temporary, text, 0o600))
	require.NoError(s.t, os.Rename(temporary, s.targets))
}

// get asks the HTTP API.
func (s *server) get(path string, parameters url.Values, into any) error {
	answer, err := http.Get(s.url + path + "?" + parameters.Encode())
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	var body struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return fmt.Errorf("%s: %w", answer.Status, err)
	}
	if body.Status != "success" {
		return fmt.Errorf("prometheus: %s", body.Error)
	}
	return json.Unmarshal(body.Data, into)
}

// labelValues answers label_values(METRIC, LABEL), which Grafana asks for a variable.
func (s *server) labelValues(query string) ([]string, error) {
	m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(query)
	if m == nil {
		return nil, fmt.Errorf("%q is no label_values(series, label)", query)
	}
	var values []string
	err := s.get("/api/v1/label/"+m[2]+"/values", url.Values{"match[]": {m[1]}}, &values)
	return values, err
}

var errEmpty = errors.New("no data")

// shows asks a query and says why a panel would show nothing: an error, no series, or no number in any.
func (s *server) shows(expr string, instant bool) error {
	var data struct {
		Result []struct {
			Value  []any
			Values [][]any
		}
	}
	var err error
	if instant {
		err = s.get("/api/v1/query", url.Values{"query": {expr}, "time": {seconds(s.now)}}, &data)
	} else {
		err = s.get("/api/v1/query_range", url.Values{
			"query": {expr}, "start": {seconds(s.now.Add(-running))}, "end": {seconds(s.now)}, "step": {"1"},
		}, &data)
	}
	if err != nil {
		return err
	}
	for _, series := range data.Result {
		for _, sample := range append(series.Values, series.Value) {
			if len(sample) == 2 {
				if v, err := strconv.ParseFloat(sample[1].(string), 64); err == nil && !math.IsNaN(v) {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("%w: %s", errEmpty, expr)
}

// exemplars counts the alerts that Prometheus knows behind a query.
func (s *server) exemplars(expr string) int {
	s.t.Helper()
	var series []struct {
		Exemplars []struct{ Labels map[string]string }
	}
	require.NoError(s.t, s.get("/api/v1/query_exemplars", url.Values{
		"query": {expr}, "start": {seconds(s.now.Add(-running))}, "end": {seconds(s.now)},
	}, &series))
	found := 0
	for _, one := range series {
		for _, e := range one.Exemplars {
			if e.Labels["alert_id"] != "" {
				found++
			}
		}
	}
	return found
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

var (
	selector = regexp.MustCompile(`(?s)\b(kinesis_alerter_[a-z_]+|process_[a-z_]+|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!=|!~|=)\s*"`)
)

// rulesWork sees that Prometheus evaluates every rule, and that everything a rule asks for is there: each metric, with
// the labels that the rule chooses by.
func (s *server) rulesWork() {
	s.t.Helper()
	var state struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	require.NoError(s.t, s.get("/api/v1/rules", nil, &state))
	rules := 0
	for _, g := range state.Groups {
		for _, r := range g.Rules {
			rules++
			require.Equal(s.t, "ok", r.Health, "%s: %s", r.Name, r.LastError)
		}
	}
	require.Greater(s.t, rules, 20)

	text, err := os.ReadFile("../prometheus/rules.yaml")
	require.NoError(s.t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Record, Expr string }
		}
	}
	require.NoError(s.t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			expr := regexp.MustCompile(`\b\w+:kinesis_alerter_\w+:\w+`).ReplaceAllString(r.Expr, "")
			for _, m := range selector.FindAllStringSubmatch(expr, -1) {
				wanted := []string{}
				for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
					wanted = append(wanted, l[1])
				}
				query := m[1] + `{job="` + job + `"}`
				for _, label := range wanted {
					query += " and " + m[1] + "{" + label + `!=""}`
				}
				require.NoError(s.t, s.shows(query, true), "the rule %s%s asks for what no daemon has", r.Alert,
					r.Record)
			}
		}
	}
}

// world is an emulated AWS under load.
type world struct {
	t      *testing.T
	aws    *fakeaws.AWS
	url    string
	binary string
	config string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, aws: fakeaws.New(fakeaws.Options{Region: region}), binary: filepath.Join(t.TempDir(), "kinesis-alerter"),
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", //nolint:gosec // builds this module
		w.binary, "../../cmd/kinesis-alerter")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "go build: %s", out)

	w.aws.History.CountOnly()
	w.aws.Kinesis.Create(stream, 4)
	w.aws.Kinesis.Create("onward", 2)
	emulator := httptest.NewServer(w.aws)
	t.Cleanup(emulator.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	w.url = emulator.URL
	account := aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		BaseEndpoint: &w.url, HTTPClient: fakeaws.LoopbackClient(),
	}
	topics := sns.NewFromConfig(account)
	arns := map[string]string{}
	for _, name := range []string{"oncall", "audit"} {
		made, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
		require.NoError(t, err)
		arns[name] = *made.TopicArn
	}
	letters, err := sqs.NewFromConfig(account).CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String("letters"),
	})
	require.NoError(t, err)
	// Everything that goes wrong on a bad day goes wrong now and then.
	sometimes := func(f fakeaws.Fault, share float64) {
		f.When = func() bool { return rand.Float64() < share } //nolint:gosec // which call fails is no secret
		w.aws.Faults.Add(f)
	}
	sometimes(fakeaws.Throttle(fakeaws.ServiceSNS, "PublishBatch"), .2)
	sometimes(fakeaws.Throttle(fakeaws.ServiceKinesis, "GetRecords"), .02)
	sometimes(fakeaws.Throttle(fakeaws.ServiceKinesis, "PutRecords"), .1)
	sometimes(fakeaws.Throttle(fakeaws.ServiceSQS, ""), .2)

	w.config = fmt.Sprintf(`stream: {name: %s, application: heart-rate-alerts, start: trim_horizon}
leases: {duration: 3s}
rules:
  - {name: high-heart-rate, when: heartRate > 150, dedup: 2s, severity: critical, topics: [oncall]}
  - {name: every-reading, when: heartRate > 0, topics: [audit]}
  - {name: no-such-field, when: bloodPressure > 180, topics: [audit]}
topics:
  oncall: {arn: %q, rate: 1/s}
  audit: {arn: %q, rate: unlimited, email: false}
outputs:
  onward: {stream: onward}
dead_letter: {sqs: %q, invalid: true}
server: {listen: "127.0.0.1:0"}
`, stream, arns["oncall"], arns["audit"], *letters.QueueUrl)
	return w
}

// produce puts heart rates of many people, and now and then something that is no record, until the test ends.
func (w *world) produce() {
	ctx, cancel := context.WithCancel(w.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			data := fmt.Sprintf(`{"heartRate": %d}`, 60+n%120)
			if n%50 == 0 {
				data = "no JSON"
			}
			w.aws.Kinesis.Put(stream, "person-"+strconv.Itoa(n%17), []byte(data))
		}
	})
	w.t.Cleanup(func() { cancel(); done.Wait() })
}

// process is a running daemon.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{}
	log    string
	admin  string
}

func (w *world) start(name string) *process {
	w.t.Helper()
	dir := w.t.ArtifactDir()
	file := filepath.Join(dir, "daemon.yaml")
	require.NoError(w.t, os.WriteFile(file, []byte(w.config), 0o600))
	p := &process{t: w.t, exited: make(chan struct{}), log: filepath.Join(dir, name+".log")}
	log, err := os.Create(p.log)
	require.NoError(w.t, err)
	p.cmd = exec.Command(w.binary, "run", "--config", //nolint:gosec // the binary under test, and a file of this test
		file)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), "AWS_REGION="+region, "AWS_ENDPOINT_URL="+w.url, "AWS_ACCESS_KEY_ID="+name,
		"AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true")
	require.NoError(w.t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
		_ = log.Close()
	}()
	w.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
	})
	require.Eventually(w.t, func() bool {
		p.admin = p.address()
		return p.admin != ""
	}, 30*time.Second, 50*time.Millisecond, "%s says where its admin server is; its log is %s", name, p.log)
	return p
}

// address is that of the admin server, which the log tells.
func (p *process) address() string {
	file, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line struct{ Admin string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Admin != "" {
			return "http://" + line.Admin
		}
	}
	return ""
}

// end stops the daemon as an orchestrator does.
func (p *process) end() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		require.Fail(p.t, "the daemon does not stop", "its log is %s", p.log)
	}
}
