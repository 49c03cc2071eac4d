//! Every grid search against all combinations one by one, through `fit` and its logits, ties included.

mod judged;

use shotlens::methods::grid::{Grid, LoopOrder, tune};
use shotlens::methods::{Method, MethodError, Parameters, SignatureRange, fit};
use shotlens::progress::{CancelToken, Cancelled, Progress};

use judged::Judged;

/// Every `1 / n`th of the values of each axis.
fn thinned(grid: &Grid, [betas, alphas, thirds]: [usize; 3]) -> Grid {
    let thin = |values: &[f32], by: usize| values.iter().step_by(by).copied().collect();
    Grid {
        betas: thin(&grid.betas, betas),
        alphas: thin(&grid.alphas, alphas),
        thirds: thin(&grid.thirds, thirds),
        order: grid.order,
    }
}

#[track_caller]
fn check_everywhere(method: Method, grid: &Grid) {
    for seed in 0..4 {
        Judged::with_ties(seed).check(method, grid, SignatureRange::Support);
    }
    Judged::golden("0").check(method, grid, SignatureRange::Queries);
}

#[test]
fn tip_adapters_search_equals_every_combination() {
    let published = Grid::of(Method::TipAdapter);
    // Eight β in one run, and some alone.
    check_everywhere(Method::TipAdapter, &thinned(&published, [19, 1, 1]));
    let imo = Grid::of(Method::TipAdapterPp);
    check_everywhere(Method::TipAdapterPp, &thinned(&imo, [2, 9, 1]));
    let uneven = Grid {
        betas: vec![0.0, 1.0, 4.0, 4.5, 20.0],
        ..thinned(&imo, [1, 20, 1])
    };
    check_everywhere(Method::TipAdapter, &uneven);
}

#[test]
fn tip_xs_search_equals_every_combination() {
    let published = Grid::of(Method::TipX);
    check_everywhere(Method::TipX, &thinned(&published, [23, 3, 12]));
    let imo = Grid::of(Method::TipXPp);
    check_everywhere(Method::TipXPp, &thinned(&imo, [3, 21, 15]));
}

#[test]
fn apes_search_equals_every_combination() {
    let published = Grid::of(Method::Ape);
    check_everywhere(Method::Ape, &thinned(&published, [23, 3, 3]));
    check_everywhere(Method::ApePp, &thinned(&published, [50, 4, 5]));
}

#[test]
fn gdas_search_equals_every_combination() {
    for method in [Method::Gda, Method::GdaPp] {
        check_everywhere(method, &Grid::of(method));
        Judged::rich().check(method, &Grid::of(method), SignatureRange::Support);
    }
}

#[test]
fn prokers_search_equals_every_combination() {
    for method in [Method::ProKeR, Method::ProKeRPp] {
        check_everywhere(method, &thinned(&Grid::of(method), [5, 1, 3]));
    }
    // From 20 λ on by one decomposition.
    let many = Grid {
        betas: vec![0.5, 2.0],
        thirds: (1..=25).map(|step| 0.02 * step as f32).collect(),
        ..Grid::default()
    };
    Judged::rich().check(Method::ProKeR, &many, SignatureRange::Support);
    Judged::golden("0").check(Method::ProKeRPp, &many, SignatureRange::Support);
}

#[test]
fn timos_search_equals_every_combination() {
    let judged = Judged::rich();
    let own = Grid::of(Method::Timo);
    judged.check(Method::Timo, &own, SignatureRange::Support);
    let with_gammas = Grid {
        thirds: vec![5.0, 50.0, 100.0],
        ..own
    };
    judged.check(Method::Timo, &with_gammas, SignatureRange::Support);
}

/// Photos that the prompts alone, weighed by γ, get right, in double precision.
fn guided_text_correct(judged: &Judged, gamma: f64) -> usize {
    let knowledge = judged.knowledge();
    let (support, prompts) = (knowledge.support, knowledge.prompts.expect("prompts"));
    let unit = |row: Vec<f64>| -> Vec<f64> {
        let length = dot(&row, &row).sqrt();
        row.iter().map(|x| x / length).collect()
    };
    let sum = |rows: &[(f64, Vec<f64>)]| -> Vec<f64> {
        let column = |col: usize| rows.iter().map(|(weight, row)| weight * row[col]).sum();
        (0..rows[0].1.len()).map(column).collect()
    };
    let texts: Vec<Vec<f64>> = (0..support.num_classes())
        .map(|class| {
            let photos: Vec<(f64, Vec<f64>)> = (0..support.len())
                .filter(|row| support.labels()[*row] == class)
                .map(|row| (1.0, wide(support.features().row(row))))
                .collect();
            let prototype = unit(sum(&photos));
            let own: Vec<Vec<f64>> = (0..prompts.features.len())
                .filter(|row| prompts.classes[*row] == class)
                .map(|row| wide(prompts.features.row(row)))
                .collect();
            let cosines: Vec<f64> = own.iter().map(|prompt| dot(prompt, &prototype)).collect();
            let length = dot(&cosines, &cosines).sqrt();
            let weight = |cosine: &f64| (gamma * cosine / length).exp();
            let weighted: Vec<(f64, Vec<f64>)> = cosines
                .iter()
                .map(weight)
                .zip(own.iter().cloned())
                .collect();
            unit(sum(&weighted))
        })
        .collect();
    let is_right = |query: &usize| {
        let row = wide(judged.scene.queries.row(*query));
        let scores: Vec<f64> = texts.iter().map(|text| dot(&row, text)).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        scores.iter().position(|score| *score >= most) == Some(judged.labels[*query])
    };
    (0..judged.labels.len()).filter(is_right).count()
}

#[test]
fn timo_s_chooses_gamma_by_texts_alone_then_prompts_and_alpha() {
    let judged = Judged::rich();
    let grid = Grid::of(Method::TimoS);
    let tuned = judged.tune(Method::TimoS, &Parameters::default(), &grid);
    assert_eq!(tuned.num_combinations, 20 + 10 * 9);
    let correct: Vec<usize> = grid
        .thirds
        .iter()
        .map(|gamma| guided_text_correct(&judged, f64::from(*gamma)))
        .collect();
    let most = correct.iter().max().expect("some γ");
    let first = correct.iter().position(|count| count == most);
    let gamma = grid.thirds[first.expect("the best")];
    let knowledge = judged.knowledge();
    let classes = &knowledge.prompts.expect("prompts").classes;
    let most_prompts = (0..knowledge.support.num_classes())
        .map(|class| classes.iter().filter(|own| **own == class).count())
        .max()
        .expect("classes");
    let mut best: Option<(Parameters, usize)> = None;
    for step in 0..10 {
        let number = (1.0 + f64::from(step) * (2.0 * most_prompts as f64 - 1.0) / 9.0) as usize;
        let fixed = Parameters {
            gamma,
            num_prompts: Some(number),
            ..Parameters::default()
        };
        let alone = Grid {
            thirds: Vec::new(),
            ..grid.clone()
        };
        let found = judged.try_all(Method::TimoS, &fixed, &alone);
        let found = found.best(LoopOrder::BetaOutside);
        if best.is_none_or(|best| found.1 > best.1) {
            best = Some(found);
        }
    }
    let (parameters, correct) = best.expect("combinations");
    assert_eq!(tuned.parameters, parameters);
    assert!((tuned.accuracy - 100.0 * correct as f64 / judged.labels.len() as f64).abs() < 1e-9);
    let highest = tuned.surface.accuracies.iter().copied().fold(0.0, f32::max);
    assert!((f64::from(highest) - tuned.accuracy).abs() < 1e-3);
}

fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().map(|x| f64::from(*x)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn a_search_without_class_names_equals_every_combination() {
    let mut judged = Judged::with_ties(5);
    judged.use_class_names = false;
    for method in [Method::TipAdapter, Method::TipX, Method::Ape] {
        let grid = thinned(&Grid::of(Method::TipXPp), [5, 25, 20]);
        judged.check(method, &grid, SignatureRange::Support);
    }
}

#[test]
fn trained_caches_are_searched_without_another_training() {
    for method in [Method::TipAdapterF, Method::ApeT] {
        check_trained(method);
    }
}

#[track_caller]
fn check_trained(method: Method) {
    let judged = Judged::rich();
    let fixed = Parameters {
        epochs: Some(3),
        learning_rate: Some(0.01),
        ..Parameters::default()
    };
    let grid = thinned(&Grid::of(method), [19, 3, 1]);
    let tuned = judged.tune(method, &fixed, &grid);
    let trained = fit(method, &fixed, &judged.knowledge()).expect("test data");
    let mut accuracies = tuned.surface.accuracies.iter();
    let mut best: Option<(Parameters, usize)> = None;
    for beta in &grid.betas {
        for alpha in &grid.alphas {
            let parameters = Parameters {
                alpha: *alpha,
                beta: *beta,
                ..fixed
            };
            let moved = trained.at(&parameters).expect("α and β after training");
            let correct = judged.num_correct(&*moved);
            let accuracy = accuracies.next().expect("one for each pair");
            let expected = 100.0 * correct as f32 / judged.labels.len() as f32;
            assert!(
                (accuracy - expected).abs() < 1e-3,
                "{method:?} β {beta} α {alpha}"
            );
            if best.is_none_or(|best| correct > best.1) {
                best = Some((parameters, correct));
            }
        }
    }
    assert_eq!(
        Some(tuned.parameters),
        best.map(|best| best.0),
        "{method:?}"
    );
}

#[test]
fn what_training_fixes_is_not_searched() {
    let (judged, method) = (Judged::rich(), Method::ClipAdapter);
    let refused = tune(
        method,
        &Parameters::default(),
        &judged.knowledge(),
        judged.scene.queries(),
        &judged.labels,
        &Grid::of(method),
        &Progress::silent(),
    );
    assert_eq!(refused, Err(MethodError::FixedOnly { method }));
}

#[test]
fn zero_shot_is_one_combination() {
    let judged = Judged::golden("2-first");
    let tuned = judged.tune(
        Method::ZeroShot,
        &Parameters::default(),
        &Grid::of(Method::TipAdapter),
    );
    assert_eq!(tuned.num_combinations, 1);
    assert_eq!(tuned.parameters, Parameters::default());
    let tried = judged.try_all(Method::ZeroShot, &Parameters::default(), &Grid::default());
    let expected = 100.0 * tried.results[0].1 as f64 / judged.labels.len() as f64;
    assert!((tuned.accuracy - expected).abs() < 1e-9);
}

#[test]
fn a_search_can_be_stopped() {
    let judged = Judged::golden("2-first");
    let cancel = CancelToken::default();
    cancel.cancel();
    for method in [
        Method::TipAdapter,
        Method::TipX,
        Method::Ape,
        Method::Gda,
        Method::ProKeR,
    ] {
        let stopped = tune(
            method,
            &Parameters::default(),
            &judged.scene.knowledge(),
            judged.scene.queries(),
            &judged.labels,
            &Grid::of(method),
            &Progress::new(&|_, _| (), &cancel),
        );
        assert_eq!(
            stopped,
            Err(MethodError::Cancelled(Cancelled)),
            "{method:?}"
        );
    }
}

#[test]
fn labels_must_be_as_many_as_photos() {
    let judged = Judged::golden("2-first");
    let refused = tune(
        Method::TipAdapter,
        &Parameters::default(),
        &judged.scene.knowledge(),
        judged.scene.queries(),
        &judged.labels[1..],
        &Grid::of(Method::TipAdapter),
        &Progress::silent(),
    );
    let expected = judged.labels.len();
    assert_eq!(
        refused,
        Err(MethodError::Rows {
            what: "validation labels",
            got: expected - 1,
            expected,
        })
    );
}
