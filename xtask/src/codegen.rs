//! Files that are made from others, and the check that they are fresh.

use crate::{root, steps};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;

const OPENAPI: &str = "docs/reference/openapi.json";
const TYPES: &str = "web/src/api/schema.ts";
const CLI: &str = "docs/reference/cli.md";

pub fn run(check: bool) -> Result<bool> {
    let openapi = openapi()?;
    let types = types(&openapi)?;
    let cli = cli()?;
    let mut fresh = true;
    for (path, text) in [(OPENAPI, openapi), (TYPES, types), (CLI, cli)] {
        let full = root().join(path);
        if fs::read_to_string(&full).is_ok_and(|kept| kept == text) {
            continue;
        }
        if check {
            println!("    {path} is stale; run `cargo xtask codegen`");
            fresh = false;
        } else {
            fs::create_dir_all(full.parent().expect("generated files lie in folders"))?;
            fs::write(&full, text)?;
            println!("    wrote {path}");
        }
    }
    Ok(fresh)
}

fn openapi() -> Result<String> {
    if !steps::cargo(&["build", "-q", "-p", "astraforge"])? {
        bail!("the binary did not build");
    }
    let output = Command::new(steps::target_dir().join("debug/astraforge")).arg("openapi").output()?;
    if !output.status.success() {
        bail!("`astraforge openapi` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What every command says of itself.
fn cli() -> Result<String> {
    let mut page = "# Command line\n\nMade by `cargo xtask codegen` from what `astraforge help` prints.\n".to_string();
    help(&mut Vec::new(), &mut page)?;
    Ok(page)
}

fn help(path: &mut Vec<String>, page: &mut String) -> Result<()> {
    // Without an environment, whose values the text would show.
    let output = Command::new(steps::target_dir().join("debug/astraforge")).args(&*path).arg("--help").env_clear().output()?;
    if !output.status.success() {
        bail!("`astraforge {} --help` failed: {}", path.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let name = std::iter::once("astraforge").chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    page.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", text.trim_end()));
    let commands = text.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    for command in commands.filter_map(|l| l.split_whitespace().next()).filter(|c| *c != "help") {
        path.push(command.to_string());
        help(path, page)?;
        path.pop();
    }
    Ok(())
}

fn types(openapi: &str) -> Result<String> {
    let folder = root().join("web");
    let source = steps::target_dir().join("openapi.json");
    let made = steps::target_dir().join("schema.ts");
    fs::write(&source, openapi)?;
    let status = Command::new(folder.join("node_modules/.bin/openapi-typescript"))
        .args([source.as_os_str(), "-o".as_ref(), made.as_os_str()])
        .stdout(std::process::Stdio::null())
        .current_dir(&folder)
        .status()
        .context("openapi-typescript is missing; run `npm ci` in web/")?;
    if !status.success() {
        bail!("openapi-typescript failed");
    }
    Ok(fs::read_to_string(made)?)
}
