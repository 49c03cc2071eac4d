//! Axes of the figures: ranges with round ends, ticks at round numbers, values to pixels.

/// An axis between two round numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    step: f64,
    /// Where `low` and `high` lie in the drawing.
    from: f64,
    to: f64,
}

impl Axis {
    /// Round ends around `low..high`, with about `num_steps` ticks, drawn between the pixels `from` and `to`.
    pub(super) fn around(low: f64, high: f64, num_steps: f64, (from, to): (f64, f64)) -> Self {
        let width = (high - low).max(1e-9);
        let power = 10_f64.powf((width / num_steps).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| width / step <= num_steps)
            .unwrap_or(10.0 * power);
        Self {
            low: (low / step + 1e-9).floor() * step,
            high: (high / step - 1e-9).ceil() * step,
            step,
            from,
            to,
        }
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Values and what stands beside them.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        let count = ((self.high - self.low) / self.step).round() as usize;
        (0..=count)
            .map(|index| {
                let value = self.low + index as f64 * self.step;
                // No "-0".
                let value = if value.abs() < self.step / 2.0 {
                    0.0
                } else {
                    value
                };
                (value, signed(&format!("{value:.decimals$}")))
            })
            .collect()
    }
}

/// With a real minus sign.
pub(super) fn signed(number: &str) -> String {
    number.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_ticks_are_round() {
        let axis = Axis::around(-0.031, 0.178, 6.0, (0.0, 100.0));
        let labels: Vec<String> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(
            labels,
            ["\u{2212}0.05", "0.00", "0.05", "0.10", "0.15", "0.20"]
        );
        assert!((axis.at(-0.05)).abs() < 1e-9 && (axis.at(0.2) - 100.0).abs() < 1e-9);
        let wide = Axis::around(0.0, 100.0, 5.0, (0.0, 1.0));
        assert_eq!(wide.ticks().len(), 6);
    }
}
