{{/* Labels of everything in the chart. */}}
{{- define "mooring.labels" -}}
{{ include "mooring.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: mooring
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What selects the operator's pods: never changes. */}}
{{- define "mooring.selector" -}}
app.kubernetes.io/name: mooring
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* An image: (dict "image" .Values.x.image "root" $). */}}
{{- define "mooring.image" -}}
{{- $registry := .image.registry | default .root.Values.global.imageRegistry -}}
{{- $name := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* Every mooring.dev/ annotation that is read, or written by the webhook, as a list in CEL. */}}
{{- define "mooring.keys" -}}
['mooring.dev/licenses', 'mooring.dev/server', 'mooring.dev/start', 'mooring.dev/wait', 'mooring.dev/group', 'mooring.dev/group-size', 'mooring.dev/place', 'mooring.dev/gate-after', 'mooring.dev/containers', 'mooring.dev/on-loss', 'mooring.dev/project', 'mooring.dev/sidecar-memory', 'mooring.dev/sidecar-cpu', 'mooring.dev/log-level', 'mooring.dev/reservation', 'mooring.dev/injected']
{{- end }}

{{/* Whether this namespace may have license servers, in CEL. */}}
{{- define "mooring.namespaceAllowed" -}}
request.namespace != '{{ .Release.Namespace }}' && !request.namespace.startsWith('kube-')
{{- with .Values.licenseServers.namespaces }} && request.namespace in ['{{ join "', '" . }}']{{ end }}
{{- end }}

{{/* Whether a license server may have an image, in CEL: (dict "root" $ "of" "the variable"). */}}
{{- define "mooring.imageAllowed" -}}
{{- $exact := list (include "mooring.image" (dict "image" .root.Values.server.image "root" .root)) (include "mooring.image" (dict "image" .root.Values.pcscd.image "root" .root)) -}}
{{- $begins := list -}}
{{- range .root.Values.licenseServers.allowedImages -}}
{{- if hasSuffix "*" . }}{{ $begins = append $begins (trimSuffix "*" .) }}{{ else }}{{ $exact = append $exact . }}{{ end -}}
{{- end -}}
{{ .of }} in ['{{ join "', '" $exact }}']
{{- range $begins }} || ({{ $.of }}.startsWith('{{ . }}') && {{ $.of }} != '{{ . }}'){{ end }}
{{- end }}

{{/* Whether a license server may mount a path of its node, in CEL: (dict "root" $ "path" "…" "readOnly" "…"). */}}
{{- define "mooring.pathAllowed" -}}
!{{ .path }}.matches('//|(^|/)[.][.]?(/|$)') && (false
{{- range .root.Values.licenseServers.allowedHostPaths }}{{ $path := trimSuffix "/" .path }} || (({{ $.path }} == '{{ $path }}' || {{ $.path }}.startsWith('{{ $path }}/')){{ if .readOnly }} && {{ $.readOnly }}{{ end }}){{ end }})
{{- end }}

{{/* Whether a license server's certificate may have a name, in CEL: (dict "root" $ "of" "the variable"). */}}
{{- define "mooring.nameAllowed" -}}
false
{{- range .root.Values.licenseServers.allowedNames }} || {{ if hasPrefix "*" . }}({{ $.of }}.endsWith('{{ trimPrefix "*" . }}') && {{ $.of }} != '{{ trimPrefix "*" . }}'){{ else }}{{ $.of }} == '{{ . }}'{{ end }}{{ end }}
{{- end }}

{{/* Whether o, an owner reference, is the LicenseServer that variables.server names, in CEL. */}}
{{- define "mooring.owner" -}}
o.kind == 'LicenseServer' && o.apiVersion.startsWith('mooring.dev/') && o.name == variables.server && o.?controller.orValue(false)
{{- end }}

{{/* Whether license servers get NetworkPolicies: not where the operator is in the nodes' network, since then no selector lets it in. */}}
{{- define "mooring.networkPolicies" -}}
{{- if and .Values.networkPolicy.licenseServers (not .Values.webhook.hostNetwork) -}}true{{- end -}}
{{- end -}}
