//! Every grid search against all combinations one by one, through `fit` and its logits, ties included.

use shotlens::features::{Features, Logits, Matrix};
use shotlens::methods::grid::{Grid, LoopOrder, Tuned, fit_and_tune, tune};
use shotlens::methods::{
    Classifier, Knowledge, Method, MethodError, Parameter, Parameters, SignatureRange, fit,
};
use shotlens::progress::{CancelToken, Cancelled, Progress};
use shotlens::support::SupportSet;

use crate::golden::{Golden, Scene};

/// A support set, texts, photos to judge by and their classes.
struct Judged {
    scene: Scene,
    labels: Vec<usize>,
    use_class_names: bool,
    is_rich: bool,
}

impl Judged {
    fn golden(name: &str) -> Self {
        let golden = Golden::open(name);
        Self {
            scene: Scene::of(&golden),
            labels: golden.integers("query_labels").to_vec(),
            use_class_names: true,
            is_rich: false,
        }
    }

    /// Photos with views and prompts: two of three of the class that TIMO gives them, so that none has all or nothing right.
    fn rich() -> Self {
        let golden = Golden::open("more");
        let classes = Logits(golden.matrix("logits.timo").clone()).top_classes();
        let label = |(row, class): (usize, &usize)| if row % 3 == 0 { row % 5 } else { *class };
        Self {
            scene: Scene::of(&golden),
            labels: classes.iter().enumerate().map(label).collect(),
            use_class_names: true,
            is_rich: true,
        }
    }

    /// Features with few different numbers, so that cosines and whole sums are equal; photos under two labels, two classes
    /// with one text, a class without photos.
    fn with_ties(seed: u32) -> Self {
        let mut state = seed;
        let mut draw = move |values: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % values
        };
        let mut rows = |count: usize| {
            let of_row = |_| {
                (0..7)
                    .map(|_| 2.0 * draw(2) as f32 - 1.0)
                    .collect::<Vec<f32>>()
            };
            let data: Vec<f32> = (0..count).flat_map(of_row).collect();
            Features::normalized(Matrix::new(count, 7, data).expect("test data"))
                .expect("test data")
        };
        let doubled = |features: &Features, from: usize| {
            let mut order: Vec<usize> = (0..features.len()).collect();
            order[0] = from;
            features.select(&order)
        };
        let (keys, adapted) = (doubled(&rows(14), 9), doubled(&rows(14), 9));
        let text = doubled(&rows(5), 3);
        let labels = vec![3, 0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3, 0];
        let support = SupportSet::from_rows(keys, labels, 5).expect("test data");
        Self {
            labels: (0..37).map(|row| row % 5).collect(),
            use_class_names: true,
            is_rich: false,
            scene: Scene::new(support, text, adapted, [rows(37), rows(37)]),
        }
    }

    fn knowledge(&self) -> Knowledge<'_> {
        let knowledge = if self.is_rich {
            self.scene.rich_knowledge()
        } else {
            self.scene.knowledge()
        };
        Knowledge {
            use_class_names: self.use_class_names,
            ..knowledge
        }
    }

    fn tune(&self, method: Method, parameters: &Parameters, grid: &Grid) -> Tuned {
        let (knowledge, queries) = (self.knowledge(), self.scene.queries());
        let (labels, progress) = (&self.labels, Progress::silent());
        tune(
            method, parameters, &knowledge, queries, labels, grid, &progress,
        )
        .expect("test data")
    }

    fn fit_and_tune(
        &self,
        method: Method,
        parameters: &Parameters,
        grid: &Grid,
    ) -> Result<(Box<dyn Classifier>, Tuned), MethodError> {
        let (knowledge, queries) = (self.knowledge(), self.scene.queries());
        let (labels, progress) = (&self.labels, Progress::silent());
        fit_and_tune(
            method, parameters, &knowledge, queries, labels, grid, &progress,
        )
    }

    fn num_correct(&self, classifier: &dyn Classifier) -> usize {
        let logits = classifier.logits(self.scene.queries()).expect("test data");
        let classes = logits.top_classes();
        let pairs = classes.iter().zip(&self.labels);
        pairs.filter(|(class, label)| class == label).count()
    }

    /// Every combination one by one.
    fn try_all(&self, method: Method, fixed: &Parameters, grid: &Grid) -> Tried {
        let or_fixed = |values: &[f32], value| match values {
            [] => vec![value],
            values => values.to_vec(),
        };
        let is_proker = matches!(method, Method::ProKeR | Method::ProKeRPp);
        let fixed_third = if is_proker { fixed.lambda } else { fixed.gamma };
        let has_third = is_proker || method.parameters().contains(&Parameter::Gamma);
        let thirds: &[f32] = if has_third { &grid.thirds } else { &[] };
        let mut tried = Tried {
            betas: or_fixed(&grid.betas, fixed.beta),
            alphas: or_fixed(&grid.alphas, fixed.alpha),
            thirds: or_fixed(thirds, fixed_third),
            results: Vec::new(),
        };
        let knowledge = self.knowledge();
        for beta in &tried.betas {
            for alpha in &tried.alphas {
                for third in &tried.thirds {
                    let (lambda, gamma) = if is_proker {
                        (*third, fixed.gamma)
                    } else {
                        (fixed.lambda, *third)
                    };
                    let parameters = Parameters {
                        beta: *beta,
                        alpha: *alpha,
                        gamma,
                        lambda,
                        ..*fixed
                    };
                    let classifier = fit(method, &parameters, &knowledge).expect("test data");
                    let correct = self.num_correct(&*classifier);
                    tried.results.push((parameters, correct));
                }
            }
        }
        tried
    }

    #[track_caller]
    fn check(&self, method: Method, grid: &Grid, signature_range: SignatureRange) {
        let fixed = Parameters {
            signature_range,
            channels: Some(4),
            ..Parameters::default()
        };
        let tuned = self.tune(method, &fixed, grid);
        let tried = self.try_all(method, &fixed, grid);
        let percent = |correct: usize| 100.0 * correct as f64 / self.labels.len() as f64;
        let (accuracies, thirds) = tried.surface();
        assert_eq!(tuned.surface.betas, tried.betas);
        assert_eq!(tuned.surface.alphas, tried.alphas);
        let expected: Vec<f32> = accuracies.iter().map(|x| percent(*x) as f32).collect();
        assert_eq!(tuned.surface.accuracies, expected, "{method:?}");
        if !tuned.surface.thirds.is_empty() {
            assert_eq!(tuned.surface.thirds, thirds, "{method:?}");
        }
        let (parameters, correct) = tried.best(grid.order);
        assert_eq!(tuned.parameters, parameters, "{method:?}");
        assert!((tuned.accuracy - percent(correct)).abs() < 1e-9);
        assert_eq!(tuned.num_combinations, tried.results.len());
    }
}

/// What all combinations gave: β outside, then α, then the third parameter.
struct Tried {
    betas: Vec<f32>,
    alphas: Vec<f32>,
    thirds: Vec<f32>,
    results: Vec<(Parameters, usize)>,
}

impl Tried {
    /// The first of the best in the authors' loops.
    fn best(&self, order: LoopOrder) -> (Parameters, usize) {
        let (num_alphas, num_thirds) = (self.alphas.len(), self.thirds.len());
        let mut places: Vec<usize> = (0..self.results.len()).collect();
        if order == LoopOrder::AlphaOutside {
            // Stable, so β and the third parameter keep their order for each α.
            places.sort_by_key(|place| place / num_thirds % num_alphas);
        }
        let most = self.results.iter().map(|result| result.1).max();
        let first = places
            .iter()
            .find(|place| Some(self.results[**place].1) == most);
        self.results[*first.expect("a grid")]
    }

    /// The best over the third parameter, the first of equals.
    fn surface(&self) -> (Vec<usize>, Vec<f32>) {
        let best = |results: &[(Parameters, usize)]| {
            let most = results
                .iter()
                .map(|result| result.1)
                .max()
                .expect("a third");
            let first = results.iter().position(|result| result.1 == most);
            (most, self.thirds[first.expect("the best")])
        };
        self.results.chunks(self.thirds.len()).map(best).unzip()
    }
}

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
    let (classifier, tuned) = judged
        .fit_and_tune(method, &fixed, &grid)
        .expect("test data");
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
    let (parameters, correct) = best.expect("combinations");
    assert_eq!(tuned.parameters, parameters, "{method:?}");
    assert_eq!(judged.num_correct(&*classifier), correct, "{method:?}");
    assert_eq!(judged.tune(method, &fixed, &grid), tuned);
}

#[test]
fn what_training_fixes_is_not_searched() {
    let method = Method::ClipAdapter;
    let (parameters, grid) = (Parameters::default(), Grid::of(method));
    let refused = Judged::rich()
        .fit_and_tune(method, &parameters, &grid)
        .err();
    assert_eq!(refused, Some(MethodError::FixedOnly { method }));
}

#[test]
fn zero_shot_is_one_combination() {
    let judged = Judged::golden("2");
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
    let judged = Judged::golden("2");
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
    let judged = Judged::golden("2");
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
