package system

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

var (
	hostileAll    = flag.Bool("hostile", false, "play every operation with every answer that is none")
	hostileOnly   = flag.String("hostile.only", "", "play only the combinations that this matches")
	hostileReport = flag.String("hostile.report", "", "the file that the combinations that fail are written to")
	hostileEach   = flag.Int("hostile.each", 1, "play only every so many of the combinations")
)

// hostileScene is a phase in which operations are watched.
type hostileScene struct {
	phase, letters string
	length         time.Duration
}

// hostileLongest is long enough for what happens once a minute.
const hostileLongest = 85 * time.Second

// hostileScenes are the phases. What is called once a minute only has a longer fault.
func hostileScenes() []hostileScene {
	return []hostileScene{
		{phaseLater, "sqs", hostileFault},
		{phaseLater, "sns", hostileFault},
		{phaseLater, "s3", hostileFault},
		{phaseStart, "sqs", hostileFault},
		{phaseRestart, "sqs", hostileFault},
		{phaseReshard, "sqs", hostileFault},
		{phaseLater, "sqs", 30 * time.Second},
		{phaseLater, "sqs", hostileLongest},
	}
}

// hostileCases are all combinations, made of the answers that the operations give in each scene.
func hostileCases(t *testing.T, scenes []hostileScene) []hostileCase {
	t.Helper()
	var cases []hostileCase
	type seen struct{ phase, op string }
	done, members, whole := map[seen]bool{}, map[string]bool{}, map[string]bool{}
	all := map[string][]byte{} // an answer of each operation
	recorded := make([]map[string][][]byte, len(scenes))
	for i, s := range scenes {
		recorded[i] = hostileRecord(t, s.phase, s.letters, s.length)
		for op, bodies := range recorded[i] {
			if all[op] == nil {
				all[op] = slices.MaxFunc(bodies, func(a, b []byte) int { return len(a) - len(b) })
			}
		}
	}
	for i, s := range scenes {
		for _, op := range slices.Sorted(maps.Keys(recorded[i])) {
			if done[seen{s.phase, op}] || s.phase == phaseLater && s.length < hostileLongest &&
				len(recorded[i][op]) < 2 {
				continue
			}
			done[seen{s.phase, op}] = true
			again := whole[op] // in another phase: the gravest of each kind will do
			whole[op] = true
			base := hostileCase{Phase: s.phase, Op: op, For: s.length, Letters: s.letters}
			add := func(change hostileChange) {
				c := base
				c.Change = change
				c.Named, c.Error = hostileNames(op, change)
				cases = append(cases, c)
				if hostileWrites(op) && c.Named && !c.Error && (change.Path != "" || !again) {
					c.NoEffect = all[op]
					cases = append(cases, c)
				}
			}
			for _, how := range slices.Sorted(maps.Keys(hostileBodies())) {
				if hostileFits(op, how) && changesAny(hostileChange{How: how}, recorded[i][op]) &&
					(!again || slices.Contains(hostileGrave(), how)) {
					add(hostileChange{How: how})
				}
			}
			others := map[string]bool{}
			for _, other := range slices.Sorted(maps.Keys(all)) {
				service, _, _ := strings.Cut(other, ".")
				own := strings.HasPrefix(op, service+".")
				if bytes.Equal(all[other], all[op]) || strings.TrimSuffix(other, "/state") == strings.TrimSuffix(op,
					"/state") || len(all[other]) < 3 ||
					!own && others[service] || again && (!own || others[service]) {
					continue
				}
				others[service] = true
				text, err := json.Marshal(string(all[other]))
				require.NoError(t, err)
				add(hostileChange{How: "body of " + other, Value: text})
			}
			for _, change := range hostileMemberChanges(recorded[i][op]) {
				key := op + " " + change.String()
				if hostileUndetectable(op, change) || members[key] && !strings.HasPrefix(op, "kinesis.") {
					continue
				}
				members[key] = true
				if hostileTold(op, change) {
					add(change)
				}
			}
		}
	}
	return cases
}

// changesAny reports whether a change of whole answers makes another answer of any of these.
func changesAny(c hostileChange, bodies [][]byte) bool {
	return slices.ContainsFunc(bodies, func(body []byte) bool {
		return c.apply(&fakeaws.Answer{
			Status: http.StatusOK, Header: http.Header{"Content-Type": {"x"}, "Date": {"x"}}, Body: bytes.Clone(body),
		})
	})
}

// hostileGrave are the whole answers that every operation meets in every phase.
func hostileGrave() []string {
	return []string{
		"empty body", "an empty object", "null as body", "HTML with 200", "HTML with 503", "half a body", "body reset",
		"endless blanks", "redirect 307",
		"packed, not said",
	}
}

// hostileFits leaves out what is about another protocol.
func hostileFits(op, how string) bool {
	xml := strings.HasPrefix(op, "sns.") || strings.HasPrefix(op, "s3.")
	switch how {
	case "endless elements", "XML code of bytes":
		return xml
	case "code of bytes", "code that is a number", "code in a header of bytes", "endless text", "endless depth":
		return !xml
	case "half a body", "body cut", "body reset", "endless blanks", "packed", "packed, not said", "said to be packed",
		"empty body", "no type":
		return !strings.HasPrefix(op, "s3.")
	}
	return true
}

// hostileWrites returns which operations change something.
func hostileWrites(op string) bool {
	name := strings.TrimSuffix(op[strings.Index(op, ".")+1:], "/state")
	return slices.Contains([]string{
		"PublishBatch", "Publish", "SendMessage", "PutItem", "UpdateItem", "DeleteItem",
	}, name)
}

// hostileUndetectable are lies about what no other source can contradict: the record itself.
func hostileUndetectable(op string, c hostileChange) bool {
	if op != "kinesis.GetRecords" {
		return false
	}
	switch c.Path {
	case "Records":
		return c.How == elementGone || c.How == memberOther
	case "Records.*.Data":
		return c.How == memberOther
	}
	return false
}

// hostileTold leaves out what would be said of the same member in other words. Of what describes a table, the daemon
// looks at two members only.
func hostileTold(op string, c hostileChange) bool {
	if strings.HasSuffix(strings.TrimSuffix(op, "/state"), "Table") {
		looked := strings.Contains(c.Path, "TableStatus") || strings.Contains(c.Path, "KeySchema") ||
			!strings.Contains(c.Path, ".")
		return looked || c.How == memberType || c.How == memberRange || c.How == memberMissing
	}
	return true
}

// hostilePromised are the members without which an answer is none.
func hostilePromised(op string) []string {
	switch op {
	case "kinesis.GetRecords":
		return []string{"Records", "Records.*.SequenceNumber", "Records.*.Data"}
	case "kinesis.GetShardIterator":
		return []string{"ShardIterator"}
	case "kinesis.ListShards":
		return []string{
			"Shards", "Shards.*.ShardId", "Shards.*.HashKeyRange", "Shards.*.HashKeyRange.StartingHashKey",
			"Shards.*.HashKeyRange.EndingHashKey", "Shards.*.SequenceNumberRange",
			"Shards.*.SequenceNumberRange.StartingSequenceNumber",
		}
	case "kinesis.DescribeStreamSummary":
		const summary = "StreamDescriptionSummary"
		list := []string{summary}
		for _, m := range []string{
			"StreamName", "StreamARN", "StreamStatus", "RetentionPeriodHours", "StreamCreationTimestamp",
			"EnhancedMonitoring", "OpenShardCount",
		} {
			list = append(list, summary+"."+m)
		}
		return list
	case "kinesis.PutRecords":
		return []string{"Records", "Records.*.SequenceNumber"}
	case "dynamodb.Scan":
		return []string{"Items"}
	case "dynamodb.DescribeTable":
		return []string{"Table", "Table.TableStatus"}
	case "sns.PublishBatch":
		const successful = "PublishBatchResult.Successful.member"
		return []string{
			"PublishBatchResult", "PublishBatchResult.Successful", successful, successful + ".Id",
			successful + ".MessageId",
		}
	case "sns.Publish":
		return []string{"PublishResult", "PublishResult.MessageId"}
	}
	return nil
}

// hostileNames reports whether an answer that goes wrong so has to be named on the page, and whether any problem will
// do.
func hostileNames(op string, c hostileChange) (named, anyProblem bool) {
	xml := strings.HasPrefix(op, "sns.")
	if c.Path == "" {
		switch {
		case harmless(c.How), unclear(c.How), c.How == "followed by garbage", strings.HasPrefix(op, "s3."):
			return false, false
		case c.How == "an empty object" && len(hostilePromised(op)) == 0:
			return false, false
		case strings.HasPrefix(c.How, "redirect"), strings.Contains(c.How, "with 4"), strings.Contains(c.How, "with 5"),
			strings.Contains(c.How, "code"),
			c.How == "endless error":
			return true, true
		}
		return true, false
	}
	promised := slices.Contains(hostilePromised(op), c.Path)
	switch c.How {
	case memberMissing, memberNull:
		return promised, false
	case memberType:
		return promised || !xml && !strings.HasPrefix(op, "dynamodb."), false
	case nullAppended, nullFirst:
		return strings.HasPrefix(op, "kinesis."), false
	case memberRange:
		return string(c.Value) == `"`+rawNaN+`"`, false
	}
	return false, false
}

// TestHostile is one answer of each kind, as many to one daemon as it can meet one after the other.
func TestHostile(t *testing.T) {
	t.Parallel()
	wanted := map[string][]string{
		"kinesis.GetRecords": {
			"empty body", "an empty object", "null as body", "NextShardIterator missing", "Records null",
			"Records has a null at its end",
			"Records.*.SequenceNumber of another type", "HTML with 200", "HTML with 503", "half a body", "body reset",
			"body of dynamodb.Scan",
			"endless text", "redirect 307", "code of bytes", "packed, not said",
			`Records.*.ApproximateArrivalTimestamp out of range 4102444800`,
		},
		"sns.PublishBatch": {
			"an empty element", "PublishBatchResult.Successful.member.MessageId missing",
			"PublishBatchResult.Successful.member.Id null",
			"XML code of bytes", "endless elements", "type of bytes",
		},
		"dynamodb.UpdateItem": {
			"empty body", "endless blanks", "HTML with 200", "body reset", "body of kinesis.GetRecords", "redirect 307",
		},
	}
	for op, kinds := range wanted {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			var cases []hostileCase
			for _, c := range hostileCases(t, hostileScenes()[:1]) {
				if c.Op == op && c.NoEffect == nil && slices.ContainsFunc(kinds, func(kind string) bool {
					return strings.HasPrefix(c.Change.String(), kind)
				}) {
					cases = append(cases, c)
				}
			}
			require.GreaterOrEqual(t, len(cases), len(kinds))
			for i, r := range hostileRun(t, cases) {
				require.Empty(t, r.faults(cases[i]), "%s: %+v", cases[i], r)
			}
		})
	}
}

// TestHostileLies is what a well-formed answer can claim of a row: none of it is believed for good.
func TestHostileLies(t *testing.T) {
	t.Parallel()
	for name, scene := range map[string]hostileScene{
		`restart, dynamodb.UpdateItem: Attributes.checkpoint.S out of range "999999`: {
			phaseRestart, "sqs", hostileFault,
		},
		`reshard, dynamodb.UpdateItem: Attributes.checkpoint present`: {
			phaseReshard, "sqs", hostileFault,
		},
		`start, dynamodb.Scan: Items.*.leaseKey.S has another value "hostile:bytes"`: {phaseStart, "sqs", hostileFault},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			played := 0
			for _, c := range hostileCases(t, []hostileScene{scene}) {
				if strings.HasPrefix(c.String(), name) {
					played++
					r := hostileRun(t, []hostileCase{c})[0]
					require.Empty(t, r.faults(c), "%s: %+v", c, r)
				}
			}
			require.Positive(t, played)
		})
	}
}

// hostileTries is how often a combination is played whose operation is called by chance, such as the next save of a
// state.
const hostileTries = 3

func (c hostileCase) place() string { return c.Phase + " " + c.Op }

// TestHostileAll plays every operation with every answer; make hostile.
func TestHostileAll(t *testing.T) { //nolint:paralleltest // it has processes of its own
	if !*hostileAll {
		t.Skip("make hostile plays it")
	}
	only := regexp.MustCompile(*hostileOnly)
	cases := slices.DeleteFunc(hostileCases(t, hostileScenes()), func(c hostileCase) bool {
		return !only.MatchString(c.String())
	})
	if *hostileEach > 1 {
		kept := cases[:0]
		for i := range cases {
			if i%*hostileEach == 0 {
				kept = append(kept, cases[i])
			}
		}
		cases = kept
	}
	began := time.Now()
	results := make([]hostileResult, len(cases))
	chains := hostileChains(cases)
	var next, cpu atomic.Int64
	var wg sync.WaitGroup
	for range max(runtime.GOMAXPROCS(0), 1) {
		wg.Go(func() {
			child := &hostileChild{cpu: &cpu}
			defer child.end()
			for i := int(next.Add(1)) - 1; i < len(chains); i = int(next.Add(1)) - 1 {
				from, to := chains[i][0], chains[i][1]
				if i > 0 && i%250 == 0 {
					t.Logf("%d of %d after %s", from, len(cases), time.Since(began).Round(time.Second))
				}
				told := func(k int) {
					if faults := results[k].faults(cases[k]); len(faults) > 0 {
						t.Logf("%s: %s", cases[k], strings.Join(faults, "; "))
					}
				}
				copy(results[from:to], child.play(cases[from:to]))
				if to-from == 1 {
					for n := 0; n < hostileTries && results[from].Changed == 0; n++ { // what is called by chance
						results[from] = child.play(cases[from:to])[0]
					}
					told(from)
					continue
				}
				for k := from; k < to; k++ { // one after the other, to see which it was
					if len(results[k].faults(cases[k])) > 0 {
						for n := 0; n < hostileTries && (n == 0 || results[k].Changed == 0); n++ {
							results[k] = child.play(cases[k : k+1])[0]
						}
						told(k)
					}
				}
			}
		})
	}
	wg.Wait()
	lost, died, slow, failed, unmet, slowest := 0, 0, 0, 0, 0, time.Duration(0)
	met := map[string]bool{} // by phase and operation
	for i, r := range results {
		met[cases[i].place()] = met[cases[i].place()] || r.Changed > 0
	}
	var report strings.Builder
	for i, r := range results {
		lost += len(r.Lost) + len(r.Letters)
		if r.Died != "" {
			died++
		}
		if r.Recovered > cases[i].patience() {
			slow++
		}
		slowest = max(slowest, r.Recovered)
		if r.Changed == 0 && met[cases[i].place()] {
			unmet++
		}
		if faults := r.faults(cases[i]); len(faults) > 0 && (r.Changed > 0 || !met[cases[i].place()] ||
			len(faults) > 1) {
			failed++
			fmt.Fprintf(&report, "%s\n    %s\n", cases[i], strings.Join(faults, "\n    "))
			for _, line := range r.Log {
				fmt.Fprintf(&report, "      log: %s\n", strings.TrimSpace(line))
			}
		}
	}
	summary := fmt.Sprintf("%d combinations in %s (%s of one core): %d records lost, %d deaths, %d recovered late "+
		"(slowest %s), %d not met by chance, %d with a fault",
		len(cases), time.Since(began).Round(time.Second), time.Duration(cpu.Load()).Round(time.Second), lost, died,
		slow, slowest, unmet, failed)
	t.Log(summary)
	if *hostileReport != "" {
		require.NoError(t, os.WriteFile(*hostileReport, []byte(summary+"\n\n"+report.String()), 0o600))
	}
	if failed > 0 {
		t.Errorf("%s", report.String()[:min(report.Len(), 20_000)])
	}
}

// hostileChains are the combinations that one daemon can meet one after the other, by their first and the one behind
// their last.
func hostileChains(cases []hostileCase) (chains [][2]int) {
	for i := range cases {
		if n := len(chains) - 1; n >= 0 {
			before, c := cases[i-1], cases[i]
			if i-chains[n][0] < 10 && c.Phase == phaseLater && before.Phase == c.Phase && before.Op == c.Op &&
				before.Letters == c.Letters {
				chains[n][1] = i + 1
				continue
			}
		}
		chains = append(chains, [2]int{i, i + 1})
	}
	return chains
}

// hostileChild is another process of this test, because a daemon that panics takes its process with it.
type hostileChild struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr bytes.Buffer
	cpu    *atomic.Int64
}

const hostileMark = "hostile-result:"

func (h *hostileChild) begin() error {
	h.stderr.Reset()
	h.cmd = exec.Command(os.Args[0], "-test.run=^TestHostileChild$", //nolint:gosec // this very program
		"-test.timeout=30m")
	h.cmd.Env = append(os.Environ(), "HOSTILE_CHILD=1", "GOMAXPROCS=1", "GOGC=200", "GOMEMLIMIT=1GiB")
	h.cmd.Stderr = &h.stderr
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	h.in, h.out = in, bufio.NewScanner(out)
	h.out.Buffer(nil, 1<<24)
	return h.cmd.Start()
}

func (h *hostileChild) play(cases []hostileCase) []hostileResult {
	fail := func(died string) []hostileResult {
		results := make([]hostileResult, len(cases))
		for i := range results {
			results[i] = hostileResult{Died: died, Changed: 1}
		}
		return results
	}
	if h.cmd == nil {
		if err := h.begin(); err != nil {
			return fail("the test's process does not start: " + err.Error())
		}
	}
	line, err := json.Marshal(cases)
	if err == nil {
		_, err = h.in.Write(append(line, '\n'))
	}
	var said strings.Builder
	for err == nil && h.out.Scan() {
		text, ok := strings.CutPrefix(h.out.Text(), hostileMark)
		if !ok {
			if said.Len() < 2000 {
				fmt.Fprintln(&said, h.out.Text())
			}
			continue
		}
		var results []hostileResult
		if err := json.Unmarshal([]byte(text), &results); err != nil {
			return fail("no result: " + err.Error())
		}
		return results
	}
	h.end()
	text := said.String() + h.stderr.String()
	return fail("the process died: " + text[:min(len(text), 2000)])
}

func (h *hostileChild) end() {
	if h.cmd == nil {
		return
	}
	_ = h.in.Close()
	_ = h.cmd.Wait()
	h.cpu.Add(int64(h.cmd.ProcessState.UserTime() + h.cmd.ProcessState.SystemTime()))
	h.cmd = nil
}

// TestHostileChild plays the combinations that its standard input names.
func TestHostileChild(t *testing.T) {
	if os.Getenv("HOSTILE_CHILD") == "" {
		t.Skip("it is the other process of TestHostileAll; make hostile plays it")
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		var cases []hostileCase
		require.NoError(t, json.Unmarshal(in.Bytes(), &cases))
		var results []hostileResult
		t.Run("", func(t *testing.T) { results = hostileRun(t, cases) })
		text, err := json.Marshal(results)
		require.NoError(t, err)
		fmt.Println(hostileMark + string(text))
	}
}
