{{/* Name of the node proxy's objects. */}}
{{- define "ztunnel.name" -}}
{{ .resourceName | default "ztunnel" }}
{{- end -}}

{{/* Labels of the node proxy's objects. */}}
{{- define "ztunnel.common" -}}
{{- $v := include "ztunnel.values" . | fromYaml -}}
app.kubernetes.io/name: ztunnel
{{ include "ztunnel.labels" . }}
{{- with $v.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Address of the control plane. */}}
{{- define "ztunnel.controlPlane" -}}
istiod{{ .suffix }}.{{ .istioNamespace | default .global.istioNamespace }}.svc:15012
{{- end -}}
