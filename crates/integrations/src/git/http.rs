//! Smart HTTP for people and their git clients. Who may do what is decided before; `may_write` is the outcome.

use super::Git;
use super::call::Call;
use bytes::{BufMut, Bytes, BytesMut};
use domain::git::{GitHttp, GitHttpAnswer};
use domain::limits::GIT_PUSH_BYTES_MAX;
use domain::{Error, RepositoryId, Result};
use tokio::io::AsyncReadExt;

/// A clone's pack is held in memory on its way out.
const ANSWER_BYTES_MAX: usize = 1 << 30;

#[derive(Clone, Copy, PartialEq)]
enum Service {
    UploadPack,
    ReceivePack,
}

pub async fn answer(git: &Git, repository: RepositoryId, request: GitHttp) -> Result<GitHttpAnswer> {
    let (service, advertise) = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/info/refs") => match request.query.split('&').find_map(|pair| pair.strip_prefix("service=")) {
            Some("git-upload-pack") => (Service::UploadPack, true),
            Some("git-receive-pack") => (Service::ReceivePack, true),
            _ => return Ok(plain(403, "this server speaks git's smart protocol only; use a newer git")),
        },
        ("POST", "/git-upload-pack") => (Service::UploadPack, false),
        ("POST", "/git-receive-pack") => (Service::ReceivePack, false),
        _ => return Ok(plain(404, "no such git address")),
    };
    if service == Service::ReceivePack && !request.may_write {
        return Ok(plain(403, "you may read this repository, but not push to it"));
    }
    if !advertise && request.content_type != format!("application/x-{}-request", service.name()) {
        return Ok(plain(415, "that is no git request"));
    }
    let body = if advertise { Bytes::new() } else { inflate(&request).await? };
    let mut args = vec![service.command(), "--stateless-rpc"];
    if advertise {
        args.push("--http-backend-info-refs");
    }
    args.push(".");
    let version_2 = request.protocol == "version=2";
    let mut call = Call::script(r#"cd "$GIT_DIR"; unset GIT_DIR; exec git "$@""#, args).stdin(body).output_bytes_max(ANSWER_BYTES_MAX);
    if matches!(request.protocol.as_str(), "version=1" | "version=2") {
        call = call.env("GIT_PROTOCOL", &request.protocol);
    }
    let output = git.run(repository, call).await?;
    if output.cut {
        return Err(Error::limit("the answer is too large to send; clone with --depth or --filter"));
    }
    if output.code != 0 && output.stdout.is_empty() {
        return Ok(plain(400, &format!("git refused: {}", output.words())));
    }
    let mut stdout = BytesMut::new();
    if advertise && !(version_2 && service == Service::UploadPack) {
        let line = format!("# service={}\n", service.name());
        stdout.put_slice(format!("{:04x}{line}0000", line.len() + 4).as_bytes());
    }
    stdout.put_slice(&output.stdout);
    let kind = format!("application/x-{}-{}", service.name(), if advertise { "advertisement" } else { "result" });
    Ok(GitHttpAnswer {
        status: 200,
        headers: vec![("content-type".into(), kind), ("cache-control".into(), "no-cache, no-store".into())],
        body: stdout.freeze(),
    })
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Service::UploadPack => "git-upload-pack",
            Service::ReceivePack => "git-receive-pack",
        }
    }
    fn command(self) -> &'static str {
        &self.name()[4..]
    }
}

fn plain(status: u16, text: &str) -> GitHttpAnswer {
    GitHttpAnswer {
        status,
        headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())],
        body: Bytes::from(format!("{text}\n")),
    }
}

async fn inflate(request: &GitHttp) -> Result<Bytes> {
    let too_large = || Error::limit(format!("a push carries at most {GIT_PUSH_BYTES_MAX} bytes")).code("too_large");
    match request.content_encoding.as_str() {
        "" | "identity" if request.body.len() as u64 <= GIT_PUSH_BYTES_MAX => Ok(request.body.clone()),
        "gzip" | "x-gzip" => {
            let mut inflated = Vec::new();
            let decoder = async_compression::tokio::bufread::GzipDecoder::new(&request.body[..]);
            decoder
                .take(GIT_PUSH_BYTES_MAX + 1)
                .read_to_end(&mut inflated)
                .await
                .map_err(|_| Error::invalid("the request's gzip body is broken"))?;
            if inflated.len() as u64 > GIT_PUSH_BYTES_MAX { Err(too_large()) } else { Ok(inflated.into()) }
        }
        "" | "identity" => Err(too_large()),
        other => Err(Error::invalid(format!("the content encoding `{}` is not known here", super::names::shown(other)))),
    }
}
