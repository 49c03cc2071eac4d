//! Seeded choices of shots: K of every class for an experiment, and a quarter held out for cross-fitting.
//!
//! Shots are drawn as the field's Python code draws them: `random.Random(seed)`, classes in order, and for each
//! `random.sample` over its items in their order (`CoOp`'s `generate_fewshot_dataset`, Tip-Adapter at d0e2d6f8).
//! Folders keep what they have where it is less than was asked for; data sets draw with repeats, as the authors' do.

use std::collections::HashMap;

use super::python_random::PythonRandom;
use super::random::Random;

/// Up to `num_shots` items of every class (all of them where a class has fewer); indices, sorted within each class.
/// Items labelled `None` are left out.
pub fn sample_shots(
    labels: &[Option<usize>],
    num_classes: usize,
    num_shots: usize,
    seed: u64,
) -> Vec<usize> {
    let mut random = PythonRandom::new(seed);
    let mut chosen = Vec::new();
    for class in 0..num_classes {
        let mut members: Vec<usize> = (0..labels.len())
            .filter(|item| labels[*item] == Some(class))
            .collect();
        if members.len() >= num_shots {
            let drawn = random.sample(members.len(), num_shots);
            members = drawn.into_iter().map(|index| members[index]).collect();
            members.sort_unstable();
        }
        chosen.extend(members);
    }
    chosen
}

/// Exactly `num_shots` items of every class as `generate_fewshot_dataset(repeat=True)` gives them: classes in the order in
/// which they first appear, items in the order in which they were drawn; `random.choices` (with repeats) where a class has
/// fewer. The authors call `random.seed(seed)` and draw nothing before it.
pub fn draw_few_shot(labels: &[usize], num_shots: usize, seed: u64) -> Vec<usize> {
    let mut random = PythonRandom::new(seed);
    let mut by_class: Vec<Vec<usize>> = Vec::new();
    let mut place_of: HashMap<usize, usize> = HashMap::new();
    for (item, label) in labels.iter().enumerate() {
        let place = *place_of.entry(*label).or_insert_with(|| {
            by_class.push(Vec::new());
            by_class.len() - 1
        });
        by_class[place].push(item);
    }
    let mut drawn = Vec::new();
    for items in by_class {
        let places = if items.len() >= num_shots {
            random.sample(items.len(), num_shots)
        } else {
            random.choices(items.len(), num_shots)
        };
        drawn.extend(places.into_iter().map(|place| items[place]));
    }
    drawn
}

/// Rows kept for training and rows held out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdout {
    /// Rows to train on, in order.
    pub train: Vec<usize>,
    /// Rows kept away from training, in order.
    pub held_out: Vec<usize>,
}

/// Holds a quarter of every class's photos out (rounded to the nearest, at least one of two or more, never all):
/// for measuring overlap or tuning when an adapter was trained on the rest.
///
/// Rows that share a group stay on one side, whichever class they are in.
pub fn hold_out_quarter(
    labels: &[usize],
    groups: &[usize],
    num_classes: usize,
    seed: u64,
) -> Holdout {
    let mut random = Random::new(seed);
    let mut held_groups = Vec::new();
    for class in 0..num_classes {
        let mut members: Vec<usize> = (0..labels.len())
            .filter(|row| labels[*row] == class)
            .map(|row| groups[row])
            .collect();
        members.sort_unstable();
        members.dedup();
        if members.len() < 2 {
            continue;
        }
        let count = ((members.len() + 2) / 4).max(1);
        random.draw_to_front(&mut members, count);
        held_groups.extend_from_slice(&members[..count]);
    }
    held_groups.sort_unstable();
    let (held_out, train) =
        (0..labels.len()).partition(|row| held_groups.binary_search(&groups[*row]).is_ok());
    Holdout { train, held_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_gives_its_shots_and_the_seed_decides_which() {
        let labels: Vec<Option<usize>> = (0..60)
            .map(|i| if i % 4 == 3 { None } else { Some(i % 4) })
            .collect();
        let shots = sample_shots(&labels, 3, 5, 1);
        assert_eq!(shots.len(), 15);
        for class in 0..3 {
            assert_eq!(
                shots
                    .iter()
                    .filter(|item| labels[**item] == Some(class))
                    .count(),
                5
            );
        }
        assert_eq!(shots, sample_shots(&labels, 3, 5, 1));
        assert_ne!(shots, sample_shots(&labels, 3, 5, 2));
        assert_eq!(sample_shots(&labels, 3, 100, 1).len(), 45);
    }

    #[test]
    fn a_quarter_is_held_out_and_groups_stay_together() {
        let labels: Vec<usize> = (0..32).map(|i| i / 16).collect();
        let groups: Vec<usize> = (0..32).map(|i| i / 2).collect();
        let Holdout { train, held_out } = hold_out_quarter(&labels, &groups, 2, 7);
        assert_eq!((train.len(), held_out.len()), (24, 8));
        assert!(
            held_out
                .iter()
                .all(|row| !train.iter().any(|other| groups[*other] == groups[*row]))
        );
        for class in 0..2 {
            assert_eq!(
                held_out.iter().filter(|row| labels[**row] == class).count(),
                4
            );
        }
    }

    #[test]
    fn a_class_with_one_photo_keeps_it_for_training() {
        let Holdout { train, held_out } = hold_out_quarter(&[0, 1, 1], &[0, 1, 2], 2, 1);
        assert!(train.contains(&0));
        assert_eq!(held_out.len(), 1);
    }
}
