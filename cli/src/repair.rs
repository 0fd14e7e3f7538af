//! `seawall repair`: what a repair would do, and with `--apply` the repair.

use crate::damage::DamagedRange;
use crate::exit::{self, Failure, Status};
use crate::progress;
use crate::render;
use crate::verify::Verified;
use seawall::format::gap::GapFrame;
use seawall::format::name::FileName;
use seawall::storage::Posix;
use seawall::{Damage, Decision, Environment, Error, Finding, Log, RepairStep, Repaired};
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// Say what a repair would do, or do it with --apply: then the log opens again, and readers are
/// told what is gone.
///
/// Nothing is healed. Each damaged file is first copied to the quarantine; then one with gaps takes
/// its place. All records that `cat` shows before are there afterwards, at the same LSNs. A repair
/// that is cut off is finished by the next. If there is a copy of what is damaged, restore that
/// instead. The new files belong to whoever runs this: let it be the user who writes the log.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall repair log\n  \
       seawall repair log --json | jq .steps\n  \
       seawall repair log --apply\n  \
       seawall repair log --apply --quarantine /other/disk/kept",
))]
pub(crate) struct Repair {
    /// The directory of the log.
    dir: PathBuf,
    /// Repair: the log must have no writer.
    #[arg(long)]
    apply: bool,
    /// Where the damaged files are kept [default: the directory `quarantine` in DIR].
    #[arg(long, value_name = "DIR", requires = "apply")]
    quarantine: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Where originals go if nothing else is said, in the directory of the log.
const QUARANTINE: &str = "quarantine";

/// What would be done about one thing, or was.
#[derive(Debug)]
enum Step {
    /// A file is made.
    Make(RepairStep),
    /// A repair was here before.
    Repaired(DamagedRange),
    /// The next open for writing sees to it.
    LeaveToOpen(Finding),
}

impl Repair {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn run(&self) -> Result<Status, Failure> {
        if self.apply { self.repair() } else { self.plan() }
    }

    fn environment(&self) -> Result<Environment, Failure> {
        let opened = Environment::existing(&self.dir);
        Ok(opened.map_err(|e| io_error("open the directory", &self.dir, e))?)
    }

    fn plan(&self) -> Result<Status, Failure> {
        let verified = Verified::read(&self.dir)?;
        let plan = Log::plan_repair(&self.environment()?).map_err(advised)?;
        let steps = steps(plan.steps, &verified);
        let shown = if self.json {
            render::document(&json!({
                "verdict": verified.verdict(),
                "applied": false,
                "steps": steps.iter().map(Step::json).collect::<Vec<_>>(),
            }))
        } else {
            render::text(&tell(&steps))
        };
        told(shown, verified.status())
    }

    fn repair(&self) -> Result<Status, Failure> {
        let environment = self.environment()?;
        let place = self.quarantine.clone().unwrap_or_else(|| self.dir.join(QUARANTINE));
        // Where nothing is to be done nothing is made, no directory either.
        let plan = Log::plan_repair(&environment).map_err(advised)?;
        let needed = !plan.steps.is_empty();
        let repaired = if needed {
            let is_new = !place.exists();
            let quarantine = match &self.quarantine {
                Some(place) => Posix::create(place),
                None => Posix::open(&self.dir).and_then(|dir| dir.within(QUARANTINE)),
            };
            let quarantine = quarantine.map_err(|e| io_error("open the quarantine", &place, e))?;
            if is_same(&place, &self.dir) {
                let what = format!("{} is the log itself, and no quarantine", place.display());
                let hint = "name another directory; nothing was changed";
                return Err(Failure::Input { what, hint });
            }
            let bar = progress::bar("repair", 0);
            let repaired = Log::repair(&environment, &quarantine, &label(), |progress| {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            });
            if repaired.is_err() && is_new {
                // Goes only if it is empty, and harms nobody where it stays.
                let _left_behind = std::fs::remove_dir(&place);
            }
            Some(repaired.map_err(|error| match error {
                Error::Locked { dir } if Path::new(&dir) == place => {
                    let hint = "another repair keeps its originals there, or a writer has it: wait, or \
                                name another directory with --quarantine; nothing was changed";
                    Failure::Advised { error: Error::Locked { dir }, hint }
                }
                error => advised(error),
            })?)
        } else {
            None
        };
        let done = repaired.as_ref().map(|repaired| repaired.steps.clone()).unwrap_or_default();
        let left = repaired.as_ref().and_then(|repaired| repaired.left.clone());
        let place = place.display().to_string();
        let kept = repaired.map(|Repaired { quarantined, .. }| quarantined).unwrap_or_default();
        let shown = if self.json {
            let steps: Vec<_> = done.into_iter().map(|step| Step::Make(step).json()).collect();
            render::document(&json!({
                "applied": !steps.is_empty(),
                "steps": steps,
                "quarantine": place,
                "quarantined": kept,
                "left": left.as_ref().map(ToString::to_string),
            }))
        } else {
            render::text(&tell_done(&done, &place, &kept, left.is_none()))
        };
        let status = told(shown, Status::Clean)?;
        left.map_or(Ok(status), |left| Err(left.into()))
    }
}

fn told(shown: Result<(), Failure>, status: Status) -> Result<Status, Failure> {
    match shown {
        Ok(()) | Err(Failure::Unread) => Ok(status),
        Err(failure) => Err(failure),
    }
}

/// What to do where a repair fails for what is not wrong with the log.
fn advised(error: Error) -> Failure {
    let hint = match &error {
        Error::Trimmed { .. } | Error::Diverged { .. } => {
            "a writer has the log, and was faster at every look: end it first; nothing was changed"
        }
        Error::Full { .. } => {
            "make room there, or name a directory on another disk with --quarantine; then repair again"
        }
        _ => return error.into(),
    };
    Failure::Advised { error, hint }
}

/// Whether two paths lead to one place.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.canonicalize().ok();
    place(one).is_some_and(|one| Some(one) == place(other))
}

fn io_error(action: &'static str, place: &Path, source: std::io::Error) -> Error {
    Error::Io { action, name: place.display().to_string(), source: source.into() }
}

/// When: UTC to the second, as a part of a file's name.
fn label() -> String {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    now.replace([':', '-'], "")
}

fn steps(made: Vec<RepairStep>, verified: &Verified) -> Vec<Step> {
    let recorded = verified.damage.iter().filter(|range| range.cause == Damage::Gap);
    let left = verified.view.findings().iter().filter(|finding| {
        let open_acts = [Decision::Cut, Decision::Rebuild, Decision::Remove];
        open_acts.contains(&finding.decision)
    });
    let made = made.into_iter().map(Step::Make);
    let recorded = recorded.cloned().map(Step::Repaired);
    made.chain(recorded).chain(left.cloned().map(Step::LeaveToOpen)).collect()
}

fn tell(steps: &[Step]) -> String {
    let mut text = String::new();
    for (index, step) in steps.iter().enumerate() {
        text += &format!("{}. {step}\n", index + 1);
    }
    if steps.iter().any(|step| matches!(step, Step::Make(_))) {
        text += "This is a plan, and nothing was changed: `seawall repair --apply` does it.\n\
                 If there is a copy of what is damaged, restore that instead.\n";
    } else if steps.is_empty() {
        text += "nothing to do\n";
    } else {
        text += "nothing to do by hand, and nothing was changed\n";
    }
    text
}

fn tell_done(done: &[RepairStep], place: &str, kept: &[String], opens: bool) -> String {
    if done.is_empty() {
        return "nothing to do, and nothing was changed\n".to_owned();
    }
    let mut text = String::new();
    for (index, step) in done.iter().enumerate() {
        let what = match step {
            RepairStep::Rewrite(_) => "was written anew",
            _ => "was made up",
        };
        let (segment, gaps) = (step.segment(), Gaps(step.gaps()));
        // Writing into a string does not fail.
        let _whole = writeln!(text, "{}. segment {segment} {what}, with {gaps}", index + 1);
    }
    for name in kept {
        let _whole = writeln!(text, "kept: {place}/{name}");
    }
    if opens {
        text += "The log opens again; `seawall verify` tells the gaps from now on.\n";
    }
    text
}

/// Gaps, for people.
struct Gaps<'a>(&'a [GapFrame]);

impl fmt::Display for Gaps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("no gap, since nothing is gone"),
            [first, others @ ..] => {
                write!(f, "a gap for LSN {} to {}", first.from, first.to)?;
                others.iter().try_for_each(|gap| write!(f, ", LSN {} to {}", gap.from, gap.to))
            }
        }
    }
}

impl Step {
    fn json(&self) -> Value {
        match self {
            Self::Make(step) => json!({
                "action": match step {
                    RepairStep::Rewrite(_) => "rewrite-with-gap",
                    _ => "stand-in",
                },
                "segment": step.segment().get(),
                "file": FileName::Segment(step.segment()).text(),
                "quarantine": step.replaces(),
                "gaps": step.gaps().iter().map(|gap| json!({
                    "from": gap.from.get(),
                    "to": gap.to.get(),
                })).collect::<Vec<_>>(),
            }),
            Self::Repaired(range) => {
                let mut value = range.json();
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("action".to_owned(), json!("none-already-a-gap"));
                }
                value
            }
            Self::LeaveToOpen(finding) => json!({
                "action": "none-next-open",
                "file": finding.name,
                "offset": finding.offset,
                "decision": format!("{:?}", finding.decision),
            }),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(step) => {
                let segment = step.segment();
                let (file, gaps) = (FileName::Segment(segment).text(), Gaps(step.gaps()));
                match step {
                    RepairStep::Rewrite(_) => write!(
                        f,
                        "segment {segment}: copy {file} to the quarantine, then write it anew \
                         with {gaps}"
                    ),
                    step if step.replaces() => write!(
                        f,
                        "segment {segment}: copy {file} to the quarantine, then put a segment in \
                         its place with {gaps}"
                    ),
                    _ => write!(
                        f,
                        "segment {segment}: restore {file} from a copy, if there is one; \
                         otherwise put a segment in its place with {gaps}"
                    ),
                }
            }
            Self::Repaired(range) => {
                let (segment, lost) = (range.segment, range.range());
                write!(
                    f,
                    "segment {segment}: nothing more can be done about {lost}, an \
                     earlier repair left a gap there"
                )
            }
            Self::LeaveToOpen(finding) => {
                let Finding { name, offset, decision, .. } = finding;
                let what = match decision {
                    Decision::Cut => "cuts the torn tail, of which nobody was told",
                    Decision::Rebuild => "writes the bad header copy from the good one",
                    _ => "removes the file again, which lies below the trim point",
                };
                write!(f, "{name}: nothing to do, the next open for writing {what} (byte {offset})")
            }
        }
    }
}
