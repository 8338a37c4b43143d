//! Reading: what a name means, what a commit holds, what two commits differ in.

use super::Git;
use super::call::Call;
use super::names::{check_path, check_revision, shown};
use bytes::Bytes;
use domain::diff::{Blob, BlobKind, FileChange};
use domain::git::{Commit, LineChange};
use domain::{Error, RepositoryId, Result, Timestamp};
use std::collections::HashMap;

/// A diff larger than this is refused whole rather than shown in part.
const DIFF_TEXT_BYTES_MAX: usize = 32 << 20;

pub async fn resolve(git: &Git, repository: RepositoryId, reference: &str) -> Result<Commit> {
    check_revision(reference)?;
    // Names travel on stdin, so none of them can be taken for an option.
    let asked = match reference {
        "HEAD" => "HEAD^{commit}\n".to_string(),
        full if full.starts_with("refs/") => format!("{full}^{{commit}}\n"),
        name => format!(
            "refs/heads/{name}^{{commit}}\nrefs/tags/{name}^{{commit}}\n{}",
            if is_commit_prefix(name) { format!("{name}^{{commit}}\n") } else { String::new() }
        ),
    };
    let answer = git
        .run(repository, Call::git(["cat-file", "--batch-check=%(objectname) %(objecttype)"]).stdin(asked))
        .await?
        .checked("look up a commit")?;
    let answer = String::from_utf8_lossy(&answer);
    let found = answer.lines().find_map(|line| line.strip_suffix(" commit")).map(Commit::parse);
    found.unwrap_or_else(|| Err(Error::not_found(format!("the repository has no branch, tag or commit `{}`", shown(reference)))))
}

pub async fn contains(git: &Git, repository: RepositoryId, commit: &Commit, ancestor: &Commit) -> Result<bool> {
    let output = git.run(repository, Call::git(["merge-base", "--is-ancestor", ancestor.as_str(), commit.as_str()])).await?;
    match output.code {
        0 => Ok(true),
        1 => Ok(false),
        _ => output.checked("compare two commits").map(|_| false),
    }
}

pub async fn last_change(git: &Git, repository: RepositoryId, commit: &Commit, path: &str, line: u32) -> Result<Option<LineChange>> {
    check_path(path)?;
    let range = format!("-L{line},{line}");
    let args = ["blame", "--line-porcelain", "-w", &range, commit.as_str(), "--", path];
    let output = git.run(repository, Call::git(args)).await?;
    // The file is gone or shorter than that: an alert's line numbers may be of another commit.
    if output.code != 0 {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().to_string();
    let Some(id) = text.split_ascii_whitespace().next().and_then(|id| Commit::parse(id).ok()) else { return Ok(None) };
    let at = field("author-time ").parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    Ok(at.map(|at| LineChange { path: path.to_string(), line, commit: id, author: field("author "), at, subject: field("summary ") }))
}

pub async fn file(git: &Git, repository: RepositoryId, commit: &Commit, path: &str) -> Result<Option<Bytes>> {
    check_path(path)?;
    let call = Call::git(["cat-file", "--batch", "-z"]).stdin(format!("{commit}:{path}\0"));
    let answer = git.run(repository, call).await?.checked("read a file")?;
    Ok(Objects(answer).next().and_then(|object| object.ok()).filter(|object| object.kind == "blob").map(|object| object.content))
}

pub async fn files(git: &Git, repository: RepositoryId, commit: &Commit) -> Result<Vec<String>> {
    let answer = git.run(repository, Call::git(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit.as_str()])).await?;
    if answer.code != 0 {
        return Err(unknown_commit(commit));
    }
    let answer = answer.checked("list the files")?;
    Ok(answer.split(|b| *b == 0).filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

pub async fn diff(git: &Git, repository: RepositoryId, from: &Commit, to: &Commit) -> Result<Bytes> {
    let args = [
        "diff-tree",
        "-r",
        "-p",
        "-M",
        "-U3",
        "--binary",
        "--full-index",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        from.as_str(),
        to.as_str(),
    ];
    git.run(repository, Call::git(args).output_bytes_max(DIFF_TEXT_BYTES_MAX)).await?.checked("show the difference")
}

pub async fn changes(git: &Git, repository: RepositoryId, from: &Commit, to: &Commit) -> Result<Vec<FileChange>> {
    let args = ["diff-tree", "-r", "-z", "-M", "--raw", "--no-abbrev", from.as_str(), to.as_str()];
    let raw = git.run(repository, Call::git(args)).await?.checked("compare two commits")?;
    let sides = parse_raw(&raw)?;
    let mut wanted: Vec<&str> = sides
        .iter()
        .flat_map(|side| [&side.old, &side.new])
        .flatten()
        .filter(|end| end.kind != BlobKind::Submodule)
        .map(|end| end.id.as_str())
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut contents = HashMap::new();
    if !wanted.is_empty() {
        let call = Call::git(["cat-file", "--batch"]).stdin(wanted.join("\n") + "\n");
        let answer = git.run(repository, call).await?.checked("read the changed files")?;
        for object in Objects(answer) {
            let object = object?;
            contents.insert(object.id, object.content);
        }
    }
    let blob = |end: Option<End>| -> Result<Option<Blob>> {
        let Some(end) = end else { return Ok(None) };
        let content = match end.kind {
            BlobKind::Submodule => Bytes::from(end.id),
            _ => contents.get(&end.id).cloned().ok_or_else(|| Error::internal(format!("the repository lacks object `{}`", end.id)))?,
        };
        Ok(Some(Blob { kind: end.kind, content }))
    };
    sides
        .into_iter()
        .map(|side| Ok(FileChange { path: side.path, old_path: side.old_path, old: blob(side.old)?, new: blob(side.new)? }))
        .collect()
}

pub fn unknown_commit(commit: &Commit) -> Error {
    Error::not_found(format!("the repository has no commit `{}`", commit.short()))
}

fn is_commit_prefix(name: &str) -> bool {
    (7..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit())
}

struct Side {
    path: String,
    old_path: Option<String>,
    old: Option<End>,
    new: Option<End>,
}

struct End {
    kind: BlobKind,
    id: String,
}

/// `:<old mode> <new mode> <old id> <new id> <status>` NUL path NUL, and a second path for a rename.
fn parse_raw(raw: &[u8]) -> Result<Vec<Side>> {
    let odd = || Error::internal("git's list of changes can't be read");
    let mut fields = raw.split(|b| *b == 0).map(|field| String::from_utf8_lossy(field).into_owned());
    let mut sides = Vec::new();
    while let Some(head) = fields.next().filter(|head| !head.is_empty()) {
        let words: Vec<&str> = head.strip_prefix(':').ok_or_else(odd)?.split(' ').collect();
        let [old_mode, new_mode, old_id, new_id, status] = words[..] else { return Err(odd()) };
        let first = fields.next().ok_or_else(odd)?;
        let (old_path, path) = match status.as_bytes().first() {
            Some(b'R' | b'C') => (Some(first), fields.next().ok_or_else(odd)?),
            _ => (None, first),
        };
        sides.push(Side { path, old_path, old: end(old_mode, old_id)?, new: end(new_mode, new_id)? });
    }
    Ok(sides)
}

fn end(mode: &str, id: &str) -> Result<Option<End>> {
    let kind = match mode {
        "000000" => return Ok(None),
        "100644" | "100664" => BlobKind::File,
        "100755" => BlobKind::Executable,
        "120000" => BlobKind::Symlink,
        "160000" => BlobKind::Submodule,
        other => return Err(Error::invalid(format!("a file has the unknown mode {other}"))),
    };
    Ok(Some(End { kind, id: id.to_string() }))
}

/// The answers of `cat-file --batch`, one after the other.
struct Objects(Bytes);

struct Object {
    id: String,
    kind: String,
    content: Bytes,
}

impl Iterator for Objects {
    type Item = Result<Object>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some(end) = self.0.iter().position(|b| *b == b'\n') else {
            return self.stop("git's answer breaks off");
        };
        let head = String::from_utf8_lossy(&self.0.split_to(end + 1)).trim_end().to_string();
        let words: Vec<&str> = head.rsplitn(3, ' ').collect();
        let [size, kind, id] = words[..] else { return self.stop("an object is missing") };
        match size.parse::<usize>() {
            Ok(size) if size < self.0.len() => {
                let content = self.0.split_to(size);
                let _newline = self.0.split_to(1);
                Some(Ok(Object { id: id.to_string(), kind: kind.to_string(), content }))
            }
            _ => self.stop("an object is missing"),
        }
    }
}

impl Objects {
    fn stop(&mut self, message: &str) -> Option<Result<Object>> {
        self.0.clear();
        Some(Err(Error::internal(message)))
    }
}
