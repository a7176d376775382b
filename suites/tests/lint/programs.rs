//! Releases that programs of plugins state in their build information.

use super::{code, lint};
use std::path::Path;

/// A NAD with a key that macvlan reads since 1.6.0.
const NEW_KEY: &str = r#"{ "cniVersion": "1.0.0", "name": "lan", "plugins": [
  { "type": "macvlan", "master": "eth1", "bcqueuelen": 5, "ipam": { "type": "host-local", "subnet": "192.0.2.0/24" } } ] }"#;

/// A file with the build information that Go 1.18 and later write, and no code: a program that nothing can start.
fn write_program(folder: &Path, name: &str, release: &str) -> anyhow::Result<()> {
    let module = "github.com/containernetworking/plugins";
    let lines = format!("path\t{module}/plugins/main/{name}\nmod\t{module}\t{release}\t\n");
    let string = |text: &[u8]| {
        let length = [(text.len() & 0x7f) as u8 | 0x80, (text.len() >> 7) as u8];
        [&length[..], text].concat()
    };
    let head = [b"\xff Go buildinf:\x08\x02".as_slice(), &[0; 16]].concat();
    let modules = [[1; 16].as_slice(), lines.as_bytes(), &[2; 16]].concat();
    std::fs::write(folder.join(name), [head, string(b"go1.26"), string(&modules)].concat())?;
    Ok(())
}

#[tokio::test]
async fn the_release_of_a_program_decides_which_keys_there_are() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    for (release, finds, assumed) in
        [("v1.4.0", true, "macvlan 1.4.0"), ("v1.6.2", false, "macvlan 1.6.2"), ("(devel)", false, "macvlan 1.9.1: ")]
    {
        write_program(dir.path(), "macvlan", release)?;
        let done = lint(dir.path(), &["-", "--cni-path", "."], NEW_KEY.as_bytes()).await?;
        assert_eq!(code(&done), Some(0), "{}", done.stderr);
        assert_eq!(done.stdout.contains("bcqueuelen"), finds, "{release}: {}", done.stdout);
        assert!(done.stdout.contains(assumed), "{release}: {}", done.stdout);
    }
    // What the user says counts more than the program.
    let options = ["-", "--cni-path", ".", "--plugin-version", "macvlan=v1.4.0"];
    let done = lint(dir.path(), &options, NEW_KEY.as_bytes()).await?;
    assert!(done.stdout.contains("bcqueuelen"), "{}", done.stdout);
    let refused = lint(dir.path(), &["-", "--cni-path", "nowhere"], NEW_KEY.as_bytes()).await?;
    assert_eq!(code(&refused), Some(2), "{}", refused.stdout);
    Ok(())
}
