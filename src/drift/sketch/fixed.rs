//! Sums that are the same in whatever order they are made: numbers are rounded to a unit, a power of two, and added as
//! integers.

use serde::{Deserialize, Serialize};

/// Bits between a unit and the largest number of the reference.
const BITS: i32 = 40;
/// Numbers count at most as 1,024 times the largest of the reference.
const LIMIT: f64 = (1_u64 << (BITS + 10)) as f64;

/// The unit of probabilities: 2^-40.
pub(crate) const PROBABILITY: Unit = Unit(-BITS);

/// What numbers are rounded to: 2 to this power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unit(i32);

impl Unit {
    /// For numbers of which the largest is, without its sign, `largest`: at most 2^-39 of it. Integers below 2^40 are
    /// exact.
    pub fn for_numbers_up_to(largest: f64) -> Self {
        let exponent = if largest > 0.0 && largest.is_finite() { largest.log2().ceil() as i32 } else { 0 };
        // The unit, and one over it, are numbers.
        Self((exponent - BITS).clamp(-960, 0.max(exponent - BITS)))
    }

    /// Its size.
    pub fn size(self) -> f64 {
        2_f64.powi(self.0.clamp(-960, 1_023))
    }

    /// How many units; a number that is too large counts as the largest there is.
    pub(crate) fn units(self, number: f64) -> i64 {
        let units = (number / self.size()).clamp(-LIMIT, LIMIT);
        (units + 0.5_f64.copysign(units)) as i64
    }
}

/// Count, sum and sum of squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    /// How many numbers.
    pub n: u64,
    /// Their sum, units.
    #[serde(with = "digits")]
    pub sum: i128,
    /// The sum of their squares, square units. It stays at its maximum: 2^28 numbers of the largest size.
    #[serde(with = "digits")]
    pub squares: u128,
}

impl Moments {
    /// One more number.
    #[inline]
    pub fn add(&mut self, number: f64, unit: Unit) {
        let units = unit.units(number);
        self.n += 1;
        self.sum += i128::from(units);
        self.squares = self.squares.saturating_add(u128::from(units.unsigned_abs()).pow(2));
    }

    /// Takes a number out that was added: exactly, while the sum of squares is below its maximum, as it is of fewer than 2^37
    /// probabilities or their logarithms.
    pub(crate) fn remove(&mut self, number: f64, unit: Unit) {
        let units = unit.units(number);
        self.n = self.n.saturating_sub(1);
        self.sum -= i128::from(units);
        self.squares = self.squares.saturating_sub(u128::from(units.unsigned_abs()).pow(2));
    }

    /// All the numbers of another.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.squares = self.squares.saturating_add(other.squares);
    }

    /// The mean; none of nothing.
    pub fn mean(&self, unit: Unit) -> Option<f64> {
        (self.n > 0).then(|| (self.sum as f64 / self.n as f64 * unit.size()).clamp(f64::MIN, f64::MAX))
    }

    /// The variance with n - 1; none of fewer than two.
    pub fn variance(&self, unit: Unit) -> Option<f64> {
        let n = self.n as f64;
        // Around the mean rounded to a unit: a large mean does not drown a small spread.
        let middle = if self.n > 0 { self.sum / i128::from(self.n) } else { 0 };
        let rest = self.sum - middle * i128::from(self.n);
        let roughly = || self.squares as f64 - middle as f64 * (self.sum as f64 + rest as f64);
        let around = self.exactly_around(middle, rest).map_or_else(roughly, |exact| exact as f64);
        let spread = (around - (rest as f64).powi(2) / n).max(0.0);
        (self.n > 1).then(|| spread / (n - 1.0) * unit.size().powi(2))
    }

    /// Sum of (x - middle)^2 = squares - middle * (sum + rest); none where it needs more bits.
    fn exactly_around(&self, middle: i128, rest: i128) -> Option<i128> {
        let product = middle.checked_mul(self.sum.checked_add(rest)?)?;
        i128::try_from(self.squares).ok()?.checked_sub(product)
    }
}

/// Integers as text: JSON readers lose what has more than 53 bits.
pub(crate) mod digits {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(numbers: &[f64], unit: Unit) -> Moments {
        let mut moments = Moments::default();
        numbers.iter().for_each(|&number| moments.add(number, unit));
        moments
    }

    #[test]
    fn integers_are_exact_and_a_large_offset_does_not_hide_the_spread() {
        let unit = Unit::for_numbers_up_to(1e6 + 4.0);
        let far = moments(&[1e6, 1e6 + 2.0, 1e6 + 4.0], unit);
        assert_eq!((far.mean(unit), far.variance(unit)), (Some(1e6 + 2.0), Some(4.0)));
        let constant = moments(&[0.1; 1_000], Unit::for_numbers_up_to(0.1));
        assert_eq!(constant.variance(Unit::for_numbers_up_to(0.1)), Some(0.0));
    }

    #[test]
    fn any_number_has_a_unit() {
        for largest in [0.0, f64::MIN_POSITIVE, 1e-300, 1.0, 1e300, f64::MAX] {
            let unit = Unit::for_numbers_up_to(largest);
            let found = moments(&[largest, f64::MAX, f64::MIN], unit);
            assert!(unit.size() > 0.0 && unit.size().is_finite(), "{largest}");
            assert!((moments(&[largest], unit).mean(unit).unwrap() - largest).abs() <= unit.size(), "{largest}");
            assert_eq!(found.n, 3);
        }
    }

    #[test]
    fn nothing_has_no_mean() {
        let unit = Unit::for_numbers_up_to(1.0);
        assert_eq!((Moments::default().mean(unit), Moments::default().variance(unit)), (None, None));
        assert_eq!(moments(&[1.0], unit).variance(unit), None);
    }
}
