//! Builds steps and images into the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _};

use super::items::{StepRef, TreeItem};
use super::lock::BuildRecord;
use super::progress::Progress;
use super::recipe::{ImageRecipe, LayerRecipe, Recipe, RecipeStep, Step};
use super::store::Images;
use super::tree::TreeSources;
use super::{archive, cargo, debian, gomod, guest, preload};
use crate::build_error::{Context as _, Result, refuse};
use crate::cache::{Claim, Key};

/// The image's archive in its cache entry.
const ARCHIVE: &str = "image.tar";
/// The number of concurrent builds: while one step waits for the network or links, the other compiles.
const SIDE_BY_SIDE: usize = 2;

/// The product in an entry of the cache.
#[derive(Clone, Copy)]
enum Product<'a> {
    Step(RecipeStep<'a>),
    Image(&'a Recipe, &'a ImageRecipe),
}

impl Product<'_> {
    fn name(&self) -> String {
        match self {
            Self::Step(placed) => placed.name(),
            Self::Image(recipe, _) => format!("image {}", recipe.metadata.name),
        }
    }
}

impl Images {
    /// Builds a step and its dependencies, and returns its folder in the cache.
    pub(super) fn build_step<'a>(
        &'a self,
        placed: RecipeStep<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<PathBuf>> + Send + 'a>> {
        Box::pin(async move {
            let key = self.step_key(placed, self.inner.arch)?;
            self.build_entry(&key, Product::Step(placed)).await.with_context(|| placed.name())
        })
    }

    /// Builds the image of a recipe and returns its archive.
    pub(super) async fn image_archive(&self, name: &str) -> Result<PathBuf> {
        let (recipe, image) = self.image(name)?;
        let key = self.image_key(recipe, image, self.inner.arch)?;
        if self.inner.cache.get(&key).is_none() {
            let needs: Result<Vec<_>> = image.dependencies().into_iter().map(|need| self.placed(need, name)).collect();
            self.build_steps(&needs?).await?;
        }
        Ok(self.build_entry(&key, Product::Image(recipe, image)).await?.join(ARCHIVE))
    }

    /// Builds recipes by rank; without names it builds all.
    pub(super) async fn build_recipes(&self, names: &[String]) -> Result<()> {
        for name in names {
            self.recipe(name)?;
        }
        let wanted = |recipe: &&Recipe| {
            let metadata = &recipe.metadata;
            if names.is_empty() { !metadata.on_demand } else { names.contains(&metadata.name) }
        };
        let mut steps: Vec<RecipeStep<'_>> = Vec::new();
        for recipe in self.recipes().iter().filter(wanted) {
            let own = recipe.steps.iter().map(|step| Ok(RecipeStep { recipe, step }));
            let used = recipe
                .image
                .iter()
                .flat_map(ImageRecipe::dependencies)
                .map(|need| self.placed(need, &recipe.metadata.name));
            for placed in own.chain(used) {
                let placed = placed?;
                if !steps.iter().any(|known| known.name() == placed.name()) {
                    steps.push(placed);
                }
            }
        }
        self.build_steps(&steps).await?;
        for recipe in self.recipes().iter().filter(wanted).filter(|recipe| recipe.image.is_some()) {
            self.image_archive(&recipe.metadata.name).await?;
        }
        Ok(())
    }

    /// Builds steps in their order, two at a time. Root file systems mostly wait for the network and the disk, so they are built
    /// concurrently with them.
    async fn build_steps(&self, steps: &[RecipeStep<'_>]) -> Result<()> {
        let (roots, others): (Vec<RecipeStep<'_>>, Vec<RecipeStep<'_>>) =
            steps.iter().partition(|placed| matches!(placed.step, Step::Debian(_)));
        tokio::try_join!(self.build_some(others, SIDE_BY_SIDE), self.build_some(roots, 1)).map(|_| ())
    }

    async fn build_some(&self, steps: Vec<RecipeStep<'_>>, side_by_side: usize) -> Result<()> {
        // Collected first, because the closure of a lazy iterator would make the future non-`Send` for the compiler.
        let builds: Vec<_> = steps.into_iter().map(|placed| self.build_step(placed)).collect();
        futures::stream::iter(builds).buffered(side_by_side).try_for_each(|_| async { Ok(()) }).await
    }

    /// The entry of a key. A missing entry is built, and an existing one is checked against the lock file too.
    async fn build_entry(&self, key: &Key, product: Product<'_>) -> Result<PathBuf> {
        let (progress, what) = (&self.progress, product.name());
        if self.inner.cache.is_being_built(key) {
            progress.step(&format!("{what}: waiting for another process that builds it"));
        }
        let path = match self.inner.cache.claim(key).await? {
            Claim::There(path) => path,
            Claim::Build(work) => {
                let start = Instant::now();
                let made = match product {
                    Product::Step(placed) => self.make_step(placed, work.folder()).await,
                    Product::Image(recipe, image) => self.make_image(recipe, image, work.folder()).await,
                };
                made.and_then(|record| record.write(work.folder())).map_err(|error| work.explain(error))?;
                progress.done(&what, start.elapsed());
                let path = work.keep()?;
                // A failure here is no failure of this build.
                let _ = self.inner.cache.prune();
                path
            }
        };
        let record = BuildRecord::read(&path)?;
        if !self.update {
            self.inner.lock.check_modules(&record.modules)?;
        }
        self.inner.used.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        Ok(path)
    }

    async fn make_step(&self, placed: RecipeStep<'_>, folder: &Path) -> Result<BuildRecord> {
        let name = placed.name();
        let mut record = BuildRecord { what: name.clone(), ..BuildRecord::default() };
        match placed.step {
            Step::Go(step) => {
                let pin = self.inner.pins.go(&step.pin, self.inner.arch)?;
                self.progress.step(&format!("{name}: build from {} {}", pin.module, pin.version));
                let fill = |(name, value): (&String, &String)| Ok((name.clone(), self.inner.pins.fill(value)?));
                let variables = step.variables.iter().map(fill).collect::<Result<_>>()?;
                let (lock, update, arch) = (&self.inner.lock, self.update, self.inner.arch);
                let job = gomod::GoBuild { step, pin, lock, update, arch, variables };
                record.modules = job.build(folder, note_lines(&self.progress, &name)).await?;
                record.version.clone_from(&pin.version);
                record.tool = read_tool_version("go", "version").await?;
            }
            Step::Cargo(step) => {
                self.progress.step(&format!("{name}: build {} (static)", step.package));
                let job = cargo::CargoBuild {
                    step,
                    arch: self.inner.arch,
                    root: self.workspace()?,
                    cache: &self.inner.cache,
                };
                job.build(folder, note_lines(&self.progress, &name)).await?;
                record.tool = read_tool_version("rustc", "--version").await?;
            }
            Step::Debian(step) => {
                let pin = self.inner.pins.debian(&step.pin, self.inner.arch)?;
                self.progress.step(&format!(
                    "{name}: {} packages and what they need, from Debian {}",
                    step.packages.len(),
                    pin.suite
                ));
                let job = debian::DebianBuild { step, pin, arch: self.inner.arch };
                record.packages = job.build(folder, note_lines(&self.progress, &name)).await?;
                record.version.clone_from(&pin.suite);
                for line in self.inner.lock.moved_packages(self.inner.arch, &name, &record.packages) {
                    self.progress.warn(&line);
                }
            }
            Step::Folder(step) => {
                let sources = self.tree_sources(placed.recipe, placed.step.dependencies(), &step.items).await?;
                sources.lay_out(&step.items, folder).await?;
            }
            Step::Guest(step) => {
                self.progress.step(&format!("{name}: kernel, early modules and disk"));
                let sources = self.tree_sources(placed.recipe, placed.step.dependencies(), &step.items).await?;
                guest::build(step, &sources, folder).await?;
            }
        }
        Ok(record)
    }

    async fn make_image(&self, recipe: &Recipe, image: &ImageRecipe, folder: &Path) -> Result<BuildRecord> {
        let name = &recipe.metadata.name;
        let items: Vec<TreeItem> = image.items().cloned().collect();
        let sources = self.tree_sources(recipe, image.dependencies(), &items).await?;
        let reference = self.image_reference(recipe, image)?;
        self.progress.step(&format!("image {name}: assemble {reference}"));
        let scratch = tempfile::Builder::new()
            .prefix("scratch-")
            .tempdir_in(folder)
            .context("failed to make a scratch folder")?;
        let mut layers = Vec::new();
        for (index, layer) in image.layers.iter().enumerate() {
            let (top, tar) =
                (scratch.path().join(format!("layer{index}")), scratch.path().join(format!("layer{index}.tar")));
            std::fs::create_dir(&top)?;
            layers.push(match layer {
                LayerRecipe::Debian(step) => archive::LayerTar::of_tar(&sources.step(step)?.join(debian::LAYER))?,
                LayerRecipe::Tree(items) => {
                    self.progress.note(&format!("image {name}: files"));
                    sources.lay_out(items, &top).await?;
                    archive::LayerTar::of_folder(&top, &tar, false).await?
                }
                LayerRecipe::Preload(preload) => {
                    self.progress
                        .note(&format!("image {name}: unpack {} images for its containerd", preload.images.len()));
                    preload::build(preload, &sources, self.inner.arch, &top, &scratch.path().join("preload")).await?;
                    archive::LayerTar::of_folder(&top, &tar, true).await?
                }
            });
        }
        if layers.is_empty() {
            refuse!("the image has no layers");
        }
        self.progress.note(&format!("image {name}: write its archive"));
        let labels = vec![("plumbline.dev/owner", "plumbline".to_owned()), ("plumbline.dev/image", name.clone())];
        let whole = archive::ArchiveImage { reference: reference.clone(), layers, config: &image.config, labels };
        archive::write(&folder.join(ARCHIVE), &[whole], self.inner.arch).await?;
        Ok(BuildRecord { what: name.clone(), version: reference, ..BuildRecord::default() })
    }

    /// Builds the steps and downloads the modules that the items need.
    async fn tree_sources<'a>(
        &'a self,
        recipe: &'a Recipe,
        needs: Vec<&StepRef>,
        items: &[TreeItem],
    ) -> Result<TreeSources<'a>> {
        let (mut steps, mut modules) = (BTreeMap::new(), BTreeMap::new());
        for need in needs {
            let placed = self.placed(need, &recipe.metadata.name)?;
            steps.insert(need.clone(), self.build_step(placed).await?);
        }
        let pins: BTreeSet<&str> = items.iter().filter_map(TreeItem::module).collect();
        for pin in pins {
            let fetched =
                gomod::fetch(self.inner.pins.go(pin, self.inner.arch)?, &self.inner.lock, self.update).await?;
            modules.insert(pin.to_owned(), fetched.dir);
        }
        Ok(TreeSources { steps, modules, folder: &recipe.folder, pins: &self.inner.pins })
    }
}

/// Passes each line of a tool's output to the progress.
fn note_lines(progress: &Arc<dyn Progress>, what: &str) -> Box<dyn Fn(&str) + Send + Sync> {
    let (progress, what) = (Arc::clone(progress), what.to_owned());
    Box::new(move |line| progress.note(&format!("{what}: {line}")))
}

async fn read_tool_version(program: &str, argument: &str) -> Result<String> {
    Ok(crate::exec::Cmd::new(program).arg(argument).run_ok().await?.stdout.trim().to_owned())
}
