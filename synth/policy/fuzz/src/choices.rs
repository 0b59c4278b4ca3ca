//! Decisions taken from bytes. For the target that builds policies and pods of them.

/// Bytes that are used up by choosing. When none are left every choice is the first, so that what is built comes to an end.
pub(crate) struct Choices<'d> {
    bytes: std::slice::Iter<'d, u8>,
}

impl<'d> Choices<'d> {
    pub(crate) fn new(data: &'d [u8]) -> Self {
        Self { bytes: data.iter() }
    }

    fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }

    /// One of the options; the type's default where there are none.
    pub(crate) fn pick<T: Copy + Default>(&mut self, options: &[T]) -> T {
        let index = usize::from(self.byte()).checked_rem(options.len()).unwrap_or(0);
        options.get(index).copied().unwrap_or_default()
    }

    /// True for one byte in `among`; never without bytes.
    pub(crate) fn one_in(&mut self, among: u8) -> bool {
        self.byte().checked_rem(among) == Some(among.saturating_sub(1))
    }

    /// A list of at most `most` items.
    pub(crate) fn list<T>(&mut self, most: usize, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = usize::from(self.byte()).checked_rem(most + 1).unwrap_or(0);
        (0..length).map(|_| item(self)).collect()
    }
}
