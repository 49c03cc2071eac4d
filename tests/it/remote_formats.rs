//! Workers that compute in another number format than this process.

use std::sync::{Arc, Mutex};

use shotlens::clip::{OpenOptions, Precision};
use shotlens::engine::Engine;
use shotlens::engine::remote::{Connect, RemoteError, Reply};
use shotlens::project::feature_cache::FeatureCache;

use crate::remote::{BRIEF, engine, features, relayed, remote};

/// Nobody on a CPU computes in f16, so this worker only says so, and doubles what it computes, which shows whose features came.
fn gpu() -> Connect {
    relayed(|mut reply| {
        match &mut reply {
            Reply::Opened { space, .. } => space.push_str("-f16"),
            Reply::Encoded { features, .. } => {
                for number in features {
                    *number *= 2.0;
                }
            }
            _ => (),
        }
        Some(reply)
    })
}

#[test]
fn halves_of_a_gpu_stand_beside_floats_unless_a_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |precision| {
        let (cache, _) = FeatureCache::open(&folder.path().join("cache.sqlite")).unwrap();
        let options = OpenOptions {
            precision,
            ..OpenOptions::default()
        };
        Engine::open(None, &options, Some(cache)).unwrap()
    };
    let here = features(&engine());
    let doubled: Vec<Vec<f32>> = here
        .iter()
        .map(|row| row.iter().map(|number| 2.0 * number).collect())
        .collect();

    let said = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&said);
    let say = Box::new(move |text| heard.lock().unwrap().push(text));
    let alone = open(Precision::Auto);
    let worker = remote(gpu(), BRIEF, &alone).unwrap();
    assert_eq!(features(&alone.with_workers(vec![worker], say)), doubled);
    assert!(said.lock().unwrap().is_empty());
    // What the GPU has computed is not computed again where there is none ...
    assert_eq!(features(&open(Precision::Auto)), doubled);
    // ... but for somebody who asks for floats.
    assert_eq!(features(&open(Precision::F32)), here);
    let strict = open(Precision::F32);
    let error = remote(gpu(), BRIEF, &strict).err().unwrap();
    assert!(matches!(error, RemoteError::OtherModel { .. }), "{error}");
    // Floats that are there come before halves.
    assert_eq!(features(&open(Precision::Auto)), here);
}
