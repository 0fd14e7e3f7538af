//! Starts a process for a job, and hears its answer.

use crate::job::{Answer, Job};
use crate::peer::Outcome;
use crate::peers::walrus;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The subcommand that does a job; for nobody else.
pub const SUBCOMMAND: &str = "job";

/// What stands in front of an answer: peers print, too.
const ANSWER: &str = "answer: ";

/// After this a job has hung.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// The program that is started for jobs.
#[derive(Clone, Debug)]
pub struct Starter {
    program: PathBuf,
}

/// What an answer is worth to the process that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It ends by itself.
    Ends,
    /// It is killed.
    Killed,
}

impl Starter {
    /// Starts this program.
    #[must_use]
    pub const fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Has a job done.
    ///
    /// # Errors
    /// What the peer said, the last words of a process that ended without an answer, or that it
    /// hung.
    pub fn run(&self, job: &Job, then: Then) -> Outcome<Answer> {
        self.run_under(&[], job, then)
    }

    /// The same, by a program that starts it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_under(&self, words: &[OsString], job: &Job, then: Then) -> Outcome<Answer> {
        let mut line = words.to_vec();
        line.push(self.program.clone().into_os_string());
        line.push(SUBCOMMAND.into());
        line.push(serde_json::to_string(job)?.into());
        let (program, args) = line.split_first().ok_or("nothing to start")?;
        let mut child = Command::new(program)
            .args(args)
            .env(walrus::DATA_DIR, &job.dir)
            .env(walrus::QUIET, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take();
        let words = std::thread::spawn(move || last_words(stderr));
        let heard = hear(&mut child);
        if then == Then::Killed || heard.is_none() {
            child.kill()?;
        }
        // Ends one that waits to be killed, and could not be.
        drop(child.stdin.take());
        let status = child.wait()?;
        let words = words.join().unwrap_or_default();
        match heard {
            Some(Some(answer)) => Ok(serde_json::from_str::<Result<Answer, String>>(&answer)??),
            Some(None) => Err(format!("{status}: {words}").into()),
            None => Err(format!("hung, and was killed: {words}").into()),
        }
    }
}

/// The first lines of what a process says of its end.
fn last_words(stderr: Option<ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(mut stderr) = stderr {
        // What was read until an error is still worth telling.
        let _so_far = stderr.read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    text.trim().lines().take(2).collect::<Vec<_>>().join(" ")
}

/// The line of the answer; `Some(None)` if it ended without one, `None` if it hung.
fn hear(child: &mut Child) -> Option<Option<String>> {
    let stdout = child.stdout.take()?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let answer = lines.find_map(|line| line.strip_prefix(ANSWER).map(str::to_owned));
        // Nobody listens any more if it hung.
        let _nobody = tell.send(answer);
        // What it prints later must not block it.
        lines.for_each(drop);
    });
    told.recv_timeout(HANGS_AFTER).ok()
}

/// What the process does: its job, its answer, and, if it is to be killed, nothing more.
///
/// # Errors
/// If the job cannot be read.
pub fn serve(job: &str, run: impl FnOnce(&Job) -> Outcome<Answer>) -> Outcome<()> {
    let job: Job = serde_json::from_str(job)?;
    let answer: Result<Answer, String> = run(&job).map_err(|failure| failure.to_string());
    println!("{ANSWER}{}", serde_json::to_string(&answer)?);
    if matches!(job.task, crate::job::Task::Fill { close: false, .. }) {
        // Ends when the one who asked kills this process, or has gone itself.
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

/// A fresh directory below `parent`, removed when this is dropped.
#[derive(Debug)]
pub struct Fresh(PathBuf);

impl Fresh {
    /// Makes it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn below(parent: &Path, name: &str) -> Outcome<Self> {
        let dir = parent.join(name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir.canonicalize()?))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // The next run begins with removing it.
        let _again = std::fs::remove_dir_all(&self.0);
    }
}
