//! The predicted state of a pod and its node while a plugin runs: the state before, and what the model has changed.

use super::expected::{Cause, Expected};
use super::result::PredictedResult;
use crate::state::{FactKey, FactKind, PodAndNode, Subject};
use std::collections::BTreeMap;

/// A predicted fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicted {
    /// What it must be.
    pub expected: Expected,
    /// Why.
    pub cause: Cause,
}

/// The state that a model works on.
pub struct World<'a> {
    before: &'a PodAndNode,
    predicted: BTreeMap<(Subject, FactKey), Predicted>,
    result: Option<PredictedResult>,
    cause: Cause,
}

impl<'a> World<'a> {
    /// The state before a plugin.
    pub fn new(before: &'a PodAndNode) -> Self {
        Self { before, predicted: BTreeMap::new(), result: None, cause: Cause::default() }
    }

    /// What follows is because of this key of the configuration.
    pub fn because(&mut self, key: impl Into<String>, reason: &'static str) {
        self.cause = Cause { key: key.into(), reason };
    }

    /// What follows is because of what made this fact: it has that key.
    pub fn because_of(&mut self, subject: Subject, fact: &FactKey, reason: &'static str) {
        let key = self.predicted.get(&(subject, fact.clone())).map(|predicted| predicted.cause.key.clone());
        self.because(key.unwrap_or_default(), reason);
    }

    /// What follows has the same key, and another reason: a consequence in the kernel. Returns the cause before.
    pub fn therefore(&mut self, reason: &'static str) -> Cause {
        let consequence = Cause { key: self.cause.key.clone(), reason };
        std::mem::replace(&mut self.cause, consequence)
    }

    /// Returns to a cause.
    pub fn return_to(&mut self, cause: Cause) {
        self.cause = cause;
    }

    /// What a fact is by now.
    pub fn expected(&self, subject: Subject, key: &FactKey) -> Expected {
        match self.predicted.get(&(subject, key.clone())) {
            Some(predicted) => predicted.expected.clone(),
            None => self.before.of(subject).get(key).map_or(Expected::Absent, Expected::value),
        }
    }

    /// The exact value of a fact; none where it does not exist or can't be known.
    pub fn text(&self, subject: Subject, key: &FactKey) -> Option<String> {
        match self.expected(subject, key) {
            Expected::Value(value) | Expected::IfAny(value) => Some(value),
            _ => None,
        }
    }

    /// The exact value of a link's attribute.
    pub fn attribute(&self, subject: Subject, link: &str, attribute: &str) -> Option<String> {
        self.text(subject, &FactKey::link(link, attribute))
    }

    /// Whether a link exists.
    pub fn has_link(&self, subject: Subject, link: &str) -> bool {
        self.expected(subject, &FactKey::link(link, "kind")) != Expected::Absent
    }

    /// Whether a link is up.
    pub fn is_up(&self, subject: Subject, link: &str) -> bool {
        self.attribute(subject, link, "up").as_deref() == Some("on")
    }

    /// Sets a fact.
    pub fn set(&mut self, subject: Subject, key: FactKey, expected: Expected) {
        let cause = self.cause.clone();
        self.predicted.insert((subject, key), Predicted { expected, cause });
    }

    /// Sets a fact to a value.
    pub fn set_value(&mut self, subject: Subject, key: FactKey, value: impl Into<String>) {
        self.set(subject, key, Expected::Value(value.into()));
    }

    /// Sets an attribute of a link.
    pub fn set_attribute(&mut self, subject: Subject, link: &str, attribute: &str, value: impl Into<String>) {
        self.set_value(subject, FactKey::link(link, attribute), value);
    }

    /// Removes a fact.
    pub fn remove(&mut self, subject: Subject, key: FactKey) {
        self.set(subject, key, Expected::Absent);
    }

    /// The keys of one kind that belong to a link, and exist by now.
    pub fn keys_of_link(&self, subject: Subject, kind: FactKind, link: &str) -> Vec<FactKey> {
        let before = self.before.of(subject).of_link(kind, link).map(|(key, _)| key.clone());
        let mut keys: Vec<FactKey> = before.collect();
        let added = self.predicted.keys().filter(|(of, key)| *of == subject && key.kind == kind && key.link == link);
        keys.extend(added.map(|(_, key)| key.clone()));
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.expected(subject, key) != Expected::Absent);
        keys
    }

    /// The keys of one kind, of all links, that exist by now.
    pub fn keys_of_kind(&self, subject: Subject, kind: FactKind) -> Vec<FactKey> {
        let before = self.before.of(subject).iter().map(|(key, _)| key).filter(|key| key.kind == kind).cloned();
        let mut keys: Vec<FactKey> = before.collect();
        let added = self.predicted.keys().filter(|(of, key)| *of == subject && key.kind == kind);
        keys.extend(added.map(|(_, key)| key.clone()));
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.expected(subject, key) != Expected::Absent);
        keys
    }

    /// The names of the links that exist by now.
    pub fn links(&self, subject: Subject) -> Vec<String> {
        let keys = self.keys_of_kind(subject, FactKind::Link);
        keys.into_iter().filter(|key| key.item == "kind").map(|key| key.link).collect()
    }

    /// Says what the plugin reports.
    pub fn report(&mut self, result: PredictedResult) {
        self.result = Some(result);
    }

    /// The predicted facts, whether they differ from the state before or not, and the predicted result; none where the model
    /// does not say.
    pub fn into_predicted(self) -> (BTreeMap<(Subject, FactKey), Predicted>, Option<PredictedResult>) {
        (self.predicted, self.result)
    }
}
