#!/usr/bin/env bash
# The seed scenario on a cluster by kubectl in its usual waiting form: apply, wait, exec, assert, delete and wait. The
# rival of the kind lane.
#
#   KUBECONFIG=... rival/kind.sh KUBECTL OBJECTS POD NAMESPACE...
#
# KUBECTL is the program, OBJECTS a file with the networks and the pod, POD the pod's name. Each NAMESPACE is a scenario
# of its own, one after another. Prints "verdict NAMESPACE" when its checks are through. Exit code 0: all checks held and
# all is gone.
set -euo pipefail

kubectl=$1 objects=$2 pod=$3
shift 3
here=$(dirname "$0")
# Whatever happens, nothing stays; what is gone already is no matter.
trap '"$kubectl" delete namespace "$@" --ignore-not-found --wait=false >/dev/null' EXIT

for namespace; do
  "$kubectl" create namespace "$namespace" >/dev/null
  # A pod that comes before its service account is refused.
  "$kubectl" -n "$namespace" wait --for=create serviceaccount/default --timeout=60s >/dev/null
  "$kubectl" -n "$namespace" apply -f "$objects" >/dev/null
  "$kubectl" -n "$namespace" wait --for=condition=Ready "pod/$pod" --timeout=120s >/dev/null
  "$here/check.sh" "$kubectl" "$namespace" "$pod"
  echo "verdict $namespace"
  "$kubectl" delete namespace "$namespace" --wait --timeout=120s >/dev/null
done
