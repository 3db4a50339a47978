//! Masks, the entry points of attention and the scores, each against its definition.

mod attend;
mod mask;
mod score_equations;
