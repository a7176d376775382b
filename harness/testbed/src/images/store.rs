//! [`Images`]: recipes, pins and lock of a checkout, and their build results.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::items::{StepRef, TreeItem};
use super::lock::{BuildRecord, Lock};
use super::pins::{Arch, Pins};
use super::progress::{Progress, Silent};
use super::recipe::{ImageRecipe, Recipe, RecipeStep, Step};
use crate::build_error::{BuildError, Context as _, Result};
use crate::cache::Cache;
use crate::engine::Engine;
use crate::error::{AtStage as _, TestbedError};

/// The recipe of the programs that run on the host and in the agent's namespaces.
pub const TOOLS: &str = "tools";
/// The recipe of the vm lane's guest.
const GUEST: &str = "vm";

/// The images and tools of a checkout. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    pub(super) inner: Arc<Inner>,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) update: bool,
}

/// The shared data of all clones.
pub(super) struct Inner {
    root: PathBuf,
    pub cache: Cache,
    pub pins: Pins,
    pub lock: Lock,
    recipes: Vec<Recipe>,
    pub arch: Arch,
    /// Records of the used results, for `--update-lock`.
    pub used: Mutex<Vec<BuildRecord>>,
}

impl Images {
    /// Reads the recipes, pins and lock below `root/images`, where `root` is the top of the checkout. Builds nothing.
    ///
    /// # Errors
    /// When a file can't be parsed (with file, line and column), or refers to a missing pin or step.
    pub fn open(root: &Path, cache: Cache) -> Result<Self, TestbedError> {
        Self::read(root, cache).at_stage("read images/")
    }

    fn read(root: &Path, cache: Cache) -> Result<Self> {
        let root = std::path::absolute(root).with_context(|| format!("bad path {}", root.display()))?;
        let folder = root.join("images");
        let mut recipes = Vec::new();
        for entry in std::fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
            let path = entry?.path();
            if path.join("recipe.yaml").is_file() {
                recipes.push(Recipe::read(&path)?);
            }
        }
        recipes.sort_by(|a, b| (a.metadata.rank, &a.metadata.name).cmp(&(b.metadata.rank, &b.metadata.name)));
        let pins = Pins::read(&folder.join("pins.yaml"))?;
        let lock = Lock::read(&folder.join("lock.yaml"))?;
        let inner = Inner { root, cache, pins, lock, recipes, arch: Arch::host()?, used: Mutex::default() };
        let images = Self { inner: Arc::new(inner), progress: Arc::new(Silent), update: false };
        images.check()?;
        Ok(images)
    }

    /// Sets the receiver of progress.
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Accepts modules that the lock file does not have, so that [`Images::update_lock`] can write them there.
    pub fn updating_lock(mut self) -> Self {
        self.update = true;
        self
    }

    /// The path of a program of the `tools` recipe, such as `kind`. A missing program is built.
    ///
    /// # Errors
    /// When there is no such tool, or its build fails.
    pub async fn tool(&self, name: &str) -> Result<PathBuf, TestbedError> {
        self.program(TOOLS, name).await
    }

    /// The path of a program of any recipe, such as `kubectl` of `node`. A missing program is built.
    ///
    /// # Errors
    /// When there is no such recipe or program, or its build fails.
    pub async fn program(&self, recipe: &str, name: &str) -> Result<PathBuf, TestbedError> {
        let build = async { Ok::<_, BuildError>(self.build_step(self.program_step(recipe, name)?).await?.join(name)) };
        build.await.at_stage(&format!("build {name}"))
    }

    /// Whether a program of a recipe is built already.
    ///
    /// # Errors
    /// When there is no such recipe or program.
    pub fn has_program(&self, recipe: &str, name: &str) -> Result<bool, TestbedError> {
        let key = self.program_step(recipe, name).and_then(|placed| self.step_key(placed, self.inner.arch));
        Ok(self.inner.cache.get(&key.at_stage(&format!("look for {name}"))?).is_some())
    }

    /// The folder with all CNI plugins: the pinned ones and this project's own. A missing folder is built.
    ///
    /// # Errors
    /// When a build fails.
    pub async fn plugins_dir(&self) -> Result<PathBuf, TestbedError> {
        self.step_folder(TOOLS, "cni").await.at_stage("build the CNI plugins")
    }

    /// The static agent. Its key covers its sources, so a change rebuilds it.
    ///
    /// # Errors
    /// When its build fails.
    pub async fn agent(&self) -> Result<PathBuf, TestbedError> {
        self.tool("plumbline-agent").await
    }

    /// The OCI runtime that removes capabilities which the host lacks.
    ///
    /// # Errors
    /// When its build fails.
    pub async fn runtime(&self) -> Result<PathBuf, TestbedError> {
        self.tool("plumbline-runtime").await
    }

    /// The folder with the boot files of the vm lane's guest, with the names of [`super::guest`]. A missing folder is built.
    ///
    /// # Errors
    /// When a build fails.
    pub async fn guest(&self) -> Result<PathBuf, TestbedError> {
        self.step_folder(GUEST, "guest").await.at_stage("build the virtual machine's system")
    }

    /// The folder of a step of a recipe, such as `chart` of `terway`. A missing folder is built.
    ///
    /// # Errors
    /// When there is no such recipe or step, or its build fails.
    pub async fn folder(&self, recipe: &str, step: &str) -> Result<PathBuf, TestbedError> {
        self.step_folder(recipe, step).await.at_stage(&format!("build {recipe}/{step}"))
    }

    /// The archive of an image, in the format of `docker load`. A missing archive is built.
    ///
    /// # Errors
    /// When there is no such image, or its build fails.
    pub async fn archive(&self, name: &str) -> Result<PathBuf, TestbedError> {
        self.image_archive(name).await.at_stage(&format!("build image {name}"))
    }

    /// Makes sure that the engine has the image, and returns its reference, such as
    /// `plumbline.local/node:v1.35.4-0123456789ab`. A missing image is loaded from the cache, or built first.
    ///
    /// # Errors
    /// When there is no such image, its build fails, or the engine refuses it.
    pub async fn ensure_image(&self, engine: &Engine, name: &str) -> Result<String, TestbedError> {
        let reference = self.reference(name)?;
        if engine.image(&reference).await?.is_some() {
            return Ok(reference);
        }
        let archive = self.archive(name).await?;
        let (what, start) = (format!("load image {name} into the engine"), std::time::Instant::now());
        self.progress.step(&what);
        engine.load_images(&archive).await?;
        self.progress.done(&what, start.elapsed());
        Ok(reference)
    }

    /// The reference of the image, which depends on its content. The image may not exist yet.
    ///
    /// # Errors
    /// When there is no such image, or a source is missing.
    pub fn reference(&self, name: &str) -> Result<String, TestbedError> {
        let reference = || {
            let (recipe, image) = self.image(name)?;
            self.image_reference(recipe, image)
        };
        reference().at_stage(&format!("name image {name}"))
    }

    pub(super) fn image_reference(&self, recipe: &Recipe, image: &ImageRecipe) -> Result<String> {
        let key = self.image_key(recipe, image, self.inner.arch)?;
        Ok(format!("{}:{}-{}", image.repository, self.inner.pins.fill(&image.tag)?, key.short()))
    }

    /// Builds the named recipes, tools and images, or all of them by rank without names.
    ///
    /// # Errors
    /// When a name is unknown or a build fails.
    pub async fn build(&self, names: &[String]) -> Result<(), TestbedError> {
        self.build_recipes(names).await.at_stage("build images")
    }

    /// Writes the resolved versions of the builds so far into the checkout's `images/lock.yaml`. Returns whether it changed.
    ///
    /// # Errors
    /// When there is no checkout, or it cannot be written.
    pub fn update_lock(&self) -> Result<bool, TestbedError> {
        let mut lock = self.inner.lock.clone();
        lock.take(self.inner.arch, &self.inner.used.lock().unwrap_or_else(PoisonError::into_inner));
        if lock == self.inner.lock {
            return Ok(false);
        }
        if !self.inner.root.join("Cargo.lock").is_file() {
            let cause = format!("{} is no checkout", self.inner.root.display());
            return Err(TestbedError::new("write the lock file", cause).with_hint("run it in a checkout of Plumbline"));
        }
        lock.write(&self.inner.root.join("images/lock.yaml")).at_stage("write the lock file")?;
        Ok(true)
    }

    /// The recipes, by rank.
    pub fn recipes(&self) -> &[Recipe] {
        &self.inner.recipes
    }

    fn program_step(&self, recipe: &str, name: &str) -> Result<RecipeStep<'_>> {
        let recipe = self.recipe(recipe)?;
        let makes = |step: &&Step| match step {
            Step::Go(go) => go.programs().any(|program| program == name),
            Step::Cargo(cargo) => cargo.rename.as_ref().unwrap_or(&cargo.program) == name,
            Step::Debian(_) | Step::Folder(_) | Step::Guest(_) => false,
        };
        let step = recipe.steps.iter().find(makes);
        let step = step.with_context(|| {
            format!("no step of images/{}/recipe.yaml makes a program `{name}`", recipe.metadata.name)
        })?;
        Ok(RecipeStep { recipe, step })
    }

    async fn step_folder(&self, recipe: &str, id: &str) -> Result<PathBuf> {
        let recipe = self.recipe(recipe)?;
        self.build_step(RecipeStep { recipe, step: recipe.step(id)? }).await
    }

    /// Checks that every reference in every recipe has a target, so that a typo is found before a build of minutes.
    fn check(&self) -> Result<()> {
        for recipe in self.recipes() {
            self.check_recipe(recipe).with_context(|| format!("images/{}/recipe.yaml", recipe.metadata.name))?;
        }
        Ok(())
    }

    fn check_recipe(&self, recipe: &Recipe) -> Result<()> {
        let needs = recipe
            .steps
            .iter()
            .flat_map(Step::dependencies)
            .chain(recipe.image.iter().flat_map(ImageRecipe::dependencies));
        for need in needs {
            self.placed(need, &recipe.metadata.name)?;
        }
        for step in &recipe.steps {
            match step {
                Step::Go(go) => self.inner.pins.go(&go.pin, self.inner.arch).map(|_| ())?,
                Step::Debian(debian) => self.inner.pins.debian(&debian.pin, self.inner.arch).map(|_| ())?,
                Step::Cargo(_) | Step::Folder(_) | Step::Guest(_) => {}
            }
        }
        for module in recipe.image.iter().flat_map(ImageRecipe::items).filter_map(TreeItem::module) {
            self.inner.pins.go(module, self.inner.arch)?;
        }
        Ok(())
    }

    pub(super) fn placed<'a>(&'a self, step: &StepRef, here: &str) -> Result<RecipeStep<'a>> {
        let (recipe, id) = step.resolve(here);
        let recipe = self.recipe(recipe)?;
        Ok(RecipeStep { recipe, step: recipe.step(id)? })
    }

    pub(super) fn recipe(&self, name: &str) -> Result<&Recipe> {
        let found = self.inner.recipes.iter().find(|recipe| recipe.metadata.name == name);
        found.with_context(|| format!("there is no images/{name}/recipe.yaml"))
    }

    pub(super) fn image(&self, name: &str) -> Result<(&Recipe, &ImageRecipe)> {
        let recipe = self.recipe(name)?;
        let image =
            recipe.image.as_ref().with_context(|| format!("images/{name}/recipe.yaml makes tools, no image"))?;
        Ok((recipe, image))
    }

    /// The workspace of the crates that `cargo` steps build: the checkout; or, for a program outside a checkout, the sources that
    /// the program was compiled from.
    pub(super) fn workspace(&self) -> Result<&Path> {
        let compiled_from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let found = [&*self.inner.root, compiled_from].into_iter().find(|folder| folder.join("Cargo.lock").is_file());
        let gone = || {
            let cause = format!("{}, the source of this program, no longer exists", compiled_from.display());
            let error = TestbedError::new("find the sources of agent and plugins", cause);
            error.with_hint("set PLUMBLINE_ROOT to a checkout of Plumbline")
        };
        Ok(found.ok_or_else(gone)?)
    }
}
