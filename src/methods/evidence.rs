//! Live scoring: what a photo shows, kept so that sliders only have to weigh it anew.
//!
//! Features do not change while α, β and γ move, so products with them are taken once ([`gather_evidence`]) and
//! [`Weighing::logits`] is left with one exponential for each key of a cache, or one multiplication for each class:
//! microseconds for a photo, below a millisecond for all that a screen shows. The logits equal those of
//! [`super::Classifier::logits`] up to rounding. Parameters that need a fit are not followed ([`super::Method::follows`]).

use super::lanes::{LANES, exp};
use super::{Classifier, Knowledge, LOGIT_SCALE, Method, MethodError, Parameters, Queries};
use crate::features::Logits;

/// What one photo shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Zero-shot logits, 100 times the cosine with every class text, `[num_classes]`, whether or not they count.
    pub zero_shot: Vec<f32>,
    /// What the method reads in the photo.
    pub reading: Reading,
    /// Cosine with every row of the support set, on the features that the method compares; minus infinity for hidden rows.
    pub alike: Vec<f32>,
}

/// What a fitted method reads in one photo; [`Weighing`] says what sliders do with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Logits that no slider changes, `[num_classes]`.
    pub base: Vec<f32>,
    /// What α multiplies, or γ in a cache, `[num_classes]`; empty where nothing does.
    pub term: Vec<f32>,
    /// Product with every key of a cache, in the order of the support set's rows: the cosine, unless keys are trained.
    /// Empty without a cache; β is not applied yet.
    pub affinities: Vec<f32>,
}

/// How sliders weigh the readings of a fitted method.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Weighing {
    /// `base`: every slider needs a fit.
    #[default]
    Fixed,
    /// `base + α term`.
    Linear,
    /// `base + α Σ value exp(β (affinity - 1) + γ surprise) - γ term` over the keys of each class.
    Votes(Keyring),
}

/// What is the same for all photos about the keys of a cache.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keyring {
    /// The class of every key.
    pub labels: Vec<usize>,
    /// APE's exponent of every key; empty where γ does not weigh keys.
    pub surprises: Vec<f32>,
    /// APE-T's trained value of every key; empty where all count alike.
    pub values: Vec<f32>,
}

/// A support photo's vote for its class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vote {
    /// Row in the support set.
    pub row: usize,
    /// Cosine of photo and shot, -1 to 1.
    pub cosine: f32,
    /// What the vote adds to the logit of the shot's class.
    pub weight: f32,
}

/// The evidence for every query, in their order.
///
/// `hidden`: for every query the rows of the support set that do not vote for it, where the method is a cache; or nothing.
pub fn gather_evidence(
    method: Method,
    classifier: &dyn Classifier,
    knowledge: &Knowledge<'_>,
    queries: Queries<'_>,
    hidden: &[&[usize]],
) -> Result<Vec<Evidence>, MethodError> {
    let mut evidence = gather_readings(classifier, knowledge, queries, hidden)?;
    let (keys, probes) = (knowledge.keys_for(method)?, queries.probes_for(method)?);
    if keys.is_empty() || probes.is_empty() {
        return Ok(evidence);
    }
    let alike = probes.cosines(keys);
    for (query, evidence) in evidence.iter_mut().enumerate() {
        evidence.alike = alike.row(query).to_vec();
        for row in hidden.get(query).copied().unwrap_or_default() {
            evidence.alike[*row] = f32::NEG_INFINITY;
        }
    }
    Ok(evidence)
}

/// [`gather_evidence`] that only scores need: nothing in [`Evidence::alike`], and half the products.
pub fn gather_readings(
    classifier: &dyn Classifier,
    knowledge: &Knowledge<'_>,
    queries: Queries<'_>,
    hidden: &[&[usize]],
) -> Result<Vec<Evidence>, MethodError> {
    queries.check_dim(knowledge.text.dim())?;
    let readings = classifier.read(queries, hidden)?;
    let cosines = queries.original.cosines(knowledge.text);
    let evidence = |(query, reading): (usize, Reading)| Evidence {
        zero_shot: cosines.row(query).iter().map(|x| LOGIT_SCALE * x).collect(),
        reading,
        alike: Vec::new(),
    };
    Ok(readings.into_iter().enumerate().map(evidence).collect())
}

/// Readings of a method that sliders cannot weigh anew.
pub(super) fn logits_as_readings(Logits(logits): &Logits) -> Vec<Reading> {
    let reading = |row: &[f32]| Reading {
        base: row.to_vec(),
        ..Reading::default()
    };
    logits.iter_rows().map(reading).collect()
}

impl Weighing {
    /// Logits of one photo, `[num_classes]`.
    pub fn logits(&self, reading: &Reading, parameters: &Parameters) -> Vec<f32> {
        let (mut logits, term) = self.split(reading, parameters);
        for (logit, term) in logits.iter_mut().zip(term) {
            *logit += parameters.alpha * term;
        }
        logits
    }

    /// The part of the logits that α does not weigh and the part that it does, `[num_classes]` each.
    pub fn split(&self, reading: &Reading, parameters: &Parameters) -> (Vec<f32>, Vec<f32>) {
        let mut base = reading.base.clone();
        let mut term = vec![0.0; base.len()];
        match self {
            Self::Fixed => {}
            Self::Linear => term.copy_from_slice(&reading.term),
            Self::Votes(keyring) => {
                keyring.add_votes(&reading.affinities, parameters, &mut term);
                for (base, penalty) in base.iter_mut().zip(&reading.term) {
                    *base -= parameters.gamma * penalty;
                }
            }
        }
        (base, term)
    }

    /// The `count` support rows whose votes weigh most, heaviest first, then the more alike; those most alike where a method
    /// has no votes, with a weight of 0.
    pub fn strongest_votes(
        &self,
        evidence: &Evidence,
        parameters: &Parameters,
        count: usize,
    ) -> Vec<Vote> {
        let vote = |(row, cosine): (usize, &f32)| Vote {
            row,
            cosine: *cosine,
            weight: match self {
                Self::Votes(keyring) => {
                    let affinity = evidence.reading.affinities[row];
                    parameters.alpha * keyring.vote(row, affinity, parameters)
                }
                _ => 0.0,
            },
        };
        let mut votes: Vec<Vote> = evidence.alike.iter().enumerate().map(vote).collect();
        let heavier = |a: &Vote, b: &Vote| {
            let by_weight = b.weight.total_cmp(&a.weight);
            let by_cosine = by_weight.then(b.cosine.total_cmp(&a.cosine));
            by_cosine.then(a.row.cmp(&b.row))
        };
        // The inspector asks for a few of them at every step of a slider, of 50,000 perhaps.
        if count < votes.len() {
            votes.select_nth_unstable_by(count, heavier);
            votes.truncate(count);
        }
        votes.sort_unstable_by(heavier);
        votes
    }
}

impl Keyring {
    /// Keys that all count alike.
    pub fn new(labels: &[usize]) -> Self {
        Self {
            labels: labels.to_vec(),
            ..Self::default()
        }
    }

    /// A key's vote before α.
    fn vote(&self, key: usize, affinity: f32, parameters: &Parameters) -> f32 {
        let surprise = self.surprises.get(key).copied().unwrap_or_default();
        let value = self.values.get(key).copied().unwrap_or(1.0);
        value * (parameters.beta * (affinity - 1.0) + parameters.gamma * surprise).exp()
    }

    /// Adds every key's vote to the sum of its class.
    fn add_votes(&self, affinities: &[f32], parameters: &Parameters, sums: &mut [f32]) {
        pulp::Arch::new().dispatch(AddVotes {
            keyring: self,
            affinities,
            beta: parameters.beta,
            gamma: parameters.gamma,
            sums,
        });
    }
}

struct AddVotes<'a> {
    keyring: &'a Keyring,
    affinities: &'a [f32],
    beta: f32,
    gamma: f32,
    sums: &'a mut [f32],
}

impl pulp::WithSimd for AddVotes<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "must be compiled with the instruction set that was dispatched to"
    )]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self {
            keyring:
                Keyring {
                    labels,
                    surprises,
                    values,
                },
            affinities,
            beta,
            gamma,
            sums,
        } = self;
        // Shots of a class mostly stand together, so most sums are of whole vectors; what is added to one class one by one
        // waits for the addition before.
        let (mut run, mut run_label) = ([0.0; LANES], 0);
        for first in (0..affinities.len()).step_by(LANES) {
            let keys = first..affinities.len().min(first + LANES);
            let mut arguments = [0.0; LANES];
            for (argument, affinity) in arguments.iter_mut().zip(&affinities[keys.clone()]) {
                *argument = beta * (affinity - 1.0);
            }
            if !surprises.is_empty() {
                for (argument, surprise) in arguments.iter_mut().zip(&surprises[keys.clone()]) {
                    *argument += gamma * surprise;
                }
            }
            let mut votes = exp(&arguments);
            if !values.is_empty() {
                for (vote, value) in votes.iter_mut().zip(&values[keys.clone()]) {
                    *vote *= value;
                }
            }
            let labels = &labels[keys];
            if labels.len() == LANES && labels.iter().all(|label| *label == labels[0]) {
                if labels[0] != run_label {
                    sums[run_label] += run.iter().sum::<f32>();
                    (run, run_label) = ([0.0; LANES], labels[0]);
                }
                for lane in 0..LANES {
                    run[lane] += votes[lane];
                }
            } else {
                for (vote, label) in votes.iter().zip(labels) {
                    sums[*label] += vote;
                }
            }
        }
        if let Some(sum) = sums.get_mut(run_label) {
            *sum += run.iter().sum::<f32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        Parameters {
            alpha: 1.0,
            beta: 3.0,
            ..Parameters::default()
        }
    }

    fn affinities() -> Vec<f32> {
        (0..50).map(|key| (key as f32 * 0.7).sin()).collect()
    }

    #[test]
    fn sums_are_the_same_however_the_keys_of_a_class_stand() {
        let affinities = affinities();
        let sums = |order: &[usize], class_of: &dyn Fn(usize) -> usize| {
            let labels: Vec<usize> = order.iter().map(|key| class_of(*key)).collect();
            let read: Vec<f32> = order.iter().map(|key| affinities[*key]).collect();
            let mut sums = vec![0.0; 3];
            Keyring::new(&labels).add_votes(&read, &parameters(), &mut sums);
            sums
        };
        let together: Vec<usize> = (0..50).collect();
        let apart: Vec<usize> = (0..50).map(|place| place * 7 % 50).collect();
        for class_of in [
            &(|key: usize| usize::from(key >= 20)) as &dyn Fn(usize) -> usize,
            &|key: usize| 2 - usize::from(key >= 34),
            &|_| 1,
        ] {
            let (one, other) = (sums(&together, class_of), sums(&apart, class_of));
            for (one, other) in one.iter().zip(other) {
                assert!((one - other).abs() <= 1e-5 * one.abs(), "{one} {other}");
            }
        }
    }

    #[test]
    fn the_strongest_votes_are_the_first_of_all() {
        let affinities = affinities();
        let evidence = Evidence {
            alike: affinities.clone(),
            reading: Reading {
                affinities,
                ..Reading::default()
            },
            ..Evidence::default()
        };
        let weighing = Weighing::Votes(Keyring::new(&[0; 50]));
        let all = weighing.strongest_votes(&evidence, &parameters(), 50);
        assert!(all.windows(2).all(|pair| pair[0].weight >= pair[1].weight));
        assert_eq!(
            weighing.strongest_votes(&evidence, &parameters(), 7),
            all[..7]
        );
    }
}
