{{/* Labels of the control plane's own objects. */}}
{{- define "istiod.common" -}}
{{- $v := include "istiod.values" . | fromYaml -}}
app: istiod
release: {{ .Release.Name }}
app.kubernetes.io/name: istiod
{{ include "istiod.labels" . }}
{{- end -}}

{{/* Labels of the control plane's pods. */}}
{{- define "istiod.pod" -}}
{{- $v := include "istiod.values" . | fromYaml -}}
istio.io/rev: {{ $v.revision | default "default" | quote }}
install.operator.istio.io/owning-resource: {{ $v.ownerName | default "unknown" }}
operator.istio.io/component: Pilot
app.kubernetes.io/name: istiod
{{ include "istiod.labels" . }}
{{- end -}}

{{/* Labels of what belongs to a revision. */}}
{{- define "istiod.revisioned" -}}
release: {{ .Release.Name }}
{{ include "istiod.pod" . }}
{{- end -}}

{{/* Labels of what other clusters read. */}}
{{- define "istiod.reader" -}}
app: istio-reader
release: {{ .Release.Name }}
app.kubernetes.io/name: istio-reader
{{ include "istiod.labels" . }}
{{- end -}}
