# shellcheck shell=bash
# The programs: what is started on which machine, with which settings. Sourced by `up`.

# start NAME MACHINE COMMAND...: in the background, in a session of its own, with its output in a log
start() {
  local name=$1 machine=$2 INTO
  shift 2
  into "$machine"
  printf '%q ' "$machine" "$@" >"$RUN/programs/$name" # for `program start`
  "${INTO[@]}" setsid "$@" >>"$RUN/logs/$name.log" 2>&1 </dev/null 9>&- &
  echo $! >"$RUN/pids/$name" # nsenter and setsid become the program, so this is its id
}

alive() { # NAME: the process with the recorded id is there, is one of the cluster's, and is not a dead one unasked after
  local pid
  pid=$(cat "$RUN/pids/$1" 2>/dev/null) && grep -q "/$CLUSTER/" "/proc/$pid/cgroup" 2>/dev/null &&
    ! grep -q '^State:.Z' "/proc/$pid/status"
}

# until_true WHAT PROGRAM COMMAND...: waits for the command to succeed; ends if the program does not live
until_true() {
  local what=$1 program=$2 end=$((SECONDS + PATIENCE))
  shift 2
  until "$@" >/dev/null 2>&1; do
    alive "$program" || fail "$program ended" "$program"
    [ $SECONDS -lt $end ] || fail "$what: not within $PATIENCE seconds (MOORING_PATIENCE)" "$program"
    sleep 0.1
  done
}

fail() { # WHAT PROGRAM
  printf '\n--- the end of %s ---\n' "$RUN/logs/$2.log" >&2
  tail -n 15 "$RUN/logs/$2.log" >&2
  die "$1"
}

# config TEMPLATE OUT [NAME=VALUE...]
config() {
  local args=(-e "s|@RUN@|$RUN|g" -e "s|@CLUSTER@|$CLUSTER|g" -e "s|@SUBNET@|$SUBNET|g") from=$1 out=$2 pair
  shift 2
  for pair; do args+=(-e "s|@${pair%%=*}@|${pair#*=}|g"); done
  sed "${args[@]}" "$HERE/config/$from" >"$out"
}

# Starts one again, as it was. NAME [FLAG…]: flags for this once.
start_again() {
  local name=$1 as_it_was flags=
  as_it_was=$(cat "$RUN/programs/$name")
  shift
  [ $# = 0 ] || flags=$(printf '%q ' "$@")
  eval "start $name $as_it_was $flags"
  echo "$as_it_was" >"$RUN/programs/$name"
}

start_api() {
  local pki=$RUN/pki
  start etcd cp etcd --data-dir "$RUN/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
  start apiserver cp "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --advertise-address="$SUBNET.10" --service-cluster-ip-range=10.96.0.0/16 \
    --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
    --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$pki/service-accounts.key" \
    --service-account-signing-key-file="$pki/service-accounts.key" \
    --requestheader-client-ca-file="$pki/ca.crt" --requestheader-allowed-names=aggregator \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$pki/aggregator.crt" --proxy-client-key-file="$pki/aggregator.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --default-not-ready-toleration-seconds="$EVICT_AFTER" --default-unreachable-toleration-seconds="$EVICT_AFTER" \
    --audit-policy-file="$HERE/config/audit.yaml" --audit-log-path="$RUN/audit.log"
}

start_control_plane() {
  local pki=$RUN/pki
  # Held to its usual 20 requests a second, it needs five seconds to start its controllers one after another.
  start controller-manager cp "$BIN/kube-controller-manager" --kubeconfig="$pki/controllers.kubeconfig" \
    --kube-api-qps=200 --kube-api-burst=400 --leader-elect=false --use-service-account-credentials --allocate-node-cidrs=false \
    --service-account-private-key-file="$pki/service-accounts.key" --root-ca-file="$pki/ca.crt" \
    --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
    --node-monitor-period=2s --node-monitor-grace-period="${NODE_GRACE}s"
  start scheduler cp "$BIN/kube-scheduler" --kubeconfig="$pki/scheduler.kubeconfig" --leader-elect=false
}

# After the role it reads the API server by: refused once, it would not ask again for seconds.
start_dns() {
  config dns.yaml "$RUN/dns.yaml"
  config Corefile "$RUN/Corefile"
  "$BIN/kubectl" --kubeconfig "$RUN/pki/admin.kubeconfig" create --validate=false -f "$RUN/dns.yaml" >/dev/null
  start coredns cp "$BIN/coredns" -conf "$RUN/Corefile"
}

# The API server calls webhooks by their Service, so its machine has a kube-proxy, too. It is no node: borrowing the
# name of one spares it waiting half a minute for a Node object of its own.
start_proxies() {
  local machine
  config proxy.yaml "$RUN/proxy.yaml"
  start proxy-cp cp "$BIN/kube-proxy" --config "$RUN/proxy.yaml" --hostname-override "${NODES[0]}"
  for machine in "${NODES[@]}"; do
    start "proxy-$machine" "$machine" "$BIN/kube-proxy" --config "$RUN/proxy.yaml" --hostname-override "$machine"
  done
}

start_runtime() { # NODE POD_RANGE
  local node=$1 dir=$RUN/$1
  mkdir -p "$dir/cni"
  config cni.conflist "$dir/cni/10-pods.conflist" "PODS=$2"
  config containerd.toml "$dir/containerd.toml" "NODEDIR=$dir" "PAUSE=$(cat "$IMAGES/pause.ref")" "CNI=$CNI"
  start "containerd-$node" "$node" containerd -c "$dir/containerd.toml"
}

start_kubelet() { # NODE
  local node=$1 dir=$RUN/$1
  config kubelet.yaml "$dir/kubelet.yaml" "NODE=$node" "NODEDIR=$dir"
  start "kubelet-$node" "$node" "$BIN/kubelet" --config="$dir/kubelet.yaml" --kubeconfig="$RUN/pki/$node.kubeconfig" \
    --hostname-override="$node" --node-ip="$(address "$node")" --v=2
}
