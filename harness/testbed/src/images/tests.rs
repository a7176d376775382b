//! Tests of recipes, pins, lock and keys together, with a small checkout for each test; and of the recipes of this repository.

use std::fs;
use std::path::Path;

use super::recipe::RecipeStep;
use super::*;
use crate::cache::{Cache, Claim};

const PINS: &str = "apiVersion: plumbline.dev/v1alpha1\nkind: Pins\ngo:\n  kind: { module: example.org/kind, version: v0.1.0, arch: [amd64, arm64] }\n\
    debian:\n  bookworm: { suite: bookworm, arch: [amd64, arm64] }\n";
const TOOLS: &str = "apiVersion: plumbline.dev/v1alpha1\nkind: ImageRecipe\nmetadata:\n  name: tools\n  summary: s\n  rank: 1\nsteps:\n  \
    - go: { id: kind, pin: kind, packages: [example.org/kind], variables: { example.org/kind.V: \"{{ versions.kind }}\" } }\n  \
    - cargo: { id: agent, package: agent, program: agent, sources: [agent] }\n  \
    - folder: { id: all, items: [ { programs: { from: kind, to: / } }, { files: { path: etc, to: /etc, mode: \"0644\" } } ] }\n";

/// A checkout with one recipe.
struct Checkout {
    dir: tempfile::TempDir,
}

impl Checkout {
    fn new() -> Self {
        let checkout = Self { dir: tempfile::tempdir().unwrap() };
        checkout.write("images/pins.yaml", PINS);
        checkout.write("images/tools/recipe.yaml", TOOLS);
        checkout.write("images/tools/etc/conf", "a");
        checkout.write("agent/src/main.rs", "fn main() {}");
        checkout.write("Cargo.toml", "[workspace]\n");
        checkout.write("Cargo.lock", "version = 4\n");
        checkout
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn open(&self) -> Result<Images, crate::error::TestbedError> {
        Images::open(self.dir.path(), Cache::open_at(&self.dir.path().join("cache")).unwrap())
    }

    fn refusal(&self) -> String {
        self.open().err().expect("refused").to_string()
    }

    /// The keys of the steps kind, agent and all.
    fn keys(&self) -> [String; 3] {
        let parts = self.open().unwrap().list().unwrap();
        parts.into_iter().map(|part| part.key).collect::<Vec<_>>().try_into().unwrap()
    }
}

/// Whether a change changes each of the three keys.
fn moved(change: impl FnOnce(&Checkout)) -> [bool; 3] {
    let checkout = Checkout::new();
    let before = checkout.keys();
    assert_eq!(before, checkout.keys(), "keys are stable without a change");
    change(&checkout);
    let after = checkout.keys();
    std::array::from_fn(|index| before[index] != after[index])
}

#[test]
fn an_unknown_field_is_refused_with_file_line_and_name() {
    let checkout = Checkout::new();
    checkout.write("images/tools/recipe.yaml", &TOOLS.replace("program: agent,", "program: agent, strip: true,"));
    let text = checkout.refusal();
    assert!(text.contains("images/tools/recipe.yaml") && text.contains("strip") && text.contains("line 9"), "{text}");
    checkout.write("images/tools/recipe.yaml", &TOOLS.replace("path: etc,", "path: etc, owner: root,"));
    let text = checkout.refusal();
    assert!(text.contains("owner") && text.contains("line 10"), "{text}");
}

#[test]
fn an_unknown_kind_of_step_is_refused() {
    let checkout = Checkout::new();
    checkout.write("images/tools/recipe.yaml", &TOOLS.replace("- cargo:", "- make:"));
    let text = checkout.refusal();
    assert!(text.contains("images/tools/recipe.yaml") && text.contains("make") && text.contains("line 9"), "{text}");
}

#[test]
fn references_without_a_target_are_refused_before_anything_is_built() {
    let checkout = Checkout::new();
    for (from, to, word) in [
        ("from: kind,", "from: kinds,", "no step `kinds`"),
        ("from: kind,", "from: node/kind,", "no images/node/recipe.yaml"),
        ("pin: kind,", "pin: kindle,", "no Go module `kindle`"),
        ("id: agent,", "id: kind,", "two steps have the id `kind`"),
        ("name: tools", "name: tool", "found `tool`"),
    ] {
        checkout.write("images/tools/recipe.yaml", &TOOLS.replace(from, to));
        let text = checkout.refusal();
        assert!(text.contains(word) && text.contains("images/tools/recipe.yaml"), "{to}: {text}");
    }
}

#[test]
fn a_version_must_be_exact() {
    let checkout = Checkout::new();
    for version in ["latest", "v1", "v1.2", "0.1.0", "v1.x.0"] {
        checkout.write("images/pins.yaml", &PINS.replace("v0.1.0", version));
        let text = checkout.refusal();
        assert!(text.contains("go.kind") && text.contains("is not an exact version"), "{version}: {text}");
    }
}

#[test]
fn a_key_covers_exactly_the_inputs_of_its_step() {
    assert_eq!(moved(|checkout| checkout.write("agent/src/main.rs", "fn main() { }")), [false, true, false]);
    assert_eq!(moved(|checkout| checkout.write("images/tools/etc/conf", "b")), [false, false, true]);
    assert_eq!(moved(|checkout| checkout.write("images/tools/README.md", "text")), [false, false, false]);
    let pin = |checkout: &Checkout| checkout.write("images/pins.yaml", &PINS.replace("v0.1.0", "v0.2.0"));
    assert_eq!(moved(pin), [true, false, true], "what is made of the pin, and what is made of that");
    let recipe = |checkout: &Checkout| checkout.write("images/tools/recipe.yaml", &TOOLS.replace("0644", "0600"));
    assert_eq!(moved(recipe), [false, false, true]);
}

/// Stores a result in the cache like a build, with the given hash of its module.
async fn store_result(checkout: &Checkout, images: &Images, sum: &str) {
    let (recipe, cache) = (&images.recipes()[0], Cache::open_at(&checkout.dir.path().join("cache")).unwrap());
    let key = images.step_key(RecipeStep { recipe, step: &recipe.steps[0] }, Arch::host().unwrap()).unwrap();
    cache.remove(&key).unwrap();
    let Claim::Build(work) = cache.claim(&key).await.unwrap() else { panic!("it is there already") };
    fs::write(work.folder().join("kind"), "a program").unwrap();
    let module = Module { module: "example.org/kind".into(), version: "v0.1.0".into(), sum: sum.into() };
    BuildRecord { what: "tools/kind".into(), modules: vec![module], ..BuildRecord::default() }
        .write(work.folder())
        .unwrap();
    work.keep().unwrap();
}

#[tokio::test]
async fn an_entry_that_the_lock_refuses_is_not_used_from_the_cache() {
    let checkout = Checkout::new();
    let lock = "apiVersion: plumbline.dev/v1alpha1\nkind: Lock\nmodules:\n- { module: example.org/kind, version: v0.1.0, sum: \"h1:good\" }\npackages: {}\n";
    checkout.write("images/lock.yaml", lock);
    let images = checkout.open().unwrap();

    store_result(&checkout, &images, "h1:good").await;
    assert!(images.tool("kind").await.unwrap().is_file());
    assert_eq!(images.verify().unwrap()[0].state, BuildState::Built);

    store_result(&checkout, &images, "h1:evil").await;
    let text = images.tool("kind").await.unwrap_err().to_string();
    assert!(text.contains("example.org/kind v0.1.0 has h1:evil, locked is h1:good"), "{text}");
    assert_eq!(images.list().unwrap()[0].state, BuildState::Refused);
    assert!(images.verify().unwrap_err().to_string().contains("h1:evil"));
    let updating = checkout.open().unwrap().updating_lock();
    updating.tool("kind").await.unwrap();
    assert!(updating.update_lock().unwrap());
    checkout.open().unwrap().tool("kind").await.unwrap();
}

#[test]
fn a_pin_that_is_not_locked_fails_the_verification() {
    let text = Checkout::new().open().unwrap().verify().unwrap_err().to_string();
    assert!(text.contains("example.org/kind v0.1.0 is pinned but not locked"), "{text}");
}

#[tokio::test]
async fn an_unknown_tool_or_image_is_refused_with_its_name() {
    let images = Checkout::new().open().unwrap();
    assert!(images.tool("helm").await.unwrap_err().to_string().contains("`helm`"));
    assert!(images.reference("node").unwrap_err().to_string().contains("images/node/recipe.yaml"));
    assert!(images.reference("tools").unwrap_err().to_string().contains("makes tools, no image"));
}

#[test]
fn the_recipes_of_this_repository_are_valid_and_every_pin_is_locked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dir = tempfile::tempdir().unwrap();
    let images = Images::open(&root, Cache::open_at(dir.path()).unwrap()).unwrap();
    images.verify().unwrap();
    let names: Vec<_> = images.recipes().iter().map(|recipe| recipe.metadata.name.as_str()).collect();
    assert_eq!(
        names,
        ["tools", "toolbox", "multus", "multus-thick", "node", "terway", "vm", "rivals"],
        "the step that is needed first is built first"
    );
    let Step::Go(plugins) = images.recipe("tools").unwrap().step("plugins").unwrap() else { panic!("not a Go step") };
    let programs: Vec<_> = plugins.programs().collect();
    assert_eq!(programs.len(), 18, "every plugin of the release");
    for reference in ["node", "toolbox", "multus", "multus-thick", "terway"].map(|name| images.reference(name).unwrap())
    {
        assert!(reference.starts_with("plumbline.local/"), "{reference}");
    }
}

#[test]
fn programs_have_the_names_that_users_know() {
    let go = |package: &str, rename: &[(&str, &str)]| GoStep {
        id: "x".into(),
        pin: "x".into(),
        packages: vec![package.into()],
        variables: Default::default(),
        tags: vec![],
        rename: rename.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect(),
    };
    assert_eq!(go("sigs.k8s.io/kind", &[]).programs().collect::<Vec<_>>(), ["kind"]);
    assert_eq!(go("go.etcd.io/etcd/server/v3", &[("server", "etcd")]).programs().collect::<Vec<_>>(), ["etcd"]);
    assert_eq!(
        go("example.org/cmd/passthru-cni", &[("passthru-cni", "passthru")]).programs().collect::<Vec<_>>(),
        ["passthru"]
    );
}
