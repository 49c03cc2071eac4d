//! Pictures that came from another process: in a file without a name, since thousands are too many for memory.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Mutex, PoisonError};

use image::RgbImage;

use crate::engine::EngineError;

/// The pictures, in the order in which they came.
pub(in crate::engine) struct Spool {
    file: Mutex<File>,
    /// `None` for photos that came without pixels.
    places: Vec<Option<Place>>,
    end: u64,
}

/// Where a picture lies in the file.
#[derive(Clone, Copy)]
struct Place {
    start: u64,
    width: u32,
    height: u32,
}

impl Place {
    fn num_bytes(self) -> usize {
        3 * self.width as usize * self.height as usize
    }
}

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// When the system gives no temporary file.
    pub(super) fn new() -> Result<Self, EngineError> {
        Ok(Self {
            file: Mutex::new(tempfile::tempfile().map_err(|error| unusable(&error))?),
            places: Vec::new(),
            end: 0,
        })
    }

    /// Puts the next picture down.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn push(&mut self, picture: Option<&RgbImage>) -> Result<(), EngineError> {
        let place = picture.map(|picture| Place {
            start: self.end,
            width: picture.width(),
            height: picture.height(),
        });
        if let Some(picture) = picture {
            let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
            let found = file.seek(SeekFrom::Start(self.end));
            let written = found.and_then(|_| file.write_all(picture.as_raw()));
            written.map_err(|error| unusable(&error))?;
            self.end += picture.as_raw().len() as u64;
        }
        self.places.push(place);
        Ok(())
    }

    /// The picture with this number.
    ///
    /// # Errors
    /// When the photo came without pixels, or the file cannot be read.
    pub(super) fn picture(&self, number: usize) -> Result<RgbImage, EngineError> {
        let missing = || EngineError::Training(format!("photo {number} came without pixels"));
        let place = self.places.get(number).copied().flatten();
        let place = place.ok_or_else(missing)?;
        let mut pixels = vec![0; place.num_bytes()];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let found = file.seek(SeekFrom::Start(place.start));
            let read = found.and_then(|_| file.read_exact(&mut pixels));
            read.map_err(|error| unusable(&error))?;
        }
        RgbImage::from_raw(place.width, place.height, pixels).ok_or_else(missing)
    }
}

fn unusable(error: &std::io::Error) -> EngineError {
    EngineError::Folder {
        problem: format!("photos to learn from could not be put down ({error})"),
        path: std::env::temp_dir(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_out_as_they_went_in() {
        let picture =
            |side: u32| RgbImage::from_fn(side, 2, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let mut spool = Spool::new().unwrap();
        spool.push(Some(&picture(3))).unwrap();
        spool.push(None).unwrap();
        spool.push(Some(&picture(5))).unwrap();
        assert_eq!(spool.picture(2).unwrap(), picture(5));
        assert_eq!(spool.picture(0).unwrap(), picture(3));
        spool.push(Some(&picture(4))).unwrap();
        assert_eq!(spool.picture(2).unwrap(), picture(5));
        assert_eq!(spool.picture(3).unwrap(), picture(4));
        for number in [1, 4] {
            let error = spool.picture(number).unwrap_err().to_string();
            assert!(error.contains("without pixels"), "{error}");
        }
    }
}
