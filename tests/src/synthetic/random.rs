//! Numbers that look random and are the same in every run: what made-up clusters are drawn with.

/// SplitMix64 (Steele, Lea and Flood 2014), begun with a seed.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where that is 0. The bias is below bound / 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        self.any().checked_rem(bound as u64).unwrap_or(0) as usize
    }

    /// True once in `times`, on average.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of `things`; `None` where there is none.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.below(things.len()))
    }

    /// Most often 1, seldom many, never more than `bound`: how many others a workload has to do with.
    pub fn heavy_tailed(&mut self, bound: usize) -> usize {
        let exponent = (self.below(1 << 16).max(1)).leading_zeros() as usize - 48;
        (1 + self.below(1 << exponent.min(7))).min(bound)
    }

    /// Puts things in another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}
