//! Git at its door: real repositories, every process of ours in a real sandbox.

mod house;

use bytes::Bytes;
use domain::diff::BlobKind;
use domain::forge::Proposal;
use domain::git::{Commit, FileEdit, GitHttp, Import, Signature, Standing};
use domain::repository::Repository;
use domain::sandbox::{Command, Workspace};
use domain::{Kind, RepositoryId};
use house::{DATA, House, git};
use integrations::forges;
use jiff::SignedDuration;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn author() -> Signature {
    Signature { name: "Ada <x>\n".into(), email: "ada@example.com".into(), at: 1_700_000_000 }
}

/// A small repository with a text file, a binary file and a script.
fn source(dir: &Path) {
    fs::create_dir_all(dir.join("src")).expect("a folder");
    fs::write(
        dir.join("src/app.py"),
        "def total(items):\n    return sum(items)\n\n\ndef mean(items):\n    return total(items) / len(items)\n",
    )
    .expect("a file");
    fs::write(dir.join("logo.bin"), [0u8, 1, 2, 255, 254, 0, 9]).expect("a file");
    fs::write(dir.join("run.sh"), "#!/bin/sh\necho hi\n").expect("a file");
    git(dir, &["init", "-q", "-b", "trunk"]);
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-qm", "first"]);
    git(dir, &["tag", "v1"]);
    git(dir, &["branch", "side"]);
}

async fn imported(house: &House) -> (RepositoryId, Commit) {
    source(&house.path("source"));
    let id = house.fresh();
    assert_eq!(house.git.import(id, Import::Path(house.path("source"))).await.expect("an import"), "trunk");
    let tip = house.git.resolve(id, "trunk").await.expect("the tip");
    (id, tip)
}

#[tokio::test]
async fn the_servers_own_folder_is_never_imported() {
    let house = House::new();
    imported(&house).await;
    source(&house.path(DATA).join("demo/example"));
    let example = house.git.import(house.fresh(), Import::Path(house.path(DATA).join("demo/example"))).await;
    assert_eq!(example.expect("the control: the example that the demo unpacks"), "trunk");
    let secret = house.path(DATA).join("secret.key");
    fs::write(&secret, "secret").expect("planted");
    symlink(house.path(DATA), house.path("link")).expect("a link");
    for path in [house.path(DATA), house.path(DATA).join("git"), house.path(""), house.path("link"), house.path("source/../data/git")] {
        let error = house.git.import(house.fresh(), Import::Path(path.clone())).await.expect_err("it is ours");
        assert!(error.kind == Kind::Invalid && error.message.contains("data dir"), "{}: {error}", path.display());
    }
}

#[tokio::test]
async fn imports_resolve_and_check_out() {
    let house = House::new();
    let (id, tip) = imported(&house).await;
    assert_eq!(house.git.resolve(id, "v1").await.expect("a tag"), tip);
    assert_eq!(house.git.resolve(id, "HEAD").await.expect("the head"), tip);
    assert_eq!(house.git.resolve(id, tip.short()).await.expect("a short id"), tip);
    assert_eq!(house.git.resolve(id, "nowhere").await.expect_err("no such branch").kind, Kind::NotFound);
    assert_eq!(house.git.files(id, &tip).await.expect("a list"), ["logo.bin", "run.sh", "src/app.py"]);
    assert_eq!(house.git.file(id, &tip, "run.sh").await.expect("a file").as_deref(), Some(&b"#!/bin/sh\necho hi\n"[..]));
    assert_eq!(house.git.file(id, &tip, "src").await.expect("a folder is no file"), None);
    assert_eq!(house.git.file(id, &tip, "gone").await.expect("nothing"), None);

    let bare = house.git.checkout(id, &tip, false).await.expect("files");
    assert!(bare.join("src/app.py").is_file() && !bare.join(".git").exists());
    let clone = house.git.checkout(id, &tip, true).await.expect("a clone");
    assert_eq!(git(&clone, &["log", "--format=%s"]), "first\n");
    assert_eq!(git(&clone, &["status", "--porcelain", "-b"]), "## trunk\n");
    assert_eq!(house.git.checkout(id, &tip, true).await.expect("the same clone"), clone);

    // An agent's sandbox sees the clone as its own and can commit in it; ours stays as it was.
    let spec = sandbox::testkit::spec(house.fresh(), Workspace::CopyOnWrite(clone.clone()));
    let place = house.provisioner.create(spec).await.expect("a sandbox");
    let work =
        "git status --porcelain && echo x > new && chmod 600 run.sh && git add -A && git commit -qm agent && git log --format=%an:%s";
    let seen = place.exec(Command::shell(work)).await.expect("an answer");
    assert_eq!(seen.text(), "agent:agent\nTest:first\n");
    place.terminate().await.expect("gone");
    assert_eq!(git(&clone, &["log", "--format=%s"]), "first\n");

    let change = house.git.last_change(id, &tip, "src/app.py", 2).await.expect("an answer").expect("the line is there");
    assert_eq!((change.commit, change.author.as_str(), change.subject.as_str()), (tip.clone(), "Test", "first"));
    for (path, line) in [("src/app.py", 999), ("src/none.py", 1)] {
        assert_eq!(house.git.last_change(id, &tip, path, line).await.expect("an answer"), None, "{path}:{line}");
    }

    // What was asked for lately stays; what nobody asked for since goes.
    let now = house.clock.now();
    house.git.tidy(id, now - SignedDuration::from_hours(1)).await.expect("tidied");
    assert!(clone.exists() && bare.exists());
    house.git.tidy(id, now + SignedDuration::from_hours(1)).await.expect("tidied");
    assert!(!clone.exists() && !bare.exists());
    assert_eq!(house.git.resolve(id, "trunk").await.expect("the tip"), tip);
    house.git.remove(id).await.expect("removed");
    assert!(house.git.resolve(id, "trunk").await.is_err());
}

#[tokio::test]
async fn a_plain_folder_and_an_empty_repository() {
    let house = House::new();
    fs::create_dir(house.path("plain")).expect("a folder");
    fs::write(house.path("plain/a.txt"), "a\n").expect("a file");
    let id = house.fresh();
    assert_eq!(house.git.import(id, Import::Path(house.path("plain"))).await.expect("an import"), "main");
    let tip = house.git.resolve(id, "main").await.expect("the tip");
    assert_eq!(house.git.files(id, &tip).await.expect("a list"), ["a.txt"]);
    assert!(!house.path("plain/.git").exists());

    let empty = house.fresh();
    house.git.init(empty, "main").await.expect("a repository");
    house.git.init(empty, "main").await.expect("again, harmlessly");
    assert_eq!(house.git.resolve(empty, "main").await.expect_err("nothing there yet").kind, Kind::NotFound);
}

#[tokio::test]
async fn patches_become_the_same_commit_every_time() {
    let house = House::new();
    let (id, base) = imported(&house).await;
    let work = house.path("source");
    git(&work, &["mv", "src/app.py", "src/shop.py"]);
    fs::write(work.join("logo.bin"), [0u8, 7, 7, 7, 200]).expect("a file");
    fs::set_permissions(work.join("run.sh"), fs::Permissions::from_mode(0o755)).expect("a mode");
    symlink("run.sh", work.join("link")).expect("a link");
    fs::write(work.join("new ü.txt"), "new\r\nline without end").expect("a file");
    git(&work, &["add", "-A"]);
    let patch = Bytes::from(git(&work, &["diff", "--binary", "--cached", "-M", "HEAD"]));

    let commit = house.git.commit_patch(id, &base, &patch, "Mend it", &author()).await.expect("a commit");
    assert_eq!(house.git.commit_patch(id, &base, &patch, "Mend it", &author()).await.expect("again"), commit);
    assert_eq!(house.git.resolve(id, "trunk").await.expect("the tip"), base, "no ref moved");
    git(&work, &["commit", "-qm", "same"]);
    let tree = |dir: &Path, rev: &str| git(dir, &["rev-parse", &format!("{rev}^{{tree}}")]);
    assert_eq!(tree(&house.repository(id), commit.as_str()), tree(&work, "HEAD"), "the very same tree");

    let mut changes = house.git.changes(id, &base, &commit).await.expect("changes");
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    let seen: Vec<_> = changes.iter().map(|c| (c.path.as_str(), c.old_path.as_deref(), c.new.as_ref().map(|b| b.kind))).collect();
    assert_eq!(
        seen,
        [
            ("link", None, Some(BlobKind::Symlink)),
            ("logo.bin", None, Some(BlobKind::File)),
            ("new ü.txt", None, Some(BlobKind::File)),
            ("run.sh", None, Some(BlobKind::Executable)),
            ("src/shop.py", Some("src/app.py"), Some(BlobKind::File)),
        ]
    );
    assert!(changes[1].new.as_ref().expect("a side").is_binary());
    let diff = house.git.diff(id, &base, &commit).await.expect("a diff");
    let back = house.git.commit_patch(id, &base, &diff, "Mend it", &author()).await.expect("our own diff applies");
    assert_eq!(back, commit);

    let refused = house.git.commit_patch(id, &commit, &patch, "Twice", &author()).await.expect_err("it applies once only");
    assert_eq!((refused.kind, refused.code), (Kind::Conflict, "patch_does_not_apply"));
    assert!(house.git.commit_patch(id, &base, &Bytes::new(), "Nothing", &author()).await.is_err());
}

#[tokio::test]
async fn files_can_be_replaced_and_removed() {
    let house = House::new();
    let (id, base) = imported(&house).await;
    let edit = |path: &str, content: Option<&str>, executable| FileEdit {
        path: path.into(),
        content: content.map(|c| Bytes::from(c.to_string())),
        executable,
    };
    let edits = [edit("run.sh", None, false), edit("a \"q\" \\ü/t.py", Some("x = 1\n"), true), edit("src/app.py", Some(""), false)];
    let commit = house.git.commit_files(id, &base, &edits, "Mix", &author()).await.expect("a commit");
    assert_eq!(house.git.commit_files(id, &base, &edits, "Mix", &author()).await.expect("again"), commit);
    assert_eq!(house.git.files(id, &commit).await.expect("a list"), ["a \"q\" \\ü/t.py", "logo.bin", "src/app.py"]);
    assert_eq!(house.git.file(id, &commit, "src/app.py").await.expect("a file").as_deref(), Some(&b""[..]));
    assert_eq!(git(&house.repository(id), &["for-each-ref", "refs/astraforge"]), "");
    for bad in ["../x", ".git/hooks/post-update", "a/.GIT/x"] {
        assert!(house.git.commit_files(id, &base, &[edit(bad, Some("x"), true)], "Bad", &author()).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn branches_move_only_from_where_they_are_expected() {
    let house = House::new();
    let (id, base) = imported(&house).await;
    let one = house
        .git
        .commit_files(id, &base, &[FileEdit { path: "n".into(), content: Some("1".into()), executable: false }], "one", &author())
        .await
        .expect("a commit");
    house.git.set_branch(id, "astraforge/x", &base, Some(None)).await.expect("a new branch");
    assert_eq!(house.git.set_branch(id, "astraforge/x", &one, Some(None)).await.expect_err("it exists").code, "branch_moved");
    assert_eq!(house.git.set_branch(id, "astraforge/x", &one, Some(Some(&one))).await.expect_err("it is elsewhere").kind, Kind::Conflict);
    house.git.set_branch(id, "astraforge/x", &one, Some(Some(&base))).await.expect("from where it is");
    let stranger = Commit::parse(&"1".repeat(40)).expect("an id");
    assert!(house.git.set_branch(id, "astraforge/x", &stranger, None).await.is_err());
    house.git.delete_branch(id, "astraforge/x").await.expect("gone");
    house.git.delete_branch(id, "astraforge/x").await.expect("and again");
}

#[tokio::test]
async fn merges_all_or_nothing_and_once() {
    let house = House::new();
    let (id, base) = imported(&house).await;
    let edit = |path: &str, text: &'static str| FileEdit { path: path.into(), content: Some(text.into()), executable: false };
    let fix = house.git.commit_files(id, &base, &[edit("run.sh", "#!/bin/sh\necho fixed\n")], "fix", &author()).await.expect("a commit");
    let other = house.git.commit_files(id, &base, &[edit("other", "x\n")], "other", &author()).await.expect("a commit");
    let clash =
        house.git.commit_files(id, &base, &[edit("run.sh", "#!/bin/sh\necho clash\n")], "clash", &author()).await.expect("a commit");
    house.git.set_branch(id, "trunk", &other, Some(Some(&base))).await.expect("trunk goes on");

    let standing = house.git.standing(id, "trunk", &fix).await.expect("an answer");
    assert_eq!(standing, Standing { behind: 1, conflicts: Vec::new() });
    let merged = house.git.merge(id, "trunk", &fix, "Merge fix", &author()).await.expect("a merge");
    assert_eq!(git(&house.repository(id), &["log", "-1", "--format=%P", "trunk"]), format!("{other} {fix}\n"));
    assert_eq!(house.git.merge(id, "trunk", &fix, "Merge fix", &author()).await.expect("again"), merged);
    let refused = house.git.merge(id, "trunk", &clash, "Merge clash", &author()).await.expect_err("a conflict");
    assert_eq!((refused.kind, refused.code), (Kind::Conflict, "merge_conflict"));
    assert!(refused.message.contains("run.sh"), "{}", refused.message);
    let standing = house.git.standing(id, "trunk", &clash).await.expect("an answer");
    assert_eq!(standing, Standing { behind: 3, conflicts: vec!["run.sh".into()] });
    assert_eq!(house.git.standing(id, "gone", &clash).await.expect_err("no branch").kind, Kind::NotFound);
    assert_eq!(house.git.resolve(id, "trunk").await.expect("the tip"), merged);
}

#[tokio::test]
async fn the_local_forge_never_overwrites_somebodys_work() {
    let house = House::new();
    let (id, base) = imported(&house).await;
    let means = forges::Means {
        git: house.git.clone(),
        clock: house.clock.clone(),
        author_name: "AstraForge".into(),
        author_email: "a@example.com".into(),
    };
    let forge = forges::open_all(&means).remove(0);
    let at = house.clock.now();
    let repository = Repository {
        id,
        workspace: house.fresh(),
        provider: "local".into(),
        repository: "shop".into(),
        base_url: String::new(),
        default_branch: "trunk".into(),
        created_by: None,
        created_at: at,
        updated_at: at,
    };
    let edit = |text: &'static str| [FileEdit { path: "n".into(), content: Some(text.into()), executable: false }];
    let one = house.git.commit_files(id, &base, &edit("1"), "one", &author()).await.expect("a commit");
    let two = house.git.commit_files(id, &base, &edit("2"), "two", &author()).await.expect("a commit");
    let mut proposal = Proposal {
        source_branch: "astraforge/r".into(),
        target_branch: "trunk".into(),
        commit: one.clone(),
        previous: None,
        title: "Fix".into(),
        description: String::new(),
        draft: false,
    };
    let first = forge.propose(&repository, &proposal).await.expect("proposed");
    assert_eq!(forge.propose(&repository, &proposal).await.expect("again"), first);
    proposal.commit = two.clone();
    assert_eq!(forge.propose(&repository, &proposal).await.expect_err("not ours as far as it knows").code, "branch_moved");
    proposal.previous = Some(one.clone());
    forge.propose(&repository, &proposal).await.expect("updated");
    house.git.set_branch(id, "astraforge/r", &one, None).await.expect("somebody moves it");
    assert_eq!(forge.merge(&repository, &proposal).await.expect_err("not the proven commit").code, "branch_moved");
    house.git.set_branch(id, "astraforge/r", &two, None).await.expect("back");
    let merged = forge.merge(&repository, &proposal).await.expect("merged");
    assert_eq!(forge.merge(&repository, &proposal).await.expect("again"), merged);
    assert_eq!(house.git.file(id, &merged, "n").await.expect("a file").as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn hostile_repositories_run_nothing() {
    let house = House::new();
    let marker = house.path("marker");
    let evil = format!("#!/bin/sh\ntouch {}\n", marker.display());
    let (id, base) = imported(&house).await;
    // Hooks and commands, in the source and in our own copy.
    for dir in [house.path("source/.git"), house.repository(id)] {
        fs::create_dir_all(dir.join("hooks")).expect("a folder");
        for hook in ["reference-transaction", "post-update", "update", "pre-receive", "post-checkout", "post-index-change", "post-merge"] {
            fs::write(dir.join("hooks").join(hook), &evil).expect("a hook");
            fs::set_permissions(dir.join("hooks").join(hook), fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        fs::write(house.path("evil"), &evil).expect("a script");
        fs::set_permissions(house.path("evil"), fs::Permissions::from_mode(0o755)).expect("a mode");
        for key in ["core.fsmonitor", "uploadpack.packObjectsHook", "core.sshCommand", "core.alternateRefsCommand", "diff.external"] {
            git(&dir, &["config", key, &house.path("evil").display().to_string()]);
        }
    }
    // Positive control: unguarded, the hook does run.
    git(&house.repository(id), &["update-ref", "refs/heads/control", base.as_str()]);
    assert!(marker.exists(), "the hook works when nobody stops it");
    fs::remove_file(&marker).expect("removed");

    let again = house.fresh();
    house.git.import(again, Import::Path(house.path("source"))).await.expect("an import");
    let edit = FileEdit { path: ".gitattributes".into(), content: Some("* diff=evil filter=evil merge=evil\n".into()), executable: false };
    let commit = house.git.commit_files(id, &base, &[edit], "evil", &author()).await.expect("a commit");
    house.git.set_branch(id, "trunk", &commit, None).await.expect("moved");
    house.git.diff(id, &base, &commit).await.expect("a diff");
    house.git.checkout(id, &commit, true).await.expect("a clone");
    house.git.checkout(id, &commit, false).await.expect("files");
    assert!(!marker.exists(), "something ran");

    for url in ["ext::sh -c 'touch /tmp/x'", "file:///etc", "--upload-pack=touch", "fd::1", "ssh://-oProxyCommand=x/y"] {
        assert_eq!(house.git.import(house.fresh(), Import::Url(url.into())).await.expect_err(url).kind, Kind::Invalid);
    }
    for name in ["--upload-pack=touch", "-x", "a..b", "x^{tree}", ":/first", "@{-1}"] {
        assert_eq!(house.git.resolve(id, name).await.expect_err(name).kind, Kind::Invalid, "{name}");
        assert!(house.git.set_branch(id, name, &base, None).await.is_err(), "{name}");
    }
    fs::create_dir(house.path("linked")).expect("a folder");
    symlink(house.path("source/.git"), house.path("linked/.git")).expect("a link");
    assert_eq!(house.git.import(house.fresh(), Import::Path(house.path("linked"))).await.expect_err("a linked .git").kind, Kind::Invalid);
    let patch = "diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n";
    for patch in [patch.to_string(), patch.replace(".git/hooks/x", "../x")] {
        assert_eq!(
            house.git.commit_patch(id, &base, &Bytes::from(patch), "evil", &author()).await.expect_err("a bad path").code,
            "patch_does_not_apply"
        );
    }
}

#[tokio::test]
async fn git_clients_clone_and_push() {
    let house = House::new();
    let (id, base) = imported(&house).await;
    let address = house.serve(id, true).await;
    let reader = house.serve(id, false).await;
    let clone = house.path("clone");
    house::client(&house.path("."), &["clone", "-q", &address, "clone"]).await.expect("a clone");
    assert_eq!(git(&clone, &["rev-parse", "HEAD"]), format!("{base}\n"));
    // Large enough that the client sends it gzipped or in pieces.
    fs::write(clone.join("big"), (0..400_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>())
        .expect("a file");
    git(&clone, &["add", "-A"]);
    git(&clone, &["commit", "-qm", "big"]);
    assert!(house::client(&clone, &["push", "-q", &reader, "HEAD:trunk"]).await.is_err(), "readers can't push");
    assert_eq!(house.git.resolve(id, "trunk").await.expect("the tip"), base);
    house::client(&clone, &["push", "-q", &address, "HEAD:trunk"]).await.expect("a push");
    let tip = house.git.resolve(id, "trunk").await.expect("the tip");
    assert_eq!(format!("{tip}\n"), git(&clone, &["rev-parse", "HEAD"]));
    let ask = GitHttp {
        method: "GET".into(),
        path: "/config".into(),
        query: String::new(),
        content_type: String::new(),
        content_encoding: String::new(),
        protocol: String::new(),
        body: Bytes::new(),
        may_write: true,
    };
    assert_eq!(house.git.http(id, ask).await.expect("an answer").status, 404);
}

/// Prints what the operations of a run cost; `cargo test -p integrations --test git figures -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "prints figures, judges nothing"]
async fn figures() {
    let house = House::new();
    let start = std::time::Instant::now();
    let (id, base) = imported(&house).await;
    println!("import of a small repository and its first resolve (two sandboxes made): {:?}", start.elapsed());
    let edit = |n: usize| [FileEdit { path: "n".into(), content: Some(n.to_string().into()), executable: false }];
    macro_rules! figure {
        ($name:literal, $n:ident => $act:expr) => {
            let start = std::time::Instant::now();
            for $n in 0..20usize {
                let _ = $act.await.expect($name);
            }
            println!("{:>10.2} ms  {}", start.elapsed().as_secs_f64() * 50.0, $name);
        };
    }
    let other = house.git.commit_files(id, &base, &edit(999), "x", &author()).await.expect("a commit");
    let patch = house.git.diff(id, &base, &other).await.expect("a diff");
    figure!("resolve", _n => house.git.resolve(id, "trunk"));
    figure!("file", _n => house.git.file(id, &base, "run.sh"));
    figure!("files", _n => house.git.files(id, &base));
    figure!("diff", _n => house.git.diff(id, &base, &other));
    figure!("changes", _n => house.git.changes(id, &base, &other));
    figure!("commit_files", n => house.git.commit_files(id, &base, &edit(n), "x", &author()));
    figure!("commit_patch", n => house.git.commit_patch(id, &base, &patch, &format!("m{n}"), &author()));
    figure!("set_branch", n => house.git.set_branch(id, &format!("b{n}"), &base, None));
    figure!("merge (again, done already)", _n => house.git.merge(id, "trunk", &other, "m", &author()));
    let start = std::time::Instant::now();
    house.git.checkout(id, &base, false).await.expect("files");
    println!("checkout of files: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    house.git.checkout(id, &base, true).await.expect("a clone");
    println!("checkout with history: {:?}", start.elapsed());

    let own = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders up");
    let (big, start) = (house.fresh(), std::time::Instant::now());
    house.git.import(big, Import::Path(own.into())).await.expect("an import");
    println!("import of this repository: {:?}", start.elapsed());
    let tip = house.git.resolve(big, "HEAD").await.expect("the tip");
    for history in [false, true] {
        let start = std::time::Instant::now();
        house.git.checkout(big, &tip, history).await.expect("a checkout");
        println!("its checkout with{} history: {:?}", if history { "" } else { "out" }, start.elapsed());
    }
}
