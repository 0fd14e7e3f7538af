//! A run from wherever it is: drawn from a seed, or stored in a file.

use super::draw::Drawn;
use super::host;
use crate::exit::Failure;
use seawall_sim::{Figures, Scenario, SeawallLog, Violation, play};
use std::num::NonZeroUsize;
use std::path::Path;

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
    /// Plays the run of a seed, or of a file.
    pub(crate) fn play(what: &str, drawn: &Drawn) -> Result<Self, Failure> {
        match what.parse::<u64>() {
            Ok(seed) => Ok(Self::of_seed(seed, drawn)),
            Err(_) => Self::of_file(what, drawn),
        }
    }

    fn of_seed(seed: u64, drawn: &Drawn) -> Self {
        let campaign = drawn.campaign();
        let seeds = seed..seed.saturating_add(1);
        let (figures, failure) = campaign.run_while(seeds, NonZeroUsize::MIN, |_| true);
        let replay = drawn.replay(seed);
        match failure.map(|failure| *failure) {
            Some(failure) => {
                let broken = Some((failure.life, failure.violation));
                Self { seed: Some(seed), scenario: failure.scenario, broken, figures, replay }
            }
            None => {
                let scenario = campaign.trunk(seed);
                Self { seed: Some(seed), scenario, broken: None, figures, replay }
            }
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
        let text = host::read(Path::new(what))?;
        let scenario: Scenario<SeawallLog> =
            Scenario::from_json(&text).map_err(|error| Failure::Input {
                what: format!("{what} holds no scenario: {error}"),
                hint: "give a file that `seawall sim shrink --out` wrote",
            })?;
        let (figures, broken) = match play(&scenario, None) {
            Ok(figures) => (figures, None),
            Err(broken) => (Figures::default(), Some(broken)),
        };
        let replay = format!("cargo run --release -- sim replay {what}");
        Ok(Self { seed: None, scenario, broken, figures, replay })
    }
}
