//! The caches in the user's folder: worth having, never worth an error.

use std::path::Path;

use rusqlite::Connection;
use shotlens::image_io::ContentHash;
use shotlens::project::{CachedRow, FeatureCache, ThumbnailCache, ThumbnailKey};

const SPACE: &str = "model 1, 224 pixels, no adapter";

fn hash(number: u32) -> ContentHash {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    ContentHash(bytes)
}

fn row(number: u32, has_hidden: bool) -> CachedRow {
    let value = number as f32;
    CachedRow {
        features: vec![value, -value, 0.5],
        hidden: has_hidden.then(|| vec![value; 5]),
    }
}

fn fill(cache: &mut FeatureCache, numbers: std::ops::Range<u32>) {
    let rows: Vec<_> = numbers
        .map(|number| (hash(number), row(number, true)))
        .collect();
    assert!(cache.put_many(SPACE, rows.iter().map(|(hash, row)| (*hash, row))));
}

#[test]
fn rows_come_back_in_the_order_they_were_asked_for_few_or_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("features.sqlite");
    fill(&mut FeatureCache::open(&path).unwrap(), 0..1_000);
    let mut cache = FeatureCache::open(&path).unwrap();
    for numbers in [vec![999, 5, 2_000, 5], (0..1_500).rev().collect()] {
        let hashes: Vec<_> = numbers.iter().map(|&number| hash(number)).collect();
        for with_hidden in [false, true] {
            let expected: Vec<_> = numbers
                .iter()
                .map(|&number| (number < 1_000).then(|| row(number, with_hidden)))
                .collect();
            assert_eq!(cache.get_many(SPACE, &hashes, with_hidden), expected);
        }
    }
    assert_eq!(cache.get_many("another space", &[hash(5)], false), [None]);
    assert!(cache.forget(SPACE));
    assert_eq!(cache.get_many(SPACE, &[hash(5)], false), [None]);
    assert_eq!(cache.take_notes(), [""; 0]);
}

#[test]
fn a_row_without_what_is_asked_for_is_a_miss_until_it_is_put_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = FeatureCache::open(&folder.path().join("features.sqlite")).unwrap();
    assert!(cache.put_many(SPACE, [(hash(1), &row(1, false))]));
    assert_eq!(cache.get_many(SPACE, &[hash(1)], true), [None]);
    assert!(cache.put_many(SPACE, [(hash(1), &row(1, true))]));
    assert_eq!(
        cache.get_many(SPACE, &[hash(1)], true),
        [Some(row(1, true))]
    );
}

#[test]
fn a_damaged_row_is_a_miss_and_its_neighbours_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.sqlite");
    fill(&mut FeatureCache::open(&path).unwrap(), 0..3);
    let sql = "UPDATE features SET features = zeroblob(length(features)) WHERE hash = ?1";
    assert_eq!(
        Connection::open(&path)
            .unwrap()
            .execute(sql, [hash(1).0])
            .unwrap(),
        1
    );
    let mut cache = FeatureCache::open(&path).unwrap();
    let rows = cache.get_many(SPACE, &[0, 1, 2].map(hash), false);
    assert_eq!(rows, [Some(row(0, false)), None, Some(row(2, false))]);
}

#[test]
fn a_damaged_cache_is_put_aside_and_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.sqlite");
    fill(&mut FeatureCache::open(&path).unwrap(), 0..500);
    let whole = std::fs::read(&path).unwrap();
    // Damage at the beginning shows when the cache is opened, damage further on when it is asked.
    for damaged_from in [0, 16_384] {
        let mut damaged = whole.clone();
        damaged[damaged_from..].fill(0x5a);
        std::fs::write(&path, &damaged).unwrap();
        let mut cache = FeatureCache::open(&path).unwrap();
        let hashes: Vec<_> = (0..500).map(hash).collect();
        assert!(
            cache
                .get_many(SPACE, &hashes, false)
                .iter()
                .all(Option::is_none)
        );
        let notes = cache.take_notes();
        assert!(
            notes.iter().any(|note| note.contains("built again")),
            "{notes:?}"
        );
        assert!(std::fs::read(path.with_extension("sqlite.damaged")).unwrap() == damaged);
        fill(&mut cache, 0..3);
        drop(cache);
        let mut cache = FeatureCache::open(&path).unwrap();
        assert_eq!(
            cache.get_many(SPACE, &[hash(2)], false),
            [Some(row(2, false))]
        );
        assert_eq!(cache.take_notes(), [""; 0]);
    }
}

#[test]
fn a_cache_without_a_place_lives_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("file");
    std::fs::write(&occupied, "").unwrap();
    let mut cache = FeatureCache::open(&occupied.join("features.sqlite")).unwrap();
    assert!(!cache.take_notes().is_empty());
    fill(&mut cache, 0..2);
    assert_eq!(
        cache.get_many(SPACE, &[hash(1)], true),
        [Some(row(1, true))]
    );
}

#[test]
fn two_openers_share_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.sqlite");
    let mut openers = [0, 1].map(|_| FeatureCache::open(&path).unwrap());
    std::thread::scope(|scope| {
        for (opener, first) in openers.iter_mut().zip([0, 1_000]) {
            scope.spawn(move || {
                for start in (first..first + 1_000).step_by(100) {
                    fill(opener, start..start + 100);
                }
            });
        }
    });
    let hashes: Vec<_> = (0..2_000).map(hash).collect();
    for opener in &mut openers {
        assert!(
            opener
                .get_many(SPACE, &hashes, true)
                .iter()
                .all(Option::is_some)
        );
        assert_eq!(opener.take_notes(), [""; 0]);
    }
}

#[test]
fn the_oldest_thumbnails_make_room_for_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thumbnails.sqlite");
    let mut cache = ThumbnailCache::open(&path, 1_000).unwrap();
    let key = |size| ThumbnailKey {
        path: Path::new("/a.jpg"),
        size,
        modified_ms: 1,
        max_side: 160,
    };
    for size in 0..15 {
        cache.put(key(size), &[size as u8; 100]);
    }
    assert_eq!(cache.get(key(0)), None);
    assert_eq!(cache.get(key(14)), Some(vec![14; 100]));
    let kept = (0..15)
        .filter(|&size| cache.get(key(size)).is_some())
        .count();
    assert!((9..=10).contains(&kept), "{kept} kept");
    drop(cache);

    let mut cache = ThumbnailCache::open(&path, 1_000).unwrap();
    assert_eq!(cache.get(key(14)), Some(vec![14; 100]));
    assert_eq!(
        cache.get(ThumbnailKey {
            max_side: 320,
            ..key(14)
        }),
        None
    );
    assert_eq!(
        cache.get(ThumbnailKey {
            modified_ms: 2,
            ..key(14)
        }),
        None
    );
}
