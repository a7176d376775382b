//! The steps of a bring-up that prove a network by a canary on each node: `install-multus` and `prove-default-network`.

use crate::bringup::{Alive, BringUp};
use crate::proof::{self, now};
use crate::record::Proof;
use crate::step::{Found, Notes, Step};
use crate::{canary, images, multus};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline, Look};
use std::time::Duration;

/// How many canaries may find that something changed under them.
const PROOFS: usize = 3;

impl BringUp<'_> {
    /// Looks whether the last proof still stands.
    pub(crate) async fn check_multus(&self) -> Result<Found, TestbedError> {
        if self.cx.options.skip_multus_check {
            return Ok(Found::Good);
        }
        let alive = self.alive().await?;
        let plugins = self.plugins().await?.hash();
        let image = self.multus()?;
        let grounds = multus::grounds(&alive.client, &alive.nodes, self.loaded, &plugins, &image).await?;
        let (_, home) = self.rendered().await?;
        Ok(proof::found(&grounds, home.record().and_then(|r| r.proof).as_ref(), now()))
    }

    /// Installs Multus where it is not, and proves it.
    pub(crate) async fn make_multus(&self, notes: &Notes) -> Result<(), TestbedError> {
        let alive = self.alive().await?;
        let engine = self.engine()?;
        let plugins = self.plugins().await?.hash();
        let specs = &self.loaded.profile.images;
        let image = self.multus()?;
        let installed = async {
            if let Look::NotYet(_) = multus::daemon_set(&alive.client, &image).await? {
                let source = self.multus_source()?;
                images::on_nodes(engine, &self.cx.images, source, self.loaded, &alive.nodes, notes).await?;
                let objects = multus::objects(self.loaded, &image, images::pull_policy(source))?;
                multus::install(&alive.client, &objects, notes).await?;
            }
            Ok(())
        };
        let toolbox = images::on_nodes(engine, &self.cx.images, &specs.toolbox, self.loaded, &alive.nodes, notes);
        let ((), toolbox) = tokio::try_join!(installed, toolbox)?;
        let (_, home) = self.rendered().await?;
        let book = canary::CanaryJournal { run: &self.cx.run, kubeconfig: &home.kubeconfig() };
        let mut grounds = self.in_force(&alive, &plugins, &image).await?;
        // A node that was started again runs with the configuration it had, until Multus' pod writes it anew: a canary
        // proves only what was the same before and after it.
        for _ in 0..PROOFS {
            multus::prove(self.loaded, &alive.client, &alive.nodes, &toolbox, book, notes).await?;
            let after = self.in_force(&alive, &plugins, &image).await?;
            if after == grounds {
                return home.change(|record| record.proof = Some(Proof { of: grounds, at: now() }));
            }
            notes.note(format!("changed under the canary: {}", proof::changed(&grounds, &after)));
            grounds = after;
        }
        Err(TestbedError::new(multus::STAGE, format!("what Multus rests on changed under each of {PROOFS} canaries"))
            .with_hint("see in its pods' logs why its configuration does not come to rest"))
    }

    /// What Multus rests on, once it is in force on every node.
    async fn in_force(&self, alive: &Alive, plugins: &str, image: &str) -> Result<String, TestbedError> {
        let look = async || multus::grounds(&alive.client, &alive.nodes, self.loaded, plugins, image).await;
        // The configuration is written by Multus' pod after it turned ready; there is no event of that to us.
        let deadline = Deadline::after(Duration::from_secs(15));
        let found = wait::until(multus::STAGE, "Multus to be in force", deadline, Duration::from_millis(100), look);
        found
            .await
            .map_err(|error| error.with_hint("see what its pod says; plumbline down, then up, makes the cluster anew"))
    }

    /// Looks whether the last proof of the provided default network still stands.
    pub(crate) async fn check_provided(&self) -> Result<Found, TestbedError> {
        let alive = self.alive().await?;
        let (provider, plugins) = (self.provider()?, self.plugins().await?.hash());
        let basis = provider.proof_basis(&self.context(&alive).await?, &plugins).await?;
        let (_, home) = self.rendered().await?;
        Ok(proof::found(&basis, home.record().and_then(|r| r.proof).as_ref(), now()))
    }

    /// Proves the provided default network by a canary on every node.
    pub(crate) async fn prove_provided(&self, notes: &Notes) -> Result<(), TestbedError> {
        let stage = Step::ProveDefaultNetwork.name();
        let alive = self.alive().await?;
        let toolbox = &self.loaded.profile.images.toolbox;
        let toolbox =
            images::on_nodes(self.engine()?, &self.cx.images, toolbox, self.loaded, &alive.nodes, notes).await?;
        let (provider, plugins) = (self.provider()?, self.plugins().await?.hash());
        let at = self.context(&alive).await?;
        let basis = async || match provider.proof_basis(&at, &plugins).await? {
            Look::There(basis) => Ok(basis),
            Look::NotYet(what) => Err(TestbedError::new(stage, what)),
        };
        let before = basis().await?;
        notes.note("canary on every node");
        canary::namespace(&alive.client, stage).await?;
        provider.run_canaries(&at, &toolbox).await?;
        let after = basis().await?;
        if after != before {
            return Err(TestbedError::new(
                stage,
                format!("changed under the canary: {}", proof::changed(&before, &after)),
            ));
        }
        let (_, home) = self.rendered().await?;
        home.change(|record| record.proof = Some(Proof { of: after, at: now() }))
    }
}
