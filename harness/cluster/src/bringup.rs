//! Brings up a cluster of a profile: each step's check and work.

use crate::cluster::{self, ClusterContext, DefaultNetworkProvider, Providers};
use crate::images;
use crate::kind_config::{Host, Rendered, kind_config};
use crate::kind_tool::KindTool;
use crate::node::{self, Node};
use crate::plugins::Set;
use crate::profile::{ImageSource, Loaded};
use crate::record::{Home, Record};
use crate::step::{Found, Notes, Stages, Step};
use crate::{bridges, network, restart, undo};
use futures::future::BoxFuture;
use kube::Client;
use plumbline_kube::objects::error_message;
use plumbline_testbed::context::Context;
use plumbline_testbed::engine::Engine;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::images::TOOLS;
use plumbline_testbed::journal::Effect;
use tokio::sync::{Mutex, OnceCell};

const STAGE: &str = "cluster";

/// The client and the nodes of a running cluster, known after the cluster's step.
#[derive(Clone)]
pub(crate) struct Alive {
    pub client: Client,
    pub nodes: Vec<Node>,
}

/// The bring-up of one profile.
pub(crate) struct BringUp<'a> {
    pub cx: &'a Context,
    pub loaded: &'a Loaded,
    engine: OnceCell<Engine>,
    rendered: OnceCell<(Rendered, Home)>,
    plugins: OnceCell<Set>,
    provider: Option<&'static dyn DefaultNetworkProvider>,
    alive: Mutex<Option<Alive>>,
}

impl<'a> BringUp<'a> {
    /// # Errors
    /// `TestbedError` when the profile names a provider that is not registered, or that refuses its settings.
    pub fn new(
        cx: &'a Context,
        loaded: &'a Loaded,
        engine: Option<Engine>,
        providers: Providers,
    ) -> Result<Self, TestbedError> {
        Ok(Self {
            provider: cluster::find_provider(providers, loaded)?,
            cx,
            loaded,
            engine: OnceCell::new_with(engine),
            rendered: OnceCell::new(),
            plugins: OnceCell::new(),
            alive: Mutex::new(None),
        })
    }

    /// The provider of the default network; only for its own steps.
    pub fn provider(&self) -> Result<&'static dyn DefaultNetworkProvider, TestbedError> {
        self.provider.ok_or_else(|| TestbedError::new(STAGE, "the profile has no default network provider"))
    }

    /// The cluster's context for providers.
    pub async fn context<'b>(&'b self, alive: &'b Alive) -> Result<ClusterContext<'b>, TestbedError> {
        let (rendered, home) = self.rendered().await?;
        Ok(ClusterContext {
            cx: self.cx,
            loaded: self.loaded,
            engine: self.engine()?,
            name: &rendered.name,
            kubeconfig: home.kubeconfig(),
            client: &alive.client,
            nodes: &alive.nodes,
        })
    }

    /// The engine; only after its step.
    pub fn engine(&self) -> Result<&Engine, TestbedError> {
        self.engine.get().ok_or_else(|| TestbedError::new("engine", "requested before its step"))
    }

    /// kind's configuration and the cluster's home. The node image's reference is known before it is built.
    pub async fn rendered(&self) -> Result<&(Rendered, Home), TestbedError> {
        let make = || async {
            let info = self.engine()?.info().await?;
            // Without /proc no capability counts as missing.
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let host = Host::new(Some(info.cgroup.as_str()), &status);
            let image = images::reference(&self.cx.images, &self.loaded.profile.images.node)?;
            let rendered = kind_config(self.loaded, host, &image)?;
            let home = Home::of(&rendered.name)?;
            Ok((rendered, home))
        };
        self.rendered.get_or_try_init(make).await
    }

    /// The plugins that the nodes must have.
    pub async fn plugins(&self) -> Result<&Set, TestbedError> {
        let make = || async {
            let folder: BoxFuture<'_, Result<_, TestbedError>> = Box::pin(self.cx.images.plugins_dir());
            Set::gather(&folder.await?, &self.cx.options).await
        };
        self.plugins.get_or_try_init(make).await
    }

    /// The running cluster; only after its step.
    pub async fn alive(&self) -> Result<Alive, TestbedError> {
        self.alive.lock().await.clone().ok_or_else(|| TestbedError::new(STAGE, "requested before its step"))
    }

    /// The reference of the toolbox image.
    pub fn toolbox(&self) -> Result<String, TestbedError> {
        images::reference(&self.cx.images, &self.loaded.profile.images.toolbox)
    }

    /// The reference of Multus' image.
    pub(crate) fn multus(&self) -> Result<String, TestbedError> {
        images::reference(&self.cx.images, self.multus_source()?)
    }

    pub(crate) fn multus_source(&self) -> Result<&ImageSource, TestbedError> {
        let source = self.loaded.profile.images.multus.as_ref();
        source.ok_or_else(|| TestbedError::new(STAGE, "the profile has no Multus"))
    }

    /// Parts of the cluster that differ from users' clusters.
    ///
    /// # Errors
    /// `TestbedError` when a file of the profile can't be read.
    pub fn parts(&self) -> Result<Vec<String>, TestbedError> {
        let images = &self.loaded.profile.images;
        let built = |what: &str, source: Option<&ImageSource>| match source {
            Some(ImageSource::Built(_)) => {
                Some(format!("{what}: built here from pinned sources, not the published image"))
            }
            Some(ImageSource::Pulled(_)) | None => None,
        };
        let parts = [built("node image", Some(&images.node)), built("Multus image", images.multus.as_ref())];
        let mut all: Vec<String> = parts.into_iter().flatten().collect();
        if let Some(provider) = self.provider {
            all.extend(provider.stand_ins(&self.cx.images, self.loaded)?);
        }
        Ok(all)
    }

    fn kind(&self, path: std::path::PathBuf) -> Result<KindTool, TestbedError> {
        Ok(KindTool { path, engine: self.engine()?.endpoint().host.clone() })
    }

    /// Recipes and their programs that later steps run. They are built with the images, because a build takes minutes and the
    /// deadlines of later steps are shorter.
    fn programs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let of_provider = self.provider.map_or(&[][..], |provider| provider.programs());
        [(TOOLS, "kind"), (TOOLS, "plumbline-agent")].into_iter().chain(of_provider.iter().copied())
    }

    fn find_missing_program(&self) -> Result<Option<String>, TestbedError> {
        for (recipe, program) in self.programs() {
            if !self.cx.images.has_program(recipe, program)? {
                return Ok(Some(format!("program {program} is not built")));
            }
        }
        Ok(None)
    }

    async fn check_cluster(&self) -> Result<Found, TestbedError> {
        let (rendered, home) = self.rendered().await?;
        let engine = self.engine()?;
        let containers = node::list_containers(engine, &rendered.name).await?;
        let Some(record) = home.record().filter(|r| r.complete) else {
            let state = if containers.is_empty() { "it does not exist yet" } else { "it is incomplete, or not ours" };
            return Ok(Found::Lacking(format!("cluster {}: {state}", rendered.name)));
        };
        if containers.len() != self.loaded.profile.nodes.len() {
            let (expected, found) = (self.loaded.profile.nodes.len(), containers.len());
            return Ok(Found::Lacking(format!("cluster {}: expected {expected} nodes, found {found}", rendered.name)));
        }
        for container in &containers {
            if record.containers.get(&container.name) != Some(&container.id) {
                let name = &container.name;
                return Ok(Found::Lacking(format!("container {name} is not the one that Plumbline created")));
            }
            if !container.running {
                return Ok(Found::Lacking(format!("node {} is stopped", container.name)));
            }
        }
        let agent = self.cx.images.agent().await?;
        let mut alive = self.alive.lock().await;
        let nodes = match &*alive {
            Some(alive) => alive.nodes.clone(),
            None => node::connect_agents(engine, &containers, &agent).await?,
        };
        if let Some(wrong) = restart::find_wrong_addresses_with_agents(&nodes, &containers).await?.first() {
            return Ok(Found::Lacking(wrong.to_string()));
        }
        let client = home.client().await?;
        if let Err(e) = client.apiserver_version().await {
            return Ok(Found::Lacking(format!("the API server does not answer: {}", error_message(&e))));
        }
        *alive = Some(Alive { client, nodes });
        Ok(Found::Good)
    }

    async fn make_cluster(&self, notes: &Notes) -> Result<(), TestbedError> {
        let (rendered, home) = self.rendered().await?;
        let engine = self.engine()?;
        let kind = self.kind(self.cx.images.tool("kind").await?)?;
        let containers = node::list_containers(engine, &rendered.name).await?;
        *self.alive.lock().await = None;
        let record = home.record();
        if !containers.is_empty() {
            let ours = record
                .as_ref()
                .is_some_and(|r| !r.complete || containers.iter().all(|c| r.containers.get(&c.name) == Some(&c.id)));
            if !ours {
                let name = &rendered.name;
                let cause = format!("a kind cluster {name} exists already, and Plumbline did not create it");
                return Err(TestbedError::new(STAGE, cause)
                    .with_hint(format!("if you do not need it, delete it: kind delete cluster --name {name}")));
            }
            let whole = record.is_some_and(|r| r.complete) && containers.len() == self.loaded.profile.nodes.len();
            if whole {
                match restart::start_nodes(engine, home, &containers, notes).await {
                    Ok(()) => return Ok(()),
                    Err(error) => notes.note(format!("its nodes can't be started again: {error}")),
                }
            }
            notes.note("it is incomplete: Plumbline deletes it and creates it again");
            undo::remove_cluster(engine, &rendered.name).await?;
        }
        home.write_config(&rendered.text)?;
        let profile = self.loaded.profile.metadata.name.clone();
        let record = Record { name: rendered.name.clone(), profile, ..Record::default() };
        home.write_record(&record)?;
        let effect = self.cx.run.intend(Effect::Cluster { name: rendered.name.clone() })?;
        node::ensure_network(engine).await?;
        if let Err(error) = kind.create(&rendered.name, home, &self.cx.run, notes).await {
            // kind removes what it created, and this call removes the rest. What neither can remove is in the journal.
            if undo::remove_cluster(engine, &rendered.name).await.is_ok() {
                self.cx.run.done(effect)?;
            }
            return Err(error);
        }
        let containers = node::list_containers(engine, &rendered.name).await?;
        let containers = containers.into_iter().map(|c| (c.name, c.id)).collect();
        home.write_record(&Record { complete: true, containers, ..record })?;
        self.cx.run.done(effect)
    }
}

impl Stages for BringUp<'_> {
    fn has(&self, step: Step) -> bool {
        match step {
            Step::Multus => self.loaded.profile.multus.is_some(),
            Step::ProveDefaultNetwork => self.provider.is_some(),
            _ => true,
        }
    }

    fn check<'b>(&'b self, step: Step, _notes: &'b Notes) -> BoxFuture<'b, Result<Found, TestbedError>> {
        Box::pin(async move {
            match step {
                Step::Engine => match self.engine.get() {
                    Some(engine) => {
                        Ok(engine.ping().await.map_or_else(|b| Found::Lacking(b.cause()), |()| Found::Good))
                    }
                    None => match Engine::connect().await {
                        Ok(engine) => {
                            let _ = self.engine.set(engine);
                            Ok(Found::Good)
                        }
                        Err(error) => Ok(Found::Lacking(error.cause())),
                    },
                },
                Step::Images => match images::check_local_images(self.engine()?, &self.cx.images, self.loaded).await? {
                    Found::Good => Ok(self.find_missing_program()?.map_or(Found::Good, Found::Lacking)),
                    lacking => Ok(lacking),
                },
                Step::Cluster => self.check_cluster().await,
                Step::DefaultNetwork => {
                    let alive = self.alive().await?;
                    match self.provider {
                        Some(provider) => provider.check(&self.context(&alive).await?).await,
                        None => network::check(self.loaded, &alive.client, &alive.nodes).await,
                    }
                }
                Step::Plugins => self.plugins().await?.check(&self.alive().await?.nodes).await,
                Step::Bridges => bridges::check(&self.loaded.profile.bridges, &self.alive().await?.nodes).await,
                Step::Multus => self.check_multus().await,
                Step::ProveDefaultNetwork => self.check_provided().await,
            }
        })
    }

    fn make<'b>(&'b self, step: Step, notes: &'b Notes) -> BoxFuture<'b, Result<(), TestbedError>> {
        Box::pin(async move {
            match step {
                Step::Engine => {
                    let engine = images::ensure_engine(self.cx, notes).await?;
                    let _ = self.engine.set(engine);
                    Ok(())
                }
                Step::Images => {
                    images::obtain_images(self.engine()?, &self.cx.images, self.loaded, notes).await?;
                    for (recipe, program) in self.programs() {
                        self.cx.images.program(recipe, program).await?;
                    }
                    Ok(())
                }
                Step::Cluster => self.make_cluster(notes).await,
                Step::DefaultNetwork => {
                    let alive = self.alive().await?;
                    match self.provider {
                        Some(provider) => provider.install(&self.context(&alive).await?, notes).await,
                        None => network::install(self.loaded, &alive.client, &alive.nodes, notes).await,
                    }
                }
                Step::Plugins => self.plugins().await?.install(&self.alive().await?.nodes, notes).await,
                Step::Bridges => {
                    bridges::make(&bridges::without_addresses(&self.loaded.profile.bridges), &self.alive().await?.nodes)
                        .await
                }
                Step::Multus => self.make_multus(notes).await,
                Step::ProveDefaultNetwork => self.prove_provided(notes).await,
            }
        })
    }
}

/// The name of the cluster in events.
pub(crate) fn scope(loaded: &Loaded) -> String {
    format!("cluster {}", loaded.profile.metadata.name)
}

/// The name of a cluster's lease.
pub(crate) fn lease_name(cluster: &str) -> String {
    format!("cluster-{cluster}")
}
