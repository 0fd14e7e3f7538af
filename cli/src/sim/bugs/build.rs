//! The binary with the bugs in it: the workspace's own sources, built once more with the
//! configuration that lets a bug be planted.

use crate::exit::Failure;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Where it is built, in the workspace: a folder of its own, or every other build would begin anew.
const TARGET: &str = "target/planted";
/// And where the search over orders of threads is.
const SCHEDULES_TARGET: &str = "target/shuttle";
/// A file that only the workspace has, by which it is known.
const MARK: &str = "sim/src/bugs.rs";

/// Builds it if it is not up to date; says where it is. Cargo's own messages go to standard error.
///
/// # Errors
/// [`Failure::Input`] if the sources or cargo are not there, or do not build.
pub(super) fn planted() -> Result<PathBuf, Failure> {
    let root = workspace().ok_or_else(no_sources)?;
    let target = root.join(TARGET);
    let mut cargo = cargo(&root, "--cfg seawall_planted");
    cargo.args(["build", "--release", "-p", "seawall-cli", "--target-dir"]).arg(&target);
    let built = cargo.stdout(Stdio::null()).status().map_err(no_cargo)?;
    if built.success() { Ok(target.join("release").join("seawall")) } else { Err(refused(built)) }
}

/// What the search over orders of threads prints of the bugs that it must find. It takes minutes.
///
/// # Errors
/// As [`planted`].
pub(super) fn schedules() -> Result<String, Failure> {
    let root = workspace().ok_or_else(no_sources)?;
    let ran = cargo(&root, "--cfg seawall_shuttle --cfg seawall_planted")
        .args(["test", "--release", "-p", "seawall-sim", "--test", "schedules", "--target-dir"])
        .arg(root.join(SCHEDULES_TARGET))
        .args(["every_planted_mistake_is_found", "--", "--nocapture"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(no_cargo)?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    // It fails when a bug is missed, and has told of the others by then.
    if ran.status.success() || said.contains(": found by ") {
        Ok(said)
    } else {
        Err(refused(ran.status))
    }
}

/// What the run made for a bug prints of it.
///
/// # Errors
/// As [`planted`].
pub(super) fn scene(bug: &str) -> Result<String, Failure> {
    let root = workspace().ok_or_else(no_sources)?;
    let ran = cargo(&root, "--cfg seawall_planted")
        .env("SEAWALL_BUG", bug)
        .args(["test", "--release", "-p", "seawall-sim", "--test", "planted", "--target-dir"])
        .arg(root.join(TARGET))
        .args(["every_planted_bug_is_found", "--", "--nocapture"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(no_cargo)?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    // It fails when the bug is missed, and has said so by then.
    if ran.status.success() || said.contains(bug) { Ok(said) } else { Err(refused(ran.status)) }
}

fn cargo(root: &Path, flags: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root)
        .env("RUSTFLAGS", flags)
        // It would win over the other one; and another target would be another folder.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .stdin(Stdio::null());
    cargo
}

fn no_sources() -> Failure {
    Failure::Input {
        what: "the sources of seawall are not here: planted bugs are built from them".to_owned(),
        hint: "run this inside a copy of the repository",
    }
}

fn no_cargo(error: io::Error) -> Failure {
    Failure::Input {
        what: format!("cannot run cargo: {error}"),
        hint: "install the Rust toolchain: planted bugs are built from the sources",
    }
}

fn refused(status: ExitStatus) -> Failure {
    Failure::Input {
        what: format!("cargo could not build the planted bugs ({status})"),
        hint: "its messages are above",
    }
}

/// The workspace around the current directory, or the one this binary was built from.
fn workspace() -> Option<PathBuf> {
    let is_root = |dir: &&Path| dir.join(MARK).is_file();
    let here = env::current_dir().ok();
    let around = here.as_deref().and_then(|here| here.ancestors().find(is_root));
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(is_root);
    around.or(built_from).map(Path::to_path_buf)
}
