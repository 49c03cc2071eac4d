//! Decoding against PIL, one small picture per pixel layout and container.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use image::RgbImage;
use shotlens::engine::embed::{Lens, PhotoRequest};
use shotlens::image_io::{decode_rgb, list_photos, read_photo};
use shotlens::progress::Progress;

use crate::remote::engine;
use crate::window::assets;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/preprocess/formats")
}

/// The photos of a folder of the demo's, each by its number.
pub(crate) fn requests_of(folder: &str) -> Vec<PhotoRequest<usize>> {
    let folder = assets(folder);
    let photos = list_photos(&folder).unwrap().into_iter().enumerate();
    let request = |(key, path)| PhotoRequest {
        key,
        path: folder.join(path),
        known: None,
    };
    photos.map(request).collect()
}

fn decode(path: &Path) -> RgbImage {
    let (bytes, _) = read_photo(path).unwrap();
    decode_rgb(&bytes, path).unwrap()
}

/// Grey levels by which a pixel may differ from PIL's: CMYK in TIFF is rounded differently.
fn tolerance(name: &str) -> u8 {
    u8::from(name == "cmyk.tif")
}

#[test]
fn every_kind_of_picture_decodes_as_pil_decodes_it() {
    let names = list_photos(&folder()).unwrap();
    let mut num_wrong = 0;
    let pictures = names
        .iter()
        .filter(|name| !name.to_str().unwrap().ends_with(".rgb.png"));
    for name in pictures.clone() {
        let (image, name) = (decode(&folder().join(name)), name.to_str().unwrap());
        let expected = decode(&folder().join(format!("{name}.rgb.png")));
        assert_eq!(image.dimensions(), expected.dimensions(), "{name}");
        let worst = image
            .iter()
            .zip(expected.iter())
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        println!("{name}: worst difference {worst}");
        num_wrong += usize::from(worst > tolerance(name));
    }
    assert!(pictures.count() > 50);
    assert_eq!(num_wrong, 0, "see above");
}

#[test]
fn photos_that_somebody_waits_for_are_embedded_first() {
    let requests = requests_of("pool");
    let last: Vec<usize> = (requests.len() - 4..requests.len()).collect();
    let screen = Mutex::new(Some(last.clone()));
    let mut keys = Vec::new();
    engine()
        .embed_awaited(
            &requests,
            Lens::default(),
            &|| screen.lock().unwrap().take(),
            &Progress::silent(),
            &mut |batch| keys.extend(batch.into_iter().map(|(key, _)| key)),
        )
        .unwrap();
    let (first_batch, mut all) = (keys[..16].to_vec(), keys);
    assert!(
        last.iter().all(|key| first_batch.contains(key)),
        "{first_batch:?}"
    );
    all.sort_unstable();
    assert_eq!(all, (0..requests.len()).collect::<Vec<_>>());
}
