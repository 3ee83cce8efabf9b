{{- define "regcred.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "regcred.fullname" -}}
{{- $name := include "regcred.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- /* Objects without a namespace: the same release name may be there twice in a cluster. */ -}}
{{- define "regcred.clusterName" -}}
{{ printf "%s-%s" .Release.Namespace (include "regcred.fullname" .) }}
{{- end }}

{{- define "regcred.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "regcred.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- /* Never changes: a Deployment's selector cannot. */ -}}
{{- define "regcred.selector" -}}
app.kubernetes.io/name: {{ include "regcred.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "regcred.labels" -}}
{{ include "regcred.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "regcred.image" -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}
{{- end }}

{{- /* What the exporter reads: secrets of the two pull-secret types, by selector, and who names them; and what kubelets say of pulls that fail. */ -}}
{{- define "regcred.rules" -}}
- apiGroups: [""]
  resources: [secrets, pods, serviceaccounts, events]
  verbs: [list, watch]
{{- if .Values.kubernetesEvents }}
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}
{{- end }}

{{- define "regcred.subject" -}}
- kind: ServiceAccount
  name: {{ include "regcred.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
