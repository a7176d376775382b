use super::*;

fn key(text: &str) -> Key {
    KeyMaker::new("test", 1).part("text", text.as_bytes()).finish()
}

fn work(claim: Claim) -> Work {
    match claim {
        Claim::Build(work) => work,
        Claim::There(path) => panic!("already there: {}", path.display()),
    }
}

#[tokio::test]
async fn an_entry_is_built_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_at(dir.path()).unwrap();
    let first = work(cache.claim(&key("a")).await.unwrap());
    fs::write(first.folder().join("file"), "content").unwrap();
    assert!(cache.is_being_built(&key("a")));
    let wanted = key("a");
    let (second, built) = tokio::join!(cache.claim(&wanted), async { first.keep() });
    let Claim::There(path) = second.unwrap() else { panic!("built twice") };
    assert!(!cache.is_being_built(&wanted));
    assert_eq!(path, built.unwrap());
    assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "content");
    assert!(fs::read_dir(dir.path().join("tmp")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_failed_build_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_at(dir.path()).unwrap();
    let attempt = work(cache.claim(&key("a")).await.unwrap());
    fs::write(attempt.folder().join("half"), "x").unwrap();
    drop(attempt);
    assert!(cache.get(&key("a")).is_none());
    assert!(fs::read_dir(dir.path().join("tmp")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_full_disk_is_named_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_at(dir.path()).unwrap();
    let attempt = work(cache.claim(&key("a")).await.unwrap());
    let text = attempt.explain(std::io::Error::from(std::io::ErrorKind::StorageFull).into()).to_string();
    assert!(text.contains("is full") && text.contains("PLUMBLINE_CACHE"), "{text}");
    let text = attempt.explain(anyhow::anyhow!("compiler says no")).to_string();
    assert_eq!(text, "compiler says no");
}

#[test]
fn leftovers_go_unless_their_builder_lives() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_at(dir.path()).unwrap();
    let (dead, alive) = (dir.path().join("tmp").join("dead"), dir.path().join("tmp").join("alive"));
    fs::create_dir_all(&dead).unwrap();
    fs::create_dir_all(&alive).unwrap();
    let lock = File::create(cache.root().join("locks/alive")).unwrap();
    lock.lock().unwrap();
    Cache::open_at(dir.path()).unwrap();
    assert!(!dead.exists() && alive.exists());
}

#[tokio::test]
async fn only_what_nobody_used_for_long_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_at(dir.path()).unwrap();
    let long = Duration::from_secs(1000);
    for name in ["old", "used", "new"] {
        let path = work(cache.claim(&key(name)).await.unwrap()).keep().unwrap();
        if name != "new" {
            File::open(path).unwrap().set_modified(std::time::SystemTime::now() - 2 * long).unwrap();
        }
    }
    cache.get(&key("used")).unwrap();
    assert_eq!(cache.drop_unused(long).unwrap(), 1);
    assert!(cache.get(&key("old")).is_none());
    assert!(cache.get(&key("used")).is_some() && cache.get(&key("new")).is_some());
}

#[test]
fn what_is_read_only_goes_and_links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (outside, top) = (dir.path().join("outside"), dir.path().join("top"));
    fs::create_dir_all(top.join("a/b")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "x").unwrap();
    fs::write(top.join("a/b/file"), "x").unwrap();
    std::os::unix::fs::symlink(&outside, top.join("a/link")).unwrap();
    fs::set_permissions(top.join("a/b"), fs::Permissions::from_mode(0o500)).unwrap();
    remove(&top).unwrap();
    assert!(!top.exists() && outside.join("kept").exists());
}

#[test]
fn a_mount_is_never_entered() {
    // No mount is made here: the walk is told that it came from another file system.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("kept"), "x").unwrap();
    let meta = fs::symlink_metadata(dir.path()).unwrap();
    let text = remove_on(dir.path(), &meta, meta.dev() + 1).unwrap_err().to_string();
    assert!(text.ends_with("is a mount point; unmount it first"), "{text}");
    assert!(dir.path().join("kept").exists());
}

#[test]
fn a_key_follows_names_content_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("a"), "1").unwrap();
    let of = || KeyMaker::new("t", 1).tree("src", root).unwrap().finish();
    let first = of();
    assert_eq!(first, of());
    fs::write(root.join(".hidden"), "x").unwrap();
    assert_eq!(first, of(), "dot files are left out");
    fs::write(root.join("a"), "2").unwrap();
    let second = of();
    assert_ne!(first, second);
    fs::rename(root.join("a"), root.join("b")).unwrap();
    assert_ne!(second, of());
    assert_ne!(KeyMaker::new("t", 1).finish(), KeyMaker::new("t", 2).finish());
    assert_ne!(KeyMaker::new("t", 1).part("ab", b"c").finish(), KeyMaker::new("t", 1).part("a", b"bc").finish());
}
