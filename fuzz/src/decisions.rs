//! Target `decisions`: the input decides all that a campaign draws from a seed: the disk, the options, the
//! operations, what goes wrong, where the power is cut and what is left. Judge is the oracle of
//! the campaigns, with every promise.
//!
//! Built with `--cfg seawall_planted`, the bug that `SEAWALL_PLANT` names is in the log, or in the
//! disk: `fuzz/run --planted` shows so that the target finds what it should.

use seawall_sim::{Campaign, SeawallLog};
use std::sync::OnceLock;

/// Plays the runs that the input decides.
///
/// # Panics
/// If a promise breaks, with the run that leads there.
pub fn run(input: &[u8]) {
    static CAMPAIGN: OnceLock<Campaign<SeawallLog>> = OnceLock::new();
    if let Err(failure) = CAMPAIGN.get_or_init(campaign).decided(input) {
        let (life, violation, scenario) = (failure.life, &failure.violation, &failure.scenario);
        panic!("life {life} ({scenario}): {violation}\n{}", scenario.to_json());
    }
}

#[cfg(not(seawall_planted))]
fn campaign() -> Campaign<SeawallLog> {
    Campaign::new()
}

#[cfg(seawall_planted)]
fn campaign() -> Campaign<SeawallLog> {
    use seawall_sim::{BUGS, Way};
    let mut campaign = Campaign::new();
    let name = std::env::var("SEAWALL_PLANT").unwrap_or_default();
    if name.is_empty() {
        return campaign;
    }
    let bug = BUGS.iter().find(|bug| bug.name == name);
    match bug.unwrap_or_else(|| panic!("{name:?} is no planted bug")).way {
        Way::Line => assert!(seawall::planted::plant(&name), "{name} is not in the library"),
        Way::Sabotage(sabotage) => campaign.sabotage = Some(sabotage),
    }
    campaign
}
