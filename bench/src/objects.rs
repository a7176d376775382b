//! What a rival applies: the scenario's own objects with the adaptations that Plumbline made on this cluster, so that all
//! run the same image as the same user.

use anyhow::Context as _;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use serde_json::{Value, json};

/// The networks and pods as one file, without namespaces: the rival's own holds them.
///
/// # Errors
/// When an adaptation names a field that can't be set.
pub fn file(plan: &Plan, adaptations: &[Adaptation]) -> anyhow::Result<String> {
    let mut objects: Vec<Value> = plan.networks.iter().filter_map(|network| network.manifest.clone()).collect();
    for pod in &plan.pods {
        let mut manifest = pod.manifest.clone();
        let own = format!("pod/{}", pod.name);
        for adaptation in adaptations.iter().filter(|adaptation| adaptation.object == own) {
            set(&mut manifest, &adaptation.field, &adaptation.to)
                .with_context(|| format!("{}: can't set {}", adaptation.object, adaptation.field))?;
        }
        // Plumbline deletes pods with this; with the usual 30 s the rivals would wait for a `sleep` that hears nothing.
        manifest["spec"]["terminationGracePeriodSeconds"] = json!(1);
        objects.push(manifest);
    }
    let mut text = String::new();
    for object in &mut objects {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        text.push_str(&format!("---\n{object}\n"));
    }
    Ok(text)
}

/// Sets a field such as `spec.containers[0].image`; a value that reads as a number is one.
fn set(object: &mut Value, field: &str, to: &str) -> Option<()> {
    let mut at = object;
    for part in field.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(']')?.parse::<usize>().ok()?)),
            None => (part, None),
        };
        if at.is_null() {
            *at = json!({});
        }
        at = at.as_object_mut()?.entry(name).or_insert(Value::Null);
        if let Some(index) = index {
            at = at.get_mut(index)?;
        }
    }
    *at = to.parse::<i64>().map_or_else(|_| json!(to), |number| json!(number));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::set;
    use serde_json::json;

    #[test]
    fn fields_are_set_where_they_are_and_made_where_they_are_not() {
        let mut pod = json!({ "spec": { "containers": [{ "name": "a" }, { "name": "b", "image": "x" }] } });
        assert!(set(&mut pod, "spec.containers[1].image", "toolbox:1").is_some());
        assert!(set(&mut pod, "spec.securityContext.runAsUser", "65534").is_some());
        assert!(set(&mut pod, "spec.containers[2].image", "y").is_none());
        assert_eq!(pod["spec"]["containers"][1]["image"], "toolbox:1");
        assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 65534);
    }
}
