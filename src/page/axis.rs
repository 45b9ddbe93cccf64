use jiff::Timestamp;

/// Marks of an axis, about so many.
const TICKS: f64 = 5.0;

/// Marks of time at most, and how far they lie apart.
const TIME_TICKS_MAX: i64 = 7;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const TIME_STEPS_MS: [i64; 15] = [
    1_000,
    10_000,
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    4 * HOUR_MS,
    8 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    28 * DAY_MS,
];

/// An axis: what it measures, from where to where, and how numbers are spread on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it measures, with the unit.
    pub title: String,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
    /// Counts from few to very many: by their logarithm, with room for 0.
    logarithmic: bool,
}

impl Axis {
    /// From `low` to `high`, with marks at round numbers.
    pub fn linear(title: &str, low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / TICKS);
        let first = (low / step).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let ticks = (first..=last).map(|index| {
            let at = index as f64 * step;
            (at, format!("{at:.digits$}"))
        });
        Self { title: title.into(), low, high, ticks: ticks.collect(), logarithmic: false }
    }

    /// A share, 0 to 1.
    pub fn share(title: &str) -> Self {
        Self::linear(title, 0.0, 1.0)
    }

    /// A share, 0 to `high`, with marks of a hundred.
    pub fn percent(title: &str, high: f64) -> Self {
        let hundredths = Self::linear(title, 0.0, high * 100.0);
        let ticks = hundredths.ticks.into_iter().map(|(at, text)| (at / 100.0, format!("{text} %")));
        Self { low: 0.0, high: hundredths.high / 100.0, ticks: ticks.collect(), ..Self::linear(title, 0.0, 1.0) }
    }

    /// Time, milliseconds since the epoch, with marks at round times UTC: the date where a day starts.
    pub fn time(title: &str, low_ms: i64, high_ms: i64) -> Self {
        let high_ms = high_ms.max(low_ms.saturating_add(1_000));
        let span_ms = high_ms.saturating_sub(low_ms);
        let few_enough = |step_ms: &&i64| span_ms / **step_ms <= TIME_TICKS_MAX;
        let step_ms = *TIME_STEPS_MS.iter().find(few_enough).unwrap_or(&(span_ms / TIME_TICKS_MAX).max(1));
        let first = low_ms.div_euclid(step_ms) + i64::from(low_ms.rem_euclid(step_ms) > 0);
        let marks = (first..).map(|index| index.saturating_mul(step_ms)).take_while(|at| *at <= high_ms);
        let ticks = marks.take(TIME_TICKS_MAX as usize + 1).map(|at| (at as f64, time_of_day(at)));
        Self { low: low_ms as f64, high: high_ms as f64, ticks: ticks.collect(), ..Self::linear(title, 0.0, 1.0) }
    }

    /// Counts, 0 to `most`.
    pub fn counts(title: &str, most: u64) -> Self {
        let most = most.max(1) as f64;
        // So that a mark stands above what is drawn.
        let powers = (0..=most.log10().ceil() as i32).map(|power| 10_f64.powi(power));
        let ticks: Vec<_> = powers.map(|at| (at, format!("{at:.0}"))).collect();
        let high = ticks.last().map_or(1.0, |(at, _)| *at).min(most * 1.6);
        let ticks = ticks.into_iter().filter(|(at, _)| *at <= high).collect();
        Self { title: title.into(), low: 0.0, high, ticks, logarithmic: true }
    }

    /// Counts upwards from the middle and, of another group, downwards: those are given as negative numbers.
    pub fn counts_both_ways(title: &str, most: u64) -> Self {
        let up = Self::counts(title, most);
        let down = up.ticks.iter().map(|(at, text)| (-at, text.clone()));
        let zero = std::iter::once((0.0, "0".to_owned()));
        let ticks = down.chain(zero).chain(up.ticks.iter().cloned()).collect();
        Self { low: -up.high, ticks, ..up }
    }

    /// Other marks than the round numbers.
    pub fn with_ticks(mut self, ticks: Vec<(f64, String)>) -> Self {
        self.ticks = ticks;
        self
    }

    /// 0..=1: how far along the axis; what lies beyond an end is drawn there.
    pub(super) fn place(&self, value: f64) -> f64 {
        let spread = |value: f64| if self.logarithmic { value.signum() * value.abs().ln_1p() } else { value };
        let (low, high) = (spread(self.low), spread(self.high));
        ((spread(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }
}

/// `10:00`, or `01-31` where a day starts. What no calendar has is empty.
fn time_of_day(time_ms: i64) -> String {
    let format = match time_ms {
        day if day % DAY_MS == 0 => "%m-%d",
        minute if minute % MINUTE_MS == 0 => "%H:%M",
        _ => "%H:%M:%S",
    };
    Timestamp::from_millisecond(time_ms).map_or_else(|_| String::new(), |time| time.strftime(format).to_string())
}

/// 1, 2 or 5 times a power of ten, near `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = match step / power {
        times if times < 1.5 => 1.0,
        times if times < 3.5 => 2.0,
        times if times < 7.5 => 5.0,
        _ => 10.0,
    };
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn marks_are_round_numbers() {
        assert_eq!(marks(&Axis::share("")), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(marks(&Axis::linear("", 0.0, 730.0)), ["0", "100", "200", "300", "400", "500", "600", "700"]);
        assert_eq!(marks(&Axis::linear("", 3.0, 3.0)), ["3.0", "3.2", "3.4", "3.6", "3.8", "4.0"]);
    }

    #[test]
    fn times_are_round_and_days_have_their_date() {
        let day = 1_769_817_600_000;
        assert_eq!(
            marks(&Axis::time("", day - 5_000_000, day + 14_000_000)),
            ["23:00", "01-31", "01:00", "02:00", "03:00"]
        );
        assert_eq!(marks(&Axis::time("", day, day)), ["01-31", "00:00:01"]);
        let year = Axis::time("", day, day + 365 * DAY_MS);
        assert!((2..=8).contains(&marks(&year).len()), "{year:?}");
        assert!(marks(&Axis::time("", i64::MIN, i64::MAX)).len() <= 8);
    }

    #[test]
    fn shares_are_of_a_hundred() {
        assert_eq!(marks(&Axis::percent("", 0.21)), ["0 %", "5 %", "10 %", "15 %", "20 %"]);
        assert_eq!(Axis::percent("", 0.21).place(0.21), 1.0);
    }

    #[test]
    fn few_and_very_many_both_show() {
        let axis = Axis::counts("", 4_000);
        assert_eq!(marks(&axis), ["1", "10", "100", "1000"]);
        assert!(axis.place(1.0) > 0.05 && axis.place(4_000.0) < 1.0);
        let both = Axis::counts_both_ways("", 10);
        assert_eq!(both.place(0.0), 0.5);
        assert_eq!((both.place(-100.0), both.place(100.0)), (0.0, 1.0));
    }

    #[test]
    fn nothing_counted_is_an_axis_all_the_same() {
        assert_eq!(marks(&Axis::counts("", 0)), ["1"]);
    }
}
