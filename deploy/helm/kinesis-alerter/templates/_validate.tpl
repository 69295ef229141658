{{- /* The seconds of a duration as Go writes it, such as 1m30s; nothing when it is not one. */}}
{{- define "kinesis-alerter.seconds" -}}
{{- if regexMatch "^([0-9]*[.]?[0-9]+(h|m|s|ms|us|µs|ns))+$" . }}
{{- $unit := dict "h" 3600.0 "m" 60.0 "s" 1.0 "ms" 1e-3 "us" 1e-6 "µs" 1e-6 "ns" 1e-9 }}
{{- $sum := 0.0 }}
{{- range regexFindAll "[0-9.]+(ms|us|µs|ns|h|m|s)" . -1 }}
{{- $number := regexFind "[0-9.]+" . }}
{{- $sum = addf $sum (mulf (float64 $number) (get $unit (trimPrefix $number .))) }}
{{- end }}
{{- $sum }}
{{- end }}
{{- end }}

{{- /* Relations between values, which the schema cannot express. */}}
{{- define "kinesis-alerter.validate" -}}
{{- $config := .Values.config }}
{{- if not $config }}
{{- fail "config is required: the daemon's configuration file, as a map or as a text (--set-file config=kinesis-alerter.yaml)" }}
{{- end }}
{{- if kindIs "string" $config }}
{{- $config = fromYaml $config }}
{{- with $config.Error }}
{{- fail (printf "config is not valid YAML: %s" .) }}
{{- end }}
{{- end }}
{{- $budget := "25s" }}
{{- if kindIs "map" $config.processing }}
{{- $budget = toString (default $budget $config.processing.stop_budget) }}
{{- end }}
{{- $seconds := include "kinesis-alerter.seconds" $budget }}
{{- if and $seconds (ge (float64 $seconds) (float64 .Values.terminationGracePeriodSeconds)) }}
{{- fail (printf "config.processing.stop_budget (%s) must be below terminationGracePeriodSeconds (%v), or the kubelet kills the daemon before it has released its shards" $budget .Values.terminationGracePeriodSeconds) }}
{{- end }}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}
{{- fail "podMonitor.enabled and serviceMonitor.enabled: choose one, or every pod is scraped twice and every sum is doubled" }}
{{- end }}
{{- with .Values.keda }}
{{- if .enabled }}
{{- if not .maxReplicas }}
{{- fail "keda.maxReplicas is required with keda.enabled: the number of the stream's open shards, which more pods could not share" }}
{{- end }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "keda.minReplicas (%v) must not be above keda.maxReplicas (%v)" .minReplicas .maxReplicas) }}
{{- end }}
{{- if not .lag.serverAddress }}
{{- fail "keda.lag.serverAddress is required with keda.enabled: the URL of the Prometheus that scrapes the daemon" }}
{{- end }}
{{- /* 63 characters less 5 random ones are what a generated name begins with: NAME-, the ReplicaSet's hash of ten, -. */}}
{{- $name := include "kinesis-alerter.fullname" $ }}
{{- $selects := or (not .lag.query) (and .openShards.enabled (not .openShards.query)) }}
{{- if and $selects (gt (len $name) 46) }}
{{- fail (printf "the name %s has %d characters; with more than 46 Kubernetes cuts the names of the pods, by which the queries of KEDA find the release's series: choose a shorter fullnameOverride, or write keda.lag.query and, with keda.openShards.enabled, keda.openShards.query" $name (len $name)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
