//! The JSON types of a networks annotation. Multus decodes the whole annotation at once: one value of a wrong type, and it
//! refuses the pod.

use crate::finding::{Finding, FindingCode};
use crate::keys::{KeyTable, Object};
use crate::rules::typed_values::{Mismatch, MismatchKind, check_object};
use serde_json::Value;

/// A finding for each value of a wrong type, and each unknown key in an object of an element, with its path such as
/// `0/portMappings/0/hostPort`. Unknown keys of an element itself are left to the rules of pods.
pub(super) fn check(text: &str) -> Vec<(String, Finding)> {
    let (Ok(Value::Array(elements)), Some(keys)) =
        (serde_json::from_str(text), KeyTable::embedded().object(Object::NetworkSelection))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        let Value::Object(element) = element else { continue };
        for mismatch in check_object(keys, &[], element) {
            let path = format!("{index}/{}", mismatch.place);
            found.extend(describe(mismatch).map(|finding| (path, finding)));
        }
    }
    found
}

fn describe(mismatch: Mismatch) -> Option<Finding> {
    let Mismatch { place, key, kind } = mismatch;
    match kind {
        MismatchKind::WrongType(value, wanted) => {
            let finding = Finding::new(FindingCode::PL609, format!("`{key}` is {value}; Multus wants {wanted}"));
            Some(finding.notes(["Multus refuses the pod"]))
        }
        MismatchKind::Unknown(known) => {
            let parent = place.split('/').next().filter(|parent| *parent != key)?;
            let message = format!("Multus has no key `{key}` in `{parent}`: it is ignored");
            let near = crate::suggestion::suggest(&key, known.iter().copied());
            let list = format!("Multus reads: {}", known.join(", "));
            Some(Finding::new(FindingCode::PL602, message).notes(near).notes([list]))
        }
    }
}
