use super::*;

fn key(text: &str) -> Key {
    KeyMaker::new("test", 1).part("text", text.as_bytes()).finish()
}

fn pending(claim: Claim) -> PendingEntry {
    match claim {
        Claim::Build(pending) => pending,
        Claim::There(path) => panic!("already there: {}", path.display()),
    }
}

#[tokio::test]
async fn an_entry_is_built_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_at(dir.path()).unwrap();
    let first = pending(cache.claim(&key("a")).await.unwrap());
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
    let attempt = pending(cache.claim(&key("a")).await.unwrap());
    fs::write(attempt.folder().join("half"), "x").unwrap();
    drop(attempt);
    assert!(cache.get(&key("a")).is_none());
    assert!(fs::read_dir(dir.path().join("tmp")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_full_disk_is_named_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_at(dir.path()).unwrap();
    let attempt = pending(cache.claim(&key("a")).await.unwrap());
    let text = attempt.explain(std::io::Error::from(std::io::ErrorKind::StorageFull).into()).to_string();
    assert!(text.contains("is full") && text.contains("PLUMBLINE_CACHE"), "{text}");
    let text = attempt.explain(BuildError::Refused("compiler says no".into())).to_string();
    assert_eq!(text, "compiler says no");
}

#[test]
fn leftovers_are_removed_unless_their_builder_runs() {
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

/// Creates entries of one MiB as another process would, the first one the oldest, one hour apart.
async fn fill_cache(folder: &Path, names: &[&str]) {
    let cache = Cache::open_at(folder).unwrap();
    for (name, hours) in names.iter().zip((1..=names.len() as u64).rev()) {
        let made = pending(cache.claim(&key(name)).await.unwrap());
        fs::write(made.folder().join("file"), vec![1; 1 << 20]).unwrap();
        let path = made.keep().unwrap();
        let used = SystemTime::now() - Duration::from_secs(hours * 3600);
        File::open(path).unwrap().set_modified(used).unwrap();
    }
}

fn present(cache: &Cache, names: &[&str]) -> Vec<bool> {
    names.iter().map(|name| cache.entry(&key(name)).is_dir()).collect()
}

#[tokio::test]
async fn entries_within_the_limit_stay_unless_they_are_unused_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["old", "new"];
    fill_cache(dir.path(), &names).await;
    let cache = Cache::open_at(dir.path()).unwrap();
    assert_eq!((cache.prune().unwrap(), present(&cache, &names)), (0, vec![true, true]));
    let long_ago = SystemTime::now() - UNUSED - Duration::from_secs(1);
    File::open(cache.entry(&key("old"))).unwrap().set_modified(long_ago).unwrap();
    assert_eq!((cache.prune().unwrap(), present(&cache, &names)), (1, vec![false, true]));
}

#[tokio::test]
async fn beyond_the_limit_the_least_recently_used_entries_are_removed_but_none_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["held", "old", "newer", "newest"];
    fill_cache(dir.path(), &names).await;
    let user = Cache::open_at(dir.path()).unwrap();
    user.get(&key("held")).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(24 * 3600);
    File::open(user.entry(&key("held"))).unwrap().set_modified(long_ago).unwrap();
    let cache = Cache { limit_bytes: 5 << 19, ..Cache::open_at(dir.path()).unwrap() };
    assert_eq!((cache.prune().unwrap(), present(&cache, &names)), (2, vec![true, false, false, true]));
    drop(user);
    let cache = Cache { limit_bytes: 0, ..cache };
    assert_eq!((cache.prune().unwrap(), present(&cache, &names)), (2, vec![false; 4]));
}

#[test]
fn the_limit_is_a_number_of_gib() {
    assert_eq!(limit_bytes(None).unwrap(), 20 << 30);
    assert_eq!(limit_bytes(Some("0.5")).unwrap(), 1 << 29);
    assert!(limit_bytes(Some("lots")).unwrap_err().to_string().contains("expected a number of GiB"));
}

#[test]
fn get_or_fill_fills_an_entry_once() {
    let dir = tempfile::tempdir().unwrap();
    let fill = |folder: &Path| Ok(fs::write(folder.join("file"), "content")?);
    let first = Cache::open_at(dir.path()).unwrap().get_or_fill(&key("a"), fill).unwrap();
    let second = Cache::open_at(dir.path()).unwrap().get_or_fill(&key("a"), |_| panic!("filled twice")).unwrap();
    assert_eq!((first, fs::read_to_string(second.join("file")).unwrap()), (second.clone(), "content".to_owned()));
}

#[test]
fn read_only_folders_are_removed_and_links_are_not_followed() {
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
    // The test creates no mount: it passes the number of another file system instead.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("kept"), "x").unwrap();
    let meta = fs::symlink_metadata(dir.path()).unwrap();
    let text = remove_on(dir.path(), &meta, meta.dev() + 1).unwrap_err().to_string();
    assert!(text.ends_with("is a mount point; unmount it first"), "{text}");
    assert!(dir.path().join("kept").exists());
}

#[test]
fn a_key_depends_on_names_content_and_mode() {
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
