# shellcheck shell=bash
# What all scripts of the test cluster share: its names, its way of talking, and how it finds what it started.
# Sourced, never run.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)

CLUSTER=${MOORING_CLUSTER:-mooring}                    # several clusters can live side by side under other names,
SUBNET=${MOORING_SUBNET:-172.30.0}                     # each on a /24 of its own
CACHE=${MOORING_CACHE:-/var/cache/mooring}             # what may be kept between runs: binaries, image tars
RUN=${MOORING_RUN:-/var/lib/mooring-e2e}/$CLUSTER      # the state of the running cluster, thrown away by `down`
HOLD=/run/mooring-e2e/$CLUSTER                         # the files that keep its namespaces alive
IMAGES=${MOORING_IMAGES:-$CACHE/images}                # image tars, and images.env that names the current ones
K8S=${MOORING_K8S:-1.37.2}

NODES=(node-a node-b)
MACHINES=(cp "${NODES[@]}" outside)                    # `outside` is a machine on the network but not in the cluster
HOSTLINK=$CLUSTER-host                                 # the one network device outside of the namespaces
API=https://$SUBNET.10:6443

# A device name has at most 15 characters, and the cgroup's and the device's name are made from this one.
[[ $CLUSTER =~ ^[a-z][a-z0-9]{0,9}$ ]] || { echo "MOORING_CLUSTER must be 1 to 10 of a-z0-9, is '$CLUSTER'" >&2; exit 2; }
[[ $SUBNET =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "MOORING_SUBNET must be like 172.30.0, is '$SUBNET'" >&2; exit 2; }

T0=$EPOCHREALTIME
seconds() { awk -v a="$T0" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }
say() { printf '%6ss  %s\n' "$(seconds)" "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

address() { # of a machine
  case $1 in
    cp) echo "$SUBNET.10" ;; node-a) echo "$SUBNET.11" ;; node-b) echo "$SUBNET.12" ;; outside) echo "$SUBNET.99" ;;
    *) die "no machine is called '$1'; there are: ${MACHINES[*]}" ;;
  esac
}

# Where `build` puts the components. A changed recipe is another folder, so an old one is never taken for a new one.
bin_dir() {
  local hash
  hash=$(cat "$HERE/components/main.go" "$HERE/components/recipe" | sha256sum)
  echo "$CACHE/k8s-$K8S-${hash:0:12}/bin"
}

# Makes a folder of the cache by a recipe, which is called with the arguments and the folder: all or nothing, an
# interrupted one leaves only a .part. One recipe at a time, since compilers take all of the machine: a second one
# waits, and may find its folder done.
make_folder() { # FOLDER LOG RECIPE [ARGUMENT...]
  local folder=$1 log=$2 part=$1.part next=$((SECONDS + 30))
  shift 2
  exec 8>"$CACHE/build.lock"
  flock 8
  [ ! -d "$folder" ] || return 0
  rm -rf "$part"
  mkdir -p "$part"
  # A session of its own: interrupted, all of it can be ended, compilers as well.
  setsid bash "$@" "$part" >"$log" 2>&1 8>&- &
  local job=$!
  trap 'exit 130' INT TERM HUP
  trap 'kill -- -$job 2>/dev/null || true; rm -rf "$part"' EXIT
  while kill -0 $job 2>/dev/null; do
    sleep 1
    [ $SECONDS -ge $next ] || continue
    next=$((SECONDS + 30))
    say "  still building; done: $(find "$part" -maxdepth 1 -type f -printf '%f ')"
  done
  wait $job || { tail -20 "$log" >&2; die "the build failed; the whole story is in $log"; }
  trap - EXIT
  mv "$part" "$folder"
}

# One run at a time for each cluster. The lock outlives `down`, so it lies in the cache.
lock() {
  mkdir -p "$CACHE/locks"
  exec 9>"$CACHE/locks/$CLUSTER"
  flock -w "${1:-300}" 9 || die "another up or down of cluster '$CLUSTER' is still running"
}

# --- cgroups: every process of the cluster is below a cgroup named after it, wherever its parents went ---

cgroup_version() { if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then echo 2; else echo 1; fi; }

# The cluster's top folder in each hierarchy: one with v2, one for each controller with v1 (and there often an empty v2
# hierarchy as well, in which runc makes folders all the same).
cgroup_tops() { awk -v n="$CLUSTER" '$2 ~ "^/sys/fs/cgroup" && $3 ~ "^cgroup2?$" { print $2 "/" n }' /proc/mounts; }

# The process ids of the cluster, or of one machine of it: those in its cgroups, and those in its namespaces (a shell of
# `node exec` that a lost pid file or a cgroup of its own would hide). Both are asked of the kernel at this moment, so
# that an id that was given to another process since is never taken for ours.
members() { # [MACHINE]
  local machine=${1:-} tops=() names=() f inode
  mapfile -t tops < <(cgroup_tops)
  for f in "${tops[@]/%/${machine:+/$machine}}"; do
    [ -d "$f" ] && find "$f" -name cgroup.procs -exec cat {} + 2>/dev/null
  done | grep -vx 0 || true
  for f in "$HOLD"/net/${machine:-*} "$HOLD"/mnt/${machine:-*}; do
    [ "$(stat -f -c %T "$f" 2>/dev/null)" = nsfs ] || continue
    inode=$(stat -L -c %i "$f")
    names+=(-o -lname "net:\\[$inode\\]" -o -lname "mnt:\\[$inode\\]")
  done
  if [ ${#names[@]} -gt 0 ]; then
    find /proc/[0-9]*/ns -maxdepth 1 \( "${names[@]:1}" \) -printf '%h\n' 2>/dev/null | cut -d/ -f3 || true
  fi
}

# Kills all of them at once, so that nothing has time to start what another one lost. A process may be forking while it
# is killed: look again until there is none.
end_members() { # [MACHINE]
  local pids
  for _ in $(seq 100); do
    mapfile -t pids < <(members "$@" | sort -u | grep -vx $$)
    [ ${#pids[@]} -gt 0 ] || return 0
    kill -9 "${pids[@]}" 2>/dev/null || true
    sleep 0.1
  done
  die "these processes do not end: ${pids[*]}"
}

# Removes the cgroups of a folder, with the folder itself unless -mindepth says otherwise: a killed process leaves its
# cgroup a moment after it died.
remove_cgroups() { # FOLDER [-mindepth N]
  local folder=$1
  shift
  for _ in $(seq 50); do
    [ -d "$folder" ] || return 0
    if find "$folder" "$@" -depth -type d -exec rmdir {} + 2>/dev/null; then return 0; fi
    sleep 0.1
  done
}

# --- machines ---

# Runs a command in a machine's network namespace and, for a node, in its mount namespace. Not `ip netns exec`: that
# mounts a new /sys, which hides the cgroups.
on() {
  local INTO
  into "$1"
  shift
  "${INTO[@]}" "$@"
}

into() { # MACHINE: the words to put before a command, in INTO
  INTO=(nsenter --net="$HOLD/net/$1")
  [ ! -e "$HOLD/mnt/$1" ] || INTO+=(--mount="$HOLD/mnt/$1")
}

# Reads a path of the API server as its administrator, without the cost of a kubectl process.
api() { curl -sf --max-time 5 --cacert "$RUN/pki/ca.crt" --cert "$RUN/pki/admin.crt" --key "$RUN/pki/admin.key" "$API$1"; }

nodes_ready() {
  api /api/v1/nodes | jq -e --argjson want ${#NODES[@]} \
    '[.items[] | select(any(.status.conditions[]; .type == "Ready" and .status == "True"))] | length >= $want' >/dev/null 2>&1
}

# --- images ---

tar_of() { local name=${1##*/}; echo "$IMAGES/${name/:/_}.tar"; } # where `images` puts an image of this name
