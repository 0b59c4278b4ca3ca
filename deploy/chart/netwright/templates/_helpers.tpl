{{/* The first part of every name. */}}
{{- define "netwright.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What selects the pods of a component: (dict "context" $ "component" "agent") */}}
{{- define "netwright.selector" -}}
app.kubernetes.io/name: netwright
app.kubernetes.io/instance: {{ .context.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The labels of every object of a component. */}}
{{- define "netwright.labels" -}}
{{ include "netwright.selector" . }}
app.kubernetes.io/part-of: netwright
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" }}
{{- with .context.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels of the pods of a component: none that changes with a release, or every upgrade would restart them. */}}
{{- define "netwright.podLabels" -}}
{{ include "netwright.selector" . }}
app.kubernetes.io/part-of: netwright
{{- with .context.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with (index .context.Values .component).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image: (dict "context" $ "image" .Values.agent.image) */}}
{{- define "netwright.image" -}}
{{- with .context.Values.image.registry }}{{ . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .context.Chart.AppVersion .context.Values.image.tag }}{{ end }}
{{- end }}

{{- define "netwright.priorityClassName" -}}
{{- if .Values.priorityClass.create }}{{ default (include "netwright.name" .) .Values.priorityClass.name }}{{ else }}{{ .Values.priorityClass.name }}{{ end }}
{{- end }}

{{/* How both are asked for their health. */}}
{{- define "netwright.probes" -}}
startupProbe:
  httpGet: { path: /startupz, port: health }
  periodSeconds: 2
  failureThreshold: 150
readinessProbe:
  httpGet: { path: /readyz, port: health }
  periodSeconds: 10
livenessProbe:
  httpGet: { path: /livez, port: health }
  periodSeconds: 20
  timeoutSeconds: 5
{{- end }}
