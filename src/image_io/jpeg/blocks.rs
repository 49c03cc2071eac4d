//! A colour JPEG before it becomes pixels: lines of blocks of 8 × 8 frequencies.

use std::panic::{AssertUnwindSafe, catch_unwind};

use libjpeg_turbo_rs::common::quant_table::ZIGZAG_ORDER;
use libjpeg_turbo_rs::decode::entropy::resolve_mcu_plan;
use libjpeg_turbo_rs::decode::marker::{JpegMetadata, MarkerReader};
use libjpeg_turbo_rs::read_coefficients;

use super::entropy::{Bits, PlaneCode, ROOM};

/// One frequency of a block, before it is multiplied by its quantisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frequency {
    /// 0 is the mean; 1 to 7 change across, 8, 16, … 56 down.
    pub(super) place: u8,
    /// Not 0, but for a mean.
    pub(super) value: i16,
}

/// A line of blocks, one beside the other: of each the mean and the frequencies that are not 0.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Room for [`ROOM`] of each block; those before the last end count.
    frequencies: Vec<Frequency>,
    ends: Vec<usize>,
}

impl Line {
    fn new(num_blocks: usize) -> Self {
        Self {
            frequencies: vec![Frequency::default(); ROOM * num_blocks],
            ends: Vec::with_capacity(num_blocks),
        }
    }

    /// The blocks from the left to the right.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[Frequency]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.frequencies[*start..*end])
    }

    /// Adds a block: `fill` says how many of its frequencies it wrote.
    #[inline(always)]
    fn add(&mut self, fill: impl FnOnce(&mut [Frequency; ROOM]) -> Option<usize>) -> Option<()> {
        let start = self.ends.last().copied().unwrap_or(0);
        let num = fill(self.frequencies.get_mut(start..)?.first_chunk_mut()?)?;
        self.ends.push(start + num);
        Some(())
    }
}

/// Luma, blue or red chroma.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    /// Blocks across and down in a unit of the entropy code: 1 or 2, and always 1 of chroma.
    pub(super) blocks_of_unit: [usize; 2],
    /// Blocks across, those of an incomplete last unit among them.
    pub(super) num_blocks_across: usize,
    /// What the frequencies are multiplied by.
    pub(super) quantisation: [i32; 64],
}

/// A JPEG of luma and chroma whose header was read.
pub(super) struct Blocks<'a> {
    bytes: &'a [u8],
    header: JpegMetadata,
    /// Pixels across and down in the file.
    pub(super) size: [usize; 2],
    /// Units of the entropy code across and down: 8 or 16 pixels each.
    pub(super) units: [usize; 2],
    /// Luma, blue and red chroma.
    pub(super) planes: [Plane; 3],
}

impl<'a> Blocks<'a> {
    /// `None` for what is no JPEG of luma and chroma, in one scan or progressive, with chroma at full resolution or half across
    /// and, then, perhaps half down.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let header = catch_unwind(|| MarkerReader::new(bytes).read_markers());
        let header = header.ok()?.ok()?;
        let frame = &header.frame;
        let is_known = frame.precision == 8 && !frame.is_lossless && !header.is_arithmetic;
        if !is_known || !has_luma_and_chroma(&header) {
            return None;
        }
        let sampling = |plane: usize| {
            let component = &frame.components[plane];
            [component.horizontal_sampling, component.vertical_sampling].map(usize::from)
        };
        let blocks_of_unit = [sampling(0), sampling(1), sampling(2)];
        if !matches!(blocks_of_unit, [[1, 1] | [2, 1 | 2], [1, 1], [1, 1]]) {
            return None;
        }
        let size = [usize::from(frame.width), usize::from(frame.height)];
        let units = [0, 1].map(|side| size[side].div_ceil(8 * blocks_of_unit[0][side]));
        let plane = |plane: usize| {
            let table = usize::from(frame.components[plane].quant_table_index);
            let table = header.quant_tables.get(table)?.as_ref()?;
            Some(Plane {
                blocks_of_unit: blocks_of_unit[plane],
                num_blocks_across: units[0] * blocks_of_unit[plane][0],
                quantisation: table.values.map(i32::from),
            })
        };
        let planes = [plane(0)?, plane(1)?, plane(2)?];
        // libjpeg does not interpolate chroma that is one or two samples wide.
        let is_narrow = blocks_of_unit[0][0] == 2 && size[0] <= 4;
        let is_empty = size.contains(&0);
        (!is_narrow && !is_empty).then_some(Self {
            bytes,
            header,
            size,
            units,
            planes,
        })
    }

    /// Reads the entropy code from the top to the bottom: `each` gets, row by row of units and plane by plane, the lines of blocks,
    /// and says whether to go on.
    ///
    /// `None` where the code makes no sense, possibly after some rows.
    pub(super) fn for_each_row(&self, mut each: impl FnMut(&[Vec<Line>; 3]) -> bool) -> Option<()> {
        let mut lines = [0, 1, 2].map(|plane: usize| {
            let plane = &self.planes[plane];
            vec![Line::new(plane.num_blocks_across); plane.blocks_of_unit[1]]
        });
        // The library's part is young: a panic counts as a code that makes no sense.
        let read = || {
            if self.header.frame.is_progressive {
                self.read_progressive(&mut lines, &mut each)
            } else {
                self.read_baseline(&mut lines, &mut each)
            }
        };
        catch_unwind(AssertUnwindSafe(read)).ok()?
    }

    /// One scan: rows of units come one after the other, and none is kept.
    fn read_baseline(
        &self,
        lines: &mut [Vec<Line>; 3],
        each: &mut impl FnMut(&[Vec<Line>; 3]) -> bool,
    ) -> Option<()> {
        let header = &self.header;
        let (dc, ac) = (&header.dc_huffman_tables, &header.ac_huffman_tables);
        let plan = resolve_mcu_plan(&header.frame, &header.scan, dc, ac).ok()?;
        let planes = plan.iter().map(|plan| plan.comp_idx);
        if !planes.eq(0..self.planes.len()) {
            return None;
        }
        let mut codes = [0, 1, 2]
            .map(|plane: usize| PlaneCode::new(plan[plane].dc_table, plan[plane].ac_table));
        let mut bits = Bits::new(self.bytes.get(header.entropy_data_offset..)?);
        let between_restarts = usize::from(header.restart_interval);
        for down in 0..self.units[1] {
            clear(lines);
            for across in 0..self.units[0] {
                let unit = down * self.units[0] + across;
                if unit > 0 && between_restarts > 0 && unit.is_multiple_of(between_restarts) {
                    bits.restart()?;
                    for code in &mut codes {
                        code.last_mean = 0;
                    }
                }
                for ((code, plane), lines) in codes.iter_mut().zip(&self.planes).zip(&mut *lines) {
                    for line in lines {
                        for _ in 0..plane.blocks_of_unit[0] {
                            line.add(|block| bits.read_block(code, block))?;
                        }
                    }
                }
            }
            if bits.is_past_end() {
                return None;
            }
            if !each(lines) {
                break;
            }
        }
        Some(())
    }

    /// Many scans: all frequencies are there before the first row is handed over, 3 bytes a pixel at most.
    fn read_progressive(
        &self,
        lines: &mut [Vec<Line>; 3],
        each: &mut impl FnMut(&[Vec<Line>; 3]) -> bool,
    ) -> Option<()> {
        let read = read_coefficients(self.bytes).ok()?;
        for down in 0..self.units[1] {
            clear(lines);
            for (lines, read) in lines.iter_mut().zip(&read.components) {
                let first = down * lines.len();
                for (line, number) in lines.iter_mut().zip(first..) {
                    let blocks = read.blocks.get(number * read.blocks_x..)?;
                    for block in blocks.get(..read.blocks_x)? {
                        line.add(|frequencies| Some(those_there(block, frequencies)))?;
                    }
                }
            }
            if !each(lines) {
                break;
            }
        }
        Some(())
    }
}

fn clear(lines: &mut [Vec<Line>; 3]) {
    for line in lines.iter_mut().flatten() {
        line.ends.clear();
    }
}

/// Writes the mean of a block, which lies in the order of the code, and its frequencies that are not 0; how many that are.
fn those_there(block: &[i16; 64], frequencies: &mut [Frequency; ROOM]) -> usize {
    let mut num = 0;
    for (place, value) in ZIGZAG_ORDER.into_iter().zip(block) {
        frequencies[num] = Frequency {
            place: place as u8,
            value: *value,
        };
        num += usize::from(place == 0 || *value != 0);
    }
    num
}

/// Whether the three planes are luma and chroma. libjpeg's rule, but that what it would have to guess is `false`.
fn has_luma_and_chroma(header: &JpegMetadata) -> bool {
    let planes = header.frame.components.iter().map(|component| component.id);
    let says_so = match header.adobe_transform_at_first_sos {
        _ if header.saw_jfif_marker_at_first_sos => true,
        Some(transform) => transform == 1,
        None => planes.clone().eq([1, 2, 3]),
    };
    says_so && planes.count() == 3
}
