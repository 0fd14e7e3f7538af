//! The binary with the bugs in it: the workspace's own sources, built once more with the
//! configuration that lets a bug be planted.

use crate::exit::Failure;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where it is built, in the workspace: a folder of its own, or every other build would begin anew.
const TARGET: &str = "target/planted";
/// A file that only the workspace has, by which it is known.
const MARK: &str = "sim/src/bugs.rs";

/// Builds it if it is not up to date; says where it is. Cargo's own messages go to standard error.
///
/// # Errors
/// [`Failure::Input`] if the sources or cargo are not there, or do not build.
pub(super) fn planted() -> Result<PathBuf, Failure> {
    let root = workspace().ok_or_else(|| Failure::Input {
        what: "the sources of seawall are not here: planted bugs are built from them".to_owned(),
        hint: "run this inside a copy of the repository",
    })?;
    let target = root.join(TARGET);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(&root)
        .args(["build", "--release", "-p", "seawall-cli", "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "--cfg seawall_planted")
        // It would win over the other one; and another target would be another folder.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match built {
        Ok(status) if status.success() => Ok(target.join("release").join("seawall")),
        Ok(status) => Err(Failure::Input {
            what: format!("cargo could not build the planted bugs ({status})"),
            hint: "its messages are above",
        }),
        Err(error) => Err(Failure::Input {
            what: format!("cannot run cargo: {error}"),
            hint: "install the Rust toolchain: planted bugs are built from the sources",
        }),
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
