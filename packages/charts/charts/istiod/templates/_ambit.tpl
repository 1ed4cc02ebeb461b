{{/* What templates of all charts share. Written into each chart by the generator; istiod and pilot stand for the chart's name and root key. */}}

{{/* Values in force: defaults, then the profile, then the platform, then what the user set, also under pilot. */}}
{{- define "istiod.values" -}}
{{- $all := deepCopy .Values._internal_defaults_do_not_set -}}
{{- $profile := .Values.profile | default (.Values.global).profile | default "ambient" -}}
{{- range ternary (list) (list "ambient" $profile) (eq $profile "empty") -}}
{{- with $.Files.Get (printf "files/profile-%s.yaml" .) -}}
{{- $_ := mustMergeOverwrite $all (fromYaml .) -}}
{{- end -}}
{{- end -}}
{{- with (.Values.global).platform -}}
{{- with $.Files.Get (printf "files/platform-%s.yaml" .) -}}
{{- $_ := mustMergeOverwrite $all (fromYaml .) -}}
{{- end -}}
{{- end -}}
{{- $_ := mustMergeOverwrite $all (deepCopy (omit .Values "_internal_defaults_do_not_set" "pilot")) -}}
{{- with .Values.pilot -}}
{{- $_ := mustMergeOverwrite $all (deepCopy .) -}}
{{- end -}}
{{- $_ := set $all "release" (dict "name" .Release.Name "namespace" .Release.Namespace) -}}
{{- $_ := set $all "suffix" (ternary "" (printf "-%s" $all.revision) (or (eq $all.revision "") (eq $all.revision "default"))) -}}
{{- $scope := $all.resourceScope | default $all.global.resourceScope -}}
{{- $_ := set $all "hasCluster" (ne $scope "namespace") -}}
{{- $_ := set $all "hasNamespaced" (ne $scope "cluster") -}}
{{- toYaml $all -}}
{{- end -}}

{{/* Labels that every object carries. */}}
{{- define "istiod.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{/* Image of the chart's component, from the values in force. */}}
{{- define "istiod.image" -}}
{{- if contains "/" .image -}}
{{ .image }}
{{- else -}}
{{ .hub | default .global.hub }}/{{ .image }}:{{ .tag | default .global.tag }}{{ with .variant | default .global.variant }}-{{ . }}{{ end }}
{{- end -}}
{{- end -}}
