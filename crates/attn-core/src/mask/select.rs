//! Batch rows in a new order, as a beam search leaves them.

use super::Mask;
use super::explicit::Explicit;
use super::kind::Kind;
use super::lengths::{LeftPadding, Padding};

impl Mask {
    /// The mask of a batch whose row `r` was row `rows[r]`; rows may repeat or vanish.
    ///
    /// What holds for every row goes on to do so, for any number of them.
    ///
    /// ```
    /// # use attn_core::Mask;
    /// let mask = Mask::causal() & Mask::padding([3, 5, 4]);
    /// assert_eq!(mask.select_rows(&[2, 2]), Mask::causal() & Mask::padding([4, 4]));
    /// ```
    ///
    /// # Panics
    /// If a row is not one of those that the mask has entries for.
    #[track_caller]
    pub fn select_rows(&self, rows: &[usize]) -> Mask {
        Mask(match &self.0 {
            Kind::Padding(Padding(lengths)) => Kind::Padding(Padding(pick(lengths, rows))),
            Kind::LeftPadding(LeftPadding(pads)) => {
                Kind::LeftPadding(LeftPadding(pick(pads, rows)))
            }
            Kind::Documents(documents) => {
                Kind::Documents(documents.select(|lists| pick(lists, rows)))
            }
            Kind::Global(global) => Kind::Global(global.select(|lists| pick(lists, rows))),
            Kind::Explicit(explicit) => Kind::Explicit(pick_matrices(explicit, rows)),
            Kind::Not(mask) => Kind::Not(Box::new(mask.select_rows(rows))),
            Kind::And(masks) => Kind::And(masks.map(|mask| mask.select_rows(rows))),
            Kind::Or(masks) => Kind::Or(masks.map(|mask| mask.select_rows(rows))),
            every_row => every_row.clone(),
        })
    }
}

#[track_caller]
fn pick<T: Clone>(list: &[T], rows: &[usize]) -> Vec<T> {
    if list.len() == 1 {
        return list.to_vec();
    }
    assert_rows(list.len(), rows);
    rows.iter().map(|&row| list[row].clone()).collect()
}

#[track_caller]
fn pick_matrices(explicit: &Explicit, rows: &[usize]) -> Explicit {
    if explicit.batch() == 1 {
        return explicit.clone();
    }
    assert_rows(explicit.batch(), rows);
    explicit.select(rows)
}

#[track_caller]
fn assert_rows(batch: usize, rows: &[usize]) {
    if let Some(row) = rows.iter().find(|&&row| row >= batch) {
        panic!("row {row} is selected of a mask for {batch} batch rows");
    }
}
