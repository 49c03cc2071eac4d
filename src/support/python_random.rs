//! Python's `random.Random(seed)` with `sample` and `choices`, bit for bit: the few-shot code of the field draws its shots
//! with them, and other shots give other accuracies.
//!
//! Mersenne Twister (Matsumoto and Nishimura, 1998) seeded by `init_by_array`, as `CPython` does for integers.

const SIZE: usize = 624;
const SHIFT: usize = 397;

/// The state of `random.Random(seed)`.
pub(super) struct PythonRandom {
    state: [u32; SIZE],
    index: usize,
}

impl PythonRandom {
    /// `random.Random(seed)`.
    pub(super) fn new(seed: u64) -> Self {
        let low = seed as u32;
        let high = (seed >> 32) as u32;
        let key = if high == 0 {
            vec![low]
        } else {
            vec![low, high]
        };
        Self {
            state: seeded_by_array(&key),
            index: SIZE,
        }
    }

    /// `random.sample(range(len), count)`: indices in the order in which Python gives them; `count` at most `len`.
    pub(super) fn sample(&mut self, len: usize, count: usize) -> Vec<usize> {
        let mut set_size = 21;
        if count > 5 {
            // Python's `4 ** ceil(log(3 count, 4))`: the smallest power of four that is not below 3 count.
            let mut power = 1;
            while power < 3 * count {
                power *= 4;
            }
            set_size += power;
        }
        if len <= set_size {
            self.sample_from_pool(len, count)
        } else {
            self.sample_by_set(len, count)
        }
    }

    /// `random.choices(range(len), k=count)`: indices that may repeat; `len` at least 1.
    pub(super) fn choices(&mut self, len: usize, count: usize) -> Vec<usize> {
        (0..count)
            .map(|_| (self.fraction() * len as f64) as usize)
            .collect()
    }

    /// `random.random()`: 53 random bits over 2^53, in `[0, 1)`.
    fn fraction(&mut self) -> f64 {
        let high = f64::from(self.next_u32() >> 5);
        let low = f64::from(self.next_u32() >> 6);
        high.mul_add(67_108_864.0, low) / 9_007_199_254_740_992.0
    }

    fn sample_from_pool(&mut self, len: usize, count: usize) -> Vec<usize> {
        let mut pool: Vec<usize> = (0..len).collect();
        (0..count)
            .map(|drawn| {
                let index = self.below(len - drawn);
                let chosen = pool[index];
                pool[index] = pool[len - drawn - 1];
                chosen
            })
            .collect()
    }

    fn sample_by_set(&mut self, len: usize, count: usize) -> Vec<usize> {
        let mut chosen: Vec<usize> = Vec::with_capacity(count);
        while chosen.len() < count {
            let index = self.below(len);
            if !chosen.contains(&index) {
                chosen.push(index);
            }
        }
        chosen
    }

    /// Python's `_randbelow`: as many bits as the bound has, drawn again until they are below it.
    fn below(&mut self, bound: usize) -> usize {
        let num_bits = usize::BITS - bound.leading_zeros();
        if num_bits == 0 {
            return 0;
        }
        loop {
            let bits = (self.next_u32() >> (32 - num_bits.min(32))) as usize;
            if bits < bound {
                return bits;
            }
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.index >= SIZE {
            self.twist();
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C_5680;
        y ^= (y << 15) & 0xEFC6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..SIZE {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % SIZE] & 0x7FFF_FFFF);
            let odd = if y & 1 == 0 { 0 } else { 0x9908_B0DF };
            self.state[i] = self.state[(i + SHIFT) % SIZE] ^ (y >> 1) ^ odd;
        }
        self.index = 0;
    }
}

/// The generator's own `init_by_array`.
fn seeded_by_array(key: &[u32]) -> [u32; SIZE] {
    let mut state = [0_u32; SIZE];
    state[0] = 19_650_218;
    for i in 1..SIZE {
        state[i] = 1_812_433_253_u32
            .wrapping_mul(state[i - 1] ^ (state[i - 1] >> 30))
            .wrapping_add(i as u32);
    }
    let (mut i, mut j) = (1, 0);
    for _ in 0..SIZE.max(key.len()) {
        let mixed = (state[i - 1] ^ (state[i - 1] >> 30)).wrapping_mul(1_664_525);
        state[i] = (state[i] ^ mixed)
            .wrapping_add(key[j])
            .wrapping_add(j as u32);
        (i, j) = (i + 1, (j + 1) % key.len());
        if i >= SIZE {
            state[0] = state[SIZE - 1];
            i = 1;
        }
    }
    for _ in 1..SIZE {
        let mixed = (state[i - 1] ^ (state[i - 1] >> 30)).wrapping_mul(1_566_083_941);
        state[i] = (state[i] ^ mixed).wrapping_sub(i as u32);
        i += 1;
        if i >= SIZE {
            state[0] = state[SIZE - 1];
            i = 1;
        }
    }
    state[0] = 0x8000_0000;
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_those_of_python() {
        // random.Random(1).choices(range(7), k=10), and random.Random(2).random()
        assert_eq!(
            PythonRandom::new(1).choices(7, 10),
            [0, 5, 5, 1, 3, 3, 4, 5, 0, 0]
        );
        let difference = PythonRandom::new(2).fraction() - 0.956_034_271_889_249_4;
        assert!(difference.abs() < f64::EPSILON, "{difference}");
    }

    #[test]
    fn samples_are_those_of_python() {
        // for seed, n, k in ...: random.Random(seed).sample(range(n), k)
        assert_eq!(
            PythonRandom::new(1).sample(20, 16),
            [4, 18, 2, 8, 3, 7, 12, 14, 13, 10, 6, 15, 1, 16, 0, 9]
        );
        assert_eq!(PythonRandom::new(2).sample(20, 4), [1, 2, 18, 11]);
        assert_eq!(
            PythonRandom::new(1).sample(1000, 5),
            [137, 582, 867, 821, 782]
        );
        assert_eq!(
            PythonRandom::new(3).sample(500, 16),
            [
                121, 303, 278, 66, 189, 468, 309, 242, 320, 297, 33, 310, 6, 465, 428, 240
            ]
        );
        assert_eq!(
            PythonRandom::new(1_099_511_627_783).sample(50, 8),
            [39, 47, 40, 36, 45, 30, 16, 49]
        );
        let mut random = PythonRandom::new(1);
        random.sample(20, 16);
        assert_eq!(
            random.sample(20, 16),
            [13, 0, 14, 8, 7, 9, 1, 5, 18, 11, 10, 16, 17, 3, 12, 19],
            "the stream goes on"
        );
    }
}
