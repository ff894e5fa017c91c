//! Medians and spreads.

/// The median; of an even count, the mean of the two in the middle. 0 of nothing.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values {
        [] => 0.0,
        values if values.len() % 2 == 1 => values[middle],
        values => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The same thing measured in several rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Series(Vec<f64>);

impl Series {
    /// Of at least one value.
    #[must_use]
    pub fn new(values: Vec<f64>) -> Self {
        Self(values)
    }

    /// The one to quote.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(&mut self.0.clone())
    }

    /// The smallest and the biggest.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        self.0.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        let series = Series::new(vec![5.0, 1.0, 3.0]);
        assert_eq!((series.median(), series.spread()), (3.0, (1.0, 5.0)));
    }
}
