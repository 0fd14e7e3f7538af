//! `seawall repair`: the plan, and nothing but the plan.

use crate::damage::DamagedRange;
use crate::exit::{self, Failure, Status};
use crate::render;
use crate::verify::Verified;
use seawall::{Damage, Decision, Finding};
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;

/// Say what a repair would do about each damaged range. Changes nothing.
///
/// Applying the plan is not available in this version: keep the directory as it is, and restore
/// it from a copy where there is one.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall repair log\n  \
       seawall repair log --json | jq .steps",
))]
pub(crate) struct Repair {
    /// The directory of the log.
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What would be done about one thing.
#[derive(Debug)]
enum Step {
    /// Copy the file away, and write it anew with a gap in place of what is lost.
    Rewrite(DamagedRange),
    /// Only a copy helps.
    Restore(DamagedRange),
    /// A repair was here before.
    Repaired(DamagedRange),
    /// The next open for writing sees to it.
    LeaveToOpen(Finding),
}

impl Repair {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let verified = Verified::read(&self.dir)?;
        let steps = plan(&verified);
        let shown = if self.json {
            render::document(&json!({
                "verdict": verified.verdict(),
                "applied": false,
                "steps": steps.iter().map(Step::json).collect::<Vec<_>>(),
            }))
        } else {
            render::text(&tell(&steps))
        };
        match shown {
            Ok(()) | Err(Failure::Unread) => Ok(verified.status()),
            Err(failure) => Err(failure),
        }
    }
}

fn plan(verified: &Verified) -> Vec<Step> {
    let ranges = verified.damage.iter().cloned().map(|range| match range.cause {
        Damage::Missing => Step::Restore(range),
        Damage::Gap => Step::Repaired(range),
        _ => Step::Rewrite(range),
    });
    let left = verified.view.findings().iter().filter(|finding| {
        let open_acts = [Decision::Cut, Decision::Rebuild, Decision::Remove];
        open_acts.contains(&finding.decision)
    });
    ranges.chain(left.cloned().map(Step::LeaveToOpen)).collect()
}

fn tell(steps: &[Step]) -> String {
    let mut text = String::new();
    for (index, step) in steps.iter().enumerate() {
        text += &format!("{}. {step}\n", index + 1);
    }
    if steps.iter().any(|step| matches!(step, Step::Rewrite(_) | Step::Restore(_))) {
        text += "This is a plan: applying it is not available in this version, and nothing was \
                 changed.\nKeep the directory as it is; if there is a copy, restore that.\n";
    } else if steps.is_empty() {
        text += "nothing to do\n";
    } else {
        text += "nothing to do by hand, and nothing was changed\n";
    }
    text
}

impl Step {
    fn json(&self) -> Value {
        let of_range = |action, range: &DamagedRange| {
            let mut value = range.json();
            if let Some(fields) = value.as_object_mut() {
                fields.insert("action".to_owned(), json!(action));
            }
            value
        };
        match self {
            Self::Rewrite(range) => {
                let mut value = of_range("rewrite-with-gap", range);
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("quarantine".to_owned(), json!(range.file()));
                    let gap = json!({ "from": range.from.get(), "to": range.to.get() });
                    fields.insert("gap".to_owned(), gap);
                }
                value
            }
            Self::Restore(range) => of_range("restore-from-copy", range),
            Self::Repaired(range) => of_range("none-already-a-gap", range),
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
            Self::Rewrite(range) => {
                let (file, why, lost) = (range.file(), range.why(), range.range());
                let DamagedRange { segment, offset, .. } = range;
                write!(
                    f,
                    "segment {segment}: copy {file} to quarantine, then write it anew with one \
                     gap frame for {lost} (byte {offset}: {why})"
                )
            }
            Self::Restore(range) => {
                let (file, lost) = (range.file(), range.range());
                let DamagedRange { segment, .. } = range;
                write!(
                    f,
                    "segment {segment}: restore {file} from a copy; it is gone, with {lost}, \
                     and nothing here can stand in for it"
                )
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
