//! Which photos an adapter was trained on, so that nothing is measured or tuned on its features of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::image_io::ContentHash;

/// Bytes of a photo's hash that are kept: enough to tell billions of photos apart.
const NUM_BYTES: usize = 8;

/// The contents that an adapter has seen in training.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainedOn(BTreeSet<[u8; NUM_BYTES]>);

impl TrainedOn {
    /// From the photos themselves.
    pub fn new<'a>(photos: impl Iterator<Item = &'a ContentHash>) -> Self {
        Self(photos.map(start).collect())
    }

    /// From what [`Self::text`] gives; what is no hash is left out.
    pub fn parse(text: &str) -> Self {
        let (words, _) = text.as_bytes().as_chunks::<{ 2 * NUM_BYTES }>();
        let parsed = words.iter().filter_map(|word| {
            let number = u64::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
            Some(number.to_be_bytes())
        });
        Self(parsed.collect())
    }

    /// All hashes in hexadecimal, sorted, without anything between them.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(2 * NUM_BYTES * self.0.len());
        for start in &self.0 {
            // Writing to a String cannot fail.
            write!(text, "{:016x}", u64::from_be_bytes(*start)).ok();
        }
        text
    }

    /// Whether it has seen this photo.
    pub fn contains(&self, photo: &ContentHash) -> bool {
        self.0.contains(&start(photo))
    }

    /// The rows whose photos it has not seen; `None` where it has seen none of them, so that all are as good.
    pub fn rows_unseen(&self, photos: &[ContentHash]) -> Option<Vec<usize>> {
        let unseen: Vec<usize> = (0..photos.len())
            .filter(|row| !self.contains(&photos[*row]))
            .collect();
        (unseen.len() < photos.len()).then_some(unseen)
    }

    /// Number of different photos.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known to have been seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn start(photo: &ContentHash) -> [u8; NUM_BYTES] {
    std::array::from_fn(|index| photo.0[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_lead_there_and_back() {
        let photos: Vec<ContentHash> = (0..3).map(|i| ContentHash::of(&[i])).collect();
        let seen = TrainedOn::new(photos[..2].iter());
        let read = TrainedOn::parse(&seen.text());
        assert_eq!(read, seen);
        assert!(
            read.contains(&photos[0]) && read.contains(&photos[1]) && !read.contains(&photos[2])
        );
        assert!(TrainedOn::parse("a drawing").is_empty());
        assert_eq!(read.rows_unseen(&photos), Some(vec![2]));
        assert_eq!(read.rows_unseen(&photos[2..]), None);
    }
}
