//! `seawall inspect`: what a directory holds, from names, headers and the tail.

use crate::damage::DamagedRange;
use crate::exit::{self, Failure, Status};
use crate::render;
use seawall::format::name::FileName;
use seawall::{Decision, Environment, Error, Lineage, LogView, Lsn, Segment};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Show the segments of a log, where it ends, and what the next open would find.
///
/// Reads names, headers and the segment that is written to, not the closed ones: `verify` does.
/// Never writes, takes no lock, and may run beside a writer.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall inspect log\n  \
       seawall inspect log --json | jq .end",
))]
pub(crate) struct Inspect {
    /// The directory of the log.
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is shown.
#[derive(Debug)]
struct Seen {
    view: LogView,
    spares: Vec<String>,
    damage: Option<DamagedRange>,
}

impl Inspect {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let place = || self.dir.display().to_string();
        let io = |action, source: std::io::Error| Error::Io {
            action,
            name: place(),
            source: source.into(),
        };
        let environment =
            Environment::existing(&self.dir).map_err(|e| io("open the directory", e))?;
        let view = LogView::open_in(&environment)?;
        let entries = environment.storage.list().map_err(|e| io("list", e))?;
        let mut spares: Vec<_> = entries
            .into_iter()
            .filter(|entry| matches!(FileName::parse(&entry.name), Some(FileName::Spare(_))))
            .map(|entry| entry.name)
            .collect();
        spares.sort_unstable();
        let damage = view.damage().and_then(DamagedRange::of);
        let seen = Seen { view, spares, damage };
        let shown =
            if self.json { render::document(&seen.json()) } else { render::text(&seen.text()) };
        match shown {
            Ok(()) | Err(Failure::Unread) => Ok(seen.status()),
            Err(failure) => Err(failure),
        }
    }
}

impl Seen {
    fn status(&self) -> Status {
        let findings = self.view.findings();
        if self.damage.is_some() || findings.iter().any(|f| f.decision == Decision::Damage) {
            Status::Damaged
        } else if self.view.is_torn() {
            Status::Torn
        } else {
            Status::Clean
        }
    }

    fn state(&self) -> &'static str {
        match self.status() {
            Status::Damaged => "damaged",
            Status::Torn => "torn",
            _ if self.view.segments().is_empty() => "empty",
            _ if self.view.is_clean() => "clean",
            _ => "open",
        }
    }

    /// Where the frames of a segment end: the last one is still written to.
    fn end_of(&self, segment: &Segment) -> Lsn {
        segment.closed.map_or(self.view.end(), |closed| closed.lsn)
    }

    fn json(&self) -> Value {
        let segments: Vec<_> = self
            .view
            .segments()
            .iter()
            .map(|segment| {
                json!({
                    "number": segment.number().get(),
                    "file": FileName::Segment(segment.number()).text(),
                    "base": segment.base().get(),
                    "end": self.end_of(segment).get(),
                    "closed": segment.closed.is_some(),
                    "length": segment.file_len,
                    "salt": format!("{:016x}", segment.header.salt.get()),
                    "trim": segment.header.trim.get(),
                })
            })
            .collect();
        let lineages: Vec<_> = self
            .view
            .lineages()
            .iter()
            .map(|(lineage, from)| json!({ "lineage": lineage.to_string(), "from": from.get() }))
            .collect();
        let findings: Vec<_> = self
            .view
            .findings()
            .iter()
            .map(|finding| {
                json!({
                    "file": finding.name,
                    "offset": finding.offset,
                    "row": format!("{:?}", finding.row),
                    "proven_beyond": finding.proven_beyond,
                    "decision": format!("{:?}", finding.decision),
                })
            })
            .collect();
        json!({
            "log": self.view.id().map(|id| id.to_string()),
            "version": self.version(),
            "content": self.view.content().map(|content| {
                json!({ "name": content.name(), "version": content.version() })
            }),
            "lineages": lineages,
            "state": self.state(),
            "clean": self.view.is_clean(),
            "torn": self.view.is_torn(),
            "first": self.view.first().get(),
            "trim": self.view.trim_point().get(),
            "end": self.view.end().get(),
            "proven": self.view.proven().get(),
            "segments": segments,
            "spares": self.spares,
            "findings": findings,
            "damage": self.damage.as_ref().map(DamagedRange::json),
        })
    }

    /// The newest of which a segment is: a program that knows no newer one reads all of it.
    fn version(&self) -> Option<u32> {
        self.view.segments().iter().map(|segment| segment.header.version).max()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes what is written to it");
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let view = &self.view;
        match view.id() {
            Some(id) => match self.version() {
                Some(version) => writeln!(out, "log       {id}, format version {version}")?,
                None => writeln!(out, "log       {id}")?,
            },
            None => writeln!(out, "log       none here: no segment has begun")?,
        }
        if let Some(content) = view.content().filter(|content| !content.is_raw()) {
            writeln!(out, "content   {content}")?;
        }
        for (lineage, from) in view.lineages().into_iter().filter(|&(of, _)| of != Lineage::FIRST) {
            writeln!(out, "lineage   {lineage} from LSN {from}: a copy of the log went on there")?;
        }
        writeln!(out, "state     {}", explain(self.state()))?;
        writeln!(
            out,
            "LSN       first {}, end {}, proven durable to {}, trim point {}",
            view.first(),
            view.end(),
            view.proven(),
            view.trim_point()
        )?;
        if !self.spares.is_empty() {
            writeln!(out, "spares    {}", self.spares.join(", "))?;
        }
        if !view.segments().is_empty() {
            writeln!(
                out,
                "\n{:>8}  {:24}  {:>16}  {:>16}  {:>10}  {:16}  trim",
                "segment", "file", "base", "end", "length", "salt"
            )?;
        }
        for segment in view.segments() {
            let file = FileName::Segment(segment.number()).text();
            // Columns pad what is a string.
            let (number, base) = (segment.number().get(), segment.base().get());
            let end = self.end_of(segment).get();
            let mark = if segment.closed.is_some() { ' ' } else { '+' };
            writeln!(
                out,
                "{number:>8}  {file:24}  {base:>16}  {end:>15}{mark}  {:>10}  {:016x}  {}",
                segment.file_len,
                segment.header.salt.get(),
                segment.header.trim
            )?;
        }
        if view.segments().last().is_some_and(|segment| segment.closed.is_none()) {
            writeln!(out, "{:78}+ so far: the next record goes there, or behind a jump", "")?;
        }
        for (index, finding) in view.findings().iter().enumerate() {
            if index == 0 {
                writeln!(out, "\nfindings")?;
            }
            let proven = if finding.proven_beyond { ", proven beyond" } else { "" };
            let (row, decision) = (finding.row, finding.decision);
            let place = format!("{} at byte {}", finding.name, finding.offset);
            writeln!(out, "  {place}: {row:?}{proven} -> {decision:?}")?;
        }
        if let Some(range) = &self.damage {
            writeln!(out, "\ndamage\n  {range}")?;
        }
        Ok(())
    }
}

fn explain(state: &str) -> &str {
    match state {
        "clean" => "clean: the last run closed the log",
        "open" => "open: a writer has it, or ended without closing it; nothing is wrong",
        "torn" => {
            "torn: bytes behind the end belong to no record anybody was told about; the next \
             open for writing cuts them"
        }
        "damaged" => "damaged: acknowledged records cannot be read back",
        _ => "empty",
    }
}
