# shellcheck shell=bash
# The machines: a network namespace each, on one switch, and for a node a mount namespace and a cgroup. Sourced by `up`.

# Says what this machine lacks before anything is started. All of it is tried, in namespaces that end with the check.
check_machine() {
  [ "$(id -u)" = 0 ] || die "run this as root"
  unshare --net --mount --propagation private true 2>/dev/null ||
    die "cannot make network and mount namespaces (needs CAP_SYS_ADMIN; in a container: run it privileged)"
  local here
  here=$(ip -o -4 addr show | awk -v s="$SUBNET." 'index($4, s) == 1 { print $2 }')
  [ -z "$here" ] || die "the network $SUBNET.0/24 is already used by $here; choose another with MOORING_SUBNET"
  case $RUN/ in /run/* | /tmp/mooring-e2e*) die "MOORING_RUN must not be below /run: each node has a /run of its own" ;; esac
  mkdir -p "$RUN/check"/{lower,upper,work,merged}
  unshare --net --mount --propagation private bash -euc '
    try() { local what=$1; shift; "$@" 2>/dev/null || { echo "missing: $what" >&2; bad=1; }; }
    bad=
    try "network bridges in the kernel (module bridge)" ip link add name sw type bridge
    try "veth devices in the kernel (module veth)" ip link add name one type veth peer name two
    try "nftables with NAT in the kernel (modules nf_tables, nft_chain_nat, nft_masq)" \
      nft "add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade"
    try "overlayfs on $1 (choose another file system with MOORING_RUN)" \
      mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged"
    [ -z "$bad" ]' check "$RUN/check" || here=bad
  rm -rf "$RUN/check"
  [ -z "$here" ] || die "this machine cannot run the cluster; see above"
}

# --- cgroups ---

# `up` moves itself into the cluster's cgroup, and so everything it starts. With v1 one hierarchy is enough for that.
join_cgroup() {
  local tops top
  mapfile -t tops < <(cgroup_tops)
  [ ${#tops[@]} -gt 0 ] || die "no cgroup hierarchy is mounted below /sys/fs/cgroup"
  for top in "${tops[@]}"; do [[ $top == */pids/* ]] && break; done
  mkdir -p "$top/processes"
  echo $BASHPID >"$top/processes/cgroup.procs"
}

make_cgroups() {
  local tops top node
  mapfile -t tops < <(cgroup_tops)
  for top in "${tops[@]}"; do
    for node in "${NODES[@]}"; do mkdir -p "$top/$node"; done
    if [ "$(cgroup_version)" = 2 ]; then
      delegate /sys/fs/cgroup
      delegate "$top"
    elif [ -e "$top/cpuset.cpus" ]; then
      # A new cpuset has no processors and no memory, and nothing can be put into it until it has.
      for node in "" "${NODES[@]}"; do
        cat "$top/../cpuset.cpus" >"$top/$node/cpuset.cpus"
        cat "$top/../cpuset.mems" >"$top/$node/cpuset.mems"
      done
    fi
  done
}

# cgroup v2 only: a folder's controllers exist in its children when it hands them on.
delegate() {
  local controller
  local all
  read -ra all <"$1/cgroup.controllers"
  for controller in "${all[@]}"; do
    echo "+$controller" >"$1/cgroup.subtree_control" 2>/dev/null || true
  done
  for controller in cpu cpuset memory pids; do
    grep -qw "$controller" "$1/cgroup.subtree_control" || die "the cgroup controller '$controller' cannot be handed on from $1.
  If it is not in $1/cgroup.controllers, the kernel or the container's host withholds it (boot without
  cgroup_disable=, run the container with --cgroupns=private and privileged). If it is there, processes sit in
  $1/cgroup.procs, which forbids it inside a container: move them to a child first
  (mkdir $1/init; xargs -n1 < $1/cgroup.procs > $1/init/cgroup.procs)."
  done
}

# --- network ---

# The switch is in a namespace as well: so a firewall of this machine does not see the cluster's traffic, and one
# device is all that the cluster adds here.
make_network() {
  local machine
  mkdir -p "$HOLD"
  mount --bind "$HOLD" "$HOLD"
  mount --make-private "$HOLD"
  mkdir "$HOLD/net" "$HOLD/mnt"
  for machine in switch "${MACHINES[@]}"; do
    touch "$HOLD/net/$machine"
    unshare --net="$HOLD/net/$machine" true
  done
  {
    echo link add switch type bridge
    echo link set switch up
    for machine in "${MACHINES[@]}"; do
      echo link add "$machine" type veth peer name eth0 netns "$HOLD/net/$machine"
      echo link set "$machine" master switch up
    done
  } | on switch ip -batch -
  ip link add "$HOSTLINK" type veth peer name host netns "$HOLD/net/switch"
  on switch ip link set host master switch up
  ip addr add "$SUBNET.1/24" dev "$HOSTLINK"
  ip link set "$HOSTLINK" up
  for machine in "${MACHINES[@]}"; do plug_in "$machine"; done
}

# There is no default route: what a pod sends to the world ends here, at once, as unreachable. The services' range
# needs one, for a connection is routed before kube-proxy's rules turn its address into a pod's.
plug_in() {
  local i=0 node
  {
    echo link set lo up
    echo addr add "$(address "$1")/24" dev eth0
    echo link set eth0 up
    if [ "$1" != outside ]; then
      echo route add 10.96.0.0/16 dev eth0
      for node in "${NODES[@]}"; do
        i=$((i + 1))
        [ "$node" = "$1" ] || echo route add "10.244.$i.0/24" via "$(address "$node")"
      done
    fi
    [ "$1" != cp ] || echo addr add "$SUBNET.53/24" dev eth0
  } | on "$1" ip -batch -
  on "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# --- mounts ---

# A node sees this machine's programs, but a /var/lib, /var/log, /run and machine-id of its own: what two kubelets and
# containerds would fight over, and what makes two machines of one. It all goes when the namespace goes.
make_node_mounts() {
  local node=$1 dir=$RUN/$1 inside
  mkdir -p "$dir"/{lib/anchor,lib/kubelet,log,sys}
  [ -e "$dir/machine-id" ] || tr -d - </proc/sys/kernel/random/uuid >"$dir/machine-id" # a node that boots again keeps it
  echo "nameserver $SUBNET.53" >"$dir/resolv.conf"
  # The kubelet sets these for the whole machine, unless they have the values it wants: let it see those.
  echo 1 >"$dir/sys/vm.overcommit_memory"
  echo 0 >"$dir/sys/vm.panic_on_oom"
  echo 10 >"$dir/sys/kernel.panic"
  echo 1 >"$dir/sys/kernel.panic_on_oops"
  echo 1000000 >"$dir/sys/kernel.keys.root_maxkeys"
  echo 25000000 >"$dir/sys/kernel.keys.root_maxbytes"
  touch "$HOLD/mnt/$node"
  unshare --mount="$HOLD/mnt/$node" --propagation private true
  inside=
  case $RUN in /var/lib/*) inside=$dir/${RUN#/var/} ;; esac # must stay visible below the new /var/lib
  nsenter --mount="$HOLD/mnt/$node" bash -euc '
    dir=$1 run=$2 inside=$3
    if [ -n "$inside" ]; then mkdir -p "$inside"; mount --bind "$run" "$inside"; fi
    mount --rbind "$dir/lib" /var/lib
    mount --bind "$dir/log" /var/log
    mount -t tmpfs -o mode=755 run /run
    if [ ! -e /etc/machine-id ]; then cp -a /etc "$dir/etc"; touch "$dir/etc/machine-id"; mount --bind "$dir/etc" /etc; fi
    mount --bind "$dir/machine-id" /etc/machine-id
    for file in "$dir"/sys/*; do
      name=${file##*/}
      mount --bind "$file" "/proc/sys/${name//.//}"
    done
    mount --make-rshared /' mounts "$dir" "$RUN" "$inside"
}
