//! Tests the set-up of an engine with a real dockerd in private folders: its first start, a running engine, its restart after its
//! death, and its stop.
//!
//! It runs with the tests that need a cluster. If the set-up is refused (no root, no way to install), the test checks the error
//! message. A test never installs packages.

use plumbline_testbed::cache::Cache;
use plumbline_testbed::engine::setup::{DaemonPlace, Needed, Setup};
use plumbline_testbed::engine::{ArchiveFile, ContainerPlan, Engine, tar};
use plumbline_testbed::exec::Cmd;
use plumbline_testbed::images::Images;
use plumbline_testbed::wait::{Deadline, Look, until};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Checks that the engine runs a privileged container, and commands in it.
async fn runs_privileged(engine: &Engine, pause: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("image.tar");
    let content = std::fs::read(pause).unwrap();
    let files = [ArchiveFile { path: "pause".into(), mode: 0o755, content }];
    std::fs::write(&archive, tar(&files).await.unwrap()).unwrap();
    let import = Cmd::new("docker").args(["import", "--change", r#"CMD ["/pause"]"#, &archive.display().to_string()]);
    import.arg("plumbline-setup-test:1").env("DOCKER_HOST", &engine.endpoint().host).run_ok().await.unwrap();
    let plan = ContainerPlan {
        name: "plumbline-setup-test".into(),
        image: "plumbline-setup-test:1".into(),
        privileged: true,
        network: Some("none".into()),
        ..ContainerPlan::default()
    };
    let container = engine.start_new(&plan).await.unwrap();
    assert!(container.running, "{container:?}");
    engine.remove(&plan.name).await.unwrap();
    assert_eq!(engine.container(&plan.name).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_is_started_kept_started_again_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let noted = Arc::new(Mutex::new(Vec::<String>::new()));
    let into = noted.clone();
    let note = move |line: &str| into.lock().unwrap().push(line.to_owned());
    let setup = Setup::at(&root(), DaemonPlace::private(dir.path()), dir.path().join("state"), note).unwrap();
    let plan = match setup.needed().await {
        Ok(Needed::Plan(plan)) => plan,
        Ok(Needed::Nothing(_)) => panic!("an engine answers at a new socket"),
        Err(error) => {
            assert!(error.cause().contains("can't start one") && error.hint.is_some(), "{error}");
            return;
        }
    };
    assert!(plan.consent);
    if !plan.packages.is_empty() {
        assert!(plan.lines()[0].starts_with("install packages"), "{:?}", plan.lines());
        return;
    }
    let images = Images::open(&root(), Cache::open().unwrap()).unwrap();
    let runtime = async || images.runtime().await;
    let pause = images.tool("plumbline-pause").await.unwrap();

    let refused = setup.ensure(false, runtime()).await.unwrap_err();
    assert!(refused.hint.as_ref().unwrap().contains("--yes"), "{}", refused.cause());
    assert!(setup.record().is_none(), "nothing is started without consent");

    // The pid file of a dead engine, with an id that another process has now. dockerd itself would refuse to start.
    std::fs::write(dir.path().join("docker.pid"), std::process::id().to_string()).unwrap();
    let engine = setup.ensure(true, runtime()).await.unwrap();
    let record = setup.record().unwrap();
    assert!(record.alive());
    runs_privileged(&engine, &pause).await;

    let lines = noted.lock().unwrap().len();
    setup.ensure(false, async { panic!("a running engine needs no runtime") }).await.unwrap();
    assert_eq!(noted.lock().unwrap().len(), lines, "a running engine stays unchanged");
    assert_eq!(setup.record().unwrap(), record);

    // The engine is killed. Its restart needs no second consent.
    Cmd::new("kill").args(["-9", &record.pid.to_string()]).run_ok().await.unwrap();
    let gone = async || Ok(if record.alive() { Look::NotYet("it runs".into()) } else { Look::There(()) });
    until("test", "dockerd to die", Deadline::after(Duration::from_secs(10)), Duration::from_millis(20), gone)
        .await
        .unwrap();
    let error = engine.ping().await.unwrap_err();
    assert!(error.cause().contains("no longer answers"), "{error}");
    let engine = setup.ensure(false, runtime()).await.unwrap();
    let second = setup.record().unwrap();
    assert_ne!((second.pid, second.start), (record.pid, record.start));
    runs_privileged(&engine, &pause).await;

    assert_eq!(setup.stop().await.unwrap(), Some(second.pid));
    assert!(!second.alive() && setup.record().is_none());
    assert_eq!(setup.stop().await.unwrap(), None, "a second call stops nothing");
    // The killed dockerd could not unmount its own data folder, and the next one does not do it.
    let data = dir.path().join("data").display().to_string();
    let unmounted = async || {
        let done = Cmd::new("umount").arg(&data).run().await.unwrap();
        Ok(if done.ok() { Look::There(()) } else { Look::NotYet(done.stderr) })
    };
    until("test", "the mount to go", Deadline::after(Duration::from_secs(10)), Duration::from_millis(50), unmounted)
        .await
        .unwrap();
}
