//! The objects that the other tools apply: those of the scenario, with the adaptations that Plumbline made on this cluster,
//! so that all tools run the same image as the same user.

use anyhow::Context as _;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use serde_json::{Value, json};

/// The networks and pods as one file, without a namespace, because each tool has its own.
///
/// # Errors
/// When an adaptation names a field that cannot be set.
pub fn build_manifests(plan: &Plan, adaptations: &[Adaptation]) -> anyhow::Result<String> {
    let mut objects: Vec<Value> = plan.networks.iter().filter_map(|network| network.manifest.clone()).collect();
    for pod in &plan.pods {
        let mut manifest = pod.manifest.clone();
        let own = format!("pod/{}", pod.name);
        for adaptation in adaptations.iter().filter(|adaptation| adaptation.object == own) {
            set_field(&mut manifest, &adaptation.field, &adaptation.to)
                .with_context(|| format!("{}: set {}", adaptation.object, adaptation.field))?;
        }
        // Plumbline deletes pods with this grace period. With the default of 30 s the other tools would wait for a `sleep`
        // that ignores SIGTERM.
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

/// Sets a field such as `spec.containers[0].image`; a value that parses as a number becomes one.
fn set_field(object: &mut Value, field: &str, to: &str) -> Option<()> {
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
    use super::set_field;
    use serde_json::json;

    #[test]
    fn existing_fields_are_set_and_missing_ones_added() {
        let mut pod = json!({ "spec": { "containers": [{ "name": "a" }, { "name": "b", "image": "x" }] } });
        assert!(set_field(&mut pod, "spec.containers[1].image", "toolbox:1").is_some());
        assert!(set_field(&mut pod, "spec.securityContext.runAsUser", "65534").is_some());
        assert!(set_field(&mut pod, "spec.containers[2].image", "y").is_none());
        assert_eq!(pod["spec"]["containers"][1]["image"], "toolbox:1");
        assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 65534);
    }
}
