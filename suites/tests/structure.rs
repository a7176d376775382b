//! Checks the structure of the code: crates depend downwards, files of a crate form no circles, and the modules of a crate keep
//! the order of the numbered list in its documentation: each uses only those before it.
//!
//! An edge leads from one file to another where the first has a `use` of an item that the second defines, or names such
//! an item by a path from `crate` or `super`; re-exports are resolved. Declarations of modules are no edges, nor are
//! re-exports of a module's own children. Tests inside a file are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// What each crate of `harness` may depend on, the highest crate first.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("plumbline", &["report", "lanes", "terway", "cluster", "kube", "testbed", "core"]),
    ("plumbline-report", &["core"]),
    ("plumbline-lanes", &["cluster", "kube", "testbed", "core"]),
    ("plumbline-terway", &["cluster", "kube", "testbed", "core"]),
    ("plumbline-cluster", &["kube", "testbed", "core"]),
    ("plumbline-kube", &["testbed", "core"]),
    ("plumbline-testbed", &["core"]),
    ("plumbline-agent", &["netlink", "core"]),
    ("plumbline-netlink", &[]),
    ("plumbline-core", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of the crates in `harness`.
fn crates() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("harness")).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").is_file());
    folders.sort();
    folders
}

fn read_name(folder: &Path) -> &str {
    folder.file_name().unwrap().to_str().unwrap()
}

#[test]
fn crates_depend_downwards() {
    for folder in crates() {
        let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let package = manifest["package"]["name"].as_str().unwrap();
        let (_, allowed) = MAY_DEPEND_ON
            .iter()
            .find(|(name, _)| *name == package)
            .unwrap_or_else(|| panic!("{package} is not in the table of crates"));
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for name in dependencies.keys().filter_map(|name| name.strip_prefix("plumbline-")) {
            assert!(allowed.contains(&name), "{package} depends on plumbline-{name}; it may depend on {allowed:?}");
        }
    }
}

#[test]
fn no_circle_spans_more_than_two_files() {
    let mut problems = Vec::new();
    for folder in crates() {
        problems.extend(Crate::read(&folder).find_circles());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn modules_keep_the_stated_order() {
    let mut problems = Vec::new();
    for folder in crates() {
        let this = Crate::read(&folder);
        match this.read_stated_order() {
            Some(order) => problems.extend(this.find_order_violations(&order)),
            None => problems.push(format!("{}: no order is stated", this.name)),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The source files of one crate.
struct Crate {
    name: String,
    /// By module path. `main.rs` has the path `main`, beside `lib.rs`.
    files: BTreeMap<Vec<String>, File>,
}

/// One source file.
struct File {
    /// From the crate's folder on.
    path: String,
    text: String,
    /// Names of the items that it defines.
    items: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths that its code names, as written.
    paths: Vec<Vec<String>>,
}

/// One leaf of a `use`.
#[derive(Clone)]
struct Import {
    /// The name in this file. None for a glob.
    name: Option<String>,
    /// From the crate's root on.
    target: Vec<String>,
    is_public: bool,
}

impl Crate {
    fn read(folder: &Path) -> Self {
        let mut sources = Vec::new();
        list_sources(&folder.join("src"), &mut sources);
        let modules: BTreeMap<Vec<String>, PathBuf> =
            sources.into_iter().map(|path| (find_module(&folder.join("src"), &path), path)).collect();
        let name = read_name(folder).to_owned();
        let library = if name == "cli" { "plumbline".to_owned() } else { format!("plumbline_{name}") };
        let read = |(module, path): (&Vec<String>, &PathBuf)| {
            let text = std::fs::read_to_string(path).unwrap();
            let code = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let mut file = File {
                path: path.strip_prefix(folder).unwrap().display().to_string(),
                text,
                items: BTreeSet::new(),
                imports: Vec::new(),
                paths: Vec::new(),
            };
            let mut uses = Vec::new();
            read_items(&code.items, &mut file, &mut uses);
            for (tree, is_public) in uses {
                read_use(&tree, &mut Vec::new(), &mut |path, name| {
                    if let Some(target) = resolve_absolute(&path, module, &library, &modules) {
                        file.imports.push(Import { name, target, is_public });
                    }
                });
            }
            (module.clone(), file)
        };
        Self { name, files: modules.iter().map(read).collect() }
    }

    /// The file that defines the item of a path from the root, and whether the path is the module itself.
    fn resolve(&self, path: &[String], depth: usize) -> Option<(&Vec<String>, bool)> {
        if depth > 16 {
            return None;
        }
        let known = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, file) = self.files.get_key_value(&path[..known])?;
        let Some((name, rest)) = path[known..].split_first() else { return Some((module, true)) };
        if file.items.contains(name) {
            return Some((module, false));
        }
        let further = |import: &Import| import.target.iter().chain(rest).cloned().collect::<Vec<_>>();
        let named = file.imports.iter().find(|import| import.name.as_ref() == Some(name));
        if let Some(import) = named {
            return self.resolve(&further(import), depth + 1);
        }
        let globs = file.imports.iter().filter(|import| import.name.is_none());
        globs.into_iter().find_map(|glob| {
            let target: Vec<String> = glob.target.iter().chain([name]).chain(rest).cloned().collect();
            self.resolve(&target, depth + 1)
        })
    }

    /// The modules whose items a file uses.
    fn edges(&self, module: &Vec<String>) -> BTreeSet<&Vec<String>> {
        let file = &self.files[module];
        let mut edges = BTreeSet::new();
        for import in &file.imports {
            if import.is_public && import.target.starts_with(module) {
                continue;
            }
            let Some((target, is_module)) = self.resolve(&import.target, 0) else { continue };
            let uses = file.paths.iter().filter(|path| path.len() > 1 && Some(&path[0]) == import.name.as_ref());
            let through: Vec<Vec<String>> =
                uses.map(|path| import.target.iter().chain(&path[1..]).cloned().collect()).collect();
            if is_module && !through.is_empty() {
                edges.extend(through.iter().filter_map(|path| self.resolve(path, 0)).map(|(target, _)| target));
            } else {
                edges.insert(target);
            }
        }
        // A single word is a visibility such as `pub(super)`, not a use of an item.
        let named = file.paths.iter().filter(|path| path.len() > 1);
        let from_root = named.filter(|path| matches!(path[0].as_str(), "crate" | "super"));
        for path in from_root.filter_map(|path| resolve_absolute(path, module, "", &BTreeMap::new())) {
            edges.extend(self.resolve(&path, 0).map(|(target, _)| target));
        }
        edges.remove(module);
        edges
    }

    /// Each circle of more than two files, as text.
    fn find_circles(&self) -> Vec<String> {
        let edges: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> =
            self.files.keys().map(|module| (module, self.edges(module))).collect();
        let reached = |from: &Vec<String>| {
            let mut reached: BTreeSet<&Vec<String>> = BTreeSet::new();
            let mut open: Vec<&Vec<String>> = edges[from].iter().copied().collect();
            while let Some(module) = open.pop() {
                if reached.insert(module) {
                    open.extend(&edges[module]);
                }
            }
            reached
        };
        let all: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> =
            self.files.keys().map(|module| (module, reached(module))).collect();
        let mut circles: BTreeSet<Vec<&Vec<String>>> = BTreeSet::new();
        for (module, reached) in &all {
            circles.insert(reached.iter().copied().filter(|other| all[other].contains(module)).collect());
        }
        let large = circles.into_iter().filter(|circle| circle.len() > 2);
        large
            .map(|circle| {
                let mut text = format!("{}: a circle of {} files", self.name, circle.len());
                for module in &circle {
                    let targets = edges[module].iter().filter(|target| circle.contains(target));
                    let targets: Vec<&str> = targets.map(|target| self.files[*target].path.as_str()).collect();
                    text.push_str(&format!("\n  {} -> {}", self.files[*module].path, targets.join(", ")));
                }
                text
            })
            .collect()
    }

    /// The order in the documentation of the crate: a numbered list, with each module's name in backticks.
    fn read_stated_order(&self) -> Option<Vec<String>> {
        let root = ["src/lib.rs", "src/main.rs"];
        let file = root.iter().find_map(|root| self.files.values().find(|file| file.path == *root))?;
        let items = file.text.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(". "));
        let numbered = items.filter(|(number, _)| number.parse::<usize>().is_ok());
        let order: Vec<String> = numbered.filter_map(|(_, item)| item.split('`').nth(1).map(str::to_owned)).collect();
        (!order.is_empty()).then_some(order)
    }

    /// Uses of a later module by an earlier one.
    fn find_order_violations(&self, order: &[String]) -> Vec<String> {
        let place = |module: &Vec<String>| order.iter().position(|name| Some(name) == module.first());
        let mut problems = Vec::new();
        let roots = [Vec::new(), vec!["main".to_owned()]];
        for (module, file) in self.files.iter().filter(|(module, _)| !roots.contains(module)) {
            let Some(own) = place(module) else {
                problems.push(format!("{}: {} is not in the stated order", self.name, file.path));
                continue;
            };
            for target in self.edges(module).into_iter().filter(|target| place(target).is_some_and(|at| at > own)) {
                problems.push(format!("{}: {} uses {}, a later module", self.name, file.path, self.files[target].path));
            }
        }
        problems
    }
}

fn list_sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The module of a file: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`, `src/lib.rs` is the root.
fn find_module(source: &Path, path: &Path) -> Vec<String> {
    let inner = path.strip_prefix(source).unwrap().with_extension("");
    let mut module: Vec<String> = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

/// A path from the crate's root on. None for a path into another crate.
fn resolve_absolute(
    path: &[String],
    module: &[String],
    library: &str,
    modules: &BTreeMap<Vec<String>, PathBuf>,
) -> Option<Vec<String>> {
    // Modules of main.rs are siblings of those of lib.rs.
    let module = if module == ["main"] { &[] } else { module };
    let (first, rest) = path.split_first()?;
    let mut base = module.to_vec();
    match first.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop();
            let ups = rest.iter().take_while(|part| *part == "super").count();
            base.truncate(base.len().saturating_sub(ups));
            base.extend(rest[ups..].iter().cloned());
            return Some(base);
        }
        name if name == library => base.clear(),
        name => {
            base.push(name.to_owned());
            modules.get(&base)?;
        }
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// Reads the items of a file or of a module inside it.
fn read_items(items: &[syn::Item], file: &mut File, uses: &mut Vec<(syn::UseTree, bool)>) {
    for item in items {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if attributes.iter().any(is_for_tests) {
            continue;
        }
        let name = match item {
            syn::Item::Use(item) => {
                uses.push((item.tree.clone(), !matches!(item.vis, syn::Visibility::Inherited)));
                continue;
            }
            syn::Item::Mod(item) => {
                if let Some((_, items)) = &item.content {
                    read_items(items, file, uses);
                    file.items.insert(item.ident.to_string());
                }
                continue;
            }
            syn::Item::Const(item) => Some(&item.ident),
            syn::Item::Enum(item) => Some(&item.ident),
            syn::Item::Fn(item) => Some(&item.sig.ident),
            syn::Item::Macro(item) => {
                // A macro may define items with names from its call.
                let mut names = Names::default();
                names.visit_macro(&item.mac);
                file.items.extend(names.idents);
                item.ident.as_ref()
            }
            syn::Item::Static(item) => Some(&item.ident),
            syn::Item::Struct(item) => Some(&item.ident),
            syn::Item::Trait(item) => Some(&item.ident),
            syn::Item::Type(item) => Some(&item.ident),
            syn::Item::Union(item) => Some(&item.ident),
            _ => None,
        };
        file.items.extend(name.map(ToString::to_string));
        let mut names = Names::default();
        names.visit_item(item);
        file.paths.extend(names.paths);
    }
}

/// Whether an attribute is `#[cfg(test)]` or `#[test]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("test")
        || attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
}

/// Gives each leaf of a `use` to `found`: its path, and its name here (none for a glob).
fn read_use(tree: &syn::UseTree, path: &mut Vec<String>, found: &mut impl FnMut(Vec<String>, Option<String>)) {
    match tree {
        syn::UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            read_use(&tree.tree, path, found);
            path.pop();
        }
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| read_use(tree, path, found)),
        syn::UseTree::Glob(_) => found(path.clone(), None),
        syn::UseTree::Name(name) if name.ident == "self" => found(path.clone(), path.last().cloned()),
        syn::UseTree::Name(name) => {
            let full = path.iter().cloned().chain([name.ident.to_string()]).collect();
            found(full, Some(name.ident.to_string()));
        }
        syn::UseTree::Rename(rename) => {
            let mut full = path.clone();
            if rename.ident != "self" {
                full.push(rename.ident.to_string());
            }
            found(full, Some(rename.rename.to_string()));
        }
    }
}

/// Collects the paths in code, those in the arguments of macros too.
#[derive(Default)]
struct Names {
    paths: Vec<Vec<String>>,
    idents: BTreeSet<String>,
}

impl Names {
    fn read_tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.paths.extend((path.len() > 1).then(|| path.clone()));
                        path.clear();
                    }
                    self.idents.insert(ident.to_string());
                    path.push(ident.to_string());
                    colons = 0;
                }
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.paths.extend((path.len() > 1).then(|| path.clone()));
                    path.clear();
                    colons = 0;
                    if let proc_macro2::TokenTree::Group(group) = other {
                        self.read_tokens(group.stream());
                    }
                }
            }
        }
        self.paths.extend((path.len() > 1).then_some(path));
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.read_tokens(call.tokens.clone());
        self.visit_path(&call.path);
    }
}
