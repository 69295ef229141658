{{- define "kinesis-alerter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "kinesis-alerter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "kinesis-alerter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "kinesis-alerter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* Labels without a component: what belongs to the release. */}}
{{- define "kinesis-alerter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "kinesis-alerter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* What selects the daemon's pods, and not the pod of the chart's test. */}}
{{- define "kinesis-alerter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "kinesis-alerter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: daemon
{{- end }}

{{- /* The names by which the daemon's page is asked, beside addresses: those of the Service, and of what is in front of it. */}}
{{- define "kinesis-alerter.serverNames" -}}
{{- $names := .Values.service.names }}
{{- if or .Values.service.enabled .Values.serviceMonitor.enabled }}
{{- $name := include "kinesis-alerter.fullname" . }}
{{- $inside := printf "%s.%s" $name .Release.Namespace }}
{{- $names = concat (list $name $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside)) $names }}
{{- end }}
{{- join "," $names }}
{{- end }}

{{- define "kinesis-alerter.image" -}}
{{- $repository := required "image.repository is required: the registry and name under which you pushed the image, without a tag" .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- /* The configuration file. Never by tpl: its messages are templates of the daemon. */}}
{{- define "kinesis-alerter.config" -}}
{{- if kindIs "string" .Values.config }}
{{- .Values.config }}
{{- else }}
{{- toYaml .Values.config }}
{{- end }}
{{- end }}

{{- /* The data of the ConfigMap. */}}
{{- define "kinesis-alerter.configData" -}}
{{- if hasKey .Values.files "kinesis-alerter.yaml" }}
{{- fail "files: kinesis-alerter.yaml is the file that comes from config; name the other one differently" }}
{{- end }}
{{- toYaml (merge (dict "kinesis-alerter.yaml" (include "kinesis-alerter.config" .)) .Values.files) }}
{{- end }}

{{- /* What the container and the chart's test have in common, so that the test sees what the daemon sees. */}}
{{- define "kinesis-alerter.surroundings" -}}
image: {{ include "kinesis-alerter.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/kinesis-alerter
    readOnly: true
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "kinesis-alerter.volumes" -}}
- name: config
  configMap:
    name: {{ include "kinesis-alerter.fullname" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "kinesis-alerter.metricsEndpoint" -}}
port: admin
path: /metrics
interval: {{ .interval }}
scrapeTimeout: {{ .scrapeTimeout }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What selects the series of this release, by the labels that the Prometheus Operator gives. */}}
{{- define "kinesis-alerter.series" -}}
{{- printf `{namespace=%q, pod=~"%s-[a-z0-9]+-[a-z0-9]{5}"}` .Release.Namespace (include "kinesis-alerter.fullname" .) }}
{{- end }}
