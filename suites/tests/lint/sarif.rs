//! SARIF against its published schema, of which the sources of the crate `serde-sarif` have the text. The repository has no
//! copy: OASIS lets others copy the document, but not change it.

use super::{CLEAN, WARNS, lint, suites};
use anyhow::Context as _;
use jsonschema::Validator;
use plumbline::root;
use plumbline_testbed::exec::Cmd;
use serde_json::Value;

/// The report with everything that a report can have, as text. Its first lines are those of the test library.
const GOLDEN: &str = "harness/report/tests/lint/snapshots/lint__sarif.snap";

/// A validator of the published schema.
async fn validator() -> anyhow::Result<Validator> {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host];
    let metadata = Cmd::new("cargo").args(arguments).dir(root::find()?).run_ok().await?;
    let metadata: Value = serde_json::from_str(&metadata.stdout)?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == "serde-sarif").context("serde-sarif is no dependency")?;
    let manifest = package["manifest_path"].as_str().context("a package has a manifest")?;
    let schema = std::fs::read_to_string(manifest.replace("Cargo.toml", "src/schema.json"))?;
    // A bracket of a pattern, which stands for itself, must be escaped for the validator.
    let schema = serde_json::from_str(&schema.replace("{2}]?$", r"{2}\\]?$"))?;
    Ok(jsonschema::options().should_validate_formats(true).build(&schema)?)
}

fn errors(validator: &Validator, log: &Value) -> Vec<String> {
    validator.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[tokio::test]
async fn sarif_is_what_the_published_schema_wants() -> anyhow::Result<()> {
    let validator = validator().await?;
    let golden = std::fs::read_to_string(root::find()?.join(GOLDEN))?;
    let (_, golden) = golden.split_once("\n---\n").context("a golden file has a head")?;
    let mut full: Value = serde_json::from_str(golden)?;
    assert_eq!(errors(&validator, &full), Vec::<String>::new());
    for (path, stdin) in [("first", ""), ("-", CLEAN), ("-", WARNS), ("-", "kind: ["), ("-", "kind: Service")] {
        let done = lint(&suites().join("lint"), &[path, "--output", "sarif"], stdin.as_bytes()).await?;
        let log = serde_json::from_str(&done.stdout).with_context(|| done.stderr.clone())?;
        assert_eq!(errors(&validator, &log), Vec::<String>::new(), "{path} {stdin}");
    }
    // The schema refuses what is no SARIF, so it was not lost on the way here.
    full["runs"][0]["results"][0]["level"] = "failure".into();
    assert!(!validator.is_valid(&full));
    Ok(())
}
