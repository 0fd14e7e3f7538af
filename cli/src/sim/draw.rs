//! What a seed may draw, as options of the command line; and the command line that draws the same
//! again, which every failure ends with.

use seawall_sim::{Campaign, Class, Preset, SeawallLog};

/// Narrows what is drawn. A seed means something else with each of these.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Drawn {
    /// Only this class of runs: crash, errors or media.
    #[arg(long)]
    class: Option<Class>,
    /// Only this kind of disk: posix, journalled, lying or power-safe.
    #[arg(long)]
    preset: Option<Preset>,
}

impl Drawn {
    pub(crate) fn campaign(&self) -> Campaign<SeawallLog> {
        let mut campaign = Campaign::new();
        campaign.draw.class = self.class;
        campaign.draw.preset = self.preset;
        campaign
    }

    /// Whether nothing was asked for.
    pub(crate) const fn is_everything(&self) -> bool {
        self.class.is_none() && self.preset.is_none()
    }

    /// The command that replays a seed.
    pub(crate) fn replay(&self, seed: u64) -> String {
        self.command(&seed.to_string())
    }

    /// The command that replays what is drawn from something else.
    pub(crate) fn command(&self, what: &str) -> String {
        let mut line = format!("cargo run --release -- sim replay {what}");
        if let Some(class) = self.class {
            line.push_str(&format!(" --class {class}"));
        }
        if let Some(preset) = self.preset {
            line.push_str(&format!(" --preset {preset}"));
        }
        line
    }
}
