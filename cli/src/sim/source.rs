//! A run from wherever it is: drawn from a seed, decided by a fuzzer, or stored in a file.

use super::draw::Drawn;
use super::host;
use crate::exit::Failure;
use seawall_sim::{Failure as CampaignFailure, Figures, Scenario, SeawallLog, Violation, play};
use std::num::NonZeroUsize;
use std::path::Path;

/// Which run, as the command line says it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Which {
    /// The seed, or the file of a scenario.
    #[arg(value_name = "SEED|FILE")]
    pub(crate) what: String,
    /// The file holds decisions: the input of a fuzzer that broke a promise.
    #[arg(long)]
    decisions: bool,
    #[command(flatten)]
    drawn: Drawn,
}

/// A run, and what came of it.
#[derive(Debug)]
pub(crate) struct Source {
    /// The seed, if it was drawn.
    pub(crate) seed: Option<u64>,
    /// The way to the broken promise; of a seed that breaks none, the way through its lives
    /// without its side branches.
    pub(crate) scenario: Scenario<SeawallLog>,
    /// The promise that breaks, and in which life.
    pub(crate) broken: Option<(usize, Violation)>,
    /// What was done; of a stored run that breaks a promise, nothing is told.
    pub(crate) figures: Figures,
    /// The command that plays it again.
    pub(crate) replay: String,
}

impl Source {
    /// Plays it.
    pub(crate) fn play(which: &Which) -> Result<Self, Failure> {
        let Which { what, decisions, drawn } = which;
        match what.parse::<u64>() {
            _ if *decisions => Self::of_decisions(what, drawn),
            Ok(seed) => Ok(Self::of_seed(seed, drawn)),
            Err(_) => Self::of_file(what, drawn),
        }
    }

    fn of_seed(seed: u64, drawn: &Drawn) -> Self {
        let campaign = drawn.campaign();
        let seeds = seed..seed.saturating_add(1);
        let (figures, failure) = campaign.run_while(seeds, NonZeroUsize::MIN, |_| true);
        let broken = failure.map(|failure| *failure);
        Self::of_draw(Some(seed), figures, broken, || campaign.trunk(seed), drawn.replay(seed))
    }

    fn of_decisions(file: &str, drawn: &Drawn) -> Result<Self, Failure> {
        let decisions = host::read(Path::new(file))?;
        let campaign = drawn.campaign();
        let (figures, broken) = match campaign.decided(&decisions) {
            Ok(figures) => (figures, None),
            Err(failure) => (Figures::default(), Some(*failure)),
        };
        let replay = drawn.command(&format!("{file} --decisions"));
        let trunk = || campaign.trunk_decided(&decisions);
        Ok(Self::of_draw(None, figures, broken, trunk, replay))
    }

    fn of_draw(
        seed: Option<u64>,
        figures: Figures,
        broken: Option<CampaignFailure<SeawallLog>>,
        trunk: impl FnOnce() -> Scenario<SeawallLog>,
        replay: String,
    ) -> Self {
        match broken {
            Some(failure) => {
                let broken = Some((failure.life, failure.violation));
                Self { seed, scenario: failure.scenario, broken, figures, replay }
            }
            None => Self { seed, scenario: trunk(), broken: None, figures, replay },
        }
    }

    fn of_file(what: &str, drawn: &Drawn) -> Result<Self, Failure> {
        if !drawn.is_everything() {
            return Err(Failure::Input {
                what: "--class and --preset say what a seed draws; a stored run has its own"
                    .to_owned(),
                hint: "leave them out",
            });
        }
        // What is no text is no scenario, and may be what a fuzzer decided.
        let text = String::from_utf8_lossy(&host::read(Path::new(what))?).into_owned();
        let scenario: Scenario<SeawallLog> =
            Scenario::from_json(&text).map_err(|error| Failure::Input {
                what: format!("{what} holds no scenario: {error}"),
                hint: "give a file that `seawall sim shrink --out` wrote, or the input of a fuzzer and \
                       --decisions",
            })?;
        let (figures, broken) = match play(&scenario, None) {
            Ok(figures) => (figures, None),
            Err(broken) => (Figures::default(), Some(broken)),
        };
        let replay = format!("cargo run --release -- sim replay {what}");
        Ok(Self { seed: None, scenario, broken, figures, replay })
    }
}
