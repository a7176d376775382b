//! Medians and spreads.

use std::time::Duration;

/// Measured values, in the order of the measurement.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a value.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The ratio of each value to the other of the same round, in which both have the same load.
    pub fn ratio_to(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }

    /// The middle value, or the mean of the two in the middle; 0 when there is none.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => 0.0,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    /// The minimum and maximum; zeros when there is no value.
    pub fn spread(&self) -> (f64, f64) {
        let sorted = self.sorted();
        (sorted.first().copied().unwrap_or_default(), sorted.last().copied().unwrap_or_default())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// A time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn the_median_is_in_the_middle_and_ratios_are_by_round() {
        let (mut one, mut other) = (Samples::default(), Samples::default());
        for (a, b) in [(30.0, 10.0), (10.0, 10.0), (20.0, 5.0), (40.0, 10.0)] {
            one.push(a);
            other.push(b);
        }
        assert_eq!(one.median(), 25.0);
        assert_eq!(one.spread(), (10.0, 40.0));
        assert_eq!(one.ratio_to(&other).median(), 3.5);
    }
}
