use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A probability that a score is held against, 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Threshold(f64);

/// What is no [`Threshold`].
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("the threshold is {found}; give a probability, 0 to 1")]
pub struct NotAThreshold {
    /// The number that was given.
    pub found: f64,
}

impl Threshold {
    /// Refuses what is outside 0..=1, and NaN.
    pub fn try_new(probability: f64) -> Result<Self, NotAThreshold> {
        if (0.0..=1.0).contains(&probability) {
            Ok(Self(probability))
        } else {
            Err(NotAThreshold { found: probability })
        }
    }

    /// The probability.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Whether a score is at the threshold or above.
    pub fn is_reached_by(self, probability: f64) -> bool {
        probability >= self.0
    }
}

impl TryFrom<f64> for Threshold {
    type Error = NotAThreshold;

    fn try_from(probability: f64) -> Result<Self, NotAThreshold> {
        Self::try_new(probability)
    }
}

impl From<Threshold> for f64 {
    fn from(threshold: Threshold) -> Self {
        threshold.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_outside_0_to_1_cannot_be_built() {
        for good in [0.0, 0.5, 1.0] {
            assert_eq!(Threshold::try_new(good).map(Threshold::get), Ok(good));
        }
        for bad in [-0.1, 1.2, f64::NAN, f64::INFINITY] {
            assert!(Threshold::try_new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_threshold_itself_reaches() {
        let threshold = Threshold(0.4);
        assert!(threshold.is_reached_by(0.4));
        assert!(!threshold.is_reached_by(0.399_999));
        assert!(!threshold.is_reached_by(f64::NAN));
    }
}
