//! A campaign as a program of its own, for whoever tests a store of theirs: three commands and few
//! options. Knows nothing of the store but that it is a [`Subject`].

use crate::campaign::{Campaign, Failure};
use crate::figures::Figures;
use crate::options::Preset;
use crate::plan::Draw;
use crate::play::play;
use crate::report::{Report, render};
use crate::scenario::Scenario;
use crate::shrink::shrink;
use crate::story::{Story, tell};
use crate::subject::{Class, Subject};
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::process::ExitCode;

/// Exit code where no promise broke.
const KEPT: u8 = 0;
/// Exit code of a run in which a promise broke.
const BROKEN: u8 = 1;
/// Exit code of a command line that makes no sense, and of a file that cannot be read or written.
const USAGE: u8 = 2;

/// Runs a campaign from the arguments of a program (without its name). `command` is what a user
/// types before them; a failure prints it again, with the arguments that replay it.
///
/// ```text
///   run FIRST..END        runs these seeds, on all processors
///   replay SEED|FILE      the run of a seed again, or a stored scenario
///   shrink SEED|FILE      makes it small and prints it
///   --class CLASS         only runs of this class: crash, errors or media
///   --preset DISK         only this kind of disk
///   --page FILE           the failure, or the replayed run, as a page with every call of the disk
///   --calls               the same as text
///   --help                all of this, and which classes the store names
/// ```
///
/// Without `--class` the classes are drawn that the store names in
/// [`Subject::CLASSES`](crate::Subject::CLASSES), which is *crash* alone if it names none.
#[must_use]
pub fn main_for<S: Subject>(arguments: &[String], command: &str) -> ExitCode {
    let said = answer::<S>(arguments, command);
    // The exit code states the outcome to those who do not read this.
    let _unread = io::stderr().write_all(said.note.as_bytes());
    let _unread = io::stdout().write_all(said.text.as_bytes());
    ExitCode::from(said.code)
}

/// Does what the arguments ask for.
fn answer<S: Subject>(arguments: &[String], command: &str) -> Said {
    let outcome = Asked::read(arguments).and_then(|asked| match &asked.what {
        What::Help => Ok(Said::fine(help::<S>(command))),
        What::Run(seeds) => run::<S>(&asked, seeds.clone(), command),
        What::Replay(what) => replay(&asked, &asked.load::<S>(what)?, &asked.again(command, what)),
        What::Shrink(what) => Ok(make_small(&asked.load::<S>(what)?)),
    });
    outcome.unwrap_or_else(|what| Said {
        text: String::new(),
        note: format!("error: {what}\nhint: {command} --help\n"),
        code: USAGE,
    })
}

/// What is printed in the end, and how the program ends.
struct Said {
    text: String,
    /// On standard error, apart from the text, which may go into a file.
    note: String,
    code: u8,
}

impl Said {
    fn fine(text: String) -> Self {
        Self { text, note: String::new(), code: KEPT }
    }

    fn broken(text: String) -> Self {
        Self { code: BROKEN, ..Self::fine(text) }
    }
}

enum What {
    Help,
    Run(Range<u64>),
    Replay(String),
    Shrink(String),
}

/// The command line.
struct Asked {
    what: What,
    draw: Draw,
    page: Option<String>,
    calls: bool,
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let (mut draw, mut page, mut calls, mut help) = (Draw::default(), None, false, false);
        let mut words = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                let value = joined.or_else(|| rest.next().map(String::as_str));
                value.ok_or_else(|| format!("{name} needs a value"))
            };
            match name {
                "--class" => draw.class = Some(value()?.parse()?),
                "--preset" => {
                    let preset = value()?.parse::<Preset>();
                    draw.preset = Some(preset.map_err(|unknown| unknown.to_string())?);
                }
                "--page" => page = Some(value()?.to_owned()),
                "--calls" => calls = true,
                "--help" | "-h" | "help" => help = true,
                _ if name.starts_with('-') => return Err(format!("there is no option {name}")),
                _ => words.push(argument.as_str()),
            }
        }
        let what = match *words.as_slice() {
            _ if help => What::Help,
            ["run", seeds] => What::Run(parse_seeds(seeds)?),
            ["replay", what] => What::Replay(what.to_owned()),
            ["shrink", what] => What::Shrink(what.to_owned()),
            [] => return Err("say run, replay or shrink".to_owned()),
            [word @ ("run" | "replay" | "shrink")] => {
                return Err(format!("{word} needs one argument: seeds, a seed or a file"));
            }
            [word, ..] => return Err(format!("{word:?} with these arguments is no command")),
        };
        Ok(Self { what, draw, page, calls })
    }

    fn campaign<S: Subject>(&self) -> Campaign<S> {
        let mut campaign = Campaign::new();
        campaign.draw = self.draw.clone();
        campaign
    }

    /// The command line that replays this.
    fn again(&self, command: &str, what: &str) -> String {
        let mut line = format!("{command} replay {what}");
        if let Some(class) = self.draw.class {
            line += &format!(" --class {class}");
        }
        if let Some(preset) = self.draw.preset {
            line += &format!(" --preset {preset}");
        }
        line
    }

    fn load<S: Subject>(&self, what: &str) -> Result<Scenario<S>, String> {
        if let Ok(seed) = what.parse::<u64>() {
            let campaign = self.campaign::<S>();
            let failed = campaign.run(seed..seed.saturating_add(1)).err();
            let scenario = failed.map(|failure: Box<Failure<S>>| failure.scenario);
            return Ok(scenario.unwrap_or_else(|| campaign.trunk(seed)));
        }
        if self.draw.class.is_some() || self.draw.preset.is_some() {
            return Err("--class and --preset say what a seed draws; a file has its own".to_owned());
        }
        let text = fs::read_to_string(what).map_err(|error| format!("{what}: {error}"))?;
        Scenario::from_json(&text).map_err(|error| format!("{what} is no scenario: {error}"))
    }

    /// What was asked for of the story of a run: its page, written, and its calls, returned.
    fn story<S: Subject>(&self, scenario: &Scenario<S>, again: &str) -> Result<String, String> {
        if self.page.is_none() && !self.calls {
            return Ok(String::new());
        }
        let story = tell(scenario, None);
        let mut text = String::new();
        if self.calls {
            text = calls(&story);
        }
        if let Some(file) = &self.page {
            let page = render(&Report {
                title: scenario.to_string(),
                failure: Some(story.into_page(again.to_owned(), scenario.to_json())),
                ..Report::default()
            });
            #[expect(clippy::disallowed_methods, reason = "a page is no file of a store")]
            fs::write(file, page).map_err(|error| format!("{file}: {error}"))?;
            text = format!("page: {file}\n{text}");
        }
        Ok(text)
    }
}

/// Every operation and every call of the disk, in order.
fn calls(story: &Story) -> String {
    let mut text = String::new();
    for life in &story.timeline.lives {
        // Writing into a string does not fail.
        let _whole = writeln!(text, "\n{}", life.title);
        let mut ops = life.ops.iter().peekable();
        for call in &life.calls {
            while let Some(op) = ops.next_if(|op| op.first_step <= call.step) {
                let _whole = writeln!(text, "  {}: {}", op.what, op.answer);
            }
            let file = life.files.get(call.file).map_or("", String::as_str);
            let failed = call.failed.map(|errno| format!(", failed with errno {errno}"));
            let failed = failed.unwrap_or_default();
            let _whole = writeln!(text, "    {:>5}  {file}: {}{failed}", call.step, call.what);
        }
        for op in ops {
            let _whole = writeln!(text, "  {}: {}", op.what, op.answer);
        }
        if let Some(end) = &life.end {
            let _whole = writeln!(text, "  {} ({})", end.kind, end.policy);
        }
    }
    text
}

fn help<S: Subject>(command: &str) -> String {
    let classes: Vec<String> = S::CLASSES.iter().map(Class::to_string).collect();
    let presets: Vec<String> = Preset::ALL.iter().map(Preset::to_string).collect();
    format!(
        "Tests a store on a simulated disk that is cut off, fails and rots, by seeds.

{command} run FIRST..END      run these seeds, on all processors
{command} replay SEED|FILE    play the run of a seed again, or a stored scenario
{command} shrink SEED|FILE    make a failing run small, and print its scenario

Options:
  --class CLASS   only runs of this class; a seed means something else then. crash: power cuts and
                  kills; errors: also calls that fail and full disks; media: also rot and devices
                  that lie. Without it what the store names (`Subject::CLASSES`): {classes}
  --preset DISK   only this kind of disk: {presets}
  --page FILE     with run and replay: write an HTML page of the failure, or of the run: every
                  operation, every call of the disk, what each crash took
  --calls         with run and replay: print the same as text
  --help          this

Exit codes: 0 no promise broke; 1 one did; 2 usage, or a file that cannot be read or written.
",
        classes = classes.join(", "),
        presets = presets.join(", "),
    )
}

/// Reads `FIRST..END`.
///
/// # Errors
/// A sentence about what is wrong.
pub fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let odd = || format!("{text:?} is no range of seeds: say FIRST..END, for instance 0..1000");
    let (first, end) = text.split_once("..").ok_or_else(odd)?;
    let (first, end) = (first.parse().map_err(|_| odd())?, end.parse().map_err(|_| odd())?);
    if first < end { Ok(first..end) } else { Err(odd()) }
}

fn run<S: Subject>(asked: &Asked, seeds: Range<u64>, command: &str) -> Result<Said, String> {
    let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let (figures, failure) = asked.campaign::<S>().run_while(seeds, jobs, |_| true);
    let Some(failure) = failure else { return Ok(Said::fine(format!("{figures}\n"))) };
    let again = asked.again(command, &failure.seed.to_string());
    let story = asked.story(&failure.scenario, &again)?;
    Ok(Said::broken(format!("{figures}\n{failure}\nagain: {again}\n{story}")))
}

fn replay<S: Subject>(asked: &Asked, scenario: &Scenario<S>, again: &str) -> Result<Said, String> {
    let story = asked.story(scenario, again)?;
    Ok(match play(scenario, None) {
        Ok(figures) => Said::fine(format!("{scenario}: no promise breaks\n{figures}\n{story}")),
        Err((life, violation)) => {
            Said::broken(format!("{scenario}, life {life}: {violation}\n{story}"))
        }
    })
}

fn make_small<S: Subject>(scenario: &Scenario<S>) -> Said {
    match shrink(scenario, None, |_| true) {
        None => Said::fine(format!("{scenario}: no promise breaks\n")),
        Some(small) => {
            let note = format!("{} runs; {}: {}\n", small.played, small.scenario, small.violation);
            Said { note, ..Said::broken(format!("{}\n", small.scenario.to_json())) }
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds, {} operations, {} crash-and-recover cycles (median {} operations; {:.0} % of \
             {} power cuts took something)",
            self.seeds,
            self.operations,
            self.crash_cycles,
            self.operations_median(),
            100.0 * self.lossy_crash_share(),
            self.power_cuts,
        )
    }
}

#[cfg(test)]
mod tests;
