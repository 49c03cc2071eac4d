//! Photos as they are and through a bottleneck adapter, in one pass and in two.

use std::path::Path;

use shotlens::clip::OpenOptions;
use shotlens::engine::Engine;
use shotlens::engine::adapted::{AdaptedEncoder, AdapterSpec};
use shotlens::engine::embed::{PhotoFeatures, PhotoRequest};
use shotlens::engine::embed_both::BothOutcome;
use shotlens::progress::Progress;
use shotlens::project::feature_cache::FeatureCache;

use crate::photos::requests_of;
use crate::window::assets;

fn engine(cache: &Path) -> Engine {
    let (cache, _) = FeatureCache::open(cache).unwrap();
    Engine::open(None, &OpenOptions::default(), Some(cache)).unwrap()
}

/// The demo's adapter, beside the last four of twelve blocks.
fn encoder(engine: &Engine) -> AdaptedEncoder {
    let spec = AdapterSpec::File(assets("demo-adapter.safetensors"));
    AdaptedEncoder::without_support(&spec, None, engine).unwrap()
}

/// What is handed over, in its order.
fn both(engine: &Engine, requests: &[PhotoRequest<usize>]) -> Vec<(usize, BothOutcome)> {
    let mut all = Vec::new();
    let encoder = encoder(engine);
    engine
        .embed_both(
            requests,
            Some(&encoder),
            &|| None,
            &Progress::silent(),
            &mut |batch| all.extend(batch),
        )
        .unwrap();
    all
}

/// Features in a pass of their own.
fn alone(
    engine: &Engine,
    requests: &[PhotoRequest<usize>],
    is_adapted: bool,
) -> Vec<PhotoFeatures> {
    let encoder = encoder(engine);
    let adapter = encoder.bottleneck().filter(|_| is_adapted);
    let mut all = Vec::new();
    engine
        .embed_photos(requests, adapter, &Progress::silent(), &mut |batch| {
            all.extend(batch.into_iter().map(|(key, photo)| (key, photo.unwrap())));
        })
        .unwrap();
    all.sort_by_key(|(key, _)| *key);
    all.into_iter().map(|(_, photo)| photo).collect()
}

#[test]
fn both_at_once_are_the_same_bits_as_each_alone_and_the_cache_has_both() {
    let home = tempfile::tempdir().unwrap();
    let requests = requests_of("pool/bug");
    let other = engine(&home.path().join("other.sqlite"));
    let originals = alone(&other, &requests, false);
    let adapted = alone(&other, &requests, true);
    let cache = home.path().join("features.sqlite");
    let first = engine(&cache);
    assert_eq!(first.passes(Some(&encoder(&first))), 1);
    let mut found = both(&first, &requests);
    assert_eq!(found.len(), requests.len());
    found.sort_by_key(|(key, _)| *key);
    for (key, outcome) in found {
        let (original, through) = outcome.unwrap();
        assert_eq!(original, originals[key]);
        assert_eq!(through.unwrap(), adapted[key].features);
    }
    // Nothing is encoded again.
    let again = engine(&cache);
    assert_eq!(alone(&again, &requests, false), originals);
}

#[test]
fn what_the_cache_knows_of_one_kind_is_not_lost() {
    let home = tempfile::tempdir().unwrap();
    let requests = requests_of("pool/bug");
    let cache = engine(&home.path().join("features.sqlite"));
    let originals = alone(&cache, &requests, false);
    let with_stamps = requests
        .iter()
        .zip(&originals)
        .map(|(request, photo)| PhotoRequest {
            known: Some(photo.stamp),
            ..request.clone()
        });
    let with_stamps: Vec<PhotoRequest<usize>> = with_stamps.collect();
    // As they are at once, then with the adapted ones.
    let found = both(&cache, &with_stamps);
    let (early, late) = found.split_at(requests.len());
    assert!(
        early
            .iter()
            .all(|(_, outcome)| matches!(outcome, Ok((_, None))))
    );
    assert!(
        late.iter()
            .all(|(_, outcome)| matches!(outcome, Ok((_, Some(_)))))
    );
    assert_eq!(late.len(), requests.len());

    let cache = engine(&home.path().join("adapted.sqlite"));
    let adapted = alone(&cache, &requests, true);
    let mut found = both(&cache, &requests);
    found.sort_by_key(|(key, _)| *key);
    let expected = originals.into_iter().zip(adapted);
    assert_eq!(found.len(), requests.len());
    for ((_, outcome), (original, adapted)) in found.into_iter().zip(expected) {
        assert_eq!(outcome.unwrap(), (original, Some(adapted.features)));
    }
}
