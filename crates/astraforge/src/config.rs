//! Settings from flags, environment and an optional file, in that order of precedence. Nobody else reads the environment.

use crate::cli::{Common, Serve};
use anyhow::{Context, Result, bail};
use domain::egress::HostPort;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the first server shipped as its key, known to everybody.
const REFUSED_KEYS: &[&str] = &["insecure", "insecure-secret-key", "changeme", "change-me", "django-insecure"];
/// The page that tells of every setting: what it does not name is none.
const PAGE: &str = include_str!("../../../docs/configuration.md");
const LISTEN_DEFAULT: &str = "127.0.0.1:8001";
const SECRET_KEY_CHARS_MIN: usize = 32;

/// Where a setting that is no flag is looked up.
pub struct Lookup {
    file: BTreeMap<String, String>,
}

impl Lookup {
    pub fn open(path: Option<&Path>) -> Result<Lookup> {
        let mut file = BTreeMap::new();
        if let Some(path) = path {
            let text = fs::read_to_string(path).with_context(|| format!("the configuration file {} can't be read", path.display()))?;
            let table: toml::Table = text.parse().with_context(|| format!("{} is no TOML", path.display()))?;
            for (name, value) in table {
                let value = match value {
                    toml::Value::String(text) => text,
                    toml::Value::Table(_) => serde_json::to_string(&value)?,
                    other => other.to_string(),
                };
                let name = name.to_uppercase();
                if !is_setting(&name) {
                    eprintln!("astraforge: `{name}` in {} is no setting and is ignored", path.display());
                }
                file.insert(name, value);
            }
        }
        if let Some(path) = std::env::var_os("ASTRAFORGE_ENV_FILE") {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("ASTRAFORGE_ENV_FILE names {}, which can't be read", Path::new(&path).display()))?;
            for (name, value) in text.lines().filter_map(env_line) {
                file.entry(name).or_insert(value);
            }
        }
        Ok(Lookup { file })
    }

    /// Empty counts as absent, as compose files like to pass empty variables.
    pub fn text(&self, name: &str) -> Option<String> {
        let from_env = std::env::var(name).ok();
        from_env.or_else(|| self.file.get(name).cloned()).map(|v| v.trim().to_string()).filter(|v| !v.is_empty())
    }

    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.text(name).map(|v| v.to_lowercase()).as_deref() {
            None => Ok(default),
            Some("1" | "true" | "yes" | "on") => Ok(true),
            Some("0" | "false" | "no" | "off") => Ok(false),
            Some(other) => bail!("{name} is `{other}`; say true or false"),
        }
    }

    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        self.text(name).map(|v| v.split(',').map(|s| s.trim().to_string()).filter(|s| !s.is_empty()).collect())
    }
}

fn is_setting(name: &str) -> bool {
    PAGE.contains(&format!("`{name}`"))
}

/// `NAME=value`, with `export`, quotes and comments as shells have them.
fn env_line(line: &str) -> Option<(String, String)> {
    let line = line.trim().trim_start_matches("export ").trim();
    let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
    let value = value.trim();
    let bare =
        value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).or_else(|| value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')));
    Some((name.trim().to_string(), bare.unwrap_or(value).to_string()))
}

/// What every command needs.
pub struct Base {
    pub data_dir: PathBuf,
    pub database_url: String,
    pub secret_key: Vec<u8>,
    pub lookup: Lookup,
}

impl Base {
    /// Of an installation that is there: a folder that was misspelt is not made into a new one.
    pub fn existing(common: &Common) -> Result<Base> {
        let lookup = Lookup::open(common.config.as_deref())?;
        let data_dir = data_dir(common, &lookup)?;
        if !data_dir.join("secret.key").is_file() && lookup.text("SECRET_KEY").is_none() {
            bail!(
                "there is no AstraForge data in {}; name another folder with --data-dir, or make it with `astraforge migrate`",
                data_dir.display()
            );
        }
        Base::open(common)
    }

    pub fn open(common: &Common) -> Result<Base> {
        let lookup = Lookup::open(common.config.as_deref())?;
        let data_dir = data_dir(common, &lookup)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data_dir)
            .with_context(|| format!("the data dir {} can't be made", data_dir.display()))?;
        let data_dir = data_dir.canonicalize()?;
        let database_url = common
            .database_url
            .clone()
            .filter(|url| !url.trim().is_empty())
            .or_else(|| lookup.text("DATABASE_URL"))
            .unwrap_or_else(|| format!("sqlite://{}", data_dir.join("astraforge.db").display()));
        let secret_key = secret_key(&lookup, &data_dir)?;
        Ok(Base { data_dir, database_url, secret_key, lookup })
    }
}

fn data_dir(common: &Common, lookup: &Lookup) -> Result<PathBuf> {
    match common.data_dir.clone().or_else(|| lookup.text("ASTRAFORGE_DATA_DIR").map(PathBuf::from)) {
        Some(dir) => Ok(dir),
        None => default_data_dir(),
    }
}

fn default_data_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_DATA_HOME") {
        return Ok(PathBuf::from(dir).join("astraforge"));
    }
    let home = std::env::var_os("HOME").context("neither --data-dir nor HOME says where to keep data")?;
    Ok(PathBuf::from(home).join(".local/share/astraforge"))
}

/// Given, or made once and kept beside the data with no rights for anybody else.
fn secret_key(lookup: &Lookup, data_dir: &Path) -> Result<Vec<u8>> {
    if let Some(given) = lookup.text("SECRET_KEY") {
        let lower = given.to_lowercase();
        if given.len() < SECRET_KEY_CHARS_MIN || REFUSED_KEYS.iter().any(|known| lower.contains(known)) {
            bail!(
                "SECRET_KEY is a published default or shorter than {SECRET_KEY_CHARS_MIN} characters; leave it out to have one made, or give a random one"
            );
        }
        return Ok(given.into_bytes());
    }
    let path = data_dir.join("secret.key");
    if let Ok(kept) = fs::read_to_string(&path) {
        let kept = kept.trim();
        if kept.len() < SECRET_KEY_CHARS_MIN {
            bail!("{} is damaged; restore it from a backup: stored secrets can't be read without it", path.display());
        }
        return Ok(kept.as_bytes().to_vec());
    }
    let mut bytes = [0u8; 32];
    rand::fill(&mut bytes);
    let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("{} can't be written", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(text.into_bytes())
}

/// What `serve` and `demo` need beside that.
pub struct ServeConfig {
    pub base: Base,
    pub listen: std::net::SocketAddr,
    pub public_url: Option<String>,
    pub script: Option<String>,
    pub unsafe_process: bool,
    pub log_filter: String,
    /// The demo crashes its own example and asks for runs by itself.
    pub executor: Option<String>,
}

impl ServeConfig {
    pub fn open(serve: &Serve) -> Result<ServeConfig> {
        let base = Base::open(&serve.common)?;
        let lookup = &base.lookup;
        let listen = match (serve.listen, lookup.text("ASTRAFORGE_LISTEN")) {
            (Some(listen), _) => listen,
            (None, Some(text)) => {
                text.parse().with_context(|| format!("ASTRAFORGE_LISTEN is `{text}`; say an address and a port, as {LISTEN_DEFAULT}"))?
            }
            (None, None) => LISTEN_DEFAULT.parse()?,
        };
        let public_url = serve.public_url.clone().or_else(|| lookup.text("ASTRAFORGE_PUBLIC_URL"));
        let script = match serve.script.clone().or_else(|| lookup.text("ASTRAFORGE_SCRIPT").map(PathBuf::from)) {
            Some(path) => Some(fs::read_to_string(&path).with_context(|| format!("the script {} can't be read", path.display()))?),
            None => None,
        };
        let debug = base.lookup.flag("DEBUG", false)?;
        let level = base.lookup.text("LOG_LEVEL").unwrap_or_else(|| if debug { "debug" } else { "info" }.to_string()).to_lowercase();
        let level = match level.as_str() {
            "warning" => "warn",
            "critical" | "fatal" => "error",
            other => other,
        };
        Ok(ServeConfig {
            listen,
            public_url: public_url.map(|url| url.trim_end_matches('/').to_string()),
            script,
            unsafe_process: serve.unsafe_process || lookup.flag("ASTRAFORGE_UNSAFE_PROCESS", false)?,
            log_filter: format!("{level},sqlx=warn,hyper=warn,reqwest=warn,rustls=warn"),
            executor: base.lookup.text("EXECUTOR"),
            base,
        })
    }
}

/// Registries and certificates that the host's own package managers are configured for: the hosts to let set-up reach,
/// and the variables that make it use them.
pub fn host_registries(lookup: &Lookup) -> (Vec<HostPort>, BTreeMap<String, String>) {
    let mut env = BTreeMap::new();
    let mut hosts = Vec::new();
    let bundle = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"].iter().find_map(|n| lookup.text(n));
    let bundle = bundle.filter(|b| b.starts_with("/etc/ssl/")).unwrap_or_else(|| "/etc/ssl/certs/ca-certificates.crt".to_string());
    if Path::new(&bundle).is_file() {
        for name in ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO", "GIT_SSL_CAINFO"] {
            env.insert(name.to_string(), bundle.clone());
        }
    }
    for (name, key) in [("PIP_INDEX_URL", "index-url"), ("PIP_EXTRA_INDEX_URL", "extra-index-url")] {
        if let Some(url) = lookup.text(name).or_else(|| pip_setting(key)) {
            mirror(name, &url, &mut hosts, &mut env);
        }
    }
    if let Some(url) = lookup.text("NPM_CONFIG_REGISTRY").or_else(npm_registry) {
        mirror("NPM_CONFIG_REGISTRY", &url, &mut hosts, &mut env);
    }
    (hosts, env)
}

fn mirror(name: &str, url: &str, hosts: &mut Vec<HostPort>, env: &mut BTreeMap<String, String>) {
    hosts.extend(host_port(url));
    env.insert(name.to_string(), without_credentials(url));
}

fn pip_setting(key: &str) -> Option<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let user = home.iter().flat_map(|h| [h.join(".config/pip/pip.conf"), h.join(".pip/pip.conf")]);
    user.chain([PathBuf::from("/etc/pip.conf")]).find_map(|path| ini_value(&fs::read_to_string(path).ok()?, key))
}

fn npm_registry() -> Option<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    ini_value(&fs::read_to_string(home.join(".npmrc")).ok()?, "registry")
}

fn ini_value(text: &str, key: &str) -> Option<String> {
    let pair = text.lines().filter_map(|l| l.split_once('=')).find(|(name, _)| name.trim() == key)?;
    Some(pair.1.trim().to_string()).filter(|v| !v.is_empty())
}

fn host_port(url: &str) -> Option<HostPort> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?.rsplit('@').next()?;
    let default = if scheme == "http" { 80 } else { 443 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, default),
    };
    Some(HostPort { host: host.to_lowercase(), port })
}

/// A password in an index URL stays outside; a registry that needs one is not reached from set-up.
fn without_credentials(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) if !rest.is_empty() => format!("{scheme}://{rest}"),
        _ => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_read_like_shells_do() {
        assert_eq!(env_line("export A=\"b c\""), Some(("A".into(), "b c".into())));
        assert_eq!(env_line("# A=b"), None);
        assert_eq!(env_line("A='x=y'"), Some(("A".into(), "x=y".into())));
    }

    #[test]
    fn every_flag_of_the_server_may_stand_in_the_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("astraforge.toml");
        let text =
            "astraforge_listen = '127.0.0.1:9009'\nASTRAFORGE_PUBLIC_URL = 'https://forge.example/'\nASTRAFORGE_UNSAFE_PROCESS = true\n";
        fs::write(&file, text).expect("a file");
        let common = Common { data_dir: Some(dir.path().join("data")), config: Some(file), ..Common::default() };
        let serve = |listen: Option<&str>| Serve {
            common: common.clone(),
            listen: listen.map(|l| l.parse().expect("an address")),
            public_url: None,
            script: None,
            unsafe_process: false,
        };
        let config = ServeConfig::open(&serve(None)).expect("it opens");
        assert_eq!(config.listen.port(), 9009);
        assert_eq!(config.public_url.as_deref(), Some("https://forge.example"));
        assert!(config.unsafe_process);
        assert_eq!(ServeConfig::open(&serve(Some("127.0.0.1:7"))).expect("it opens").listen.port(), 7, "a flag wins");
    }

    #[test]
    fn a_name_that_no_page_tells_of_is_no_setting() {
        assert!(is_setting("ASTRAFORGE_LISTEN") && is_setting("AUTH_ALLOW_ALL_USERS"));
        assert!(!is_setting("LISTEN") && !is_setting("OPEN_AI_API_KEY"));
    }

    #[test]
    fn a_registry_is_its_host_and_port_without_credentials() {
        let url = "https://user:pass@mirror.example:8443/simple";
        let (mut hosts, mut env) = (Vec::new(), BTreeMap::new());
        mirror("NPM_CONFIG_REGISTRY", url, &mut hosts, &mut env);
        assert_eq!(hosts, [HostPort { host: "mirror.example".into(), port: 8443 }]);
        assert_eq!(env["NPM_CONFIG_REGISTRY"], "https://mirror.example:8443/simple");
        assert_eq!(host_port("https://pypi.org/simple"), Some(HostPort { host: "pypi.org".into(), port: 443 }));
    }
}
