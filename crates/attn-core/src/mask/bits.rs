//! Sixty-four keys of a row as the bits of a number: bit `k` is key `first + k`.

use std::ops::Range;

/// The `n` lowest bits, all 64 if there are no more.
pub(super) fn ones(n: usize) -> u64 {
    if n < 64 { (1 << n) - 1 } else { u64::MAX }
}

/// The keys of a run.
pub(super) fn of_run(run: Range<usize>, first: usize) -> u64 {
    let [start, end] = [run.start, run.end].map(|key| ones(key.saturating_sub(first)));
    end & !start
}

/// The first 64 cells of a row, or as many as there are.
pub(super) fn of_cells(cells: &[bool]) -> u64 {
    let eight = |cells: &[bool]| {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(cells).for_each(|(byte, &visible)| *byte = u8::from(visible));
        // The factor has a bit at each multiple of 7 from 7 to 56. It moves byte `i` from bit `8i` to
        // `8i + 7m`, which is `56 + i` for `m = 8 - i`; no two byte and bit meet in one place, so
        // that nothing is carried.
        u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    let chunks = cells.chunks(8).take(8);
    chunks.enumerate().fold(0, |bits, (index, cells)| bits | eight(cells) << (8 * index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_at_both_ends() {
        assert_eq!(of_run(2..5, 0), 0b11100);
        assert_eq!(of_run(2..5, 3), 0b11);
        assert_eq!(of_run(2..5, 5), 0);
        assert_eq!(of_run(0..usize::MAX, 7), u64::MAX);
        assert_eq!(of_run(70..71, 7), 1 << 63);
        assert_eq!(of_run(71..90, 7), 0);
    }

    #[test]
    fn cells_are_in_order() {
        for len in [0, 1, 7, 8, 9, 63, 64, 65, 100] {
            let cells: Vec<bool> = (0..len).map(|k| k * k % 7 < 3).collect();
            let by_one = cells.iter().take(64).enumerate();
            let expected = by_one.fold(0, |bits, (k, &cell)| bits | u64::from(cell) << k);
            assert_eq!(of_cells(&cells), expected, "{len} cells");
        }
        assert_eq!(of_cells(&[true; 64]), u64::MAX);
    }
}
