//! What changes from step to step (`cosine_scheduler` of DINO's `utils.py`; `main_dino.py`), in shares of a run of any length.

use std::f64::consts::PI;

/// Share of the steps in which the step size grows (the authors' 2 of 10 epochs).
const WARM_UP: f64 = 0.2;
/// Share of the steps in which the teacher's temperature grows (3 of 10).
const TEMPERATURE_WARM_UP: f64 = 0.3;
/// The teacher's first and last temperature.
const TEMPERATURE: (f64, f64) = (0.04, 0.07);
/// The step size at the end; no larger than the highest.
const LEAST_LEARNING_RATE: f64 = 2e-6;
/// First and last decay of weights.
const WEIGHT_DECAY: (f64, f64) = (0.04, 0.4);

/// The numbers of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Steps in all.
    pub(super) steps: usize,
    /// The highest step size.
    pub(super) learning_rate: f64,
    /// How much of itself the teacher keeps at the first step.
    pub(super) momentum: f64,
}

impl Schedule {
    /// `AdamW`'s step size at `step`: grows evenly to the highest, then falls along a cosine. (The authors' begins at 0, so that
    /// their first step does nothing; here it is `1 / (steps of the warm-up)` of the highest.)
    pub(super) fn learning_rate(&self, step: usize) -> f64 {
        let warm_up = share(self.steps, WARM_UP);
        if step < warm_up {
            return self.learning_rate * (step + 1) as f64 / warm_up as f64;
        }
        let end = LEAST_LEARNING_RATE.min(self.learning_rate);
        cosine(
            self.learning_rate,
            end,
            step - warm_up,
            self.steps - warm_up,
        )
    }

    /// `AdamW`'s decay at `step`.
    pub(super) fn weight_decay(&self, step: usize) -> f64 {
        cosine(WEIGHT_DECAY.0, WEIGHT_DECAY.1, step, self.steps)
    }

    /// How much of itself the teacher keeps after `step`, rising to 1.
    pub(super) fn momentum(&self, step: usize) -> f64 {
        cosine(self.momentum, 1.0, step, self.steps)
    }

    /// The teacher's temperature at `step`, as `numpy.linspace` over the warm-up.
    pub(super) fn temperature(&self, step: usize) -> f64 {
        let last = share(self.steps, TEMPERATURE_WARM_UP)
            .saturating_sub(1)
            .max(1);
        let (first, end) = TEMPERATURE;
        first + (end - first) * (step as f64 / last as f64).min(1.0)
    }
}

fn share(steps: usize, share: f64) -> usize {
    (share * steps as f64).round() as usize
}

fn cosine(start: f64, end: f64, step: usize, steps: usize) -> f64 {
    let along = step as f64 / steps.max(1) as f64;
    end + 0.5 * (start - end) * (1.0 + (PI * along).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_numpys() {
        let schedule = Schedule {
            steps: 20,
            learning_rate: 1e-3,
            momentum: 0.996,
        };
        // (step, learning rate, decay, momentum, temperature), by numpy's linspace and cos in float64.
        let expected = [
            (0, 2.5e-04, 0.04, 0.996, 0.04),
            (2, 7.5e-04, 0.048_809_827_067, 0.996_097_886_967, 0.052),
            (
                5,
                9.904_118_549_212e-04,
                0.092_720_779_386,
                0.996_585_786_438,
                0.07,
            ),
            (10, 6.919_590_327_502e-04, 0.22, 0.998, 0.07),
            (
                19,
                1.158_814_507_879e-05,
                0.397_783_901_307,
                0.999_975_376_681,
                0.07,
            ),
        ];
        for (step, rate, decay, momentum, temperature) in expected {
            let found = [
                schedule.learning_rate(step),
                schedule.weight_decay(step),
                schedule.momentum(step),
                schedule.temperature(step),
            ];
            for (found, expected) in found.iter().zip([rate, decay, momentum, temperature]) {
                assert!(
                    (found / expected - 1.0).abs() < 1e-9,
                    "{step}: {found} {expected}"
                );
            }
        }
    }
}
