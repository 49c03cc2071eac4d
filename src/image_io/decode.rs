//! One file to upright 8-bit RGB, or an error that says what to do.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::path::{Path, PathBuf};

use image::{
    ColorType, DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits,
    RgbImage,
};

use super::ContentHash;
use super::jpeg::{decode_colour_jpeg, jpeg_is_complete};
use super::to_rgb::to_rgb;

/// Longest side of a photo, in pixels; JPEG's own limit.
pub const MAX_SIDE: u32 = 65_535;
/// Most pixels of a photo: the largest phone cameras take 200 megapixels, which is 600 MB of RGB.
pub const MAX_PIXELS: u64 = 200_000_000;
/// Largest file, in bytes.
pub const MAX_FILE_BYTES: u64 = 2 << 30;

/// Why a file gave no picture.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file system said no.
    #[error("could not read the photo ({source}); check that it is there and that you may open it: {}", path.display())]
    Read {
        /// What the file system said.
        source: io::Error,
        /// The photo.
        path: PathBuf,
    },
    /// A folder, a pipe or a device: reading it could wait for ever.
    #[error("this is no file but a folder, a pipe or a device; leave it out: {}", path.display())]
    NotAFile {
        /// What is called a photo.
        path: PathBuf,
    },
    /// More bytes than any photo has.
    #[error("the file has {num_bytes} bytes, more than the {MAX_FILE_BYTES} that are read; save a smaller copy: {}", path.display())]
    FileTooLarge {
        /// Its size.
        num_bytes: u64,
        /// The photo.
        path: PathBuf,
    },
    /// Not one of the formats, whatever its name.
    #[error("this is not a JPEG, PNG, GIF, BMP, TIFF or WebP picture, whatever its name; convert it to one of these: {}", path.display())]
    UnknownFormat {
        /// The photo.
        path: PathBuf,
    },
    /// Refused from the header, before any memory was taken.
    #[error("the picture is {width} x {height} pixels, more than {MAX_SIDE} on a side or {MAX_PIXELS} in all; save a smaller copy: {}", path.display())]
    TooManyPixels {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The photo.
        path: PathBuf,
    },
    /// A picture without pixels.
    #[error("the picture is {width} x {height} pixels, so there is nothing to see; leave it out: {}", path.display())]
    Empty {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The photo.
        path: PathBuf,
    },
    /// The end of the file is missing.
    #[error("the file ends in the middle of the picture; copy or download it again: {}", path.display())]
    Truncated {
        /// The photo.
        path: PathBuf,
    },
    /// The content makes no sense to the decoder.
    #[error("the picture is damaged or of an unusual kind ({message}); open it in another program and save it again: {}", path.display())]
    Damaged {
        /// What the decoder said.
        message: String,
        /// The photo.
        path: PathBuf,
    },
}

/// A photo's bytes and their hash.
pub fn read_photo(path: &Path) -> Result<(Vec<u8>, ContentHash), DecodeError> {
    let read_error = |source| DecodeError::Read {
        source,
        path: path.to_owned(),
    };
    // Before it is opened: to open a pipe is to wait for its writer.
    if !std::fs::metadata(path).map_err(read_error)?.is_file() {
        return Err(DecodeError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mut file = File::open(path).map_err(read_error)?;
    let num_bytes = file.metadata().map_err(read_error)?.len();
    if num_bytes > MAX_FILE_BYTES {
        return Err(DecodeError::FileTooLarge {
            num_bytes,
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::with_capacity(num_bytes as usize);
    file.read_to_end(&mut bytes).map_err(read_error)?;
    let hash = ContentHash::of(&bytes);
    Ok((bytes, hash))
}

/// Decodes `bytes` (JPEG, PNG, GIF, BMP, TIFF or WebP, told by their content) as PIL's `convert("RGB")` would,
/// upright by its EXIF orientation; of several pictures the first. `path` only names the photo in errors.
///
/// A JPEG that ends early is refused, as PIL refuses it: half a picture, half grey, would get a confident wrong label.
pub fn decode_rgb(bytes: &[u8], path: &Path) -> Result<RgbImage, DecodeError> {
    // A decoder that panics over one broken file must not take ten thousand good ones with it.
    let decoded = std::panic::catch_unwind(|| decode_upright(bytes, path));
    decoded.unwrap_or_else(|_panic| {
        Err(DecodeError::Damaged {
            message: "its decoder gave up".to_owned(),
            path: path.to_owned(),
        })
    })
}

fn decode_upright(bytes: &[u8], path: &Path) -> Result<RgbImage, DecodeError> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|source| DecodeError::Read {
            source,
            path: path.to_owned(),
        })?;
    let Some(format) = reader.format() else {
        return Err(DecodeError::UnknownFormat {
            path: path.to_owned(),
        });
    };
    reader.limits(limits());
    let mut decoder = reader
        .into_decoder()
        .map_err(|error| from_image_error(error, path))?;
    check_dimensions(decoder.dimensions(), path)?;
    let is_jpeg = format == ImageFormat::Jpeg;
    if is_jpeg && !jpeg_is_complete(bytes) {
        return Err(DecodeError::Truncated {
            path: path.to_owned(),
        });
    }
    let orientation = decoder
        .orientation()
        .map_err(|error| from_image_error(error, path))?;
    let is_colour_jpeg = is_jpeg && decoder.color_type() == ColorType::Rgb8;
    let has_right_size =
        |image: &DynamicImage| (image.width(), image.height()) == decoder.dimensions();
    let exact = is_colour_jpeg.then(|| decode_colour_jpeg(bytes)).flatten();
    let mut image = match exact.filter(has_right_size) {
        Some(image) => image,
        None => {
            DynamicImage::from_decoder(decoder).map_err(|error| from_image_error(error, path))?
        }
    };
    image.apply_orientation(orientation);
    Ok(to_rgb(image))
}

/// What decoders may take beyond the picture itself: 16-bit RGBA of [`MAX_PIXELS`] is 1.6 GB.
fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(8 * MAX_PIXELS + (64 << 20));
    limits
}

fn check_dimensions((width, height): (u32, u32), path: &Path) -> Result<(), DecodeError> {
    let path = path.to_owned();
    if width == 0 || height == 0 {
        Err(DecodeError::Empty {
            width,
            height,
            path,
        })
    } else if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        Err(DecodeError::TooManyPixels {
            width,
            height,
            path,
        })
    } else {
        Ok(())
    }
}

fn from_image_error(source: ImageError, path: &Path) -> DecodeError {
    let path = path.to_owned();
    match source {
        ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated { path }
        }
        source => DecodeError::Damaged {
            message: source.to_string(),
            path,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb([(x * 6) as u8, (y * 8) as u8, 100])
        });
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn decode(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
        decode_rgb(bytes, Path::new("some/photo.jpg"))
    }

    #[test]
    fn the_content_decides_the_format_and_not_the_name() {
        for format in [
            ImageFormat::Png,
            ImageFormat::Bmp,
            ImageFormat::Tiff,
            ImageFormat::Gif,
            ImageFormat::WebP,
        ] {
            assert_eq!(
                decode(&encoded(format)).unwrap().dimensions(),
                (40, 30),
                "{format:?}"
            );
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_and_never_a_panic() {
        for format in [
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::Gif,
            ImageFormat::WebP,
            ImageFormat::Tiff,
        ] {
            let bytes = encoded(format);
            for num_bytes in (0..bytes.len() * 3 / 4).step_by(7) {
                assert!(
                    decode(&bytes[..num_bytes]).is_err(),
                    "{format:?} cut to {num_bytes} bytes"
                );
            }
        }
    }

    #[test]
    fn a_file_with_wrong_bytes_never_panics() {
        for format in [
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::Gif,
            ImageFormat::WebP,
            ImageFormat::Tiff,
        ] {
            let bytes = encoded(format);
            for place in (4..bytes.len()).step_by(5) {
                let mut wrong = bytes.clone();
                wrong[place] ^= 0x55;
                if let Ok(image) = decode(&wrong) {
                    assert!(image.width() > 0, "{format:?} with a wrong byte {place}");
                }
            }
        }
    }

    #[test]
    fn a_cut_jpeg_is_called_cut() {
        let bytes = encoded(ImageFormat::Jpeg);
        assert!(matches!(
            decode(&bytes[..bytes.len() - 40]),
            Err(DecodeError::Truncated { .. })
        ));
    }

    #[test]
    fn what_follows_the_end_of_a_jpeg_does_not_matter() {
        let mut bytes = encoded(ImageFormat::Jpeg);
        bytes.extend([0; 1000]);
        assert_eq!(decode(&bytes).unwrap().dimensions(), (40, 30));
    }

    #[test]
    fn absurd_dimensions_are_refused_from_the_header() {
        let mut bytes = encoded(ImageFormat::Bmp);
        // width and height of the header, 32 bits each: 60,000 x 60,000
        bytes[18..26].copy_from_slice(&[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]);
        let error = decode(&bytes).unwrap_err();
        assert!(
            matches!(
                error,
                DecodeError::TooManyPixels {
                    width: 60_000,
                    height: 60_000,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn errors_name_the_file() {
        let error = decode(b"GARBAGE").unwrap_err();
        assert!(matches!(error, DecodeError::UnknownFormat { .. }));
        assert!(error.to_string().ends_with("some/photo.jpg"), "{error}");
    }
}
