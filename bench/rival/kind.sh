#!/usr/bin/env bash
# The seed scenario on a cluster by kubectl: apply, wait, exec, check, delete and wait.
#
#   KUBECONFIG=... rival/kind.sh KUBECTL OBJECTS POD NAMESPACE...
#
# KUBECTL is the program, OBJECTS a file with the networks and the pod, POD the pod's name. Each NAMESPACE is one scenario;
# they run in sequence. Prints "verdict NAMESPACE" after the checks of each. Exit code 0: all checks passed and everything
# is deleted.
set -euo pipefail

kubectl=$1 objects=$2 pod=$3
shift 3
here=$(dirname "$0")
# Deletes the namespaces also after an error.
trap '"$kubectl" delete namespace "$@" --ignore-not-found --wait=false >/dev/null' EXIT

for namespace; do
  "$kubectl" create namespace "$namespace" >/dev/null
  # A pod is refused before its service account exists.
  "$kubectl" -n "$namespace" wait --for=create serviceaccount/default --timeout=60s >/dev/null
  "$kubectl" -n "$namespace" apply -f "$objects" >/dev/null
  "$kubectl" -n "$namespace" wait --for=condition=Ready "pod/$pod" --timeout=120s >/dev/null
  "$here/check.sh" "$kubectl" "$namespace" "$pod"
  echo "verdict $namespace"
  "$kubectl" delete namespace "$namespace" --wait --timeout=120s >/dev/null
done
