//! How many queries are right at every α of a grid, without trying every class at every α.
//!
//! A class's logit is a line in α: a base `b` and a slope `s`. A query is right where the line of its own class lies above
//! all others: an interval, bounded by the crossings with steeper and with flatter lines. One pass over the classes finds
//! it ([`count_on_lines`]); an α of the grid then costs two comparisons, whatever the number of classes.
//!
//! Sums that were stepped or factored differ in their last digits from the classifier's. So every crossing is widened by
//! what rounding can do; an α inside that margin is judged by the classifier's own arithmetic, and the counts are equal.

#![expect(
    clippy::inline_always,
    reason = "kernels must be compiled with the instruction set that was dispatched to"
)]
#![expect(
    clippy::needless_bitwise_bool,
    reason = "`&&` is a branch, which keeps the loops over lanes from being vectorised"
)]

use super::lanes::{LANES, Lanes};

/// Values of α to count at, 16 to a row; what the last row has over is NaN, at which nothing is right.
pub(crate) struct Alphas {
    rows: Vec<Lanes>,
    len: usize,
    largest: f32,
}

impl Alphas {
    pub(crate) fn new(values: &[f32]) -> Self {
        let row = |values: &[f32]| {
            let mut row = [f32::NAN; LANES];
            row[..values.len()].copy_from_slice(values);
            row
        };
        Self {
            rows: values.chunks(LANES).map(row).collect(),
            len: values.len(),
            largest: values.iter().fold(0.0, |largest, x| x.abs().max(largest)),
        }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Rows of 16 counts that [`count_on_lines`] needs.
    pub(crate) fn num_rows(&self) -> usize {
        self.rows.len()
    }
}

/// Largest absolute number of every lane, over all classes.
pub(crate) fn magnitudes(rows: &[Lanes]) -> Lanes {
    let mut largest = [0.0; LANES];
    for row in rows {
        for lane in 0..LANES {
            let x = row[lane].abs();
            largest[lane] = if x > largest[lane] { x } else { largest[lane] };
        }
    }
    largest
}

/// What rounding may do to the difference of two logits `base + α sum`, for every α of the grid.
///
/// `bases`, `sums`: [`magnitudes`] of the two parts. `sum_error`: how far the sums may be from the classifier's, as a share of
/// the largest. Eight roundings a logit: of the parts, their product and sum, their differences and the crossing; the
/// last factor 2 leaves half the margin to slopes that [`count_on_lines`] takes as steeper than they are.
pub(crate) fn margins(bases: &Lanes, sums: &Lanes, alphas: &Alphas, sum_error: f32) -> Lanes {
    let rounding = 8.0 * f32::EPSILON;
    std::array::from_fn(|lane| {
        let votes = alphas.largest * sums[lane];
        2.0 * (rounding * (bases[lane] + votes) + 2.0 * sum_error * votes) + f32::MIN_POSITIVE * 1e6
    })
}

/// The lines of 16 queries.
pub(crate) struct Contest<'a> {
    /// Bases of all classes, minus infinity at every lane's own class, `[num_classes]`.
    pub rivals: &'a [Lanes],
    /// Slopes of all classes, `[num_classes]`.
    pub sums: &'a [Lanes],
    /// Base of every lane's own class.
    pub own_base: Lanes,
    /// The own class of every lane; `u32::MAX` for lanes that do not count.
    pub labels: &'a [u32; LANES],
    /// From [`margins`].
    pub margins: Lanes,
}

/// Takes minus infinity in at every lane's own class, and gives the bases that were there.
pub(crate) fn take_own(rivals: &mut [Lanes], labels: &[u32; LANES]) -> Lanes {
    let mut own = [0.0; LANES];
    for (lane, label) in labels.iter().enumerate() {
        if let Some(row) = rivals.get_mut(*label as usize) {
            own[lane] = std::mem::replace(&mut row[lane], f32::NEG_INFINITY);
        }
    }
    own
}

/// Adds to `counts` (rows as in [`Alphas`]) the lanes whose own class has the highest logit, the first of equals.
///
/// `logit(class, lane, α)` is the classifier's own; it is asked only where rounding could decide.
pub(crate) fn count_on_lines(
    contest: &Contest<'_>,
    alphas: &Alphas,
    counts: &mut [[u32; LANES]],
    mut logit: impl FnMut(usize, usize, f32) -> f32,
) {
    let own_sum = own_sums(contest);
    let Some(intervals) = pulp::Arch::new().dispatch(CountOnLines {
        contest,
        own_sum: &own_sum,
        alphas,
        counts,
    }) else {
        return;
    };
    for (lane, own_sum) in own_sum.into_iter().enumerate() {
        for (row, counts) in alphas.rows.iter().zip(counts.iter_mut()) {
            for (alpha, count) in row.iter().zip(counts) {
                if intervals.is_doubtful(lane, *alpha) {
                    *count += u32::from(is_right(contest, own_sum, lane, *alpha, &mut logit));
                }
            }
        }
    }
}

fn own_sums(contest: &Contest<'_>) -> Lanes {
    std::array::from_fn(|lane| {
        contest
            .sums
            .get(contest.labels[lane] as usize)
            .map_or(0.0, |row| row[lane])
    })
}

/// Whether the own class wins by the classifier's arithmetic; only classes within the margin are asked.
fn is_right(
    contest: &Contest<'_>,
    own_sum: f32,
    lane: usize,
    alpha: f32,
    logit: &mut impl FnMut(usize, usize, f32) -> f32,
) -> bool {
    let label = contest.labels[lane] as usize;
    let margin = contest.margins[lane];
    let own = logit(label, lane, alpha);
    let rivals = contest.rivals.iter().zip(contest.sums).enumerate();
    for (class, (rival, sum)) in rivals {
        let lead = (contest.own_base[lane] - rival[lane]) + alpha * (own_sum - sum[lane]);
        if class == label || lead > margin {
            continue;
        }
        let other = logit(class, lane, alpha);
        // The first of equals wins.
        if own < other || (own <= other && class < label) {
            return false;
        }
    }
    true
}

/// Where every lane is right beyond doubt (inside `certain`) and where it may be (inside `possible`).
struct Intervals {
    certain: (Lanes, Lanes),
    possible: (Lanes, Lanes),
}

impl Intervals {
    #[inline(always)]
    fn is_certain(&self, lane: usize, alpha: f32) -> bool {
        (alpha > self.certain.0[lane]) & (alpha < self.certain.1[lane])
    }

    #[inline(always)]
    fn is_doubtful(&self, lane: usize, alpha: f32) -> bool {
        (alpha >= self.possible.0[lane])
            & (alpha <= self.possible.1[lane])
            & !self.is_certain(lane, alpha)
    }
}

struct CountOnLines<'a> {
    contest: &'a Contest<'a>,
    own_sum: &'a Lanes,
    alphas: &'a Alphas,
    counts: &'a mut [[u32; LANES]],
}

impl pulp::WithSimd for CountOnLines<'_> {
    /// The intervals where some lane is in doubt at some α.
    type Output = Option<Intervals>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Option<Intervals> {
        let intervals = intervals(self.contest, self.own_sum, self.alphas.largest);
        let mut doubts = [0_u32; LANES];
        for lane in 0..LANES {
            for (row, counts) in self.alphas.rows.iter().zip(self.counts.iter_mut()) {
                for place in 0..LANES {
                    counts[place] += u32::from(intervals.is_certain(lane, row[place]));
                    doubts[place] |= u32::from(intervals.is_doubtful(lane, row[place]));
                }
            }
        }
        doubts.iter().any(|doubt| *doubt != 0).then_some(intervals)
    }
}

/// One pass over the classes.
///
/// The own line leads a rival's by `db + α ds`, and beyond doubt where that exceeds the margin m: for rising leads where
/// `α > (m - db) / ds`, for falling ones where `α < -(m - db) / -ds`. So the largest `(m - db) / |ds|` of either kind binds.
/// Fractions are compared crosswise, which spares the divisions. Slopes are taken as at least `m / (2 A + 1)`, A the
/// largest α: that moves a lead by less than m / 2, and nothing is divided by 0.
#[inline(always)]
fn intervals(contest: &Contest<'_>, own_sum: &Lanes, largest: f32) -> Intervals {
    let far = 2.0 * largest + 1.0;
    let (own_base, margin) = (&contest.own_base, &contest.margins);
    let mut floor = [0.0; LANES];
    for lane in 0..LANES {
        floor[lane] = margin[lane] / far;
    }
    let (mut low_over, mut low_under) = ([-far; LANES], [1.0; LANES]);
    let (mut high_over, mut high_under) = ([-far; LANES], [1.0; LANES]);
    for (rival, sum) in contest.rivals.iter().zip(contest.sums) {
        for lane in 0..LANES {
            let slope = own_sum[lane] - sum[lane];
            let over = margin[lane] - (own_base[lane] - rival[lane]);
            let steepness = slope.abs();
            let under = if steepness > floor[lane] {
                steepness
            } else {
                floor[lane]
            };
            let rises = slope >= 0.0;
            let is_low = rises & (over * low_under[lane] > low_over[lane] * under);
            let is_high = !rises & (over * high_under[lane] > high_over[lane] * under);
            low_over[lane] = if is_low { over } else { low_over[lane] };
            low_under[lane] = if is_low { under } else { low_under[lane] };
            high_over[lane] = if is_high { over } else { high_over[lane] };
            high_under[lane] = if is_high { under } else { high_under[lane] };
        }
    }
    let mut found = Intervals {
        certain: ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]),
        possible: ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]),
    };
    for lane in 0..LANES {
        if contest.labels[lane] == u32::MAX {
            continue;
        }
        // Beyond this, products of two differences could overflow: everything is judged one by one.
        if margin[lane].is_nan() || margin[lane] >= 1e9 {
            found.possible.0[lane] = f32::MIN;
            found.possible.1[lane] = f32::MAX;
            continue;
        }
        let low = low_over[lane] / low_under[lane];
        let high = -high_over[lane] / high_under[lane];
        found.certain.0[lane] = low;
        found.certain.1[lane] = high;
        found.possible.0[lane] = low - 2.0 * margin[lane] / low_under[lane];
        found.possible.1[lane] = high + 2.0 * margin[lane] / high_under[lane];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::lanes::count_correct;

    /// Bases and slopes of a few values each, so that lines cross on the grid, coincide and run in parallel.
    fn scene(seed: u32, num_classes: usize) -> (Vec<Lanes>, Vec<Lanes>, [u32; LANES]) {
        let mut state = seed;
        let mut draw = |values: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % values
        };
        let mut rows = |values: u32, scale: f32| -> Vec<Lanes> {
            (0..num_classes)
                .map(|_| std::array::from_fn(|_| draw(values) as f32 * scale))
                .collect()
        };
        let (base, sums) = (rows(5, 0.25), rows(4, 0.1));
        let mut labels: [u32; LANES] = std::array::from_fn(|_| draw(num_classes as u32));
        labels[LANES - 1] = u32::MAX;
        (base, sums, labels)
    }

    fn counted(
        base: &[Lanes],
        sums: &[Lanes],
        labels: &[u32; LANES],
        alphas: &[f32],
        sum_error: f32,
    ) -> (Vec<u32>, usize) {
        let grid = Alphas::new(alphas);
        let mut rivals = base.to_vec();
        let own_base = take_own(&mut rivals, labels);
        let contest = Contest {
            rivals: &rivals,
            sums,
            own_base,
            labels,
            margins: margins(&magnitudes(base), &magnitudes(sums), &grid, sum_error),
        };
        let mut counts = vec![[0; LANES]; grid.num_rows()];
        let mut num_asked = 0;
        count_on_lines(&contest, &grid, &mut counts, |class, lane, alpha| {
            num_asked += 1;
            base[class][lane] + alpha * sums[class][lane]
        });
        (counts.concat()[..alphas.len()].to_vec(), num_asked)
    }

    #[test]
    fn lines_count_what_every_class_at_every_alpha_counts_with_ties() {
        let alphas: Vec<f32> = (0..37).map(|step| 0.5 * step as f32).collect();
        for seed in 0..200 {
            let (base, sums, labels) = scene(seed, 2 + seed as usize % 9);
            let mut direct = vec![0; alphas.len()];
            count_correct(&base, &sums, &alphas, &labels, &mut direct);
            for sum_error in [0.0, 1e-5] {
                let (lines, _) = counted(&base, &sums, &labels, &alphas, sum_error);
                assert_eq!(lines, direct, "seed {seed}");
            }
        }
    }

    #[test]
    fn falling_lines_and_negative_alphas_count_too() {
        let alphas = [-3.0, 2.0, -0.5, 0.0, 7.0];
        for seed in 0..50 {
            let (base, mut sums, labels) = scene(seed, 6);
            for sum in sums.as_flattened_mut() {
                *sum = 0.17 - *sum;
            }
            let mut direct = vec![0; alphas.len()];
            count_correct(&base, &sums, &alphas, &labels, &mut direct);
            assert_eq!(counted(&base, &sums, &labels, &alphas, 0.0).0, direct);
        }
    }

    #[test]
    fn sums_too_large_to_compare_crosswise_are_judged_one_by_one() {
        let (base, mut sums, labels) = scene(3, 5);
        for sum in sums.as_flattened_mut() {
            *sum *= 1e25;
        }
        let mut direct = vec![0; 2];
        count_correct(&base, &sums, &[1.0, 2.0], &labels, &mut direct);
        assert_eq!(counted(&base, &sums, &labels, &[1.0, 2.0], 0.0).0, direct);
    }

    #[test]
    fn the_classifier_is_asked_only_where_lines_nearly_meet() {
        // Crossings at α = 1 and nowhere else near the grid.
        let base = [[1.0; LANES], [2.0; LANES]];
        let sums = [[2.0; LANES], [1.0; LANES]];
        let labels = [0; LANES];
        assert_eq!(
            counted(&base, &sums, &labels, &[0.5, 1.5], 1e-5),
            (vec![0, 16], 0)
        );
        // The first of equals wins; own and rival asked for each lane.
        assert_eq!(counted(&base, &sums, &labels, &[1.0], 1e-5), (vec![16], 32));
        assert_eq!(
            counted(&base, &sums, &[1; LANES], &[1.0], 1e-5),
            (vec![0], 32)
        );
    }
}
