//! Messages on a stream of bytes: four bytes of length, then postcard.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is longer: a length beyond it is noise, and must not become an allocation.
pub const LARGEST_FRAME: usize = 512 << 20;
/// Bytes read at a time, so that a length that lies costs no more than what really came.
const STEP: usize = 1 << 20;

/// A stream that is no longer a stream of messages.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end closed between two messages.
    #[error("the other end closed")]
    Closed,
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
    /// A length that no message has.
    #[error("a message of {0} bytes")]
    Length(usize),
    /// Bytes that are no message.
    #[error("a message that cannot be read: {0}")]
    Content(#[from] postcard::Error),
    /// Bytes left over behind a message.
    #[error("{0} bytes too many in a message")]
    Surplus(usize),
}

/// Writes one message and sends it off.
///
/// # Errors
/// When the stream is closed, or the message is too long.
pub fn write_frame(stream: &mut impl Write, message: &impl Serialize) -> Result<(), FrameError> {
    let bytes = postcard::to_stdvec(message)?;
    if bytes.len() > LARGEST_FRAME {
        return Err(FrameError::Length(bytes.len()));
    }
    stream.write_all(&(bytes.len() as u32).to_le_bytes())?;
    stream.write_all(&bytes)?;
    stream.flush()?;
    Ok(())
}

/// Waits for the next message.
///
/// # Errors
/// When the stream ends, or what comes is no message.
pub fn read_frame<M: DeserializeOwned>(stream: &mut impl Read) -> Result<M, FrameError> {
    let mut length = [0; 4];
    read_start(stream, &mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length == 0 || length > LARGEST_FRAME {
        return Err(FrameError::Length(length));
    }
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let start = bytes.len();
        bytes.resize(length.min(start + STEP), 0);
        stream.read_exact(&mut bytes[start..])?;
    }
    let (message, rest) = postcard::take_from_bytes(&bytes)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(FrameError::Surplus(rest.len()))
    }
}

/// An end before the first byte is a good end.
fn read_start(stream: &mut impl Read, length: &mut [u8; 4]) -> Result<(), FrameError> {
    let mut filled = 0;
    while filled < length.len() {
        match stream.read(&mut length[filled..]) {
            Ok(0) if filled == 0 => return Err(FrameError::Closed),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::message::{Reply, Request};
    use super::*;
    use crate::support::random::Random;

    fn bytes_of(message: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, message).unwrap();
        bytes
    }

    fn request() -> Request {
        Request::Encode {
            id: 7,
            size: 2,
            pixels: (0..24).collect(),
            adapter: Some("a".to_owned()),
        }
    }

    #[test]
    fn messages_come_out_as_they_went_in() {
        let mut bytes = bytes_of(&request());
        bytes.extend(bytes_of(&Request::Cancel { id: 9 }));
        let mut stream = bytes.as_slice();
        assert_eq!(read_frame::<Request>(&mut stream).unwrap(), request());
        let second = read_frame::<Request>(&mut stream).unwrap();
        assert_eq!(second, Request::Cancel { id: 9 });
        let end = read_frame::<Request>(&mut stream);
        assert!(matches!(end, Err(FrameError::Closed)));
    }

    #[test]
    fn a_message_that_ends_early_is_no_message() {
        let bytes = bytes_of(&request());
        for length in 1..bytes.len() {
            let cut = read_frame::<Request>(&mut &bytes[..length]);
            assert!(matches!(cut, Err(FrameError::Io(_))), "{length}: {cut:?}");
        }
    }

    #[test]
    fn changed_bytes_give_an_error_or_another_message_and_never_more_memory_than_came() {
        let bytes = bytes_of(&Reply::Encoded {
            id: 3,
            dim: 4,
            features: vec![0.5; 8],
            width: 0,
            hidden: Vec::new(),
        });
        let mut random = Random::new(11);
        for _ in 0..20_000 {
            let mut changed = bytes.clone();
            for _ in 0..=random.below(3) {
                let place = random.below(changed.len());
                changed[place] = random.next_u64() as u8;
            }
            // Whatever it says, it must come to an end without a panic.
            let _outcome = read_frame::<Reply>(&mut changed.as_slice()).is_ok();
        }
        let huge = u32::MAX.to_le_bytes();
        let refused = read_frame::<Reply>(&mut huge.as_slice());
        assert!(matches!(refused, Err(FrameError::Length(_))));
    }
}
