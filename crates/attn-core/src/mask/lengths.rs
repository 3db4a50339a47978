//! Masks by the number of real keys in each batch row: padding on the right or on the left.

use super::AttentionShape;
use super::art::List;
use super::pattern::{Runs, check_entries, entry, fixed};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// `j < lengths[b]`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Padding(pub(super) Vec<usize>);

impl Runs for Padding {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [self.0.len(), 1, 1, shape.keys]
    }

    fn check(&self, shape: &AttentionShape) -> Result<(), String> {
        check_entries("padding", self.0.len(), shape)
    }

    fn own_sizes(&self) -> [Option<usize>; 4] {
        [fixed(self.0.len()), None, None, None]
    }

    fn run(&self, shape: &AttentionShape, b: usize, _i: usize) -> Range<usize> {
        0..shape.keys.min(*entry(&self.0, b))
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "padding({})", List(&self.0))
    }
}

/// `j >= pads[b]`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LeftPadding(pub(super) Vec<usize>);

impl Runs for LeftPadding {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [self.0.len(), 1, 1, shape.keys]
    }

    fn check(&self, shape: &AttentionShape) -> Result<(), String> {
        check_entries("left padding", self.0.len(), shape)
    }

    fn own_sizes(&self) -> [Option<usize>; 4] {
        [fixed(self.0.len()), None, None, None]
    }

    fn run(&self, shape: &AttentionShape, b: usize, _i: usize) -> Range<usize> {
        shape.keys.min(*entry(&self.0, b))..shape.keys
    }
}

impl fmt::Display for LeftPadding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left_padding({})", List(&self.0))
    }
}
