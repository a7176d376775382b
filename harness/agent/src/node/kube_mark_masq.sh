# kube-proxy's mark for packets to be masqueraded, and their masquerade, as its iptables mode lays them in both families
# (k8s.io/kubernetes 1.35, pkg/proxy/iptables/proxier.go, syncProxyRules).
set -e
for tables in iptables ip6tables; do
  nat="$tables -w 5 -t nat"
  $nat -N KUBE-MARK-MASQ
  $nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
  $nat -N KUBE-POSTROUTING
  $nat -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
  $nat -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
  $nat -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
  $nat -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
done
