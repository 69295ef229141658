package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	goyaml "go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

type options struct {
	daemon, values, rules, dashboard string
	same                             []string
	env                              map[string]string
	start                            bool
}

// checker gathers what is wrong, all of it.
type checker struct {
	options
	*manifests
	problems []string
}

func (c *checker) want(ok bool, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// check returns what is wrong with the manifests, or else what they are.
func check(ctx context.Context, o options, text []byte) (problems []string, summary string) {
	m, err := parse(text)
	if err != nil {
		return []string{err.Error()}, ""
	}
	c := &checker{options: o, manifests: m}
	c.want(len(m.deployments) == 1, "%d Deployments, want one", len(m.deployments))
	for _, d := range m.deployments {
		c.deployment(ctx, d)
	}
	for _, p := range m.pods {
		c.test(p)
	}
	c.copies()
	for _, file := range c.same {
		c.likeness(file)
	}
	return c.problems, fmt.Sprintf("%d objects, and they meet", m.count)
}

func (c *checker) deployment(ctx context.Context, d appsv1.Deployment) {
	pod := d.Spec.Template
	c.want(len(pod.Spec.Containers) == 1, "Deployment: %d containers, want one", len(pod.Spec.Containers))
	if len(pod.Spec.Containers) != 1 {
		return
	}
	container := pod.Spec.Containers[0]
	c.privileges("Deployment", pod.Spec)
	c.rollout(d)

	// The configuration, as the daemon sees it.
	file, port := flagValue(container.Args, "--config"), listenPort(container.Args)
	c.want(len(container.Args) > 0 && container.Args[0] == "run", "Deployment: the arguments %q do not begin with run",
		container.Args)
	c.want(port > 0, "Deployment: --listen is not :PORT in %q", container.Args)
	mounted := c.mounted(pod.Spec, path.Dir(file))
	c.want(mounted != nil, "Deployment: no ConfigMap of these manifests is mounted where --config %s is", file)
	if mounted != nil {
		c.configuration(ctx, d, container, *mounted, path.Base(file))
	}

	// The port, and who names it.
	c.want(slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == port }),
		"Deployment: no container port is %d, where --listen says that the daemon listens", port)
	probes := map[string]*corev1.Probe{
		"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe,
	}
	paths := map[string]string{"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
	for name, p := range probes {
		if p == nil || p.HTTPGet == nil {
			c.want(false, "Deployment: no HTTP %s probe", name)
			continue
		}
		c.want(p.HTTPGet.Path == paths[name], "Deployment: the %s probe asks %s, want %s", name, p.HTTPGet.Path,
			paths[name])
		c.want(resolve(container, p.HTTPGet.Port) == port,
			"Deployment: the %s probe asks port %s, which is not where the daemon listens", name,
			p.HTTPGet.Port.String())
	}
	c.around(d, container, port)
}

// rollout is what every rollout relies on.
func (c *checker) rollout(d appsv1.Deployment) {
	u := d.Spec.Strategy.RollingUpdate
	c.want(u != nil && u.MaxSurge != nil && u.MaxSurge.IntValue() == 1 && u.MaxUnavailable != nil &&
		u.MaxUnavailable.IntValue() == 0,
		"Deployment: the strategy is not maxSurge 1, maxUnavailable 0")
	c.want(d.Spec.Template.Spec.TopologySpreadConstraints != nil, "Deployment: no topology spread")
	c.want(selects(d.Spec.Selector, d.Spec.Template.Labels), "Deployment: it does not select its own pods")
	limit := d.Spec.Template.Spec.Containers[0].Resources.Limits.Memory()
	c.want(limit != nil && limit.Value() > 0, "Deployment: no memory limit, from which the daemon computes GOMEMLIMIT")
}

// privileges are the least that a pod can have.
func (c *checker) privileges(what string, p corev1.PodSpec) {
	c.want(p.AutomountServiceAccountToken != nil && !*p.AutomountServiceAccountToken,
		"%s: automountServiceAccountToken is not false", what)
	s := p.SecurityContext
	c.want(s != nil && s.RunAsNonRoot != nil && *s.RunAsNonRoot && s.RunAsUser != nil && *s.RunAsUser == 65532,
		"%s: not runAsNonRoot with the user 65532", what)
	c.want(s != nil && s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"%s: seccomp is not RuntimeDefault", what)
	for _, container := range p.Containers {
		s := container.SecurityContext
		c.want(s != nil && s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem,
			"%s: the root file system can be written", what)
		c.want(s != nil && s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation,
			"%s: privileges can be escalated", what)
		c.want(s != nil && s.Capabilities != nil && slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) &&
			len(s.Capabilities.Add) == 0,
			"%s: not all capabilities are dropped", what)
	}
}

// mounted returns the ConfigMap that is mounted at dir.
func (c *checker) mounted(p corev1.PodSpec, dir string) *corev1.ConfigMap {
	for _, m := range p.Containers[0].VolumeMounts {
		if m.MountPath != dir {
			continue
		}
		for _, v := range p.Volumes {
			if v.Name != m.Name || v.ConfigMap == nil {
				continue
			}
			for i := range c.configMaps {
				if c.configMaps[i].Name == v.ConfigMap.Name {
					return &c.configMaps[i]
				}
			}
		}
	}
	return nil
}

// configuration runs the daemon's check on the files of the ConfigMap.
func (c *checker) configuration(ctx context.Context, d appsv1.Deployment, container corev1.Container,
	files corev1.ConfigMap, name string,
) {
	dir, err := os.MkdirTemp("", "rendered")
	if err != nil {
		c.want(false, "%v", err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for file, text := range files.Data {
		if err := os.WriteFile(path.Join(dir, file), []byte(text), 0o600); err != nil {
			c.want(false, "%v", err)
			return
		}
	}
	run := daemon{file: c.daemon, env: c.variables(container)}
	printed, err := run.check(ctx, path.Join(dir, name))
	if err != nil {
		c.want(false, "ConfigMap %s: %v", files.Name, err)
		return
	}
	var effective struct {
		Processing struct {
			StopBudget string `json:"stop_budget"`
		} `json:"processing"`
	}
	err = yaml.Unmarshal(printed, &effective)
	budget, parseErr := time.ParseDuration(effective.Processing.StopBudget)
	c.want(err == nil && parseErr == nil, "check --print does not say processing.stop_budget: %v, %v", err, parseErr)
	grace := d.Spec.Template.Spec.TerminationGracePeriodSeconds
	c.want(grace != nil && budget < time.Duration(*grace)*time.Second,
		"Deployment: the grace period is not above processing.stop_budget, %s", budget)
	if c.values != "" {
		given, err := c.given(ctx, run, files.Data, name)
		c.want(err == nil && string(given) == string(printed),
			"ConfigMap %s: what arrived is not what %s says (%v):\n%s", files.Name, c.values, err, printed)
	}
	if c.start && listenPort(container.Args) > 0 {
		if err := run.answers(ctx, path.Join(dir, name), container); err != nil {
			c.want(false, "Deployment: %v", err)
		}
	}
}

// given is what the daemon makes of the values file's config, read without Helm. The files beside it are the
// ConfigMap's.
func (c *checker) given(ctx context.Context, run daemon, files map[string]string, name string) ([]byte, error) {
	text, err := os.ReadFile(c.values)
	if err != nil {
		return nil, err
	}
	var values struct {
		Config goyaml.Node `yaml:"config"`
	}
	if err := goyaml.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	config := []byte(values.Config.Value)
	if values.Config.Kind != goyaml.ScalarNode {
		if config, err = goyaml.Marshal(&values.Config); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "rendered")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for file, text := range files {
		if file == name {
			text = string(config)
		}
		if err := os.WriteFile(path.Join(dir, file), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return run.check(ctx, path.Join(dir, name))
}

// variables are the container's environment; what Secrets would give comes from the command line.
func (c *checker) variables(container corev1.Container) map[string]string {
	env := map[string]string{}
	for _, e := range container.Env {
		if e.ValueFrom == nil {
			env[e.Name] = e.Value
			continue
		}
		_, given := c.env[e.Name]
		c.want(given, "%s comes from elsewhere: give -env %s=...", e.Name, e.Name)
	}
	maps.Copy(env, c.env)
	return env
}

// around are the objects that are about the pods.
func (c *checker) around(d appsv1.Deployment, container corev1.Container, port int32) {
	pod := d.Spec.Template.Labels
	account := d.Spec.Template.Spec.ServiceAccountName
	for _, a := range c.serviceAccounts {
		c.want(a.Name == account, "ServiceAccount %s is not that of the pods, %s", a.Name, account)
	}
	for _, b := range c.budgets {
		c.want(selects(b.Spec.Selector, pod), "PodDisruptionBudget %s does not select the pods", b.Name)
		c.want(b.Spec.MaxUnavailable != nil, "PodDisruptionBudget %s: no maxUnavailable", b.Name)
	}
	for _, p := range c.policies {
		c.want(selects(&p.Spec.PodSelector, pod), "NetworkPolicy %s does not select the pods", p.Name)
		for _, rule := range p.Spec.Ingress {
			c.want(len(rule.From) > 0, "NetworkPolicy %s lets everybody in", p.Name)
			for _, in := range rule.Ports {
				c.want(in.Port != nil && resolve(container, *in.Port) == port,
					"NetworkPolicy %s does not open the admin port alone", p.Name)
			}
		}
	}
	for _, m := range c.podMonitors {
		c.want(selects(&m.Spec.Selector, pod), "PodMonitor %s does not select the pods", m.Name)
		// The operator's own job of a PodMonitor is its namespace and name.
		c.want(m.Spec.JobLabel == "",
			"PodMonitor %s: the job is the label %s of the pods, which another namespace may have as well", m.Name,
			m.Spec.JobLabel)
		c.want(len(m.Spec.PodMetricsEndpoints) == 1, "PodMonitor %s: %d endpoints, want one", m.Name,
			len(m.Spec.PodMetricsEndpoints))
		for _, e := range m.Spec.PodMetricsEndpoints {
			c.want(e.Path == "/metrics" && resolve(container, intstr.FromString(e.Port)) == port,
				"PodMonitor %s does not scrape /metrics of the admin port", m.Name)
		}
	}
	for _, s := range c.services {
		c.want(labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod)), "Service %s does not select the pods",
			s.Name)
		for _, p := range s.Spec.Ports {
			c.want(resolve(container, p.TargetPort) == port, "Service %s does not lead to the admin port", s.Name)
		}
	}
	for _, m := range c.serviceMonitors {
		i := slices.IndexFunc(c.services, func(s corev1.Service) bool { return selects(&m.Spec.Selector, s.Labels) })
		c.want(i >= 0, "ServiceMonitor %s selects no Service", m.Name)
		for _, e := range m.Spec.Endpoints {
			job := relabeling{TargetLabel: "job", Replacement: m.Namespace + "/" + m.Name}
			c.want(slices.Contains(e.Relabelings, job), "ServiceMonitor %s: the job is not %s", m.Name, job.Replacement)
			c.want(i >= 0 && e.Path == "/metrics" && slices.ContainsFunc(c.services[i].Spec.Ports,
				func(p corev1.ServicePort) bool { return p.Name == e.Port }),
				"ServiceMonitor %s does not scrape /metrics of a port of the Service", m.Name)
		}
	}
	for _, s := range c.scaledObjects {
		c.want(s.Spec.ScaleTargetRef.Name == d.Name, "ScaledObject %s does not scale the Deployment", s.Name)
		c.want(s.Spec.MinReplicaCount >= 1 && s.Spec.MaxReplicaCount >= s.Spec.MinReplicaCount,
			"ScaledObject %s: its bounds make no sense", s.Name)
		c.want(d.Spec.Replicas == nil, "Deployment: replicas are set, so that every upgrade undoes what KEDA did")
	}
	for _, t := range d.Spec.Template.Spec.TopologySpreadConstraints {
		c.want(selects(t.LabelSelector, pod), "Deployment: the spread by %s does not count its own pods", t.TopologyKey)
	}
	// What selects the daemon must not select the pod of the chart's test.
	for _, p := range c.pods {
		c.want(!selects(d.Spec.Selector, p.Labels), "Pod %s looks like one of the Deployment's", p.Name)
	}
}

// test is the chart's own test.
func (c *checker) test(p corev1.Pod) {
	c.privileges("Pod "+p.Name, p.Spec)
	c.want(p.Annotations["helm.sh/hook"] == "test", "Pod %s is no test of Helm's", p.Name)
	if len(c.deployments) == 0 || len(p.Spec.Containers) != 1 {
		c.want(false, "Pod %s: %d containers, want one, beside a Deployment", p.Name, len(p.Spec.Containers))
		return
	}
	pod, of := p.Spec.Containers[0], c.deployments[0].Spec.Template.Spec.Containers[0]
	c.want(slices.Equal(pod.Args, []string{"check", "--config", flagValue(of.Args, "--config")}),
		"Pod %s: %q does not check the daemon's configuration", p.Name, pod.Args)
	c.want(pod.Image == of.Image && reflect.DeepEqual(pod.Env, of.Env) && reflect.DeepEqual(pod.EnvFrom, of.EnvFrom) &&
		reflect.DeepEqual(pod.VolumeMounts, of.VolumeMounts) &&
		reflect.DeepEqual(p.Spec.Volumes, c.deployments[0].Spec.Template.Spec.Volumes),
		"Pod %s does not see what the daemon sees", p.Name)
}

// copies are files of the repository that must arrive as they are.
func (c *checker) copies() {
	if c.rules != "" {
		var want map[string]any
		text, err := os.ReadFile(c.rules)
		if err == nil {
			err = yaml.Unmarshal(text, &want)
		}
		c.want(err == nil, "%s: %v", c.rules, err)
		c.want(len(c.prometheusRules) == 1 && reflect.DeepEqual(c.prometheusRules[0].Spec, want),
			"PrometheusRule: its groups are not those of %s", c.rules)
	}
	if c.dashboard != "" {
		text, err := os.ReadFile(c.dashboard)
		c.want(err == nil, "%v", err)
		c.want(slices.ContainsFunc(c.configMaps, func(m corev1.ConfigMap) bool {
			return m.Labels["grafana_dashboard"] == "1" && m.Data["kinesis-alerter.json"] == string(text)
		}), "no ConfigMap with the label grafana_dashboard has the dashboard as %s has it", c.dashboard)
	}
}

func selects(s *metav1.LabelSelector, l map[string]string) bool {
	if s == nil {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(l))
}

// resolve is the number of a container's port, 0 when it has none of that name.
func resolve(container corev1.Container, port intstr.IntOrString) int32 {
	if port.Type == intstr.Int {
		return port.IntVal
	}
	for _, p := range container.Ports {
		if p.Name == port.StrVal {
			return p.ContainerPort
		}
	}
	return 0
}

func flagValue(args []string, name string) string {
	if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func listenPort(args []string) int32 {
	host, port, err := net.SplitHostPort(flagValue(args, "--listen"))
	n, numberErr := strconv.ParseInt(port, 10, 32)
	if err != nil || numberErr != nil || strings.TrimSpace(host) != "" {
		return 0
	}
	return int32(n)
}

// likeness compares the objects of another file with those of its kind here. Names and selectors are let differ.
func (c *checker) likeness(file string) {
	text, err := os.ReadFile(file) //nolint:gosec // the developer names the file
	if err != nil {
		c.want(false, "%v", err)
		return
	}
	other, err := parse(text)
	if err != nil {
		c.want(false, "%s: %v", file, err)
		return
	}
	for _, b := range other.deployments {
		if len(c.deployments) != 1 {
			continue
		}
		a := *c.deployments[0].DeepCopy()
		anonymous(&a)
		anonymous(&b)
		c.want(reflect.DeepEqual(a.Spec, b.Spec), "%s: the Deployment differs in more than names:\n%s", file,
			differences(a.Spec, b.Spec))
	}
	for _, b := range other.budgets {
		c.want(len(c.budgets) == 1, "%s: has a PodDisruptionBudget", file)
		for _, a := range c.budgets {
			a.Spec.Selector, b.Spec.Selector = nil, nil
			c.want(reflect.DeepEqual(a.Spec, b.Spec), "%s: the PodDisruptionBudget differs:\n%s", file,
				differences(a.Spec, b.Spec))
		}
	}
	for _, b := range other.policies {
		c.want(len(c.policies) == 1, "%s: has a NetworkPolicy", file)
		for _, a := range c.policies {
			a.Spec.PodSelector, b.Spec.PodSelector = metav1.LabelSelector{}, metav1.LabelSelector{}
			c.want(reflect.DeepEqual(a.Spec, b.Spec), "%s: the NetworkPolicy differs:\n%s", file,
				differences(a.Spec, b.Spec))
		}
	}
}

// anonymous takes out what an installation names.
func anonymous(d *appsv1.Deployment) {
	d.Spec.Selector = nil
	d.Spec.Template.ObjectMeta = metav1.ObjectMeta{}
	p := &d.Spec.Template.Spec
	p.ServiceAccountName = ""
	for i := range p.Containers {
		p.Containers[i].Image = ""
	}
	for i := range p.Volumes {
		if p.Volumes[i].ConfigMap != nil {
			p.Volumes[i].ConfigMap.Name = ""
		}
	}
	for i := range p.TopologySpreadConstraints {
		p.TopologySpreadConstraints[i].LabelSelector = nil
	}
}

// differences are the lines of YAML that only one of the two has.
func differences(a, b any) string {
	text := func(x any) []string {
		y, err := yaml.Marshal(x)
		if err != nil {
			return []string{err.Error()}
		}
		return strings.Split(string(y), "\n")
	}
	var lines []string
	left, right := text(a), text(b)
	for _, l := range left {
		if !slices.Contains(right, l) {
			lines = append(lines, "here:  "+l)
		}
	}
	for _, l := range right {
		if !slices.Contains(left, l) {
			lines = append(lines, "there: "+l)
		}
	}
	return strings.Join(lines, "\n")
}
