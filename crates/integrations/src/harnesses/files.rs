//! What every harness says about a path alike: files that no patch may carry, and the shapes of test folders.

/// Why no patch may carry this file, if so.
pub fn forbidden(path: &str) -> Option<String> {
    let name = name(path);
    let first = path.split('/').next().unwrap_or_default();
    let is_ci = matches!(first, ".github" | ".circleci" | ".buildkite" | ".woodpecker" | ".ci" | ".gitlab" | ".forgejo" | ".gitea")
        || matches!(
            name,
            ".gitlab-ci.yml"
                | ".travis.yml"
                | "Jenkinsfile"
                | "azure-pipelines.yml"
                | "bitbucket-pipelines.yml"
                | ".drone.yml"
                | ".woodpecker.yml"
                | "cloudbuild.yaml"
                | ".cirrus.yml"
                | "appveyor.yml"
        );
    if is_ci {
        return Some(format!("`{path}` steers continuous integration"));
    }
    if name == ".gitmodules" || name == ".gitattributes" || path.split('/').any(|part| part == ".git") {
        return Some(format!("`{path}` steers git"));
    }
    if name == ".astraforge.yml" {
        return Some(format!("`{path}` configures the proof itself"));
    }
    None
}

pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a folder on the way has one of these names.
pub fn is_below(path: &str, folders: &[&str]) -> bool {
    path.split('/').rev().skip(1).any(|part| folders.contains(&part))
}
