//! A JPEG's entropy code (ITU-T T.81, annex F) to the frequencies that are there.
//!
//! Reading it is nearly half of what a large photo costs (17 of 40 ms for 4000 × 3000 pixels), so it is done here: a table gives
//! codes, runs and values at one look, and zeros are never written.
//! Whatever is unusual ends the reading, and the photo is decoded by a library after all.

use libjpeg_turbo_rs::common::huffman_table::HuffmanTable;
use libjpeg_turbo_rs::common::quant_table::ZIGZAG_ORDER;

use super::blocks::Frequency;

/// Frequencies that a block has room for while it is read: one look may give one more than there are.
pub(super) const ROOM: usize = 66;

/// Where the frequencies lie in a block, in the order of the code; 64 is beyond it.
const PLACES: [u8; 128] = {
    let mut places = [64; 128];
    let mut index = 0;
    while index < 64 {
        places[index] = ZIGZAG_ORDER[index] as u8;
        index += 1;
    }
    places
};

/// Bits that a table is looked up by: two tables of 8 kB stay in the fastest cache.
const LOOKAHEAD: u32 = 11;
/// An advance that leaves the block.
const END_OF_BLOCK: u32 = 64;
/// Marks an advance after which the value has to be read.
const VALUE_FOLLOWS: u32 = 128;

/// What the next bits mean.
///
/// Bits 0 to 7: how many are used up, 0 where the code is longer than [`LOOKAHEAD`]. 8 to 15: by how many frequencies to advance.
/// 16 to 31: the value, or 0 for none, or with [`VALUE_FOLLOWS`] how many bits it has.
#[derive(Clone, Copy, Default)]
struct Meaning(u32);

impl Meaning {
    fn new(num_bits: u32, advance: u32, value: i32) -> Self {
        Self(num_bits | advance << 8 | (value as u32) << 16)
    }

    fn num_bits(self) -> u32 {
        self.0 & 0xff
    }

    fn advance(self) -> u32 {
        self.0 >> 8 & 0xff
    }

    fn value(self) -> i32 {
        self.0 as i32 >> 16
    }

    /// What `symbol` means, whose code has `num_code_bits`, before `rest`, the bits that follow it.
    fn of(symbol: u8, num_code_bits: u32, rest: u32) -> Self {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            let advance = if run == 15 { 16 } else { END_OF_BLOCK };
            return Self::new(num_code_bits, advance, 0);
        }
        let num_bits = num_code_bits + size;
        if num_bits > LOOKAHEAD {
            return Self::new(num_code_bits, run | VALUE_FOLLOWS, size as i32);
        }
        let value = rest >> (LOOKAHEAD - num_bits) & ((1 << size) - 1);
        Self::new(num_bits, run, signed(value, size))
    }
}

/// The value of `size` (1 to 15) bits: those that begin with 0 are negative (T.81, table F.1).
#[inline(always)]
fn signed(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if bits < 1 << (size - 1) {
        bits - (1 << size) + 1
    } else {
        bits
    }
}

/// A Huffman table by the next [`LOOKAHEAD`] bits.
struct Table<'a> {
    meanings: Box<[Meaning; 1 << LOOKAHEAD]>,
    long_codes: &'a HuffmanTable,
}

impl<'a> Table<'a> {
    fn new(table: &'a HuffmanTable) -> Self {
        let mut meanings = Box::new([Meaning::default(); 1 << LOOKAHEAD]);
        for (bits, meaning) in (0_u32..).zip(meanings.iter_mut()) {
            let code = (bits << (16 - LOOKAHEAD)) as u16;
            match table.lookup(code) {
                Ok((symbol, length)) if u32::from(length) <= LOOKAHEAD => {
                    *meaning = Meaning::of(symbol, u32::from(length), bits);
                }
                _ => (),
            }
        }
        Self {
            meanings,
            long_codes: table,
        }
    }

    /// What the bits of `next` mean, the very next one highest. `None` where they mean nothing.
    #[inline(always)]
    fn look_up(&self, next: u64) -> Option<Found> {
        let meaning = self.meanings[(next >> (64 - LOOKAHEAD)) as usize];
        let (num_bits, advance) = (meaning.num_bits(), meaning.advance());
        if num_bits > 0 && advance < VALUE_FOLLOWS {
            let value = meaning.value();
            return Some(Found {
                num_bits,
                advance,
                value,
            });
        }
        let (num_bits, advance, size) = if num_bits > 0 {
            (num_bits, advance - VALUE_FOLLOWS, meaning.value() as u32)
        } else {
            self.long_code((next >> 48) as u16)?
        };
        let value = match size {
            0 => 0,
            _ => signed((next << num_bits >> (64 - size)) as u32, size),
        };
        Some(Found {
            num_bits: num_bits + size,
            advance,
            value,
        })
    }

    /// Length, advance and size of the value of a code of more than [`LOOKAHEAD`] bits.
    #[cold]
    #[inline(never)]
    fn long_code(&self, next: u16) -> Option<(u32, u32, u32)> {
        let (symbol, length) = self.long_codes.lookup(next).ok()?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        let advance = match (run, size) {
            (15, 0) => 16,
            (_, 0) => END_OF_BLOCK,
            (run, _) => run,
        };
        Some((u32::from(length), advance, size))
    }
}

/// What the next bits mean if they are a value or two, with what is left out before them, and perhaps the end of the block after them.
#[derive(Clone, Copy, Default)]
struct Pair {
    /// 0 where the bits are something else.
    num_bits: u8,
    /// From the next frequency to that of the first value, where there is one.
    first: u8,
    /// From there to that of the second.
    second: u8,
    /// From the next frequency to the one after all this.
    advance: u8,
    /// 0 for none; then there is no second either.
    values: [i16; 2],
}

/// A Huffman table by the next [`LOOKAHEAD`] bits, as far as these hold.
///
/// Beside one value at a look: 17 ms in place of 19 and 22 for two pictures of 4000 × 3000 pixels.
struct PairTable(Box<[Pair; 1 << LOOKAHEAD]>);

impl PairTable {
    fn new(table: &Table<'_>) -> Self {
        let mut pairs = Box::new([Pair::default(); 1 << LOOKAHEAD]);
        for (bits, pair) in pairs.iter_mut().enumerate() {
            let first = table.meanings[bits];
            let is_here = |meaning: Meaning, limit: u32| {
                (1..=limit).contains(&meaning.num_bits()) && meaning.advance() < VALUE_FOLLOWS
            };
            if !is_here(first, LOOKAHEAD) {
                continue;
            }
            let num_left = LOOKAHEAD - first.num_bits();
            let rest = bits << first.num_bits() & ((1 << LOOKAHEAD) - 1);
            // What follows a value; zeros stand for bits that are not known, which a meaning that is here does not depend on.
            let second = table.meanings[rest];
            let has_second = first.value() != 0 && is_here(second, num_left);
            let second = if has_second {
                second
            } else {
                Meaning::default()
            };
            let step = |meaning: Meaning| meaning.advance() + u32::from(meaning.value() != 0);
            *pair = Pair {
                num_bits: (first.num_bits() + second.num_bits()) as u8,
                first: if first.value() == 0 {
                    0
                } else {
                    first.advance() as u8
                },
                second: 1 + second.advance() as u8,
                advance: (step(first) + step(second)) as u8,
                values: [first.value() as i16, second.value() as i16],
            };
        }
        Self(pairs)
    }

    #[inline(always)]
    fn look_up(&self, next: u64) -> Pair {
        self.0[(next >> (64 - LOOKAHEAD)) as usize]
    }
}

/// A code with its value.
struct Found {
    num_bits: u32,
    /// By how many frequencies to advance.
    advance: u32,
    /// 0 for none.
    value: i32,
}

/// One plane's tables and the mean of its last block.
pub(super) struct PlaneCode<'a> {
    means: Table<'a>,
    changes: Table<'a>,
    pairs: PairTable,
    /// 0 at the beginning and after every restart.
    pub(super) last_mean: i16,
}

impl<'a> PlaneCode<'a> {
    pub(super) fn new(means: &'a HuffmanTable, changes: &'a HuffmanTable) -> Self {
        let changes = Table::new(changes);
        Self {
            means: Table::new(means),
            pairs: PairTable::new(&changes),
            changes,
            last_mean: 0,
        }
    }
}

/// The bits of a scan.
pub(super) struct Bits<'a> {
    code: &'a [u8],
    at: usize,
    /// The next bits, the very next one highest.
    next: u64,
    /// How many of them there are.
    num: u32,
    /// How many of these were made up, at the end of the code.
    num_made_up: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(code: &'a [u8]) -> Self {
        Self {
            code,
            at: 0,
            next: 0,
            num: 0,
            num_made_up: 0,
        }
    }

    /// Reads the next block of a plane into `block`, and says how many frequencies it has. The mean is coded as the change from
    /// the last one's. `None` where the code makes no sense.
    ///
    /// The next bits are kept in two numbers of their own, so that they stay in registers.
    #[inline(always)]
    pub(super) fn read_block(
        &mut self,
        code: &mut PlaneCode<'_>,
        block: &mut [Frequency; ROOM],
    ) -> Option<usize> {
        let (mut next, mut num) = self.filled(self.next, self.num);
        let found = code.means.look_up(next)?;
        (next, num) = (next << found.num_bits, num.wrapping_sub(found.num_bits));
        code.last_mean = code.last_mean.wrapping_add(found.value as i16);
        block[0] = Frequency {
            place: 0,
            value: code.last_mean,
        };
        let (mut num_there, mut place) = (1, 1);
        while place < 64 {
            (next, num) = self.filled(next, num);
            let pair = code.pairs.look_up(next);
            let first = place + usize::from(pair.first);
            // A value in the last place ends the block: what follows is another one's.
            if pair.num_bits == 0 || first >= 63 {
                let found = code.changes.look_up(next)?;
                (next, num) = (next << found.num_bits, num.wrapping_sub(found.num_bits));
                place += found.advance as usize;
                if found.value != 0 {
                    block[num_there] = Frequency {
                        place: PLACES[place % 128],
                        value: found.value as i16,
                    };
                    num_there += 1;
                    place += 1;
                }
                continue;
            }
            (next, num) = (
                next << pair.num_bits,
                num.wrapping_sub(pair.num_bits.into()),
            );
            // Both are written, and those that are there are counted: no branch has to guess which.
            let places = [first, first + usize::from(pair.second)];
            for (index, place) in places.into_iter().enumerate() {
                block[num_there + index] = Frequency {
                    place: PLACES[place % 128],
                    value: pair.values[index],
                };
            }
            num_there += pair.values.iter().filter(|value| **value != 0).count();
            place += usize::from(pair.advance);
        }
        (self.next, self.num) = (next, num);
        // Only the last ones can lie beyond the block.
        (block[num_there - 1].place < 64).then_some(num_there)
    }

    /// `next` and `num` with the 31 bits that a code and its value have at most, or more.
    #[inline(always)]
    fn filled(&mut self, next: u64, num: u32) -> (u64, u32) {
        if num >= 32 {
            return (next, num);
        }
        if let Some(bytes) = self.code.get(self.at..).and_then(<[u8]>::first_chunk) {
            let word = u32::from_be_bytes(*bytes);
            // no byte is 0xff, which may be a marker
            if !word.wrapping_add(0x0101_0101) & word & 0x8080_8080 == 0 {
                self.at += 4;
                return (next | u64::from(word) << (32 - num), num + 32);
            }
        }
        self.filled_bytewise(next, num)
    }

    /// As [`Self::filled`] where a marker may come: stuffed zeros are left out, and zeros made up after the end.
    #[cold]
    #[inline(never)]
    fn filled_bytewise(&mut self, mut next: u64, mut num: u32) -> (u64, u32) {
        while num <= 56 {
            let byte = match self.code.get(self.at..) {
                Some([0xff, 0, ..]) => {
                    self.at += 2;
                    0xff
                }
                Some([0xff, ..] | []) | None => {
                    self.num_made_up += 8;
                    0
                }
                Some([byte, ..]) => {
                    self.at += 1;
                    *byte
                }
            };
            next |= u64::from(byte) << (56 - num);
            num += 8;
        }
        (next, num)
    }

    /// Whether more bits were read than there are.
    pub(super) fn is_past_end(&self) -> bool {
        self.num < self.num_made_up
    }

    /// Goes on after the restart marker that comes next. `None` where none comes next.
    pub(super) fn restart(&mut self) -> Option<()> {
        // Less than a byte is left, but for what was made up.
        let is_used_up = !self.is_past_end() && self.num - self.num_made_up < 8;
        match self.code.get(self.at..)? {
            [0xff, 0xd0..=0xd7, ..] if is_used_up => {
                *self = Self {
                    at: self.at + 2,
                    ..Self::new(self.code)
                };
                Some(())
            }
            _ => None,
        }
    }
}
