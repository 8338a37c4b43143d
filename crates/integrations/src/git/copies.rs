//! Whole repositories and work trees: made, imported, checked out, removed.

use super::call::{Call, Place, Reach};
use super::names::{check_branch, shown};
use super::{Git, checkouts_dir, content, repository_dir};
use domain::clock::file_time;
use domain::egress::HostPort;
use domain::git::{Commit, Import};
use domain::{Error, RepositoryId, Result, Timestamp};
use std::path::{Path, PathBuf};

const NO_BRANCHES: i32 = 45;
/// The one folder of the data dir that is made to be imported.
const EXAMPLES: &str = "demo";

/// Makes a bare repository and points its `HEAD`; harmless when it is there already.
const INIT: &str = r#"
    dir=$GIT_DIR; unset GIT_DIR
    git init --quiet --bare --template= --initial-branch="$1" "$dir"
"#;

pub async fn init(git: &Git, repository: RepositoryId, default_branch: &str) -> Result<()> {
    check_branch(default_branch)?;
    git.run(repository, Call::script(INIT, [default_branch])).await?.checked("make a repository").map(drop)
}

pub async fn import(git: &Git, repository: RepositoryId, from: Import) -> Result<String> {
    let branch = match from {
        Import::Path(path) => import_folder(git, repository, &path).await,
        Import::Url(url) => import_url(git, repository, &url).await,
    };
    if branch.is_err() {
        // Half a copy is worse than none: the next try starts clean.
        remove(git, repository).await?;
    }
    branch
}

pub async fn remove(git: &Git, repository: RepositoryId) -> Result<()> {
    git.runner.release(repository).await;
    remove_dir(checkouts_dir(&git.data_dir, repository)).await?;
    remove_dir(repository_dir(&git.data_dir, repository)).await
}

pub async fn checkout(git: &Git, repository: RepositoryId, commit: &Commit, history: bool) -> Result<PathBuf> {
    let name = checkout_name(commit, history);
    let path = checkouts_dir(&git.data_dir, repository).join(&name);
    if tokio::fs::symlink_metadata(&path).await.is_ok_and(|found| found.is_dir()) {
        mark_used(&path, git.clock.now());
        return Ok(path);
    }
    // Made under another name and renamed when it is whole; of two that race, one wins and the other's work is dropped.
    const FILES: &str = r#"
        git cat-file -e "$1^{commit}" || exit 40
        scratch=$(mktemp -d "$CHECKOUTS/.new-XXXXXX"); trap 'rm -rf "$scratch"' EXIT
        mkdir "$scratch/tree"
        GIT_INDEX_FILE="$scratch/index" git --work-tree="$scratch/tree" read-tree "$1^{tree}"
        GIT_INDEX_FILE="$scratch/index" git --work-tree="$scratch/tree" checkout-index --all --quiet
        mv -T "$scratch/tree" "$CHECKOUTS/$2" || [ -d "$CHECKOUTS/$2" ]
    "#;
    const CLONE: &str = r#"
        git cat-file -e "$1^{commit}" || exit 40
        branch=$(git symbolic-ref --short HEAD)
        scratch=$(mktemp -d "$CHECKOUTS/.new-XXXXXX"); trap 'rm -rf "$scratch"' EXIT
        bare=$GIT_DIR; unset GIT_DIR
        git init --quiet --template= --initial-branch="$branch" "$scratch/tree"
        cd "$scratch/tree"
        printf '%s\n' "$1" | GIT_DIR=$bare git pack-objects --revs --stdout --quiet | git index-pack --stdin >/dev/null
        git update-ref "refs/heads/$branch" "$1"
        git config gc.auto 0
        git config user.name agent
        git config user.email agent@localhost
        git reset --quiet --hard
        cd /
        mv -T "$scratch/tree" "$CHECKOUTS/$2" || [ -d "$CHECKOUTS/$2" ]
    "#;
    let output = git.run(repository, Call::script(if history { CLONE } else { FILES }, [commit.as_str(), &name])).await?;
    if output.code == 40 {
        return Err(content::unknown_commit(commit));
    }
    output.checked("check out the files")?;
    Ok(path)
}

pub async fn tidy(git: &Git, repository: RepositoryId, unused_since: Timestamp) -> Result<()> {
    let dir = checkouts_dir(&git.data_dir, repository);
    let mut entries = match tokio::fs::read_dir(&dir).await {
        Ok(entries) => entries,
        // Nobody has worked with it yet.
        Err(_) => return Ok(()),
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        // Names that start with a dot are being made right now.
        let is_whole = !entry.file_name().to_string_lossy().starts_with('.');
        let used = entry.metadata().await.and_then(|found| found.modified());
        if is_whole && used.is_ok_and(|used| used < file_time(unused_since)) {
            remove_dir(entry.path()).await?;
        }
    }
    // Git looks whether there is enough to do.
    let call = Call::git(["gc", "--auto", "--quiet", &format!("--prune=@{}", unused_since.as_second())]);
    let call = call.config("gc.auto", "6700").config("gc.autoDetach", "false");
    git.run(repository, call).await?.checked("tidy the repository").map(drop)
}

/// A checkout's own time says when it was last asked for; one that can't be marked is made again some day.
fn mark_used(path: &Path, now: Timestamp) {
    let _ = std::fs::File::open(path).and_then(|folder| folder.set_modified(file_time(now)));
}

async fn import_folder(git: &Git, repository: RepositoryId, path: &Path) -> Result<String> {
    let path = tokio::fs::canonicalize(path)
        .await
        .map_err(|error| Error::field("source", format!("the folder `{}` can't be read: {error}", path.display())))?;
    // Ours holds the installation's secret and everybody's repositories, which nobody may read through one of their own.
    let ours =
        tokio::fs::canonicalize(&git.data_dir).await.map_err(|error| Error::internal("the data dir can't be read").because(error))?;
    let is_inside = path.starts_with(&ours) && !path.starts_with(ours.join(EXAMPLES));
    if is_inside || ours.starts_with(&path) {
        return Err(Error::field("source", "the data dir of this server can't be imported, nor what is in it or around it"));
    }
    let place = Place { repository, reach: Reach::Folder(path.clone()) };
    let inner = path.join(".git");
    match tokio::fs::symlink_metadata(&inner).await {
        Ok(found) if found.is_dir() => fetch(git, &place, "").await,
        Ok(_) => {
            Err(Error::field("source", format!("`{}` is a link to a repository elsewhere; name that repository instead", inner.display())))
        }
        Err(_) if path.join("HEAD").is_file() && path.join("objects").is_dir() => fetch(git, &place, "").await,
        Err(_) => commit_folder(git, &place).await,
    }
}

async fn import_url(git: &Git, repository: RepositoryId, url: &str) -> Result<String> {
    let host = host_of(url)?;
    fetch(git, &Place { repository, reach: Reach::Host(host) }, url).await
}

/// Copies all branches and tags from `$SOURCE`, or from `url` when it is not empty.
async fn fetch(git: &Git, place: &Place, url: &str) -> Result<String> {
    const SCRIPT: &str = r#"
        source=${1:-file://${SOURCE:-}}
        head=$(git ls-remote --symref -- "$source" HEAD | sed -n 's,^ref: refs/heads/\(.*\)\tHEAD$,\1,p')
        git fetch --quiet --no-auto-gc --no-write-fetch-head --no-recurse-submodules --no-tags -- "$source" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*'
        for branch in "$head" main master "$(git for-each-ref --count=1 --format='%(refname:lstrip=2)' refs/heads)"; do
            if [ -n "$branch" ] && git rev-parse --verify --quiet "refs/heads/$branch^{commit}" >/dev/null; then
                git symbolic-ref HEAD "refs/heads/$branch"
                echo "$branch"
                exit 0
            fi
        done
        exit 45
    "#;
    git.runner.run(place, Call::script(INIT, ["main"])).await?.checked("make a repository")?;
    let call = Call::script(SCRIPT, [url]);
    let call = match place.reach {
        Reach::Host(_) => call.config("protocol.https.allow", "always").config("http.followRedirects", "initial"),
        _ => call.config("protocol.file.allow", "always"),
    };
    let output = git.runner.run(place, call).await?;
    match output.code {
        0 => branch_of(&output.stdout),
        NO_BRANCHES => Err(Error::field("source", "the repository to import has no branches; commit something there first")),
        _ => Err(Error::field("source", format!("git could not import the repository: {}", output.words()))),
    }
}

/// A plain folder becomes a repository with one commit.
async fn commit_folder(git: &Git, place: &Place) -> Result<String> {
    const SCRIPT: &str = r#"
        scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
        export GIT_INDEX_FILE="$scratch/index"
        git --work-tree="$SOURCE" -C "$SOURCE" add --all .
        tree=$(git write-tree)
        commit=$(git commit-tree "$tree" -m 'Import')
        git update-ref refs/heads/main "$commit"
        echo main
    "#;
    git.runner.run(place, Call::script(INIT, ["main"])).await?.checked("make a repository")?;
    let call = Call::script(SCRIPT, std::iter::empty::<String>())
        .env("GIT_AUTHOR_NAME", "AstraForge")
        .env("GIT_AUTHOR_EMAIL", "astraforge@localhost")
        .env("GIT_AUTHOR_DATE", format!("@{} +0000", git.clock.now().as_second()))
        .env("GIT_COMMITTER_NAME", "AstraForge")
        .env("GIT_COMMITTER_EMAIL", "astraforge@localhost")
        .env("GIT_COMMITTER_DATE", format!("@{} +0000", git.clock.now().as_second()));
    let output = git.runner.run(place, call).await?;
    if output.code != 0 {
        return Err(Error::field("source", format!("git could not import the folder: {}", output.words())));
    }
    branch_of(&output.stdout)
}

fn branch_of(stdout: &[u8]) -> Result<String> {
    let text = String::from_utf8_lossy(stdout);
    let branch = text.lines().next().unwrap_or_default().to_string();
    check_branch(&branch)
        .map_err(|_| Error::field("source", format!("its default branch `{}` has a name we don't take", shown(&branch))))?;
    Ok(branch)
}

/// Only plain web addresses: everything else that git understands could run a program or read a file.
fn host_of(url: &str) -> Result<HostPort> {
    let wrong = |why: &str| Error::field("source", format!("`{}` can't be imported: {why}", shown(url)));
    let parsed = reqwest::Url::parse(url).map_err(|_| wrong("it is no URL"))?;
    // What leaves a sandbox is a tunnel to one listed host; plain http has no tunnel.
    if parsed.scheme() != "https" {
        return Err(wrong("only https addresses are taken"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Error::field("source", "the address contains a user name or password; give it without"));
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(wrong("it contains blanks"));
    }
    let host = parsed.host_str().ok_or_else(|| wrong("it names no host"))?;
    Ok(HostPort { host: host.to_ascii_lowercase(), port: parsed.port().unwrap_or(443) })
}

fn checkout_name(commit: &Commit, history: bool) -> String {
    format!("{commit}{}", if history { "-history" } else { "" })
}

async fn remove_dir(path: PathBuf) -> Result<()> {
    match tokio::fs::remove_dir_all(&path).await {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::internal(format!("`{}` could not be removed", path.display())).because(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_imported() {
        assert_eq!(host_of("https://Example.com/a/b.git").expect("a web address").host, "example.com");
        assert_eq!(host_of("https://localhost:8080/x").expect("a web address").port, 8080);
        for bad in [
            "ext::sh -c id",
            "file:///etc",
            "http://h/x",
            "ssh://h/x",
            "git@h:x",
            "--upload-pack=id",
            "https://u:p@h/x",
            "https://u@h/x",
            "/etc",
            "https:// h/x",
        ] {
            assert!(host_of(bad).is_err(), "{bad} must be refused");
        }
    }
}
