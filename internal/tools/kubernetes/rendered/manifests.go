package main

import (
	"fmt"
	"regexp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// monitor is what PodMonitor and ServiceMonitor have in common, as far as it has to meet other objects.
type monitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		JobLabel            string               `json:"jobLabel"`
		Selector            metav1.LabelSelector `json:"selector"`
		PodMetricsEndpoints []endpoint           `json:"podMetricsEndpoints"`
		Endpoints           []endpoint           `json:"endpoints"`
	} `json:"spec"`
}

type endpoint struct {
	Port        string       `json:"port"`
	Path        string       `json:"path"`
	Relabelings []relabeling `json:"relabelings"`
}

type relabeling struct {
	TargetLabel string `json:"targetLabel"`
	Replacement string `json:"replacement"`
}

type scaledObject struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
	} `json:"spec"`
}

type prometheusRule struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              map[string]any `json:"spec"`
}

// manifests are the rendered objects by kind.
type manifests struct {
	deployments     []appsv1.Deployment
	pods            []corev1.Pod
	configMaps      []corev1.ConfigMap
	serviceAccounts []corev1.ServiceAccount
	services        []corev1.Service
	budgets         []policyv1.PodDisruptionBudget
	policies        []networkingv1.NetworkPolicy
	podMonitors     []monitor
	serviceMonitors []monitor
	scaledObjects   []scaledObject
	prometheusRules []prometheusRule
	count           int
}

// parse reads a stream of documents. A kind that it does not know is an error: it would go unchecked.
func parse(text []byte) (*manifests, error) {
	m := &manifests{}
	for _, doc := range regexp.MustCompile(`(?m)^---.*$`).Split(string(text), -1) {
		var t metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &t); err != nil {
			return nil, err
		}
		if t.Kind == "" {
			continue // comments alone
		}
		m.count++
		var err error
		switch t.APIVersion + " " + t.Kind {
		case "apps/v1 Deployment":
			err = add(&m.deployments, doc)
		case "v1 Pod":
			err = add(&m.pods, doc)
		case "v1 ConfigMap":
			err = add(&m.configMaps, doc)
		case "v1 ServiceAccount":
			err = add(&m.serviceAccounts, doc)
		case "v1 Service":
			err = add(&m.services, doc)
		case "v1 Namespace":
		case "policy/v1 PodDisruptionBudget":
			err = add(&m.budgets, doc)
		case "networking.k8s.io/v1 NetworkPolicy":
			err = add(&m.policies, doc)
		case "monitoring.coreos.com/v1 PodMonitor":
			err = add(&m.podMonitors, doc)
		case "monitoring.coreos.com/v1 ServiceMonitor":
			err = add(&m.serviceMonitors, doc)
		case "monitoring.coreos.com/v1 PrometheusRule":
			err = add(&m.prometheusRules, doc)
		case "keda.sh/v1alpha1 ScaledObject":
			err = add(&m.scaledObjects, doc)
		default:
			err = fmt.Errorf("no check knows this kind")
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", t.APIVersion, t.Kind, err)
		}
	}
	return m, nil
}

func add[T any](list *[]T, doc string) error {
	var x T
	err := yaml.Unmarshal([]byte(doc), &x)
	*list = append(*list, x)
	return err
}
