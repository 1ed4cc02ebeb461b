{{/* Labels of the node agent's objects. */}}
{{- define "cni.common" -}}
{{- $v := include "cni.values" . | fromYaml -}}
release: {{ .Release.Name }}
istio.io/rev: {{ $v.revision | default "default" | quote }}
install.operator.istio.io/owning-resource: {{ $v.ownerName | default "unknown" }}
operator.istio.io/component: Cni
app.kubernetes.io/name: istio-cni
{{ include "cni.labels" . }}
{{- end -}}
