//! The content of the cache, compared with the lock file: for `plumbline images list` and `verify`.

use super::lock::BuildRecord;
use super::recipe::{RecipeStep, Step};
use super::store::Images;
use crate::build_error::Result;
use crate::error::{AtStage as _, TestbedError};

/// A step or an image, with its state.
#[derive(Debug, Clone)]
pub struct BuildStatus {
    /// `recipe/step`, or the recipe's name for its image.
    pub name: String,
    /// `go`, `cargo`, `debian`, `folder`, `guest` or `image`.
    pub kind: &'static str,
    /// Pinned version, suite, or the image's reference.
    pub version: String,
    /// The first 12 digits of its key.
    pub key: String,
    /// Its state.
    pub state: BuildState,
    /// The differences from the lock, one line each.
    pub remarks: Vec<String>,
}

/// The state of a step or an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildState {
    /// In the cache.
    Built,
    /// Not in the cache; the next use builds it.
    Missing,
    /// In the cache, but the lock file refuses it.
    Refused,
}

impl Images {
    /// All parts, recipes by rank. Nothing is built.
    ///
    /// # Errors
    /// When a source is missing or a record is damaged.
    pub fn list(&self) -> Result<Vec<BuildStatus>, TestbedError> {
        let mut parts = Vec::new();
        for recipe in self.recipes() {
            for step in &recipe.steps {
                parts.push(self.survey_step(RecipeStep { recipe, step }).at_stage("list images")?);
            }
            if let Some(image) = &recipe.image {
                let survey = || -> Result<BuildStatus> {
                    let key = self.image_key(recipe, image, self.inner.arch)?;
                    let state =
                        if self.inner.cache.get(&key).is_some() { BuildState::Built } else { BuildState::Missing };
                    let version = self.image_reference(recipe, image)?;
                    Ok(BuildStatus {
                        name: recipe.metadata.name.clone(),
                        kind: "image",
                        version,
                        key: key.short().into(),
                        state,
                        remarks: vec![],
                    })
                };
                parts.push(survey().at_stage("list images")?);
            }
        }
        Ok(parts)
    }

    /// As [`Images::list`], with an error if the lock file refuses anything in the cache, or a pin is not locked.
    ///
    /// # Errors
    /// With every refusal in one text.
    pub fn verify(&self) -> Result<Vec<BuildStatus>, TestbedError> {
        let parts = self.list()?;
        let refused = parts.iter().filter(|part| part.state == BuildState::Refused);
        let mut wrong: Vec<String> =
            refused.flat_map(|part| part.remarks.iter().map(|remark| format!("{}: {remark}", part.name))).collect();
        for pin in self.inner.pins.go.values() {
            if self.inner.lock.sum(&pin.module, &pin.version).is_none() {
                wrong.push(format!(
                    "{} {} is pinned but not locked; run: plumbline images build --update-lock",
                    pin.module, pin.version
                ));
            }
        }
        if wrong.is_empty() { Ok(parts) } else { Err(TestbedError::new("verify images", wrong.join("; "))) }
    }

    fn survey_step(&self, placed: RecipeStep<'_>) -> Result<BuildStatus> {
        let key = self.step_key(placed, self.inner.arch)?;
        let (kind, version) = match placed.step {
            Step::Go(step) => ("go", self.inner.pins.go(&step.pin, self.inner.arch)?.version.clone()),
            Step::Cargo(_) => ("cargo", String::new()),
            Step::Debian(step) => ("debian", self.inner.pins.debian(&step.pin, self.inner.arch)?.suite.clone()),
            Step::Folder(_) => ("folder", String::new()),
            Step::Guest(_) => ("guest", String::new()),
        };
        let (mut state, mut remarks) = (BuildState::Missing, vec![]);
        if let Some(path) = self.inner.cache.get(&key) {
            state = BuildState::Built;
            let record = BuildRecord::read(&path)?;
            if let Err(error) = self.inner.lock.check_modules(&record.modules) {
                state = BuildState::Refused;
                remarks.push(error.to_string());
            }
            if matches!(placed.step, Step::Debian(_)) {
                remarks.extend(self.inner.lock.moved_packages(self.inner.arch, &placed.name(), &record.packages));
            }
        }
        Ok(BuildStatus { name: placed.name(), kind, version, key: key.short().into(), state, remarks })
    }
}
