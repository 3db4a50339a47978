//! Masks by distance: causal and sliding window.

use super::AttentionShape;
use super::pattern::Runs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// `j <= p`.
pub(super) struct Causal;

impl Causal {
    const WINDOW: Window = Window { left: None, right: Some(0) };
}

impl Runs for Causal {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        Runs::dims(&Self::WINDOW, shape)
    }

    fn run(&self, shape: &AttentionShape, b: usize, i: usize) -> Range<usize> {
        Self::WINDOW.run(shape, b, i)
    }
}

impl fmt::Display for Causal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("causal")
    }
}

/// `p - left <= j <= p + right`; no bound where there is none.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    pub(super) left: Option<usize>,
    pub(super) right: Option<usize>,
}

impl Runs for Window {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [1, 1, shape.queries, shape.keys]
    }

    fn run(&self, shape: &AttentionShape, _b: usize, i: usize) -> Range<usize> {
        let p = shape.position(i);
        let key = |position: isize| position.clamp(0, shape.keys as isize) as usize;
        let start = self.left.map_or(0, |left| key(p.saturating_sub_unsigned(left)));
        let end = self
            .right
            .map_or(shape.keys, |right| key(p.saturating_add_unsigned(right).saturating_add(1)));
        start..end
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.left, self.right) {
            (None, None) => f.write_str("window()"),
            (Some(left), None) => write!(f, "window(left {left})"),
            (None, Some(right)) => write!(f, "window(right {right})"),
            (Some(left), Some(right)) => write!(f, "window(left {left}, right {right})"),
        }
    }
}
