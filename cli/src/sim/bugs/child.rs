//! A process of its own for a planted bug, which may hang it or end it.

use crate::exit::Failure;
use serde_json::Value;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How a child ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    /// With this on its standard output.
    Said(Value),
    /// It did not, and was killed.
    Hung,
    /// Without a word; what it said on standard error, and its status.
    Died(String),
}

/// Runs `binary` with these arguments, for at most this time.
///
/// # Errors
/// [`Failure::Input`] if it cannot be started, [`Failure::Io`] if it cannot be waited for.
pub(super) fn run(
    binary: &Path,
    arguments: &[OsString],
    limit: Duration,
) -> Result<Ended, Failure> {
    let started = Command::new(binary)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| Failure::Input {
        what: format!("cannot run {}: {error}", binary.display()),
        hint: "build it with RUSTFLAGS=\"--cfg seawall_planted\"",
    })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let complaints = scope.spawn(|| stderr.map(read).unwrap_or_default());
        scope.spawn(move || {
            // Its end is the end of the child; nobody listens any more if that came too late.
            let _late = tell.send(stdout.map(read).unwrap_or_default());
        });
        let said = told.recv_timeout(limit).ok();
        if said.is_none() {
            child.kill().map_err(waiting)?;
        }
        let status = child.wait().map_err(waiting)?;
        let Some(said) = said else { return Ok(Ended::Hung) };
        Ok(match serde_json::from_str(&said) {
            Ok(value) => Ended::Said(value),
            Err(_) => {
                let complaints = complaints.join().unwrap_or_default();
                Ended::Died(format!("{status} {}", complaints.trim()))
            }
        })
    })
}

/// What comes through a pipe until its end; text that is none is no answer.
fn read(mut from: impl Read) -> String {
    let mut said = Vec::new();
    let read = from.read_to_end(&mut said);
    read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&said).into_owned())
}

fn waiting(source: io::Error) -> Failure {
    Failure::Io { action: "wait for a process with a planted bug", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Ended {
        run(Path::new("/bin/sh"), &["-c".into(), script.into()], limit).unwrap()
    }

    #[test]
    fn what_a_child_says_its_death_and_its_silence_are_told_apart() {
        let long = Duration::from_secs(60);
        assert_eq!(shell("echo '[1]'; exit 1", long), Ended::Said(serde_json::json!([1])));
        assert_eq!(shell("exec sleep 600", Duration::from_millis(50)), Ended::Hung);
        let Ended::Died(why) = shell("echo ouch >&2; kill -9 $$", long) else { panic!() };
        assert!(why.contains("ouch") && why.contains('9'), "{why}");
    }
}
