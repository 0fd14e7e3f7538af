//! `seawall sim replay`: one run again, and its story if that is wanted.

use super::host;
use super::source::{Source, Which};
use super::unless_unread;
use crate::exit::{self, Failure, Status};
use crate::render;
use seawall_sim::{Report, render as page, tell};
use serde_json::json;
use std::path::PathBuf;

/// Play the run of a seed, or a stored scenario, and say which promise breaks.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::sim_help(
    "  seawall sim replay 4711\n  \
       seawall sim replay 4711 --class media --timeline timeline.html\n  \
       seawall sim replay scenario.json\n  \
       seawall sim replay fuzz/artifacts/decisions/crash-5f1c --decisions",
))]
pub(crate) struct Replay {
    #[command(flatten)]
    which: Which,
    /// Write an HTML page: operations, disk calls, what each crash took.
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let source = Source::play(&self.which)?;
        if let Some(file) = &self.timeline {
            host::write(file, &page(&self.report(&source)))?;
        }
        let status = if source.broken.is_some() { Status::Broken } else { Status::Clean };
        let shown = if self.json { show_json(&source) } else { self.show(&source) };
        unless_unread(shown, status)
    }

    fn report(&self, source: &Source) -> Report {
        let story = tell(&source.scenario, None);
        let scenario = &source.scenario;
        let summary = [
            ("class", scenario.setup.class.to_string()),
            ("disk", scenario.setup.preset.to_string()),
            ("lives", scenario.lives.len().to_string()),
            ("operations", scenario.op_count().to_string()),
            ("crashes", scenario.crash_count().to_string()),
        ];
        Report {
            title: format!("Replay of {}", self.which.what),
            summary: summary.map(|(label, value)| (label.to_owned(), value)).into(),
            tables: Vec::new(),
            failure: Some(story.into_page(source.replay.clone(), scenario.to_json())),
        }
    }

    fn show(&self, source: &Source) -> Result<(), Failure> {
        let (what, scenario) = (&self.which.what, &source.scenario);
        render::text(&match &source.broken {
            Some((life, violation)) => format!("{what} ({scenario}), life {life}: {violation}\n"),
            None => format!("{what}: no promise breaks\n{}\n", source.figures),
        })
    }
}

fn show_json(source: &Source) -> Result<(), Failure> {
    let scenario = &source.scenario;
    let broken = source.broken.as_ref().map(|(life, violation)| {
        json!({ "life": life, "promise": violation.promise, "what": violation.what })
    });
    render::document(&json!({
        "seed": source.seed,
        "class": scenario.setup.class,
        "preset": scenario.setup.preset,
        "lives": scenario.lives.len(),
        "operations": scenario.op_count(),
        "crashes": scenario.crash_count(),
        "crash_cycles": source.figures.crash_cycles,
        "broken": broken,
        "replay": source.replay,
    }))
}
