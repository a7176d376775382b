//! The key table is what the plugins' sources give. Needs go, and the modules that `images/keys/sources.txt` names: in
//! the module cache, or from the Go module proxy.

use plumbline_testbed::exec::Cmd;
use std::path::Path;
use std::time::Duration;

#[tokio::test]
async fn the_table_is_what_the_sources_give() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/keys");
    let check = Cmd::new("go").args(["run", ".", "-check"]).dir(folder).env("CGO_ENABLED", "0");
    let check = check.env("GOFLAGS", "-buildvcs=false").deadline(Duration::from_secs(280)).run().await?;
    anyhow::ensure!(check.ok(), "{}\n{}", check.line(), check.stderr);
    Ok(())
}
