# shellcheck shell=bash
# The cluster's certificates and kubeconfigs. Sourced by `up`.

# One call makes a key and a certificate signed by the cluster's CA: leaf NAME SUBJECT [SUBJECT_ALT_NAMES]
leaf() {
  openssl req -x509 -config "$HERE/config/openssl.cnf" -extensions leaf -days 30 -newkey ec \
    -pkeyopt ec_paramgen_curve:P-256 -nodes -CA ca.crt -CAkey ca.key -keyout "$1.key" -out "$1.crt" -subj "$2" \
    ${3:+-addext "subjectAltName=$3"} 2>>openssl.log
}

kubeconfig() { # NAME: for the certificate of that name
  cat <<X >"$1.kubeconfig"
apiVersion: v1
kind: Config
clusters: [{name: $CLUSTER, cluster: {server: "$API", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: $CLUSTER, context: {cluster: $CLUSTER, user: $1}}]
current-context: $CLUSTER
X
}

make_pki() (
  mkdir -p "$RUN/pki"
  cd "$RUN/pki" || exit
  umask 077
  openssl req -x509 -config "$HERE/config/openssl.cnf" -extensions ca -days 30 -newkey ec \
    -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj "/CN=$CLUSTER" 2>openssl.log
  openssl ecparam -name prime256v1 -genkey -noout -out service-accounts.key
  leaf apiserver /CN=kube-apiserver "IP:$SUBNET.10,IP:10.96.0.1,IP:127.0.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  leaf admin /O=system:masters/CN=admin
  leaf controllers /CN=system:kube-controller-manager
  leaf scheduler /CN=system:kube-scheduler
  leaf proxy /CN=system:kube-proxy
  leaf dns /CN=cluster-dns
  leaf aggregator /CN=aggregator
  local node who
  for node in "${NODES[@]}"; do leaf "$node" "/O=system:nodes/CN=system:node:$node" "IP:$(address "$node"),DNS:$node"; done
  for who in admin controllers scheduler proxy dns "${NODES[@]}"; do kubeconfig "$who"; done
)
