//! Combinations of masks: `&` sees what both see, `|` what either sees, `!` what the mask hides.

use super::Mask;
use super::error::MaskError;
use super::kind::Kind;
use serde::{Deserialize, Serialize};
use std::ops::{BitAnd, BitOr, Not};

/// What a combination combines: two masks or more, flat and without repetition as far as operators
/// built it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Mask>", into = "Vec<Mask>")]
pub(super) struct Operands(Vec<Mask>);

impl Operands {
    pub(super) fn as_slice(&self) -> &[Mask] {
        &self.0
    }

    pub(super) fn map(&self, change: impl Fn(&Mask) -> Mask) -> Self {
        Self(self.0.iter().map(change).collect())
    }
}

impl TryFrom<Vec<Mask>> for Operands {
    type Error = MaskError;

    fn try_from(masks: Vec<Mask>) -> Result<Self, MaskError> {
        let found = masks.len();
        if found < 2 { Err(MaskError::Operands { found }) } else { Ok(Self(masks)) }
    }
}

impl From<Operands> for Vec<Mask> {
    fn from(operands: Operands) -> Self {
        operands.0
    }
}

/// `left` and the masks of `right` that are not among them, `m & m` being `m`; as a combination if
/// there is more than one.
fn join(mut left: Vec<Mask>, right: Vec<Mask>, combine: fn(Operands) -> Kind) -> Mask {
    for mask in right {
        if !left.contains(&mask) {
            left.push(mask);
        }
    }
    match left.pop() {
        Some(only) if left.is_empty() => only,
        last => {
            left.extend(last);
            Mask(combine(Operands(left)))
        }
    }
}

impl BitAnd for Mask {
    type Output = Mask;

    /// A query sees what both masks let it see.
    fn bitand(self, other: Mask) -> Mask {
        let operands = |mask: Mask| match mask.0 {
            Kind::And(masks) => masks.0,
            kind => vec![Mask(kind)],
        };
        match (self.0, other.0) {
            (Kind::Open, kind) | (kind, Kind::Open) => Mask(kind),
            (Kind::Nothing, _) | (_, Kind::Nothing) => Mask::nothing(),
            (left, right) => join(operands(Mask(left)), operands(Mask(right)), Kind::And),
        }
    }
}

impl BitOr for Mask {
    type Output = Mask;

    /// A query sees what either mask lets it see.
    fn bitor(self, other: Mask) -> Mask {
        let operands = |mask: Mask| match mask.0 {
            Kind::Or(masks) => masks.0,
            kind => vec![Mask(kind)],
        };
        match (self.0, other.0) {
            (Kind::Nothing, kind) | (kind, Kind::Nothing) => Mask(kind),
            (Kind::Open, _) | (_, Kind::Open) => Mask::open(),
            (left, right) => join(operands(Mask(left)), operands(Mask(right)), Kind::Or),
        }
    }
}

impl Not for Mask {
    type Output = Mask;

    /// A query sees what the mask hides from it.
    fn not(self) -> Mask {
        match self.0 {
            Kind::Open => Mask::nothing(),
            Kind::Nothing => Mask::open(),
            Kind::Not(mask) => *mask,
            kind => Mask(Kind::Not(Box::new(Mask(kind)))),
        }
    }
}

impl Not for &Mask {
    type Output = Mask;

    fn not(self) -> Mask {
        !self.clone()
    }
}

/// The operator on references, as on values.
macro_rules! by_reference {
    ($operator:ident, $method:ident) => {
        impl $operator<&Mask> for Mask {
            type Output = Mask;

            fn $method(self, other: &Mask) -> Mask {
                self.$method(other.clone())
            }
        }

        impl $operator<Mask> for &Mask {
            type Output = Mask;

            fn $method(self, other: Mask) -> Mask {
                self.clone().$method(other)
            }
        }

        impl $operator<&Mask> for &Mask {
            type Output = Mask;

            fn $method(self, other: &Mask) -> Mask {
                self.clone().$method(other.clone())
            }
        }
    };
}

by_reference!(BitAnd, bitand);
by_reference!(BitOr, bitor);
