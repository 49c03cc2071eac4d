//! Whatever a method is given, it says clearly what is wrong or gives finite, right numbers; it never panics.

use shotlens::features::{Features, Matrix};
use shotlens::methods::{Knowledge, Method, MethodError, Parameters, Prompts, Queries, Views, fit};
use shotlens::support::SupportSet;
use shotlens::support::random::Random;

const DIM: usize = 32;

/// Everything that any method takes, with texts, shots and queries of a class close to each other.
struct World {
    support: SupportSet,
    views: SupportSet,
    text: Features,
    prompts: Prompts,
    /// Queries of the classes in `classes`.
    queries: Features,
    classes: Vec<usize>,
}

/// Numbers from -size to size.
fn noise(random: &mut Random, size: f32) -> f32 {
    size * ((random.next_u64() >> 40) as f32 / (1 << 23) as f32 - 1.0)
}

impl World {
    /// `num_classes` classes, the first `num_shown` of them in `step`s with two shots of two views each.
    fn new(num_classes: usize, num_shown: usize) -> Self {
        let mut random = Random::new(42);
        let text = Matrix::from_fn(num_classes, DIM, |_, _| noise(&mut random, 1.0));
        let text = Features::normalized(text).unwrap();
        let step = num_classes / num_shown;
        let classes: Vec<usize> = (0..num_shown).map(|index| index * step).collect();
        let mut near = |labels: &[usize]| {
            let rows = Matrix::from_fn(labels.len(), DIM, |row, col| {
                text.row(labels[row])[col] + noise(&mut random, 0.05)
            });
            Features::normalized(rows).unwrap()
        };
        let repeated = |times: usize| -> Vec<usize> {
            let each = classes.iter().flat_map(|class| vec![*class; times]);
            each.collect()
        };
        let (labels, view_labels) = (repeated(2), repeated(4));
        let groups = (0..labels.len()).collect();
        let view_groups = (0..view_labels.len()).map(|view| view / 2).collect();
        let every: Vec<usize> = (0..2 * num_classes).map(|row| row / 2).collect();
        let (shots, views) = (near(&labels), near(&view_labels));
        Self {
            support: SupportSet::new(shots, labels, num_classes, groups).unwrap(),
            views: SupportSet::new(views, view_labels, num_classes, view_groups).unwrap(),
            prompts: Prompts {
                features: near(&every),
                classes: every,
            },
            queries: near(&classes),
            text,
            classes,
        }
    }

    /// The adapted features are the original ones.
    fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            adapted_keys: Some(self.support.features()),
            prompts: Some(&self.prompts),
            views: Some(Views {
                original: &self.views,
                adapted: Some(self.views.features()),
            }),
            learned_text: Some(&self.text),
            ..Knowledge::new(&self.support, &self.text)
        }
    }

    fn queries(&self) -> Queries<'_> {
        both(&self.queries)
    }
}

/// Queries whose adapted features are the original ones.
fn both(features: &Features) -> Queries<'_> {
    Queries {
        adapted: Some(features),
        ..Queries::new(features)
    }
}

fn score(
    method: Method,
    knowledge: &Knowledge<'_>,
    queries: Queries<'_>,
) -> Result<Matrix, MethodError> {
    let parameters = Parameters {
        epochs: Some(2),
        ..Parameters::published(method, 2)
    };
    Ok(fit(method, &parameters, knowledge)?.logits(queries)?.0)
}

/// Methods whose work is done elsewhere: by the engine, on parts of photos or through the text tower.
fn is_elsewhere(method: Method) -> bool {
    matches!(method, Method::Calip | Method::CoOp)
}

fn on_features() -> impl Iterator<Item = Method> {
    Method::ALL
        .into_iter()
        .filter(|method| !is_elsewhere(*method))
}

/// An error is a sentence that names something; logits are finite and of the right shape.
#[track_caller]
fn check_clear(method: Method, outcome: &Result<Matrix, MethodError>, num_classes: usize) {
    match outcome {
        Ok(logits) => {
            assert_eq!(logits.cols(), num_classes, "{method:?}");
            let is_finite = logits.as_slice().iter().all(|x| x.is_finite());
            assert!(is_finite, "{method:?}");
        }
        Err(error) => assert!(error.to_string().len() > 20, "{method:?}: {error}"),
    }
}

/// All methods on features give finite logits that are right on every query.
#[track_caller]
fn check_right(world: &World, knowledge: &Knowledge<'_>) {
    for method in on_features() {
        let logits = score(method, knowledge, world.queries());
        check_clear(method, &logits, world.text.len());
        let logits = logits.unwrap_or_else(|error| panic!("{method:?}: {error}"));
        let top = shotlens::features::Logits(logits).top_classes();
        assert_eq!(top, world.classes, "{method:?}");
    }
    for method in Method::ALL
        .into_iter()
        .filter(|method| is_elsewhere(*method))
    {
        let outcome = score(method, knowledge, world.queries());
        check_clear(method, &outcome, world.text.len());
    }
}

#[test]
fn everything_given_is_right() {
    let world = World::new(6, 6);
    check_right(&world, &world.knowledge());
}

#[test]
fn classes_without_shots_are_no_obstacle() {
    let world = World::new(12, 4);
    check_right(&world, &world.knowledge());
    let knowledge = Knowledge {
        views: None,
        ..world.knowledge()
    };
    check_right(&world, &knowledge);
}

#[test]
fn one_class_is_enough() {
    let world = World::new(1, 1);
    check_right(&world, &world.knowledge());
}

#[test]
fn ten_thousand_classes_are_right() {
    let world = World::new(10_000, 40);
    check_right(&world, &world.knowledge());
}

#[test]
fn without_class_names_the_photos_decide() {
    let world = World::new(6, 6);
    let knowledge = Knowledge {
        use_class_names: false,
        ..world.knowledge()
    };
    check_right(&world, &knowledge);
}

#[test]
fn texts_or_queries_of_another_model_are_refused() {
    let world = World::new(6, 3);
    let other = Features::normalized(Matrix::from_fn(6, 20, |i, j| (i + j) as f32 + 1.0)).unwrap();
    let other_text = Knowledge {
        text: &other,
        ..world.knowledge()
    };
    let fewer_texts = world.text.select(&[0, 1, 2, 3, 4]);
    let fewer_texts = Knowledge {
        text: &fewer_texts,
        ..world.knowledge()
    };
    for method in Method::ALL {
        score(method, &other_text, world.queries()).unwrap_err();
        score(method, &fewer_texts, world.queries()).unwrap_err();
        score(method, &world.knowledge(), both(&other)).unwrap_err();
    }
}

#[test]
fn adapted_features_that_do_not_fit_are_refused() {
    let world = World::new(6, 3);
    let other = Features::normalized(Matrix::from_fn(3, 20, |i, j| (i + j) as f32 + 1.0)).unwrap();
    let longer = Features::normalized(Matrix::from_fn(3, 40, |i, j| (i + j) as f32 + 1.0)).unwrap();
    let fewer = world.support.features().select(&[0, 1]);
    let fewer_keys = Knowledge {
        adapted_keys: Some(&fewer),
        ..world.knowledge()
    };
    let fewer_views = Knowledge {
        views: Some(Views {
            original: &world.views,
            adapted: Some(&fewer),
        }),
        ..world.knowledge()
    };
    for method in on_features().filter(|method| method.needs_adapter()) {
        for adapted in [&other, &longer, &world.queries.select(&[0])] {
            let queries = Queries {
                adapted: Some(adapted),
                ..Queries::new(&world.queries)
            };
            score(method, &world.knowledge(), queries).unwrap_err();
        }
        score(method, &world.knowledge(), Queries::new(&world.queries)).unwrap_err();
        score(method, &fewer_keys, world.queries()).unwrap_err();
        let outcome = score(method, &fewer_views, world.queries());
        let takes_views = matches!(method, Method::GdaPp | Method::ProKeRPp);
        assert_eq!(outcome.is_err(), takes_views, "{method:?}");
    }
}

#[test]
fn views_and_prompts_that_do_not_fit_are_refused() {
    let world = World::new(6, 3);
    let rows = Features::normalized(Matrix::from_fn(3, 20, |i, j| (i + j) as f32 + 1.0)).unwrap();
    let other_model = SupportSet::from_rows(rows.clone(), vec![0, 2, 4], 6).unwrap();
    let more_classes = World::new(7, 3).views;
    for views in [&other_model, &more_classes] {
        let knowledge = Knowledge {
            views: Some(Views {
                original: views,
                adapted: None,
            }),
            ..world.knowledge()
        };
        for method in on_features() {
            let takes_views = matches!(
                method,
                Method::Gda
                    | Method::GdaPp
                    | Method::ProKeR
                    | Method::ProKeRPp
                    | Method::Timo
                    | Method::TimoS
                    | Method::TipAdapterF
                    | Method::ApeT
                    | Method::ClipAdapter
                    | Method::TaskRes
            );
            let outcome = score(method, &knowledge, world.queries());
            assert_eq!(outcome.is_err(), takes_views, "{method:?}");
        }
    }
    let prompts = |features: &Features, classes: Vec<usize>| Prompts {
        features: features.clone(),
        classes,
    };
    let twelve: Vec<usize> = (0..12).map(|row| row / 2).collect();
    let mut outside = twelve.clone();
    outside.extend([6, 6]);
    let wrong = [
        prompts(&rows.select(&[0; 12]), twelve.clone()),
        prompts(&world.prompts.features, twelve[..11].to_vec()),
        prompts(&world.prompts.features.select(&[0; 14]), outside),
        prompts(
            &world.prompts.features.select(&[0; 10]),
            twelve[..10].to_vec(),
        ),
    ];
    for prompts in &wrong {
        let knowledge = Knowledge {
            prompts: Some(prompts),
            ..world.knowledge()
        };
        score(Method::Timo, &knowledge, world.queries()).unwrap_err();
    }
}

#[test]
fn features_without_a_number_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, 0.0] {
        let rows = Matrix::from_fn(3, DIM, |row, _| if row == 1 { bad } else { 1.0 });
        let error = Features::normalized(rows).unwrap_err().to_string();
        assert!(error.contains("row 1"), "{error}");
    }
}

#[test]
fn no_shots_and_equal_shots_and_no_queries_are_no_obstacle() {
    let world = World::new(6, 3);
    let nothing = Features::normalized(Matrix::zeros(0, DIM)).unwrap();
    let no_shots = SupportSet::from_rows(nothing.clone(), Vec::new(), 6).unwrap();
    let equal = world.support.features().select(&[0; 6]);
    let equal = SupportSet::from_rows(equal, vec![0, 0, 2, 2, 4, 4], 6).unwrap();
    for method in Method::ALL {
        for support in [&no_shots, &equal] {
            let knowledge = Knowledge {
                adapted_keys: Some(support.features()),
                views: None,
                support,
                ..world.knowledge()
            };
            check_clear(method, &score(method, &knowledge, world.queries()), 6);
        }
        let outcome = score(method, &world.knowledge(), both(&nothing));
        check_clear(method, &outcome, 6);
        assert!(
            is_elsewhere(method) || outcome.unwrap().rows() == 0,
            "{method:?}"
        );
    }
}
