//! Thumbnails from files, remembered between starts. Called from the window's reader threads.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};

use crate::image_io;
use crate::project::{self, FileStamp, Locations, ThumbnailCache, ThumbnailKey};

/// Larger pictures are looked at one at a time, so keeping them would only push the gallery's out.
const MAX_KEPT_SIDE: u32 = 400;

/// Good enough that a thumbnail from the cache cannot be told from a fresh one.
const JPEG_QUALITY: u8 = 88;

/// Reads a photo and downsizes it to at most `max_side` pixels on its longer side.
pub type ReadThumbnail = Arc<dyn Fn(&Path, u32) -> Result<RgbImage, String> + Send + Sync>;

/// A reader with the user's thumbnail cache behind it; without a cache every photo is decoded when it is shown.
pub fn reader() -> ReadThumbnail {
    let cache = Locations::find()
        .ok()
        .and_then(|locations| {
            let path = locations.thumbnail_cache();
            ThumbnailCache::open(&path, project::thumbnail_cache::DEFAULT_MAX_BYTES).ok()
        })
        .map(Mutex::new);
    Arc::new(move |path, max_side| read(path, max_side, cache.as_ref()))
}

fn read(
    path: &Path,
    max_side: u32,
    cache: Option<&Mutex<ThumbnailCache>>,
) -> Result<RgbImage, String> {
    let cache = cache.filter(|_| max_side <= MAX_KEPT_SIDE);
    let FileStamp {
        size, modified_ms, ..
    } = project::stamp(path);
    let key = || ThumbnailKey {
        path,
        size,
        modified_ms,
        max_side,
    };
    let locked = || cache.map(|cache| cache.lock().unwrap_or_else(PoisonError::into_inner));
    let kept = locked().and_then(|mut cache| cache.get(key()));
    if let Some(picture) =
        kept.and_then(|jpeg| image::load_from_memory_with_format(&jpeg, ImageFormat::Jpeg).ok())
    {
        return Ok(picture.into_rgb8());
    }
    let (bytes, _) = image_io::read_photo(path).map_err(|error| error.to_string())?;
    let reduced = image_io::decode_reduced(&bytes, path, max_side);
    let picture = reduced.map_err(|error| error.to_string())?.image;
    let thumbnail = image_io::thumbnail(&picture, max_side);
    if let Some(mut cache) = locked() {
        let mut jpeg = Vec::new();
        if JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
            .encode_image(&thumbnail)
            .is_ok()
        {
            cache.put(key(), &jpeg);
        }
    }
    Ok(thumbnail)
}
