//! Normal numbers and directions that are a function of a seed, the same on each backend.

use crate::random::{box_muller, combine};

/// Number `index` of the standard normal stream of `seed`.
pub(super) fn normal(seed: u64, index: u64) -> f64 {
    let uniform = |which| {
        let bits = combine(combine(seed, index), which) >> 11;
        // In (0, 1]: the logarithm of 0 is not a number to go on with.
        (bits as f64 + 1.0) * (0.5_f64).powi(53)
    };
    box_muller(uniform(0), uniform(1))
}

/// `rows` normal vectors of `width`, row-major.
pub(super) fn normal_rows(seed: u64, rows: usize, width: usize) -> Vec<f64> {
    (0..(rows * width) as u64).map(|index| normal(seed, index)).collect()
}

/// As [`normal_rows`], but each block of `width` rows orthogonal: each row by itself is still
/// normal, as its length is that of another normal vector (Yu et al. 2016).
pub(super) fn orthogonal_rows(seed: u64, rows: usize, width: usize) -> Vec<f64> {
    let mut data = normal_rows(combine(seed, 0), rows, width);
    let lengths = normal_rows(combine(seed, 1), rows, width);
    for block in data.chunks_mut(width * width) {
        for i in 0..block.len() / width {
            let (before, rest) = block.split_at_mut(i * width);
            let row = &mut rest[..width];
            // Twice, because the first time leaves rounding errors where rows were nearly parallel.
            for other in before.chunks(width).chain(before.chunks(width)) {
                let along = dot(row, other);
                row.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
            let length = dot(row, row).sqrt();
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
    for (row, other) in data.chunks_mut(width).zip(lengths.chunks(width)) {
        let length = dot(other, other).sqrt();
        row.iter_mut().for_each(|x| *x *= length);
    }
    data
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_have_the_moments_of_the_normal_distribution() {
        let count = 20_000;
        let mean = |power| (0..count).map(|n| normal(7, n).powi(power)).sum::<f64>() / count as f64;
        // Standard errors 1, √2, √15 and √96 by √count = 141; five of them.
        assert!(mean(1).abs() < 0.036, "{}", mean(1));
        assert!((mean(2) - 1.0).abs() < 0.05, "{}", mean(2));
        assert!(mean(3).abs() < 0.14, "{}", mean(3));
        assert!((mean(4) - 3.0).abs() < 0.35, "{}", mean(4));
    }

    #[test]
    fn rows_of_a_block_are_orthogonal() {
        let (rows, width) = (13, 5);
        let data = orthogonal_rows(3, rows, width);
        let row = |i: usize| &data[i * width..][..width];
        for i in 0..rows {
            for j in (0..i).filter(|j| j / width == i / width) {
                assert!(dot(row(i), row(j)).abs() < 1e-12, "{i} {j}");
            }
            assert!(dot(row(i), row(i)) > 0.01);
        }
    }
}
