//! The private modes that are followed, and sets of them.

/// Private modes that say what is shown and how: an emulator of a screen has them, too.
pub(super) const SHOWN: [u16; 4] = [1, 6, 7, 25];
/// Private modes besides: reverse video, kinds and codings of mouse reports, focus reports,
/// pastes, reports of the colour scheme.
pub(super) const REPORTED: [u16; 13] = [
    5, 9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2031,
];
/// Private modes that are taken back and not set again: output that is held back, columns counted
/// in another way, and reports of the size, of which there is one as soon as the mode is set.
const FLEETING: [u16; 3] = [2026, 2027, 2048];
/// Those that are set on every terminal to begin with.
pub(super) const ON_AT_FIRST: [u16; 2] = [7, 25];

/// A set of private modes, each by its place in the lists above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(u32);

impl Set {
    pub(super) fn all() -> impl Iterator<Item = (u16, Self)> {
        let modes = SHOWN.into_iter().chain(REPORTED).chain(FLEETING);
        modes.zip(0u8..).map(|(mode, at)| (mode, Self(1 << at)))
    }

    pub(super) fn of(mode: u16) -> Option<Self> {
        Self::all().find(|(it, _)| *it == mode).map(|(_, set)| set)
    }

    pub(super) fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    pub(super) fn with(self, one: Self, is: bool) -> Self {
        Self(if is { self.0 | one.0 } else { self.0 & !one.0 })
    }

    pub(super) fn modes(self) -> impl Iterator<Item = u16> {
        let those = Self::all().filter(move |(_, one)| self.has(*one));
        those.map(|(mode, _)| mode)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
