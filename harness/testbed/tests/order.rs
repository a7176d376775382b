//! The modules use only those before them, in the order that the crate's docs state.

use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn modules_use_only_those_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = std::fs::read_to_string(src.join("lib.rs")).unwrap();
    let stated = lib
        .lines()
        .skip_while(|line| !line.contains("Order of the modules"))
        .take_while(|line| line.starts_with("//!"));
    let stated = stated.collect::<String>();
    let order: Vec<&str> = stated.split('`').skip(1).step_by(2).collect();
    let declared = lib.lines().filter_map(|line| line.strip_suffix(';')?.split_once("mod ").map(|(_, name)| name));
    for name in declared {
        assert!(order.contains(&name), "the docs of lib.rs state no place for {name}");
    }
    let place = |name: &str| order.iter().position(|known| *known == name);
    for file in sources(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for used in code.split("crate::").skip(1) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(used == module || place(used) < place(module), "{} uses {used}", inside.display());
        }
    }
}
