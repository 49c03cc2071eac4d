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

/// Opens without a note.
#[track_caller]
fn open(path: &Path) -> FeatureCache {
    let (cache, note) = FeatureCache::open(path).unwrap();
    assert_eq!(note, None);
    cache
}

fn fill(cache: &mut FeatureCache, numbers: std::ops::Range<u32>) {
    let rows: Vec<_> = numbers
        .map(|number| (hash(number), row(number, true)))
        .collect();
    assert!(cache.put_many(SPACE, &rows));
}

#[test]
fn rows_come_back_in_the_order_they_were_asked_for_few_or_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("features.sqlite");
    fill(&mut open(&path), 0..1_000);
    let mut cache = open(&path);
    for numbers in [vec![999, 5, 2_000, 5], (0..6_000).rev().collect()] {
        let hashes: Vec<_> = numbers.iter().map(|&number| hash(number)).collect();
        let expected: Vec<_> = numbers
            .iter()
            .map(|&number| (number < 1_000).then(|| row(number, true)))
            .collect();
        assert_eq!(cache.get_many(SPACE, &hashes), expected);
    }
    assert_eq!(cache.get_many("another space", &[hash(5)]), [None]);
    assert!(cache.forget(SPACE));
    assert_eq!(cache.get_many(SPACE, &[hash(5)]), [None]);
    assert_eq!(cache.take_notes(), [""; 0]);
}

#[test]
fn a_row_put_again_keeps_what_only_the_first_one_had() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = open(&folder.path().join("features.sqlite"));
    assert!(cache.put_many(SPACE, &[(hash(1), row(1, false)), (hash(2), row(2, true))]));
    assert_eq!(
        cache.get_many(SPACE, &[1, 2].map(hash)),
        [Some(row(1, false)), Some(row(2, true))]
    );
    assert!(cache.put_many(SPACE, &[(hash(1), row(1, true)), (hash(2), row(3, false))]));
    let merged = CachedRow {
        hidden: row(2, true).hidden,
        ..row(3, false)
    };
    assert_eq!(
        cache.get_many(SPACE, &[1, 2].map(hash)),
        [Some(row(1, true)), Some(merged)]
    );
}

#[test]
fn a_damaged_row_is_a_miss_and_its_neighbours_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.sqlite");
    fill(&mut open(&path), 0..3);
    let sql = "UPDATE features SET features = zeroblob(length(features)) WHERE hash = ?1";
    assert_eq!(
        Connection::open(&path)
            .unwrap()
            .execute(sql, [hash(1).0])
            .unwrap(),
        1
    );
    let mut cache = open(&path);
    let rows = cache.get_many(SPACE, &[0, 1, 2].map(hash));
    assert_eq!(rows, [Some(row(0, true)), None, Some(row(2, true))]);
}

#[test]
fn a_damaged_cache_is_put_aside_and_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.sqlite");
    fill(&mut open(&path), 0..500);
    let whole = std::fs::read(&path).unwrap();
    // Damage at the beginning shows when the cache is opened, damage further on when it is asked.
    for damaged_from in [0, 16_384] {
        let mut damaged = whole.clone();
        damaged[damaged_from..].fill(0x5a);
        std::fs::write(&path, &damaged).unwrap();
        let (mut cache, note) = FeatureCache::open(&path).unwrap();
        let hashes: Vec<_> = (0..500).map(hash).collect();
        assert!(cache.get_many(SPACE, &hashes).iter().all(Option::is_none));
        let notes: Vec<String> = note.into_iter().chain(cache.take_notes()).collect();
        assert!(
            notes.iter().any(|note| note.contains("built again")),
            "{notes:?}"
        );
        assert!(std::fs::read(path.with_extension("sqlite.damaged")).unwrap() == damaged);
        fill(&mut cache, 0..3);
        drop(cache);
        let mut cache = open(&path);
        assert_eq!(cache.get_many(SPACE, &[hash(2)]), [Some(row(2, true))]);
        assert_eq!(cache.take_notes(), [""; 0]);
    }
}

#[test]
fn a_cache_without_a_place_lives_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("file");
    std::fs::write(&occupied, "").unwrap();
    let (mut cache, note) = FeatureCache::open(&occupied.join("features.sqlite")).unwrap();
    assert!(note.is_some());
    fill(&mut cache, 0..2);
    assert_eq!(cache.get_many(SPACE, &[hash(1)]), [Some(row(1, true))]);
}

#[test]
fn two_openers_share_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.sqlite");
    let mut openers = [0, 1].map(|_| open(&path));
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
        assert!(opener.get_many(SPACE, &hashes).iter().all(Option::is_some));
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
