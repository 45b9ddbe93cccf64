use serde::Deserialize;

use crate::{
    config::{ConfigError, limits::within},
    drift::{Floors, Rule},
};

/// [`Rule`], as it is configured, and as `assize drift check` takes it.
#[derive(Clone, Debug, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct RuleConfig {
    /// Of what is called moved, the share that may be chance.
    #[arg(long, value_name = "SHARE", default_value_t = Rule::default().alpha, value_parser = share)]
    pub alpha: f64,
    /// Values that it takes on either side to say anything.
    #[arg(long, value_name = "N", default_value_t = Rule::default().values_min)]
    pub values_min: u64,
    /// Least KS distance that matters, 0..=1.
    #[arg(long, value_name = "D", default_value_t = Floors::default().ks, value_parser = positive)]
    pub ks_min: f64,
    /// Least shift of a mean, standard deviations.
    #[arg(long, value_name = "SD", default_value_t = Floors::default().mean, value_parser = positive)]
    pub mean_min: f64,
    /// Least population stability index.
    #[arg(long, value_name = "PSI", default_value_t = Floors::default().psi, value_parser = positive)]
    pub psi_min: f64,
    /// Least Jensen-Shannon distance, 0..=1.
    #[arg(long, value_name = "JS", default_value_t = Floors::default().jensen_shannon, value_parser = positive)]
    pub js_min: f64,
    /// Least Cramér's V, 0..=1.
    #[arg(long, value_name = "V", default_value_t = Floors::default().cramers_v, value_parser = positive)]
    pub cramers_v_min: f64,
}

impl Default for RuleConfig {
    fn default() -> Self {
        let Rule { alpha, values_min, floors } = Rule::default();
        let Floors { ks, mean, psi, jensen_shannon, cramers_v } = floors;
        Self {
            alpha,
            values_min,
            ks_min: ks,
            mean_min: mean,
            psi_min: psi,
            js_min: jensen_shannon,
            cramers_v_min: cramers_v,
        }
    }
}

impl RuleConfig {
    /// What it says.
    pub fn rule(&self) -> Rule {
        let &Self { alpha, values_min, ks_min, mean_min, psi_min, js_min, cramers_v_min } = self;
        let floors =
            Floors { ks: ks_min, mean: mean_min, psi: psi_min, jensen_shannon: js_min, cramers_v: cramers_v_min };
        Rule { alpha, values_min, floors }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let &Self { alpha, values_min, ks_min, mean_min, psi_min, js_min, cramers_v_min } = self;
        within("drift.rule.alpha", alpha, 1e-12..=1.0)?;
        within("drift.rule.values_min", values_min, 1..=1_000_000_000)?;
        let floors =
            [("ks", ks_min), ("mean", mean_min), ("psi", psi_min), ("js", js_min), ("cramers_v", cramers_v_min)];
        for (name, floor) in floors {
            within(&format!("drift.rule.{name}_min"), floor, 1e-9..=100.0)?;
        }
        Ok(())
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number: &f64| number > 0.0 && number.is_finite());
    number.ok_or_else(|| "give a number above 0".into())
}

fn share(text: &str) -> Result<f64, String> {
    positive(text).ok().filter(|share| *share <= 1.0).ok_or_else(|| "give a number above 0, at most 1".into())
}
