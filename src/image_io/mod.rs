//! Files to upright RGB pixels, thumbnails, folder walks.

mod decode;
mod hash;
mod jpeg;
mod thumbnail;
mod to_rgb;
mod walk;

pub use decode::{
    DecodeError, MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, OpenPhoto, Reduced, decode_reduced,
    decode_rgb, read_photo,
};
pub use hash::ContentHash;
pub use jpeg::{Strip, Strips};
pub use thumbnail::thumbnail;
pub use walk::{ListError, Walk, is_image_name, list_photos, walk_photos};
