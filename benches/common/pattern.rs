//! Bytes that an echo can be checked against: each connection sends its own stretch of one long, aperiodic block, so a
//! byte lost, doubled, reordered or sent to the wrong connection does not go unnoticed, and neither sending nor checking
//! copies anything.

/// A prime, so that message sizes never line up with it.
const PERIOD: usize = 65_521;
/// Distance between the stretches of two connections, also prime.
const STRIDE: u64 = 1_009;
/// No slice is longer.
const LONGEST: usize = 64 * 1024;

/// The block, followed by its own beginning, so that every slice is contiguous.
pub(crate) struct Pattern(Vec<u8>);

impl Pattern {
    pub(crate) fn new() -> Pattern {
        let mut state = 0x2545_F491_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1]
        };
        let mut bytes: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        bytes.extend_from_within(..LONGEST.min(PERIOD));
        bytes.extend_from_within(..LONGEST.saturating_sub(PERIOD));
        Pattern(bytes)
    }

    /// The bytes that connection `connection` sends from stream offset `offset` on, at most `length` of them.
    pub(crate) fn slice(&self, connection: usize, offset: u64, length: usize) -> &[u8] {
        let from = (offset + connection as u64 * STRIDE) % PERIOD as u64;
        let from = usize::try_from(from).expect("less than the period");
        &self.0[from..][..length.min(LONGEST)]
    }
}
