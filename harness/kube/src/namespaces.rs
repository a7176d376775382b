//! Own namespaces: they replace the written namespaces in the objects and in the annotations of pods that name a network
//! with its namespace.

use crate::objects::pod_template;
use serde_json::Value;
use std::collections::BTreeMap;

/// The annotation with which a pod requests networks (de-facto standard, section 4.1).
pub const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
/// The annotation with which a pod requests another default network (Multus' own).
pub const DEFAULT_NETWORK: &str = "v1.multus-cni.io/default-network";

/// Maps a written namespace to the one in force. The empty name means "none written".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces(BTreeMap<String, String>);

impl Namespaces {
    /// One own namespace for each of `written`, with its name and `suffix`. Objects without a namespace get the first one.
    /// If `written` is empty, the name comes from `fallback`.
    pub fn own<'a>(written: impl IntoIterator<Item = &'a str>, fallback: &str, suffix: &str) -> Self {
        let own = |name: &str| format!("{}-{suffix}", shorten(name, 62 - suffix.len()));
        Self::renamed(written, own(fallback), own)
    }

    /// The written namespaces, unchanged. Objects without a namespace get the first written one, else `default`.
    pub fn verbatim<'a>(written: impl IntoIterator<Item = &'a str>) -> Self {
        Self::renamed(written, "default".to_owned(), str::to_owned)
    }

    /// Gives each namespace its name in force. Objects without a namespace get the first one, or `fallback` if there is none.
    fn renamed<'a>(
        written: impl IntoIterator<Item = &'a str>,
        fallback: String,
        rename: impl Fn(&str) -> String,
    ) -> Self {
        let named: Vec<_> = written.into_iter().map(|name| (name.to_owned(), rename(name))).collect();
        let first = named.first().map_or(fallback, |(_, name)| name.clone());
        Self(named.into_iter().chain([(String::new(), first)]).collect())
    }

    /// The namespace in force for a written one. A namespace that is not the scenario's own stays unchanged.
    pub fn of<'a>(&'a self, written: Option<&'a str>) -> &'a str {
        let written = written.unwrap_or_default();
        self.0.get(written).map_or(written, String::as_str)
    }

    /// The written namespace for one in force; the empty name if no object has a written namespace.
    pub fn written<'a>(&'a self, in_force: &'a str) -> &'a str {
        let mut all = self.0.iter().filter(|(_, to)| *to == in_force).map(|(from, _)| from.as_str());
        let any = all.next();
        // The map is sorted, so the empty name is first, and the second name is a written one.
        all.next().or(any).unwrap_or(in_force)
    }

    /// Every namespace in force, each once.
    pub fn in_force(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.0.values().map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Sets the namespace in force in an object and in the annotations of its pods.
    pub fn place(&self, object: &mut Value, written: Option<&str>) {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), Value::String(self.of(written).to_owned()));
        }
        let Some((template, _)) = pod_template(object) else { return };
        for name in [NETWORKS, DEFAULT_NETWORK] {
            let path = ["metadata", "annotations", name];
            let found = path.iter().try_fold(&mut *template, |at, key| at.get_mut(*key));
            if let Some(Value::String(text)) = found {
                *text = self.rewrite_annotation(text);
            }
        }
    }

    /// A network annotation with the namespaces in force. It is exactly the written text if it names none of them.
    pub fn rewrite_annotation(&self, text: &str) -> String {
        // Like Multus (pkg/k8sclient: parsePodNetworkAnnotation): an annotation with one of these characters is JSON.
        if text.contains(['[', '{', '"']) {
            return self.rewrite_json(text).unwrap_or_else(|| text.to_owned());
        }
        let items = text.split(',').map(|item| match item.trim().split_once('/') {
            Some((namespace, rest)) => format!("{}/{rest}", self.of(Some(namespace.trim()))),
            None => item.trim().to_owned(),
        });
        if text.contains('/') { items.collect::<Vec<_>>().join(",") } else { text.to_owned() }
    }

    fn rewrite_json(&self, text: &str) -> Option<String> {
        let mut value: Value = serde_json::from_str(text).ok()?;
        let mut changed = false;
        for item in value.as_array_mut()? {
            if let Some(Value::String(namespace)) = item.get_mut("namespace")
                && !namespace.is_empty()
                && self.of(Some(namespace)) != namespace
            {
                *namespace = self.of(Some(namespace)).to_owned();
                changed = true;
            }
        }
        changed.then(|| value.to_string())
    }
}

/// A name with at most `most` characters, only with characters that a namespace may have and without a trailing dash.
fn shorten(name: &str, most: usize) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(most.min(40))
        .collect();
    clean.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_and_annotations_get_the_same_namespace() {
        let own = Namespaces::own(["chain-example"], "x", "ab12");
        let mut pod = json!({ "metadata": { "namespace": "chain-example", "annotations": {
            NETWORKS: "chain-example/management-net@eth1, other/net , plain" } } });
        own.place(&mut pod, Some("chain-example"));
        assert_eq!(pod["metadata"]["namespace"], "chain-example-ab12");
        assert_eq!(pod["metadata"]["annotations"][NETWORKS], "chain-example-ab12/management-net@eth1,other/net,plain");
        assert_eq!(own.written("chain-example-ab12"), "chain-example");
        assert_eq!(own.of(None), "chain-example-ab12");
    }

    #[test]
    fn a_json_annotation_without_own_namespaces_keeps_its_text() {
        let own = Namespaces::own(["a"], "x", "1");
        let text = "[ {\"name\": \"n\"} ]";
        assert_eq!(own.rewrite_annotation(text), text);
        assert_eq!(own.rewrite_annotation(r#"[{"name":"n","namespace":"a"}]"#), r#"[{"name":"n","namespace":"a-1"}]"#);
    }

    #[test]
    fn own_names_are_valid_namespace_names() {
        let own = Namespaces::own([], "openshift/chain-example", "7f3a-1");
        assert_eq!(own.in_force(), ["openshift-chain-example-7f3a-1"]);
        assert_eq!(Namespaces::verbatim([]).in_force(), ["default"]);
        let long = "x".repeat(80);
        assert!(Namespaces::own([long.as_str()], "", "7f3a-1").in_force()[0].len() <= 63);
    }
}
