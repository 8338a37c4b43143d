//! Writing: commits made without a work tree, branches moved only from where they are expected, merges.

use super::Git;
use super::call::{Call, Output};
use super::content::unknown_commit;
use super::names::{check_branch, check_path, person, shown};
use bytes::{BufMut, Bytes, BytesMut};
use domain::git::{Commit, FileEdit, Signature, Standing, conflict_words};
use domain::limits::UPLOAD_BYTES_MAX;
use domain::{Error, RepositoryId, Result};

const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// How often a merge starts over because the branch moved meanwhile.
const MERGE_TRIES_MAX: usize = 3;
/// Files in conflict that are named.
const CONFLICTS_MAX: usize = 20;

const UNKNOWN_BASE: i32 = 40;
const NOT_APPLICABLE: i32 = 41;
const NO_BRANCH: i32 = 42;
const CONFLICTS: i32 = 43;
const MOVED: i32 = 44;

pub async fn commit_patch(
    git: &Git,
    repository: RepositoryId,
    base: &Commit,
    patch: &Bytes,
    message: &str,
    author: &Signature,
) -> Result<Commit> {
    const SCRIPT: &str = r#"
        scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
        export GIT_INDEX_FILE="$scratch/index"
        git read-tree "$1^{tree}" || exit 40
        git apply --cached --whitespace=nowarn - || exit 41
        tree=$(git write-tree)
        git commit-tree "$tree" -p "$1" -m "$2"
    "#;
    if patch.is_empty() {
        return Err(Error::invalid("the patch changes nothing"));
    }
    let call = Call::script(SCRIPT, [base.as_str(), &cut_message(message)]).stdin(patch.clone());
    let output = git.run(repository, signed(call, author)).await?;
    match output.code {
        UNKNOWN_BASE => Err(unknown_commit(base)),
        NOT_APPLICABLE => {
            Err(Error::conflict(format!("the patch does not apply to {}: {}", base.short(), output.words())).code("patch_does_not_apply"))
        }
        _ => made(output),
    }
}

pub async fn commit_files(
    git: &Git,
    repository: RepositoryId,
    base: &Commit,
    files: &[FileEdit],
    message: &str,
    author: &Signature,
) -> Result<Commit> {
    // The importer can only write a commit to a ref; the one it writes is hidden from clients and removed at once.
    const SCRIPT: &str = r#"
        git cat-file -e "$1^{commit}" || exit 40
        ref="refs/astraforge/scratch/$2"
        git fast-import --quiet --done --force
        git rev-parse --verify --quiet "$ref^{commit}"
        git update-ref -d "$ref"
    "#;
    let nonce = git.clock.token_hex(8);
    let stream = import_stream(&format!("refs/astraforge/scratch/{nonce}"), base, files, message, author)?;
    let output = git.run(repository, Call::script(SCRIPT, [base.as_str(), &nonce]).stdin(stream)).await?;
    match output.code {
        UNKNOWN_BASE => Err(unknown_commit(base)),
        _ => made(output),
    }
}

pub async fn set_branch(git: &Git, repository: RepositoryId, branch: &str, to: &Commit, expect: Option<Option<&Commit>>) -> Result<()> {
    check_branch(branch)?;
    let mut args = vec!["update-ref".to_string(), format!("refs/heads/{branch}"), to.to_string()];
    match expect {
        Some(Some(commit)) => args.push(commit.to_string()),
        Some(None) => args.push("0".repeat(to.as_str().len())),
        None => {}
    }
    let output = git.run(repository, Call::git(args)).await?;
    match output.code {
        0 => Ok(()),
        _ if output.words().contains("nonexistent object") => Err(unknown_commit(to)),
        _ => {
            Err(Error::conflict(format!("branch `{}` is not where it was expected: {}", shown(branch), output.words()))
                .code("branch_moved"))
        }
    }
}

pub async fn delete_branch(git: &Git, repository: RepositoryId, branch: &str) -> Result<()> {
    check_branch(branch)?;
    git.run(repository, Call::git(["update-ref", "-d", &format!("refs/heads/{branch}")])).await?.checked("delete a branch").map(drop)
}

pub async fn standing(git: &Git, repository: RepositoryId, branch: &str, commit: &Commit) -> Result<Standing> {
    const SCRIPT: &str = r#"
        tip=$(git rev-parse --verify --quiet "refs/heads/$1^{commit}") || exit 42
        git cat-file -e "$2^{commit}" || exit 40
        behind=$(git rev-list --count "$2..$tip")
        echo "$behind"
        [ "$behind" = 0 ] || git merge-tree --write-tree --name-only --no-messages "$tip" "$2" || { code=$?; [ "$code" = 1 ] && exit 43; exit "$code"; }
    "#;
    check_branch(branch)?;
    let output = git.run(repository, Call::script(SCRIPT, [branch, commit.as_str()])).await?;
    let conflicts = match output.code {
        UNKNOWN_BASE => return Err(unknown_commit(commit)),
        NO_BRANCH => return Err(no_branch(branch)),
        CONFLICTS => files_in_conflict(&output.stdout, 2),
        _ => Vec::new(),
    };
    let text = if conflicts.is_empty() { output.checked("compare the branches")? } else { output.stdout };
    let behind = String::from_utf8_lossy(&text).lines().next().and_then(|count| count.parse().ok());
    Ok(Standing { behind: behind.ok_or_else(|| Error::internal("git answered no count"))?, conflicts })
}

pub async fn merge(
    git: &Git,
    repository: RepositoryId,
    branch: &str,
    commit: &Commit,
    message: &str,
    author: &Signature,
) -> Result<Commit> {
    // A commit that is in the branch already was merged by an earlier try: the answer is that merge.
    const SCRIPT: &str = r#"
        tip=$(git rev-parse --verify --quiet "refs/heads/$1^{commit}") || exit 42
        git cat-file -e "$2^{commit}" || exit 40
        if git merge-base --is-ancestor "$2" "$tip"; then
            done=$(git rev-list --first-parent --min-parents=2 --parents "$2..$tip" | while read -r id first second rest; do
                if [ "$second" = "$2" ]; then echo "$id"; fi; done)
            echo "${done:-$tip}"
            exit 0
        fi
        answer=$(git merge-tree --write-tree --name-only --no-messages "$tip" "$2") || { code=$?; [ "$code" = 1 ] || exit "$code"; echo "$answer"; exit 43; }
        merged=$(git commit-tree "$answer" -p "$tip" -p "$2" -m "$3")
        git update-ref "refs/heads/$1" "$merged" "$tip" || exit 44
        echo "$merged"
    "#;
    check_branch(branch)?;
    for _ in 0..MERGE_TRIES_MAX {
        let call = Call::script(SCRIPT, [branch, commit.as_str(), &cut_message(message)]);
        let output = git.run(repository, signed(call, author)).await?;
        match output.code {
            MOVED => continue,
            UNKNOWN_BASE => return Err(unknown_commit(commit)),
            NO_BRANCH => return Err(no_branch(branch)),
            CONFLICTS => return Err(conflict_of(branch, &output)),
            _ => return made(output),
        }
    }
    Err(Error::conflict(format!("branch `{}` keeps moving; merge again", shown(branch))).code("branch_moved"))
}

fn no_branch(branch: &str) -> Error {
    Error::not_found(format!("the repository has no branch `{}` to merge into", shown(branch)))
}

/// `git merge-tree` names them after the tree.
fn files_in_conflict(stdout: &[u8], lines_before: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().skip(lines_before).filter(|line| !line.is_empty()).take(CONFLICTS_MAX).map(str::to_string).collect()
}

fn conflict_of(branch: &str, output: &Output) -> Error {
    let files = files_in_conflict(&output.stdout, 1);
    Error::conflict(conflict_words(&shown(branch), &files)).code("merge_conflict")
}

fn made(output: Output) -> Result<Commit> {
    let text = output.checked("write the commit")?;
    let text = String::from_utf8_lossy(&text);
    Commit::parse(text.lines().next().unwrap_or_default()).map_err(|_| Error::internal("git answered no commit id"))
}

fn signed(call: Call, author: &Signature) -> Call {
    let (name, email, date) =
        (person(&author.name, "AstraForge"), person(&author.email, "astraforge@localhost"), format!("@{} +0000", author.at));
    call.env("GIT_AUTHOR_NAME", &name)
        .env("GIT_AUTHOR_EMAIL", &email)
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_NAME", name)
        .env("GIT_COMMITTER_EMAIL", email)
        .env("GIT_COMMITTER_DATE", date)
}

/// NULs would end the argument early, and an argument has a size limit.
fn cut_message(message: &str) -> String {
    let mut text: String = message.replace('\0', "");
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    if text.trim().is_empty() { "(no message)".into() } else { text }
}

fn import_stream(reference: &str, base: &Commit, files: &[FileEdit], message: &str, author: &Signature) -> Result<Bytes> {
    let size: usize = files.iter().filter_map(|file| file.content.as_ref()).map(Bytes::len).sum();
    if size > UPLOAD_BYTES_MAX {
        return Err(Error::limit(format!("the files have {size} bytes; at most {UPLOAD_BYTES_MAX} go into one commit")));
    }
    let who = format!("{} <{}> {} +0000\n", person(&author.name, "AstraForge"), person(&author.email, "astraforge@localhost"), author.at);
    let message = format!("{}\n", cut_message(message).trim_end());
    let mut stream = BytesMut::with_capacity(size + 4096);
    stream.put_slice(
        format!("feature done\ncommit {reference}\nauthor {who}committer {who}data {}\n{message}\nfrom {base}\n", message.len()).as_bytes(),
    );
    for file in files {
        check_path(&file.path)?;
        let quoted = format!("\"{}\"", file.path.replace('\\', "\\\\").replace('"', "\\\""));
        match &file.content {
            None => stream.put_slice(format!("D {quoted}\n").as_bytes()),
            Some(content) => {
                let mode = if file.executable { "100755" } else { "100644" };
                stream.put_slice(format!("M {mode} inline {quoted}\ndata {}\n", content.len()).as_bytes());
                stream.put_slice(content);
                stream.put_slice(b"\n");
            }
        }
    }
    stream.put_slice(b"done\n");
    Ok(stream.freeze())
}
