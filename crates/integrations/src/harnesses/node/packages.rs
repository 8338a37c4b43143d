//! Which package manager a project is locked with, and how its packages are fetched into the layer.

use super::mutants::parse;
use crate::syntax::named;
use domain::egress::HostPort;
use serde_json::Value;
use std::collections::BTreeSet;

/// Words of what lists folders, or gives modules by what is written nowhere.
const FINDERS: &[&str] = &["readdir", "readdirSync", "opendir", "opendirSync", "glob", "globSync", "globby", "createRequire", "context"];

/// What fetches the packages: the project's own manager in the version it names, itself fetched by npm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// Files of the project that it reads.
    pub files: Vec<String>,
    /// One shell line, run in the folder that gets `node_modules`.
    pub line: String,
    pub registries: Vec<HostPort>,
}

/// The project's own scripts don't run, whoever installs: they belong to strangers.
pub fn install(files: &[String], read: &dyn Fn(&str) -> Option<String>, manifest: &Value) -> Install {
    let has = |name: &str| files.iter().any(|f| f == name);
    let locks = ["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"];
    let lock = locks.into_iter().find(|f| has(f));
    let text = lock.and_then(read).unwrap_or_default();
    let named = |manager: &str| named_version(manifest, manager);
    let (line, extra): (String, &[&str]) = match lock {
        Some("package-lock.json" | "npm-shrinkwrap.json") => ("npm ci --ignore-scripts --no-audit --no-fund".to_string(), &[]),
        Some("pnpm-lock.yaml") => {
            let version = named("pnpm").unwrap_or_else(|| pnpm_of(&text).to_string());
            // The store lies beside for hard links, and is not needed afterwards.
            let words = "pnpm install --frozen-lockfile --ignore-scripts --store-dir /layer/store";
            (format!("npm exec --yes --package=pnpm@{version} -- {words} && rm -rf /layer/store"), &["pnpm-workspace.yaml"])
        }
        Some("yarn.lock") if text.contains("\n__metadata:") => {
            let version = named("yarn").unwrap_or_else(|| "4".to_string());
            let settings = "YARN_NODE_LINKER=node-modules YARN_ENABLE_SCRIPTS=0 YARN_ENABLE_TELEMETRY=0 YARN_ENABLE_GLOBAL_CACHE=0 \
                            YARN_HTTP_PROXY=\"$HTTP_PROXY\" YARN_HTTPS_PROXY=\"$HTTPS_PROXY\" \
                            YARN_NPM_REGISTRY_SERVER=\"${NPM_CONFIG_REGISTRY:-https://registry.npmjs.org}\"";
            (format!("{settings} npm exec --yes --package=@yarnpkg/cli-dist@{version} -- yarn install --immutable"), &[])
        }
        Some("yarn.lock") => {
            let version = named("yarn").filter(|v| v.starts_with("1.")).unwrap_or_else(|| "1.22.22".to_string());
            let words = "yarn install --frozen-lockfile --ignore-scripts --non-interactive --no-progress";
            (format!("npm exec --yes --package=yarn@{version} -- {words}"), &[])
        }
        _ => ("npm install --ignore-scripts --no-audit --no-fund --no-package-lock".to_string(), &[]),
    };
    let own = ["package.json"].into_iter().chain(lock).chain([".npmrc"]).chain(extra.iter().copied());
    let mut registries = vec![host("registry.npmjs.org")];
    if lock == Some("yarn.lock") {
        // The first yarn wrote this name into its locks.
        registries.push(host("registry.yarnpkg.com"));
    }
    Install { files: own.filter(|f| has(f)).map(str::to_string).collect(), line, registries }
}

fn host(name: &str) -> HostPort {
    HostPort { host: name.to_string(), port: 443 }
}

/// `"packageManager": "pnpm@9.15.4+sha512…"` → `9.15.4`. The word comes from a stranger and goes into a shell line, so
/// only numbers and points pass.
fn named_version(manifest: &Value, manager: &str) -> Option<String> {
    let word = manifest.get("packageManager")?.as_str()?;
    let version = word.strip_prefix(manager)?.strip_prefix('@')?.split('+').next()?;
    let parts: Vec<&str> = version.split('.').collect();
    let is_number = |p: &&str| !p.is_empty() && p.len() < 6 && p.bytes().all(|b| b.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(is_number)).then(|| version.to_string())
}

/// The newest line that writes this form of lock and runs on every Node that we support.
fn pnpm_of(lock: &str) -> &'static str {
    let form = lock.lines().find_map(|l| l.strip_prefix("lockfileVersion:")).unwrap_or_default();
    match form.trim().trim_matches(['\'', '"']).split('.').next() {
        Some("5") => "7",
        Some("6") => "8",
        _ => "9",
    }
}

/// What a manifest names and what a lock holds.
pub fn dependencies(path: &str, text: &str) -> BTreeSet<String> {
    let json = || serde_json::from_str::<Value>(text).unwrap_or_default();
    let table = |value: &Value, key: &str| value.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    match path.rsplit('/').next().unwrap_or(path) {
        "package.json" => {
            let manifest = json();
            let keys = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides", "resolutions"];
            let named = keys.iter().flat_map(|key| table(&manifest, key));
            // What lies in the tree itself needs no set-up.
            let is_own =
                |wanted: &Value| wanted.as_str().is_some_and(|w| ["file:", "link:", "workspace:"].iter().any(|p| w.starts_with(p)));
            named.filter(|(_, wanted)| !is_own(wanted)).map(|(name, wanted)| format!("{name} {wanted}")).collect()
        }
        "package-lock.json" | "npm-shrinkwrap.json" => {
            let packages = table(&json(), "packages").into_iter().filter(|(place, _)| place.contains("node_modules/"));
            packages.map(|(place, held)| format!("{place} {}", held.get("version").unwrap_or(&Value::Null))).collect()
        }
        // What was resolved, and the sums over it.
        "pnpm-lock.yaml" | "yarn.lock" => {
            let words = ["resolved", "resolution:", "integrity", "checksum:"];
            let lines = text.lines().map(str::trim).filter(|l| l.split(' ').next().is_some_and(|word| words.contains(&word)));
            lines.map(str::to_string).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Whether a module lists folders, or loads by a name that is not written down.
pub fn loads_any(path: &str, text: &str) -> Option<bool> {
    let source = parse(path, text)?;
    Some(source.nodes().into_iter().any(|node| match node.kind() {
        "identifier" | "property_identifier" => FINDERS.contains(&source.of(node)),
        "call_expression" => {
            let function = node.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
            let given = node.child_by_field_name("arguments").map(named).unwrap_or_default();
            matches!(function, "require" | "import" | "require.resolve") && given.first().is_none_or(|a| a.kind() != "string")
        }
        _ => false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_installed_by_what_locked_it() {
        let line = |lock: &str, text: &str, manager: &str| {
            let manifest = serde_json::json!({ "packageManager": manager });
            install(&["package.json".to_string(), lock.to_string()], &|_| Some(text.to_string()), &manifest).line
        };
        assert!(line("package-lock.json", "{}", "").starts_with("npm ci "));
        assert!(line("pnpm-lock.yaml", "lockfileVersion: '6.0'\n", "").contains("--package=pnpm@8 "));
        assert!(line("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "pnpm@10.4.1+sha256.ab").contains("--package=pnpm@10.4.1 "));
        assert!(line("pnpm-lock.yaml", "", "pnpm@9.0.0;id").contains("--package=pnpm@9 "));
        assert!(line("yarn.lock", "# yarn lockfile v1\n", "").contains("--package=yarn@1.22.22 "));
        assert!(line("yarn.lock", "#\n__metadata:\n  version: 8\n", "yarn@4.5.0").contains("cli-dist@4.5.0 "));
    }
}
