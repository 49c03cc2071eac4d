//! Leaving one out in closed form against fitting anew without the photo.

use shotlens::features::{Features, Logits, Matrix};
use shotlens::methods::calibration::{calibrate, default_temperature};
use shotlens::methods::leave_one_out::held_out;
use shotlens::methods::{
    Classifier, HeldOut, Knowledge, Method, MethodError, Monitor, Parameters, Prompts, Protocol,
    Queries, Views, fit, fit_tuned, tune_on_support,
};
use shotlens::progress::{CancelToken, Cancelled, Progress};
use shotlens::support::SupportSet;

use crate::golden::{Golden, Scene, check_close};

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

/// Some shots of golden 2's first classes with duplicates: within a class, across classes, and near ones.
struct SmallScene {
    support: SupportSet,
    adapted: Features,
    text: Features,
    prompts: Prompts,
    /// Two views of every row, original and adapted.
    views: (SupportSet, Features),
    has_views: bool,
}

/// Every row twice, each time moved a little in another direction.
fn views_of(rows: &Features, by: f32) -> Features {
    let moved = Matrix::from_fn(2 * rows.len(), rows.dim(), |row, col| {
        rows.row(row / 2)[col] + by * ((row * 31 + col * 17) as f32).sin()
    });
    Features::normalized(moved).unwrap()
}

impl SmallScene {
    fn new() -> Self {
        let scene = Scene::of(&Golden::open("2"));
        let rows: Vec<usize> = (0..scene.support.len())
            .filter(|row| scene.support.labels()[*row] < 5 && row % 3 != 0)
            .collect();
        let num_rows = rows.len();
        // Class 5 has no photos, class 6 a single one.
        let alone = (0..scene.support.len())
            .find(|row| scene.support.labels()[*row] == 6)
            .unwrap();
        let rows = [rows.as_slice(), &rows[..4], &rows[..1], &[alone]].concat();
        let chosen = scene.support.select(&rows);
        let (mut labels, mut groups) = (chosen.labels().to_vec(), chosen.groups().to_vec());
        // The same photo in two classes.
        labels[num_rows + 1] = 3;
        // A photo that is one of its class's two.
        groups[num_rows - 1] = groups[num_rows - 2];
        let twice = |numbers: &[usize]| numbers.iter().flat_map(|x| [*x, *x]).collect::<Vec<_>>();
        let adapted = scene.adapted_keys.select(&rows);
        let views = SupportSet::new(
            views_of(chosen.features(), 0.03),
            twice(&labels),
            7,
            twice(&groups),
        );
        let text = scene.text.select(&[0, 1, 2, 3, 4, 5, 6]);
        Self {
            support: SupportSet::new(chosen.features().clone(), labels, 7, groups).unwrap(),
            views: (views.unwrap(), views_of(&adapted, 0.02)),
            prompts: Prompts {
                features: views_of(&views_of(&text, 0.05), 0.05),
                classes: (0..28).map(|row| row / 4).collect(),
            },
            adapted,
            text,
            has_views: false,
        }
    }

    fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            prompts: Some(&self.prompts),
            views: self.has_views.then_some(Views {
                original: &self.views.0,
                adapted: Some(&self.views.1),
            }),
            ..Knowledge::new(&self.support, &self.text).with_adapted_keys(Some(&self.adapted))
        }
    }

    /// Rows of other groups than `row`'s.
    fn others(&self, row: usize) -> Vec<usize> {
        let groups = self.support.groups();
        (0..self.support.len())
            .filter(|other| groups[*other] != groups[row])
            .collect()
    }

    /// Rows of its class over those in other groups; `None` where there are none.
    fn scale(&self, row: usize) -> Option<f32> {
        let labels = self.support.labels();
        let count = |rows: &[usize]| {
            rows.iter()
                .filter(|other| labels[**other] == labels[row])
                .count()
        };
        let left = count(&self.others(row));
        let all: Vec<usize> = (0..self.support.len()).collect();
        (left > 0).then(|| count(&all) as f32 / left as f32)
    }

    /// Logits of a row under `method` fitted to the other groups, and its class's votes scaled where it is a cache.
    fn refitted(
        &self,
        method: Method,
        parameters: &Parameters,
        names: bool,
        row: usize,
    ) -> Vec<f32> {
        let others = self.others(row);
        let (support, adapted) = (self.support.select(&others), self.adapted.select(&others));
        let groups = self.views.0.groups();
        let views: Vec<usize> = (0..groups.len())
            .filter(|view| groups[*view] != self.support.groups()[row])
            .collect();
        let views = (self.views.0.select(&views), self.views.1.select(&views));
        let knowledge = Knowledge {
            support: &support,
            adapted_keys: Some(&adapted),
            views: self.has_views.then_some(Views {
                original: &views.0,
                adapted: Some(&views.1),
            }),
            use_class_names: names,
            ..self.knowledge()
        };
        let (original, probe) = (
            self.support.features().select(&[row]),
            self.adapted.select(&[row]),
        );
        let queries = Queries {
            adapted: Some(&probe),
            ..Queries::new(&original)
        };
        let score = |method| {
            let classifier = fit(method, parameters, &knowledge).unwrap();
            classifier.logits(queries).unwrap().0.into_vec()
        };
        let mut logits = score(method);
        if is_cache(method) {
            let own = self.support.labels()[row];
            let base = if names {
                score(Method::ZeroShot)[own]
            } else {
                0.0
            };
            logits[own] = base + (logits[own] - base) * self.scale(row).unwrap();
        }
        logits
    }
}

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
        right += usize::from(row.iter().position(|x| *x == best) == Some(*label));
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

#[test]
fn where_nobody_can_judge_the_given_parameters_stay() {
    let scene = SmallScene::new();
    let first = |label: usize| {
        scene
            .support
            .labels()
            .iter()
            .position(|x| *x == label)
            .unwrap()
    };
    let one_shot = scene
        .support
        .select(&[first(0), first(1), first(2), first(6)]);
    let adapted = scene
        .adapted
        .select(&[first(0), first(1), first(2), first(6)]);
    let nothing = scene.support.select(&[]);
    let no_adapted = scene.adapted.select(&[]);
    for (support, adapted) in [(&one_shot, &adapted), (&nothing, &no_adapted)] {
        let knowledge = Knowledge {
            support,
            adapted_keys: Some(adapted),
            ..scene.knowledge()
        };
        for method in Method::ALL {
            let given = parameters();
            let found = tune_on_support(method, &given, &knowledge, &Progress::silent()).unwrap();
            assert!(!found.is_tuned && found.num_judged == 0 && found.accuracy.is_none());
            assert_eq!((found.parameters, found.surface), (given, None));
            let calibration = calibrate(method, &given, &knowledge, &Progress::silent()).unwrap();
            assert_eq!(
                (calibration.temperature, calibration.is_fitted),
                (default_temperature(method), false)
            );
        }
    }
}

#[test]
fn a_single_class_is_always_right() {
    let scene = SmallScene::new();
    let rows: Vec<usize> = (0..scene.support.len())
        .filter(|row| scene.support.labels()[*row] == 2)
        .collect();
    let chosen = scene.support.select(&rows);
    let support = SupportSet::new(
        chosen.features().clone(),
        vec![0; rows.len()],
        1,
        chosen.groups().to_vec(),
    )
    .unwrap();
    let (text, adapted) = (scene.text.select(&[2]), scene.adapted.select(&rows));
    let knowledge = Knowledge::new(&support, &text).with_adapted_keys(Some(&adapted));
    for method in &CLOSED_FORM[..8] {
        let found = tune_on_support(
            *method,
            &Parameters::default(),
            &knowledge,
            &Progress::silent(),
        )
        .unwrap();
        assert_eq!(found.accuracy, Some(100.0), "{method:?}");
    }
}

#[test]
fn texts_that_mislead_are_reported_and_not_switched_off() {
    let scene = SmallScene::new();
    let misleading = scene.text.select(&[3, 0, 1, 4, 2, 6, 5]);
    let knowledge = Knowledge {
        text: &misleading,
        ..scene.knowledge()
    };
    // A ceiling on α, so that the photos cannot drown the texts.
    for method in [
        Method::TipAdapter,
        Method::TipX,
        Method::Ape,
        Method::ProKeR,
    ] {
        let tune = |use_class_names| {
            let knowledge = Knowledge {
                use_class_names,
                ..knowledge
            };
            tune_on_support(
                method,
                &Parameters::default(),
                &knowledge,
                &Progress::silent(),
            )
            .unwrap()
        };
        let (with, without) = (tune(true), tune(false));
        let better = without.accuracy > with.accuracy;
        assert_eq!(
            with.better_without_names,
            without.accuracy.filter(|_| better),
            "{method:?}"
        );
        assert_eq!(without.better_without_names, None);
    }
}

#[test]
fn numbers_that_are_none_and_cancelled_searches_are_refused() {
    let scene = SmallScene::new();
    let knowledge = scene.knowledge();
    let token = CancelToken::default();
    token.cancel();
    let cancelled = Progress::new(&|_, _| (), &token);
    for method in Method::ALL {
        let given = Parameters {
            beta: f32::NAN,
            ..parameters()
        };
        let error = tune_on_support(method, &given, &knowledge, &Progress::silent()).unwrap_err();
        assert!(error.to_string().starts_with("β is NaN"), "{error}");
        if [Method::Calip, Method::CoOp].contains(&method) {
            continue;
        }
        let stopped = tune_on_support(method, &parameters(), &knowledge, &cancelled);
        assert_eq!(
            stopped,
            Err(MethodError::Cancelled(Cancelled)),
            "{method:?}"
        );
    }
}
