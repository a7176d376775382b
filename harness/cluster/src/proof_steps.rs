//! The steps of a bring-up that prove a network with a canary on each node: `install-multus` and `prove-default-network`.

use crate::bringup::{Alive, BringUp};
use crate::proof::{self, now};
use crate::record::Proof;
use crate::step::{Found, Notes, Step};
use crate::{canary, images, multus};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline, Look};
use std::time::Duration;

/// The number of rounds of canaries during which the configuration may change.
const PROOFS: usize = 3;

impl BringUp<'_> {
    /// Checks that the last proof is still valid.
    pub(crate) async fn check_multus(&self) -> Result<Found, TestbedError> {
        if self.cx.options.skip_multus_check {
            return Ok(Found::Good);
        }
        let alive = self.alive().await?;
        let plugins = self.plugins().await?.hash();
        let image = self.multus()?;
        let basis = multus::read_proof_basis(&alive.client, &alive.nodes, self.loaded, &plugins, &image).await?;
        let (_, home) = self.rendered().await?;
        Ok(proof::check_proof(&basis, home.record().and_then(|r| r.proof).as_ref(), now()))
    }

    /// Installs Multus if it is missing, and proves it.
    pub(crate) async fn make_multus(&self, notes: &Notes) -> Result<(), TestbedError> {
        let alive = self.alive().await?;
        let engine = self.engine()?;
        let plugins = self.plugins().await?.hash();
        let specs = &self.loaded.profile.images;
        let image = self.multus()?;
        let installed = async {
            if let Look::NotYet(_) = multus::check_daemon_set(&alive.client, &image).await? {
                let source = self.multus_source()?;
                images::copy_to_nodes(engine, &self.cx.images, source, self.loaded, &alive.nodes, notes).await?;
                let objects = multus::render_objects(self.loaded, &image)?;
                multus::install(&alive.client, &objects, notes).await?;
            }
            Ok(())
        };
        let toolbox = images::copy_to_nodes(engine, &self.cx.images, &specs.toolbox, self.loaded, &alive.nodes, notes);
        let ((), toolbox) = tokio::try_join!(installed, toolbox)?;
        let (_, home) = self.rendered().await?;
        let journal = canary::CanaryJournal { run: &self.cx.run, kubeconfig: &home.kubeconfig() };
        let mut basis = self.await_proof_basis(&alive, &plugins, &image).await?;
        // A restarted node uses its old configuration until Multus' pod rewrites it. So a canary proves only a basis that is
        // the same before and after it.
        for _ in 0..PROOFS {
            let baselines =
                multus::run_canaries(self.loaded, &alive.client, &alive.nodes, &toolbox, journal, notes).await?;
            let after = self.await_proof_basis(&alive, &plugins, &image).await?;
            if after == basis {
                return home.change(|record| record.proof = Some(Proof { of: basis, at: now(), baselines }));
            }
            notes.note(format!("changed during the canary: {}", proof::describe_change(&basis, &after)));
            basis = after;
        }
        Err(TestbedError::new(multus::STAGE, format!("Multus' configuration changed during each of {PROOFS} canaries"))
            .with_hint("the logs of Multus' pods show why its configuration keeps changing"))
    }

    /// Waits until Multus is in force on every node, and returns the basis of the proof.
    async fn await_proof_basis(&self, alive: &Alive, plugins: &str, image: &str) -> Result<String, TestbedError> {
        let look = async || multus::read_proof_basis(&alive.client, &alive.nodes, self.loaded, plugins, image).await;
        // Multus' pod writes the configuration after it is Ready, and no watch reports this.
        let deadline = Deadline::after(Duration::from_secs(15));
        let found = wait::until(multus::STAGE, "Multus to be in force", deadline, Duration::from_millis(100), look);
        found.await.map_err(|error| {
            error.with_hint("check the log of Multus' pod; plumbline down, then up, creates the cluster again")
        })
    }

    /// Checks that the last proof of the provided default network is still valid.
    pub(crate) async fn check_provided(&self) -> Result<Found, TestbedError> {
        let alive = self.alive().await?;
        let (provider, plugins) = (self.provider()?, self.plugins().await?.hash());
        let basis = provider.proof_basis(&self.context(&alive).await?, &plugins).await?;
        let (_, home) = self.rendered().await?;
        Ok(proof::check_proof(&basis, home.record().and_then(|r| r.proof).as_ref(), now()))
    }

    /// Proves the provided default network with a canary on every node.
    pub(crate) async fn prove_provided(&self, notes: &Notes) -> Result<(), TestbedError> {
        let stage = Step::ProveDefaultNetwork.name();
        let alive = self.alive().await?;
        let toolbox = &self.loaded.profile.images.toolbox;
        let toolbox =
            images::copy_to_nodes(self.engine()?, &self.cx.images, toolbox, self.loaded, &alive.nodes, notes).await?;
        let (provider, plugins) = (self.provider()?, self.plugins().await?.hash());
        let at = self.context(&alive).await?;
        let basis = async || match provider.proof_basis(&at, &plugins).await? {
            Look::There(basis) => Ok(basis),
            Look::NotYet(what) => Err(TestbedError::new(stage, what)),
        };
        let before = basis().await?;
        notes.note("running a canary on every node");
        canary::create_namespace(&alive.client, stage).await?;
        provider.run_canaries(&at, &toolbox).await?;
        let after = basis().await?;
        if after != before {
            return Err(TestbedError::new(
                stage,
                format!("changed during the canary: {}", proof::describe_change(&before, &after)),
            ));
        }
        let (_, home) = self.rendered().await?;
        home.change(|record| record.proof = Some(Proof { of: after, at: now(), ..Proof::default() }))
    }
}
