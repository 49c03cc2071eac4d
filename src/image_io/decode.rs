//! One file to upright 8-bit RGB, or an error that says what to do.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage,
};

use super::ContentHash;
use super::jpeg::{Strips, decode_colour_jpeg, jpeg_is_complete};
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

/// A photo that was decoded at a half, a quarter or an eighth of its size, or at its full size.
#[derive(Clone, Debug)]
pub struct Reduced {
    /// Upright; `width / divisor` by `height / divisor` pixels, rounded up.
    pub image: RgbImage,
    /// Pixels across in the file, upright.
    pub width: u32,
    /// Pixels down in the file, upright.
    pub height: u32,
    /// 1, 2, 4 or 8.
    pub divisor: u32,
}

/// Decodes `bytes` (JPEG, PNG, GIF, BMP, TIFF or WebP, told by their content) as PIL's `convert("RGB")` would,
/// upright by its EXIF orientation; of several pictures the first. `path` only names the photo in errors.
///
/// A JPEG that ends early is refused, as PIL refuses it: half a picture, half grey, would get a confident wrong label.
pub fn decode_rgb(bytes: &[u8], path: &Path) -> Result<RgbImage, DecodeError> {
    OpenPhoto::read_header(bytes, path)?.decode()
}

/// The same, but a colour JPEG comes as small as its frequencies give it with a shorter side of `least_side` pixels or more:
/// the pixels of PIL's `draft`, bit for bit, of which the full size is never computed.
///
/// On a core that decodes 4000 x 3000 pixels in 137 ms by the same library: 76 ms halved, 43 ms quartered, 27 ms by eight, and 36 MB
/// of pixels are 2 MB quartered. What is left is reading the entropy code.
pub fn decode_reduced(bytes: &[u8], path: &Path, least_side: u32) -> Result<Reduced, DecodeError> {
    let photo = OpenPhoto::read_header(bytes, path)?;
    let (width, height) = photo.upright_size();
    let (image, divisor) = photo.decode_divided(divisor(width.min(height), least_side))?;
    Ok(Reduced {
        image,
        width,
        height,
        divisor,
    })
}

/// A photo of which the header was read, and nothing in it speaks against decoding the rest.
pub struct OpenPhoto<'a> {
    bytes: &'a [u8],
    path: &'a Path,
    decoder: Box<dyn ImageDecoder + 'a>,
    orientation: Orientation,
    is_colour_jpeg: bool,
}

impl<'a> OpenPhoto<'a> {
    /// Reads the header of `bytes`; `path` only names the photo in errors.
    pub fn read_header(bytes: &'a [u8], path: &'a Path) -> Result<Self, DecodeError> {
        guarded(path, || Self::read(bytes, path))
    }

    fn read(bytes: &'a [u8], path: &'a Path) -> Result<Self, DecodeError> {
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
        let decoder = reader.into_decoder();
        let mut decoder = decoder.map_err(|error| from_image_error(error, path))?;
        check_dimensions(decoder.dimensions(), path)?;
        let is_jpeg = format == ImageFormat::Jpeg;
        if is_jpeg && !jpeg_is_complete(bytes) {
            return Err(DecodeError::Truncated {
                path: path.to_owned(),
            });
        }
        let orientation = decoder.orientation();
        Ok(Self {
            orientation: orientation.map_err(|error| from_image_error(error, path))?,
            is_colour_jpeg: is_jpeg && decoder.color_type() == ColorType::Rgb8,
            decoder: Box::new(decoder),
            bytes,
            path,
        })
    }

    /// Pixels across and down of the upright picture.
    pub fn upright_size(&self) -> (u32, u32) {
        let (width, height) = self.decoder.dimensions();
        if lies_on_its_side(self.orientation) {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// How the picture in the file is turned upright.
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// A colour JPEG strip by strip, as it lies in the file; `None` for other formats and rare kinds.
    pub fn strips(&self) -> Option<Strips<'a>> {
        self.is_colour_jpeg
            .then(|| Strips::open(self.bytes))
            .flatten()
    }

    /// The upright picture.
    pub fn decode(self) -> Result<RgbImage, DecodeError> {
        self.decode_divided(1).map(|(image, _)| image)
    }

    /// The upright picture at a `divisor`th of its size, if it is a colour JPEG, and what it was divided by.
    fn decode_divided(self, divisor: u32) -> Result<(RgbImage, u32), DecodeError> {
        let (path, orientation) = (self.path, self.orientation);
        guarded(path, move || {
            let (width, height) = self.decoder.dimensions();
            let has_right_size = |image: &DynamicImage| {
                let divided = (width.div_ceil(divisor), height.div_ceil(divisor));
                (image.width(), image.height()) == divided
            };
            let exact = self
                .is_colour_jpeg
                .then(|| decode_colour_jpeg(self.bytes, divisor))
                .flatten();
            let (mut image, divisor) = if let Some(image) = exact.filter(has_right_size) {
                (image, divisor)
            } else {
                let image = DynamicImage::from_decoder(self.decoder);
                (image.map_err(|error| from_image_error(error, path))?, 1)
            };
            image.apply_orientation(orientation);
            Ok((to_rgb(image), divisor))
        })
    }
}

/// What `decode` gives, if it does not panic: a decoder that panics over one broken file must not take ten thousand good ones with it.
fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    decoded.unwrap_or_else(|_panic| {
        Err(DecodeError::Damaged {
            message: "its decoder gave up".to_owned(),
            path: path.to_owned(),
        })
    })
}

/// Whether a photo of this orientation is upright only once its sides have changed places.
fn lies_on_its_side(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// The largest of 1, 2, 4 and 8 that leaves `least_side` pixels of a shorter side of `short_side`.
fn divisor(short_side: u32, least_side: u32) -> u32 {
    let leaves_enough = |divisor: &u32| short_side / divisor >= least_side;
    [8, 4, 2].into_iter().find(leaves_enough).unwrap_or(1)
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
    fn a_reduced_jpeg_keeps_at_least_the_side_that_is_asked_for() {
        let bytes = encoded(ImageFormat::Jpeg);
        for (least_side, divisor, dimensions) in [
            (30, 1, (40, 30)),
            (16, 1, (40, 30)),
            (15, 2, (20, 15)),
            (7, 4, (10, 8)),
            (1, 8, (5, 4)),
        ] {
            let reduced = decode_reduced(&bytes, Path::new("a.jpg"), least_side).unwrap();
            assert_eq!(reduced.divisor, divisor, "{least_side}");
            assert_eq!(reduced.image.dimensions(), dimensions, "{least_side}");
            assert_eq!((reduced.width, reduced.height), (40, 30));
        }
        let png = decode_reduced(&encoded(ImageFormat::Png), Path::new("a.png"), 1).unwrap();
        assert_eq!((png.divisor, png.image.dimensions()), (1, (40, 30)));
    }

    #[test]
    fn errors_name_the_file() {
        let error = decode(b"GARBAGE").unwrap_err();
        assert!(matches!(error, DecodeError::UnknownFormat { .. }));
        assert!(error.to_string().ends_with("some/photo.jpg"), "{error}");
    }
}
