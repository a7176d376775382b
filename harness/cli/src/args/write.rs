//! The command line of the commands that write files for users: `new`, `schema`, `completions`, `man`.

use super::{Words, one_of};
use clap::Args;
use clap_complete::Shell;
use plumbline::schema::{self, FileSchema};
use std::path::PathBuf;

/// `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Files with NetworkAttachmentDefinitions, or with pods and workloads; or folders with such files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write to OUT, which must not exist yet. Without it, to standard output.
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

const SCHEMAS: Words<&FileSchema> = &[
    (schema::SCENARIO.name, schema::SCENARIO.about, &schema::SCENARIO),
    (schema::PROFILE.name, schema::PROFILE.about, &schema::PROFILE),
    (schema::TEMPLATE.name, schema::TEMPLATE.about, &schema::TEMPLATE),
];

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The kind of file.
    #[arg(value_name = "KIND", value_parser = one_of(SCHEMAS))]
    pub kind: &'static FileSchema,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for a page of each command. Without it, the main page is printed.
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
