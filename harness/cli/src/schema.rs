//! The JSON Schemas of Plumbline's own files: what `plumbline schema` prints, and what `schemas/` has.

use crate::registry::PROVIDERS;
use plumbline_cluster::profile::profile_schema;
use plumbline_core::scenario::{scenario_schema, template_schema};
use serde_json::Value;

/// The schema of one kind of file.
#[derive(Debug)]
pub struct FileSchema {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it describes, for `--help`.
    pub about: &'static str,
    /// Its file, below the project's folder.
    pub file: &'static str,
    make: fn() -> Value,
}

/// All of them.
pub const SCHEMAS: [FileSchema; 3] = [SCENARIO, PROFILE, TEMPLATE];

/// A scenario file.
pub const SCENARIO: FileSchema =
    FileSchema { name: "scenario", about: "A scenario file", file: "schemas/scenario.json", make: scenario_schema };
/// A cluster profile.
pub const PROFILE: FileSchema = FileSchema {
    name: "profile",
    about: "A cluster profile, clusters/NAME/profile.yaml",
    file: "schemas/profile.json",
    make: profile,
};
/// A template.
pub const TEMPLATE: FileSchema = FileSchema {
    name: "template",
    about: "The head of a template",
    file: "schemas/template.json",
    make: template_schema,
};

fn profile() -> Value {
    profile_schema(PROVIDERS.iter().map(|provider| (provider.name(), provider.settings_schema())))
}

impl FileSchema {
    /// The schema.
    pub fn value(&self) -> Value {
        (self.make)()
    }

    /// The schema as text.
    ///
    /// # Errors
    /// Never for these types.
    pub fn text(&self) -> serde_json::Result<String> {
        Ok(format!("{}\n", serde_json::to_string_pretty(&self.value())?))
    }
}
