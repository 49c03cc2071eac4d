//! Pixels to the card, while it computes on those before them.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, CudaView, PinnedHostSlice};
use candle_core::{CudaDevice, Error, Result};
use rayon::prelude::*;

use super::kernels::empty;
use crate::clip::preprocess::Crop;

/// A stream for copies, and two places that take turns: one is filled while the other is read.
pub(super) struct Upload {
    stream: Arc<CudaStream>,
    places: [Option<Place>; 2],
    next: usize,
}

struct Place {
    /// Memory that the card reads by itself: from other memory the driver copies first, and waits for the card.
    host: PinnedHostSlice<u8>,
    card: CudaSlice<u8>,
}

impl Upload {
    pub(super) fn new(device: &CudaDevice) -> Result<Self> {
        let stream = device.cuda_stream().context().new_stream();
        Ok(Self {
            stream: stream.map_err(Error::wrap)?,
            places: [None, None],
            next: 0,
        })
    }

    /// The pixels of `crops`, `[num_crops, size, size, 3]`, on the card. Whoever reads them there comes after the copy.
    pub(super) fn send(&mut self, crops: &[Crop], size: usize) -> Result<CudaView<'_, u8>> {
        let a_crop = size * size * 3;
        let len = crops.len() * a_crop;
        self.next = 1 - self.next;
        let place = &mut self.places[self.next];
        if place.as_ref().is_none_or(|place| place.card.len() < len) {
            *place = None;
            *place = Some(Place::new(&self.stream, len)?);
        }
        let Some(Place { host, card }) = place.as_mut() else {
            candle_core::bail!("no memory for pixels");
        };
        let bytes = host.as_mut_slice().map_err(Error::wrap)?;
        bytes[..len]
            .par_chunks_mut(a_crop)
            .zip(crops)
            .for_each(|(bytes, crop)| bytes.copy_from_slice(&crop.pixels));
        let mut there = card.slice_mut(..len);
        self.stream
            .memcpy_htod(&bytes[..len], &mut there)
            .map_err(Error::wrap)?;
        // Until the copy is done, nobody may write the host's bytes again; the other stream goes on meanwhile.
        self.stream.synchronize().map_err(Error::wrap)?;
        Ok(card.slice(..len))
    }
}

impl Place {
    fn new(stream: &Arc<CudaStream>, len: usize) -> Result<Self> {
        #[expect(unsafe_code, reason = "written before it is read")]
        let host = unsafe { stream.context().alloc_pinned::<u8>(len) };
        Ok(Self {
            host: host.map_err(Error::wrap)?,
            card: empty(stream, len)?,
        })
    }
}
