//! The order of the agent's modules is that of the list in the library's docs.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn each_module_uses_only_modules_above_it_in_the_list() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = documented_order(&fs::read_to_string(src.join("lib.rs")).unwrap());
    let position = |module: &str| order.iter().position(|one| one == module);
    let mut files = Vec::new();
    collect_files(&src, &mut files);
    for file in files {
        let path = file.strip_prefix(&src).unwrap();
        let module = path.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let own = position(module).unwrap_or_else(|| panic!("{module} is missing in the list"));
        for used in used_modules(&fs::read_to_string(&file).unwrap()) {
            let used_position = position(&used).unwrap_or_else(|| panic!("{}: crate::{used}", path.display()));
            assert!(used_position <= own, "{} uses {used}, which is below {module} in the list", path.display());
        }
    }
}

/// The names in the numbered list, in order.
fn documented_order(text: &str) -> Vec<String> {
    let items = text.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(". "));
    let numbered = items.filter(|(number, _)| number.parse::<usize>().is_ok());
    numbered.filter_map(|(_, item)| item.split('`').nth(1).map(str::to_owned)).collect()
}

/// The names behind `crate::`, outside comments.
fn used_modules(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let rests = code.flat_map(|line| line.split("crate::").skip(1));
    rests.map(|rest| rest.chars().take_while(|each| each.is_ascii_alphanumeric() || *each == '_').collect()).collect()
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
