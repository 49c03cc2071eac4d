//! Leaving one out in closed form against fitting anew without the photo.

mod edges;
mod scene;

use shotlens::features::{Features, Logits, Matrix};
use shotlens::methods::calibration::default_temperature;
use shotlens::methods::leave_one_out::held_out;
use shotlens::methods::{
    Classifier, HeldOut, Knowledge, Method, Monitor, Parameters, Protocol, Queries, fit, fit_tuned,
    tune_on_support,
};
use shotlens::progress::Progress;
use shotlens::support::SupportSet;

use self::scene::SmallScene;
use crate::golden::check_close;

/// Methods that are fitted without training, but for Tip-X, whose ψ keeps the ranges of the whole support set.
const CLOSED_FORM: [Method; 10] = [
    Method::TipAdapter,
    Method::TipAdapterPp,
    Method::Ape,
    Method::ApePp,
    Method::Gda,
    Method::GdaPp,
    Method::ProKeR,
    Method::ProKeRPp,
    Method::Timo,
    Method::TimoS,
];

fn is_cache(method: Method) -> bool {
    [
        Method::TipAdapter,
        Method::TipAdapterPp,
        Method::Ape,
        Method::ApePp,
    ]
    .contains(&method)
}

fn parameters() -> Parameters {
    Parameters {
        alpha: 2.5,
        beta: 4.0,
        gamma: 0.7,
        channels: Some(40),
        lambda: 0.2,
        ..Parameters::default()
    }
}

#[track_caller]
fn check_held_out(found: &HeldOut, scene: &SmallScene, expected: impl Fn(usize) -> Vec<f32>) {
    let judged: Vec<usize> = (0..scene.support.len())
        .filter(|row| scene.scale(*row).is_some())
        .collect();
    assert_eq!(found.rows, judged);
    let labels: Vec<usize> = judged
        .iter()
        .map(|row| scene.support.labels()[*row])
        .collect();
    assert_eq!(found.labels, labels);
    let rows: Vec<Vec<f32>> = judged.iter().map(|row| expected(*row)).collect();
    let expected = Matrix::from_rows(7, rows.iter().map(Vec::as_slice)).unwrap();
    check_close(&found.logits.0, &expected, 1e-4);
}

#[track_caller]
fn check_against_refits(scene: &SmallScene, method: Method, names: &[bool]) {
    for use_class_names in names.iter().copied() {
        let knowledge = Knowledge {
            use_class_names,
            ..scene.knowledge()
        };
        let found = held_out(method, &parameters(), &knowledge, &Progress::silent()).unwrap();
        check_held_out(&found, scene, |row| {
            scene.refitted(method, &parameters(), use_class_names, row)
        });
    }
}

#[test]
fn leaving_one_out_is_fitting_anew_without_the_photo_and_its_duplicates() {
    for method in CLOSED_FORM {
        check_against_refits(&SmallScene::new(), method, &[true, false]);
    }
}

#[test]
fn a_photo_is_left_out_with_all_its_views() {
    let scene = SmallScene {
        has_views: true,
        ..SmallScene::new()
    };
    for method in CLOSED_FORM.into_iter().filter(|method| !is_cache(*method)) {
        check_against_refits(&scene, method, &[true]);
    }
}

/// Tip-X of one row by the rows of other groups, in float64, with ψ's ranges of all pairs of different groups.
fn naive_tip_x(
    scene: &SmallScene,
    keys: &Features,
    row: usize,
    parameters: &Parameters,
) -> Vec<f32> {
    let support = &scene.support;
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    let text_cosines = |row: usize| -> Vec<f64> {
        let row = support.features().row(row);
        (0..scene.text.len())
            .map(|class| dot(row, scene.text.row(class)))
            .collect()
    };
    let signature = |row: usize| -> Vec<f64> {
        let powers: Vec<f64> = text_cosines(row).iter().map(|x| (x / 0.5).exp()).collect();
        let total: f64 = powers.iter().sum();
        powers.iter().map(|power| power / total).collect()
    };
    let signatures: Vec<Vec<f64>> = (0..support.len()).map(signature).collect();
    let divergence = |query: usize, key: usize| -> f64 {
        let shares = signatures[query].iter().zip(&signatures[key]);
        shares.map(|(p, q)| p * (p / q).ln()).sum()
    };
    let mut range = [
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    for query in 0..support.len() {
        for key in scene.others(query) {
            let (m, a) = (divergence(query, key), dot(keys.row(query), keys.row(key)));
            range = [
                range[0].min(m),
                range[1].max(m),
                range[2].min(a),
                range[3].max(a),
            ];
        }
    }
    let psi = |m: f64| (m - range[0]) / (range[1] - range[0]) * (range[3] - range[2]) + range[2];
    let text = text_cosines(row);
    let mut logits: Vec<f64> = vec![0.0; scene.text.len()];
    for key in scene.others(row) {
        let affinity =
            (-f64::from(parameters.beta) * (1.0 - dot(keys.row(row), keys.row(key)))).exp();
        logits[support.labels()[key]] += f64::from(parameters.alpha) * affinity
            - f64::from(parameters.gamma) * psi(divergence(row, key));
    }
    logits[support.labels()[row]] *= f64::from(scene.scale(row).unwrap());
    logits
        .iter()
        .zip(text)
        .map(|(logit, cosine)| (100.0 * cosine + logit) as f32)
        .collect()
}

#[test]
fn tip_x_left_out_keeps_the_ranges_of_the_support_set() {
    let scene = SmallScene::new();
    let parameters = Parameters {
        gamma: 3.0,
        ..parameters()
    };
    for (method, keys) in [
        (Method::TipX, scene.support.features()),
        (Method::TipXPp, &scene.adapted),
    ] {
        let knowledge = scene.knowledge();
        let found = held_out(method, &parameters, &knowledge, &Progress::silent()).unwrap();
        check_held_out(&found, &scene, |row| {
            naive_tip_x(&scene, keys, row, &parameters)
        });
    }
}

/// Share that is right, percent, and the mean log-likelihood at temperature `t`.
fn account(HeldOut { logits, labels, .. }: &HeldOut, t: f64) -> (f64, f64) {
    let Logits(rows) = logits;
    let (mut right, mut likelihood) = (0, 0.0);
    for (row, label) in rows.iter_rows().zip(labels) {
        let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|x| (f64::from(x - best) / t).exp()).sum();
        likelihood += f64::from(row[*label] - best) / t - total.ln();
        right += usize::from(row.iter().position(|x| x.total_cmp(&best).is_eq()) == Some(*label));
    }
    let count = labels.len() as f64;
    (100.0 * right as f64 / count, likelihood / count)
}

#[test]
fn tuning_finds_the_best_of_its_surface_and_says_what_it_is_worth() {
    let scene = SmallScene::new();
    let knowledge = scene.knowledge();
    for method in [CLOSED_FORM.as_slice(), &[Method::TipX, Method::TipXPp]].concat() {
        let tuned = tune_on_support(
            method,
            &Parameters::default(),
            &knowledge,
            &Progress::silent(),
        )
        .unwrap();
        assert!(tuned.is_tuned, "{method:?}");
        assert_eq!(tuned.protocol, Protocol::EachPhoto);
        let t = f64::from(default_temperature(method));
        let score = |parameters: &Parameters| {
            let found = held_out(method, parameters, &knowledge, &Progress::silent()).unwrap();
            account(&found, t)
        };
        let chosen = score(&tuned.parameters);
        assert_eq!(chosen, account(&tuned.held_out, t), "{method:?}");
        assert!(
            (tuned.accuracy.unwrap() - chosen.0).abs() < 1e-9,
            "{method:?}"
        );
        let likelihood = tuned.mean_log_likelihood.unwrap();
        assert!(
            (likelihood - chosen.1).abs() < 1e-3 * chosen.1.abs().max(1.0),
            "{method:?}"
        );
        let surface = tuned.surface.unwrap();
        assert_eq!(
            surface.accuracies.len(),
            surface.betas.len() * surface.alphas.len()
        );
        let highest = surface.accuracies.iter().copied().fold(0.0, f32::max);
        assert!((f64::from(highest) - chosen.0).abs() < 1e-4, "{method:?}");
        for index in (0..surface.accuracies.len()).step_by(61) {
            let mut parameters = Parameters {
                num_prompts: tuned.parameters.num_prompts,
                beta: surface.betas[index / surface.alphas.len()],
                alpha: surface.alphas[index % surface.alphas.len()],
                ..Parameters::default()
            };
            if let Some(third) = surface.thirds.get(index) {
                (parameters.gamma, parameters.lambda) = (*third, *third);
            }
            let here = score(&parameters);
            // TIMO-S may owe this accuracy to another number of prompts.
            assert!(
                method == Method::TimoS
                    || (here.0 - f64::from(surface.accuracies[index])).abs() < 1e-4,
                "{method:?}"
            );
            let is_better = here.0 > chosen.0 + 1e-9
                || ((here.0 - chosen.0).abs() < 1e-9 && here.1 > chosen.1 + 1e-3);
            assert!(
                !is_better,
                "{method:?}: {here:?} at {parameters:?} beats {chosen:?}"
            );
        }
    }
}

/// Every row's fold: the photos of a class go to five folds in turn.
fn folds_of(support: &SupportSet) -> Vec<usize> {
    let mut order: Vec<usize> = (0..support.len()).collect();
    order.sort_by_key(|row| support.labels()[*row]);
    let (mut fold_of_group, mut next) = (std::collections::HashMap::new(), 0);
    for row in order {
        fold_of_group
            .entry(support.groups()[row])
            .or_insert_with(|| {
                next += 1;
                (next - 1) % 5
            });
    }
    support
        .groups()
        .iter()
        .map(|group| fold_of_group[group])
        .collect()
}

#[test]
fn trained_methods_are_judged_by_folds_that_they_were_not_trained_on() {
    let scene = SmallScene::new();
    let parameters = Parameters {
        epochs: Some(2),
        alpha: 0.6,
        ..Parameters::default()
    };
    let folds = folds_of(&scene.support);
    for method in [
        Method::TipAdapterF,
        Method::ApeT,
        Method::ClipAdapter,
        Method::LpPlusPlus,
        Method::TaskRes,
    ] {
        let found = held_out(method, &parameters, &scene.knowledge(), &Progress::silent()).unwrap();
        let by_fold: Vec<Matrix> = (0..5)
            .map(|fold| {
                let rest: Vec<usize> = (0..folds.len()).filter(|row| folds[*row] != fold).collect();
                let support = scene.support.select(&rest);
                let knowledge = Knowledge::new(&support, &scene.text);
                let classifier = fit(method, &parameters, &knowledge).unwrap();
                let queries = Queries::new(scene.support.features());
                classifier.logits(queries).unwrap().0
            })
            .collect();
        check_held_out(&found, &scene, |row| by_fold[folds[row]].row(row).to_vec());
    }
}

#[test]
fn a_trained_cache_is_tuned_without_another_training() {
    let scene = SmallScene::new();
    let knowledge = scene.knowledge();
    let given = Parameters {
        epochs: Some(2),
        ..Parameters::default()
    };
    let method = Method::TipAdapterF;
    let tuned = tune_on_support(method, &given, &knowledge, &Progress::silent()).unwrap();
    assert!(tuned.is_tuned && tuned.protocol == Protocol::Folds(5));
    let (alpha, beta) = (tuned.parameters.alpha, tuned.parameters.beta);
    assert_eq!(
        tuned.parameters,
        Parameters {
            alpha,
            beta,
            ..given
        }
    );
    let watching = Monitor::silent();
    let weighed = fit_tuned(method, &given, &tuned.parameters, &knowledge, &watching).unwrap();
    let trained = fit(method, &given, &knowledge)
        .unwrap()
        .at(&tuned.parameters)
        .unwrap();
    let score = |classifier: &dyn Classifier| {
        classifier
            .logits(Queries::new(scene.support.features()))
            .unwrap()
            .0
    };
    assert_eq!(score(&*weighed), score(&*trained));
    // What only another training could change stays.
    let fixed = tune_on_support(Method::TaskRes, &given, &knowledge, &Progress::silent()).unwrap();
    assert!(!fixed.is_tuned && fixed.accuracy.is_some() && fixed.parameters == given);
}
