//! How a command ends: its exit code, and what it says when it failed.

use crate::damage::DamagedRange;
use crate::hint::{self, Ground};
use crate::output::say;
use seawall::{Disturbance, Error};
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The exit codes. Scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done; nothing is wrong.
    Clean,
    /// The command line, the input, the disk.
    Failed,
    /// The log ends in bytes that a crash left, of which nobody was told.
    Torn,
    /// Acknowledged records cannot be read back.
    Damaged,
    /// Another writer has the log.
    Locked,
    /// Files of another format, or of another log; records that mean something else.
    Unknown,
    /// A run of the simulation broke a promise; or two runs of one seed differ; or nobody found a
    /// planted bug.
    Broken,
    /// A signal ended `append` before its input did, or `sim` or `bench` before their time was over.
    Interrupted,
    /// Nobody reads the acknowledgements of `append` any more.
    Unheard,
}

const EXIT_CODES: &str = "Exit codes:
  0  done, nothing is wrong
  1  usage, or what the operating system refused
  2  the tail is torn: a crash left bytes nobody was told about (inspect, verify, repair)
  3  damage: acknowledged records cannot be read back; what `repair --apply` recorded
     counts too (it ends with 0 itself once the log opens again); or files of the log were
     removed or overwritten while `append` had it open
  4  locked: another writer has the log open
  5  files of a newer or unknown format, or of another log; a log whose records belong to
     another program (append, trim)

  append alone, with everything it had read in whole records synced and the log closed:
  130  Ctrl-C, SIGTERM or SIGHUP    141  nobody reads the acknowledgements any more";

const SIM_EXIT_CODES: &str = "Exit codes:
  0    done: no promise broke, the runs are the same, every bug was found
  1    found: a promise broke, two runs differ, a planted bug was not found;
       also usage, or what the operating system refused
  130  Ctrl-C, SIGTERM or SIGHUP: what was done until then is told";

const BENCH_EXIT_CODES: &str = "Exit codes:
  0    measured, whatever the figures are
  1    usage, or what the operating system refused
  130  Ctrl-C, SIGTERM or SIGHUP: nothing is left behind";

/// The end of a help text: examples, and the exit codes.
pub(crate) fn help(examples: &str) -> String {
    format!("Examples:\n{examples}\n\n{EXIT_CODES}")
}

/// The same for the simulation.
pub(crate) fn sim_help(examples: &str) -> String {
    format!("Examples:\n{examples}\n\n{SIM_EXIT_CODES}")
}

/// The same for measurements.
pub(crate) fn bench_help(examples: &str) -> String {
    format!("Examples:\n{examples}\n\n{BENCH_EXIT_CODES}")
}

/// Says what was wrong with the command line, or the help that was asked for.
pub(crate) fn usage(told: &clap::Error) -> Status {
    // If nobody is there to read it, the exit code has to do.
    let _unread = told.print();
    if told.use_stderr() { Status::Failed } else { Status::Clean }
}

impl Status {
    const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed | Self::Broken => 1,
            Self::Torn => 2,
            Self::Damaged => 3,
            Self::Locked => 4,
            Self::Unknown => 5,
            Self::Interrupted => 130,
            Self::Unheard => 141,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What the log says.
    #[error(transparent)]
    Log(#[from] Error),
    /// What the log says to a command that has its own way out.
    #[error("{error}")]
    Advised {
        /// What it says.
        #[source]
        error: Error,
        /// What to do.
        hint: &'static str,
    },
    /// What was given on standard input cannot become records.
    #[error("{what}")]
    Input {
        /// What is wrong, and where.
        what: String,
        /// What to do.
        hint: &'static str,
    },
    /// The operating system refused something outside the log.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// What `follow` printed was lost in a crash of the machine.
    #[error("what was printed from LSN {from} on is no longer part of the log")]
    Lost {
        /// Where the log now ends before it goes on.
        from: seawall::Lsn,
    },
    /// Standard output was closed by its reader. Not told: the reader knows.
    #[error("nobody reads standard output any more")]
    Unread,
}

impl Failure {
    /// Prints what went wrong with a command about `place`, why, and what to do; returns how to
    /// end.
    pub(crate) fn tell(&self, place: Option<&Path>) -> Status {
        if !matches!(self, Self::Unread) {
            match self.damaged() {
                // As `verify` names it.
                Some(range) => say!("error: the log is damaged: {range}"),
                None => {
                    say!("error: {self}");
                    print_causes(self);
                }
            }
            if let Some(hint) = self.hint(place.map(Ground::of).unwrap_or_default()) {
                say!("hint: {hint}");
            }
        }
        self.status()
    }

    fn damaged(&self) -> Option<DamagedRange> {
        match self {
            Self::Log(error) | Self::Advised { error, .. } => DamagedRange::of(error),
            _ => None,
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Log(error) | Self::Advised { error, .. } => match error {
                Error::Damaged { .. } | Error::Unrepairable { .. } | Error::Disturbed { .. } => {
                    Status::Damaged
                }
                Error::Locked { .. } => Status::Locked,
                Error::Unknown { .. } | Error::Foreign { .. } | Error::Content { .. } => {
                    Status::Unknown
                }
                _ => Status::Failed,
            },
            Self::Unread => Status::Clean,
            Self::Input { .. } | Self::Io { .. } | Self::Lost { .. } => Status::Failed,
        }
    }

    fn hint(&self, ground: Ground) -> Option<String> {
        let hint = match self {
            Self::Log(error) => return hint_for(error, ground),
            Self::Input { hint, .. } | Self::Advised { hint, .. } => *hint,
            Self::Lost { .. } => "follow again --from that LSN; drop what came after it",
            Self::Io { action, source } => hint::of(action, source, ground),
            Self::Unread => return None,
        };
        Some(hint.to_owned())
    }
}

/// Prints what lies behind an error, outermost first.
fn print_causes(error: &dyn std::error::Error) {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(behind) = cause {
        let says = behind.to_string();
        // A transparent wrapper and what it wraps say the same.
        if says != said {
            say!("  because: {says}");
        }
        said = says;
        cause = behind.source();
    }
}

fn hint_for(error: &Error, ground: Ground) -> Option<String> {
    let hint = match error {
        Error::Io { action, source, .. } | Error::Full { action, source, .. } => {
            hint::of(action, source, ground)
        }
        Error::Poisoned { cause } => hint::of(hint::POISON, cause, ground),
        Error::NoLog { .. } => {
            "is its file system mounted, and is the path right? nothing was made"
        }
        Error::Disturbed { how: Disturbance::Overwritten, .. } => {
            "end the other writer, which may have the directory by another mount of it; what was \
             acknowledged may be gone: see what is there with `seawall verify`"
        }
        Error::Disturbed { .. } => {
            "what was acknowledged may be gone: put the file back, or restore the directory from a \
             copy, then see what is there with `seawall verify`"
        }
        Error::Locked { .. } => {
            "end the other writer, or wait for it; `cat`, `follow`, `inspect` and `verify` work \
             beside it"
        }
        Error::Damaged { .. } => {
            "restore the directory from a copy; `seawall verify` lists every damaged range, \
             `seawall cat` gives what is left, `seawall repair` says what can be done"
        }
        Error::Unknown { .. } => {
            "use the version of seawall that wrote it, or a newer one; nothing was changed"
        }
        Error::Foreign { .. } => {
            "two logs are mixed in one directory: move the foreign files away; nothing was changed"
        }
        Error::Content { .. } => {
            "append and trim with the program whose records they are; `cat`, `follow`, `inspect`, \
             `verify`, `copy` and `repair` need not know what they mean; nothing was changed"
        }
        Error::Unrepairable { .. } => {
            "restore the file from a copy; nothing was changed, and `seawall cat` gives what is left"
        }
        Error::NotEmpty { .. } => "name a directory that is not there yet; nothing was changed",
        Error::AmbiguousTail { .. } => {
            "keep a copy of the directory, then open it without refusing ambiguous tails"
        }
        Error::Trimmed { trim, .. } => {
            return Some(format!("begin at the trim point: --from {trim}"));
        }
        Error::Beyond { end, .. } => {
            return Some(format!("the last record ends there: use --from {end} or less"));
        }
        Error::Diverged { end, .. } => {
            return Some(format!("drop what was read after LSN {end}, and begin --from {end}"));
        }
        Error::TooLarge { .. } => "cut the record into smaller ones",
        Error::Option { .. } => "`seawall append --help` states the limits",
        _ => return None,
    };
    Some(hint.to_owned())
}
