//! What a Transformer is made of beside attention: the kernels, which are of f32, against the same
//! operations on tensors of f64, which burn's own operations compute.

mod activation;
mod additive;
mod against_f64;
mod cross_entropy;
mod embedding;
mod linear;
mod linear_cross_entropy;
mod norm;
mod optimizer;
mod recurrent;
mod rotary;
mod threads;
